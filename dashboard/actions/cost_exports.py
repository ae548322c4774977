"""Taking along what people cost: their names are in it, so each export stands in the ledger."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from dashboard.auth import current_actor
from dashboard.downloads import as_csv, as_parquet
from dashboard.periods import Period
from lakehouse.ledger import recorded
from settings import get_settings

if TYPE_CHECKING:
    import pandas as pd


def export_requesters(frame: "pd.DataFrame", endpoint: str, period: Period, form: str) -> Callable[[], bytes]:
    """A function that gives the requesters of a period with their sums as a file and records that they were taken.

    form: csv or parquet. Who takes them is known to the page's thread only, so that is asked here.
    Raises: NotAllowed.
    """
    actor = current_actor()
    actor.require("export")
    settings = get_settings()
    evidence = {
        "format": form,
        "from": period.start.isoformat(),
        "to": period.end.isoformat(),
        "endpoint": endpoint,
        "rows": len(frame),
    }

    def exported() -> bytes:
        with recorded(
            settings, action="export", target="cost of requesters", actor=actor.name, role=actor.role, evidence=evidence
        ):
            return as_csv(frame) if form == "csv" else as_parquet(frame)

    return exported
