"""Taking an incident report along. That it was taken, and of what, stands in the ledger."""

from collections.abc import Callable
from datetime import UTC, datetime

from dashboard.auth import current_actor
from dashboard.incident_report import ReportAbout, report_html
from dashboard.queries.incident import Incident
from lakehouse.ledger import recorded
from settings import get_settings


def export_report(incident: Incident, zone: str) -> Callable[[], bytes]:
    """A function that gives the report of an incident as one HTML file (UTF-8) and records that it was taken.

    Who takes it is known to the page's thread only, so the role is asked for here.
    Raises: NotAllowed.
    """
    actor = current_actor()
    actor.require("export")
    settings = get_settings()
    evidence = {
        "what": "incident report",
        "from": incident.start.isoformat(),
        "to": incident.asked_end.isoformat(),
        "as_of": None if incident.as_of is None else incident.as_of.isoformat(),
        "table_versions": {read.name: read.version for read in incident.tables},
    }

    def exported() -> bytes:
        with recorded(
            settings, action="export", target=incident.endpoint, actor=actor.name, role=actor.role, evidence=evidence
        ) as found:
            text = report_html(incident, ReportAbout(actor.name, actor.role, datetime.now(UTC), zone)).encode()
            found["bytes"] = len(text)
            return text

    return exported
