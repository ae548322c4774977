"""Taking an incident report along. That it was taken, and of what, stands in the ledger."""

from collections.abc import Callable
from datetime import UTC, datetime

from dashboard.auth import current_actor
from dashboard.incident_report import ReportAbout, report_html
from dashboard.moment import at_moment, chosen_moment
from dashboard.periods import Period
from dashboard.queries.incident import incident
from lakehouse.ledger import recorded
from settings import get_settings


def export_report(endpoint: str, period: Period, zone: str) -> Callable[[], bytes]:
    """A function that gives the report of a period as one HTML file (UTF-8) and records that it was taken.

    Everything is read when the function is called, as of the moment that the page shows. Who takes it, and that moment,
    are known to the page's thread only, so they are asked for here.
    Raises: NotAllowed.
    """
    actor = current_actor()
    actor.require("export")
    settings, moment = get_settings(), chosen_moment()

    def exported() -> bytes:
        with at_moment(moment):
            found = incident(endpoint, period)
        evidence = {
            "what": "incident report",
            "from": found.start.isoformat(),
            "to": found.asked_end.isoformat(),
            "as_of": None if moment is None else moment.isoformat(),
            "table_versions": {read.name: read.version for read in found.tables},
        }
        with recorded(
            settings, action="export", target=endpoint, actor=actor.name, role=actor.role, evidence=evidence
        ) as noted:
            text = report_html(found, ReportAbout(actor.name, actor.role, datetime.now(UTC), zone)).encode()
            noted["bytes"] = len(text)
            return text

    return exported
