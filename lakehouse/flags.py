"""Decisions about flagged requests: who confirmed or dismissed a flag, when, and as what.

The table is append-only. Of several decisions about a request the last holds; two people who decide at once are both
kept, and nobody waits for anybody.
"""

import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.appends import append
from lakehouse.errors import LakehouseError
from lakehouse.flags_table import FLAGS
from lakehouse.store import open_to_read, read_rows
from settings import Settings

Decided = Literal["confirmed", "dismissed", "open"]
DECISIONS: tuple[Decided, ...] = get_args(Decided)
"""What can be decided; `open` takes an earlier decision back."""

LABELS = ("harassment", "hate", "self-harm", "sexual", "violence", "profanity", "false alarm", "other")
"""What a flag can be called."""

LONGEST_REMARK = 1_000
"""Characters of a remark that are kept."""


@dataclass(frozen=True)
class FlaggedRequest:
    """A request that is decided about, with what flagged it: its toxicities (0 to 1), by whom, and from where on."""

    databricks_request_id: str
    request_date: date | None
    endpoint_name: str
    entity_name: str
    entity_version: str
    prompt_toxicity: float | None
    response_toxicity: float | None
    toxicity_scorer: str
    threshold: float


@dataclass(frozen=True)
class FlagDecision:
    """One decision about one request. `time` is UTC."""

    decision_id: str
    databricks_request_id: str
    time: datetime
    decision: str
    label: str
    remark: str
    actor: str
    role: str


def record_decisions(
    settings: Settings,
    flagged: Sequence[FlaggedRequest],
    decision: Decided,
    *,
    label: str = "",
    remark: str = "",
    actor: str,
    role: str,
) -> dict[str, FlagDecision]:
    """Write one decision about each of these requests, all in one commit.

    A decision is later than every one that stood when it was made, whatever the clocks of the machines say.
    Returns: the decisions that held until now, by request id.
    Raises: LakehouseError, also for an unknown decision or label.
    """
    if decision not in DECISIONS:
        raise LakehouseError(f"A flag cannot be {decision!r}; it is one of {', '.join(DECISIONS)}.")
    if label and label not in LABELS:
        raise LakehouseError(f"There is no label {label!r}; the labels are {', '.join(LABELS)}.")
    before = last_decisions(settings, [one.databricks_request_id for one in flagged])
    newest = max((one.time for one in before.values()), default=None)
    now = datetime.now(UTC)
    time = now if newest is None else max(now, newest + timedelta(microseconds=1))
    rows: list[dict[str, Any]] = [
        {
            **asdict(one),
            "decision_id": uuid.uuid4().hex,
            "time": time,
            "decision": decision,
            "label": label,
            "remark": remark.strip()[:LONGEST_REMARK],
            "actor": actor,
            "role": role,
        }
        for one in flagged
    ]
    if rows:
        append(settings, FLAGS.name, rows)
    return before


def last_decisions(settings: Settings, request_ids: Sequence[str]) -> dict[str, FlagDecision]:
    """The decision that holds for each of these requests, by request id; those nobody decided about are left out.

    Raises: LakehouseError.
    """
    found: dict[str, FlagDecision] = {}
    for one in sorted(_decisions(settings, request_ids), key=lambda one: (one.time, one.decision_id)):
        found[one.databricks_request_id] = one
    return found


def _decisions(settings: Settings, request_ids: Sequence[str]) -> list[FlagDecision]:
    wanted = pc.field("databricks_request_id").isin(pa.array(sorted(set(request_ids)), pa.string()))
    rows = read_rows(open_to_read(settings, FLAGS.name), list(FlagDecision.__annotations__), where=wanted)
    texts = [name for name in rows.column_names if name != "time"]
    return [
        FlagDecision(time=row["time"], **{name: str(row[name] or "") for name in texts})
        for row in rows.to_pylist()
        if row["time"] is not None
    ]
