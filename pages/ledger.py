"""Ledger: who changed what, when and why; nothing here can be changed."""

from dashboard import time_range, widgets
from dashboard.panels import ledger as panels
from dashboard.panels import rollback
from dashboard.queries import production
from dashboard.queries.changes import LedgerFilter

widgets.header("Ledger", "Who changed what, when and why. Rows are added and never changed.")

time_range.moment_banner("Changes that were begun later, and how those under way then ended, are left out.")


def timeline() -> None:
    """What was interrupted, where changes lie in time, and each of them."""
    with widgets.guarded("Interrupted changes"):
        rollback.interrupted(production.interrupted_changes())
    if not wanted.change_id:
        with widgets.panel("When", "Every change that fits, by its kind and how it ended."):
            panels.strip(wanted)
    with widgets.panel("Changes", "Newest first. Open one for its evidence."):
        panels.timeline(wanted)


wanted = LedgerFilter()
with widgets.guarded("Filters"):
    wanted = panels.filters()
widgets.refreshing(timeline, seconds=5)
