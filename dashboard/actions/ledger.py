"""What people take out of Lakehelm: exports, and a look at masked words. Both stand in the ledger themselves."""

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC

from dashboard.auth import current_actor
from dashboard.queries import changes
from dashboard.queries.changes import LedgerFilter
from dashboard.queries.lake import shown
from lakehouse.ledger import Change, record_done, recorded
from settings import get_settings

EXPORTED = (
    "started_at",
    "action",
    "target",
    "before",
    "after",
    "actor",
    "role",
    "reason",
    "outcome",
    "seconds",
    "change_id",
    "evidence",
)
"""The columns of an export, in their order. Times are ISO 8601 in UTC, evidence is JSON."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def export(wanted: LedgerFilter) -> Callable[[], bytes]:
    """A function that gives the changes of `wanted` as CSV (UTF-8) and records that they were taken.

    Who takes them is known to the page's thread only, so the role is asked for here.
    Raises: NotAllowed, LakehouseError, QueryFailed.
    """
    actor = current_actor()
    actor.require("export")
    settings = get_settings()
    # As the page shows it: the function runs in a thread that knows no visitor.
    ledger = shown("ledger")
    evidence = {
        "actions": wanted.actions,
        "actors": wanted.actors,
        "targets": wanted.targets,
        "since": wanted.since.isoformat() if wanted.since else None,
        "table_version": ledger.version,
    }

    def exported() -> bytes:
        with recorded(
            settings, action="export", target="ledger", actor=actor.name, role=actor.role, evidence=evidence
        ) as found:
            rows = changes.all_changes(wanted, ledger)
            found["rows"] = len(rows)
            return as_csv(rows)

    return exported


def reveal(target: str, what: str) -> None:
    """Write down that somebody looks at people's words that pages mask; only after it they may be shown.

    target: the model version or table that they belong to; what: which words, in a few words of ours.
    Raises: NotAllowed, LakehouseError.
    """
    actor = current_actor()
    actor.require("reveal")
    record_done(
        get_settings(), action="reveal", target=target, actor=actor.name, role=actor.role, evidence={"what": what}
    )


def as_csv(rows: list[Change]) -> bytes:
    """Changes as CSV. A cell that a spreadsheet would take for a formula is led in by an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(EXPORTED)
    for change in rows:
        cells = {
            **{name: getattr(change, name) for name in EXPORTED},
            "started_at": change.started_at.astimezone(UTC).isoformat(),
            "outcome": change.outcome or "running",
            "seconds": "" if change.seconds is None else f"{change.seconds:.3f}",
            "evidence": json.dumps(change.evidence, default=str, ensure_ascii=False, sort_keys=True),
        }
        writer.writerow([_harmless(str(cells[name])) for name in EXPORTED])
    return text.getvalue().encode()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
