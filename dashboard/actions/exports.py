"""Taking single requests along: their numbers and who asked, never their words. Each export stands in the ledger."""

from collections.abc import Callable
from typing import Literal

from dashboard.auth import current_actor
from dashboard.downloads import as_csv, as_parquet
from dashboard.queries.request_filters import RequestFilter
from dashboard.queries.requests import request_rows, snapshots
from lakehouse.ledger import recorded
from lakehouse.tables import TABLES
from settings import get_settings

MOST_ROWS = 100_000
"""Requests in one export, at most; the newest of them."""
EXPORTED = tuple(name for name in TABLES["request_metrics"].schema.names if name not in ("toxicity_labels", "unscored"))
"""The columns of an export, in their order. Times are UTC."""


def export_requests(wanted: RequestFilter, form: Literal["csv", "parquet"], text: str = "") -> Callable[[], bytes]:
    """A function that gives the newest requests of `wanted` as a file and records that they were taken.

    text: what was searched for in people's words, where `wanted` holds what was found; it is recorded as its length.
    Who takes them, and the moment that they look back at, are known to the page's thread only, so both are asked here.
    Raises: NotAllowed, QueryFailed, LakehouseError.
    """
    actor = current_actor()
    actor.require("export")
    settings, of = get_settings(), snapshots()
    evidence = {
        "format": form,
        "from": wanted.start.isoformat(),
        "to": wanted.end.isoformat(),
        "endpoint": wanted.endpoint,
        "versions": list(wanted.versions),
        "requesters": list(wanted.requesters),
        "statuses": list(wanted.statuses),
        "request_ids": len(wanted.request_ids),
        "score": wanted.score,
        "at_least": wanted.at_least,
        "below": wanted.below,
        "searched_characters": len(text),
        "table_version": of[0].version,
    }

    def exported() -> bytes:
        with recorded(
            settings, action="export", target="requests", actor=actor.name, role=actor.role, evidence=evidence
        ) as found:
            rows = request_rows(of, wanted, EXPORTED, MOST_ROWS)
            found["rows"] = len(rows)
            return as_csv(rows) if form == "csv" else as_parquet(rows)

    return exported
