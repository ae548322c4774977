"""Who changed what, when and why: an append-only record of every change that a person or a job makes.

An intent row is written before a change and an outcome row after it, with the same change id. A crash in between
leaves an intent without an outcome, which reads `interrupted`: at once where the intent says which process began it and
that process is gone, else after a time.
"""

import json
import time as clock
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Required, TypedDict, Unpack

import pyarrow.compute as pc

from lakehouse.appends import append
from lakehouse.liveness import process_is_gone
from lakehouse.store import open_to_read, read_rows
from settings import Settings

if TYPE_CHECKING:
    import pyarrow.dataset as ds
    from deltalake import DeltaTable

INTERRUPTED_AFTER_SECONDS = 900.0
"""A change without an outcome after this long is taken for interrupted, unless its intent gives it longer."""

GIVES_UP_AFTER = "gives_up_after_seconds"
"""In the evidence of an intent: how long the change may take."""


@dataclass(frozen=True)
class Change:
    """One change. `outcome` is None while it runs, else `succeeded`, `failed`, `interrupted` or the caller's word."""

    change_id: str
    action: str
    target: str
    actor: str
    role: str
    before: str
    after: str
    reason: str
    evidence: dict[str, Any]
    started_at: datetime
    outcome: str | None
    seconds: float | None
    ended_at: datetime | None = None
    """When its outcome was written; None while there is none."""


class Intent(TypedDict, total=False):
    """What is about to be changed: the columns of an intent's row, as they are given.

    `role` is `admin` unless given. `time` (with a time zone) is when it began: now unless given. `evidence` is kept as
    JSON.
    """

    action: Required[str]
    target: Required[str]
    actor: Required[str]
    role: str
    before: str
    after: str
    reason: str
    evidence: dict[str, Any] | None
    time: datetime | None


def record_intent(settings: Settings, **intent: Unpack[Intent]) -> str:
    """Write down what is about to be changed. Returns the change id for `record_outcome`."""
    row = intent_row(**intent)
    append(settings, "ledger", [row])
    return str(row["change_id"])


def intent_row(**intent: Unpack[Intent]) -> dict[str, Any]:
    """The row of an intent with a new change id, for who appends it otherwise."""
    return {
        "change_id": uuid.uuid4().hex,
        "phase": "intent",
        "role": "admin",
        "before": "",
        "after": "",
        "reason": "",
        **intent,
        "time": intent.get("time") or datetime.now(UTC),
        "evidence": _as_json(intent.get("evidence")),
    }


def record_outcome(
    settings: Settings,
    change_id: str,
    *,
    outcome: str,
    evidence: dict[str, Any] | None = None,
    seconds: float | None = None,
    time: datetime | None = None,
    action: str | None = None,
    target: str | None = None,
) -> None:
    """Write down how a change ended: `succeeded`, `failed`, or a word that says more. `seconds` is how long it took.

    `action` and `target` are those of the intent: by them readers find the row without reading the others'.
    """
    row = outcome_row(change_id, outcome, evidence, seconds, time=time, action=action, target=target)
    append(settings, "ledger", [row])


def outcome_row(
    change_id: str,
    outcome: str,
    evidence: dict[str, Any] | None = None,
    seconds: float | None = None,
    *,
    time: datetime | None = None,
    action: str | None = None,
    target: str | None = None,
    after: str | None = None,
) -> dict[str, Any]:
    """The row of an outcome, for who appends several at once. Arguments as of `record_outcome`.

    `after` is what the change has led to, where that was not known before it; it takes the place of the intent's.
    """
    return {
        "change_id": change_id,
        "phase": "outcome",
        "time": time or datetime.now(UTC),
        "action": action,
        "target": target,
        "after": after,
        "evidence": _as_json(evidence),
        "outcome": outcome,
        "seconds": seconds,
    }


def record_done(settings: Settings, **intent: Unpack[Intent]) -> str:
    """Write down something that is done already: intent and outcome `succeeded` in one commit. Returns its id."""
    row = intent_row(**intent)
    outcome = outcome_row(
        row["change_id"], "succeeded", None, 0.0, time=row["time"], action=row["action"], target=row["target"]
    )
    append(settings, "ledger", [row, outcome])
    return str(row["change_id"])


@contextmanager
def recorded(settings: Settings, **intent: Unpack[Intent]) -> Iterator[dict[str, Any]]:
    """Record a change around a `with` block: `succeeded` at its end, `failed` with the error's sentence if it raises.

    Yields a dictionary: what is put into it becomes evidence of the outcome.
    """
    change_id, began = record_intent(settings, **intent), intent.get("time")
    found: dict[str, Any] = {}
    started = clock.monotonic()

    def ended(outcome: str) -> None:
        seconds = clock.monotonic() - started
        record_outcome(
            settings,
            change_id,
            outcome=outcome,
            evidence=found,
            seconds=seconds,
            time=began + timedelta(seconds=seconds) if began else None,
            action=intent["action"],
            target=intent["target"],
        )

    try:
        yield found
    except BaseException as error:  # Also Ctrl-C: whatever ends the change is its outcome, and it is raised again.
        found["error"] = str(error) or type(error).__name__
        ended("failed")
        raise
    ended("succeeded")


def changes(
    settings: Settings,
    limit: int = 50,
    since: datetime | None = None,
    target: str | None = None,
    interrupted_after_seconds: float = INTERRUPTED_AFTER_SECONDS,
) -> list[Change]:
    """The last `limit` changes, newest first. `since` keeps those begun at or after it, `target` those to one thing."""
    table = open_to_read(settings, "ledger")
    where = None if target is None else pc.field("target") == target
    if since is not None:
        recent = pc.field("time") >= since
        where = recent if where is None else where & recent
    return changes_of(table, where, interrupted_after_seconds)[:limit]


def find_change(settings: Settings, change_id: str) -> Change | None:
    """The change with this id, or None."""
    found = changes_of(open_to_read(settings, "ledger"), pc.field("change_id") == change_id)
    return found[0] if found else None


def changes_of(
    table: "DeltaTable",
    where: "ds.Expression | None",
    interrupted_after_seconds: float = INTERRUPTED_AFTER_SECONDS,
) -> list[Change]:
    """The changes in a snapshot of the ledger whose intents fulfil `where`, newest first. Other rows are not read."""
    rows = read_rows(table, where=where).to_pylist()
    ended = {row["change_id"] for row in rows if row["phase"] == "outcome"}
    open_ids = [row["change_id"] for row in rows if row["phase"] == "intent" and row["change_id"] not in ended]
    if where is not None and open_ids:
        # An outcome may have been written without saying of what.
        rest = (pc.field("phase") == "outcome") & pc.field("change_id").isin(open_ids)
        rows += read_rows(table, where=rest).to_pylist()
    return changes_in(rows, interrupted_after_seconds)


def changes_in(
    rows: list[dict[str, Any]], interrupted_after_seconds: float = INTERRUPTED_AFTER_SECONDS
) -> list[Change]:
    """The changes that rows of the ledger tell, newest first. Outcomes without their intent are left out."""
    outcomes: dict[str, dict[str, Any]] = {}
    for row in sorted((r for r in rows if r["phase"] == "outcome"), key=lambda r: r["time"]):
        outcomes[row["change_id"]] = row
    intents = sorted((r for r in rows if r["phase"] == "intent"), key=lambda r: r["time"], reverse=True)
    return [_change(row, outcomes.get(row["change_id"]), interrupted_after_seconds) for row in intents]


def _change(intent: dict[str, Any], outcome: dict[str, Any] | None, overdue_after_seconds: float) -> Change:
    evidence = _from_json(intent["evidence"])
    return Change(
        change_id=intent["change_id"],
        action=intent["action"] or "",
        target=intent["target"] or "",
        actor=intent["actor"] or "",
        role=intent["role"] or "",
        before=intent["before"] or "",
        after=(outcome and outcome["after"]) or intent["after"] or "",
        reason=intent["reason"] or "",
        evidence={**evidence, **_from_json(outcome["evidence"] if outcome else None)},
        started_at=intent["time"],
        outcome=outcome["outcome"] if outcome else _unfinished(intent, evidence, overdue_after_seconds),
        seconds=outcome["seconds"] if outcome else None,
        ended_at=outcome["time"] if outcome else None,
    )


def _unfinished(intent: dict[str, Any], evidence: dict[str, Any], overdue_after_seconds: float) -> str | None:
    """`interrupted`, or None for a change that may still be under way."""
    longest = evidence.get(GIVES_UP_AFTER)
    seconds = longest if isinstance(longest, int | float) else overdue_after_seconds
    if intent["time"] < datetime.now(UTC) - timedelta(seconds=seconds):
        return "interrupted"
    process_id = evidence.get("process_id")
    known = process_id if isinstance(process_id, int) else None
    return "interrupted" if process_is_gone(known, evidence.get("host"), intent["time"]) else None


def _as_json(evidence: dict[str, Any] | None) -> str | None:
    return json.dumps(evidence, default=str, sort_keys=True) if evidence else None


def _from_json(text: str | None) -> dict[str, Any]:
    if not text:
        return {}
    value = json.loads(text)
    return value if isinstance(value, dict) else {"value": value}
