"""The rows of `drift_findings`: what a judgement becomes, and how each is written down once."""

import json
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.appends import append_once, from_records
from lakehouse.drift_tables import DRIFT_FINDINGS
from lakehouse.errors import AlreadyCommitted, CommitConflict
from lakehouse.store import batches_of_dates, open_table, open_to_read, read_rows
from settings import Settings

GRANULARITIES = {"5 minutes": 300, "1 hour": 3_600}
"""The granularities that are judged, and their seconds."""

_APP_ID = "judge_drift"
_NAMESPACE = uuid.UUID("5a1c2f6e-7b0d-4a53-9f43-2d4f3c5b8a10")
_TRIES = 5
_KEY = ("granularity", "window_start", "endpoint_name", "slice_key", "slice_value", "column_name")

Finding = dict[str, Any]


def finding_id(finding: Finding) -> str:
    """The id of a finding: the same whenever its window is judged again with the same verdict."""
    words = [str(finding[name]) for name in _KEY]
    return uuid.uuid5(_NAMESPACE, "\x1f".join([*words, "confirmed" if finding["confirmed"] else "seen"])).hex


def earlier_findings(settings: Settings, start: datetime, end: datetime) -> dict[tuple[Any, ...], Finding]:
    """The findings of windows that began in a time, by `key_of`; where there are two, the confirmed one."""
    columns = [*_KEY, "windows_in_a_row", "confirmed", "value", "value_compared"]
    where = (pc.field("window_start") >= start) & (pc.field("window_start") < end)
    rows = read_rows(open_to_read(settings, DRIFT_FINDINGS.name), columns, where).to_pylist()
    return {key_of(row): row for row in sorted(rows, key=lambda row: bool(row["confirmed"]))}


def key_of(finding: Finding) -> tuple[Any, ...]:
    """What a finding is about: granularity, window, endpoint, slice and column."""
    return tuple(finding[name] for name in _KEY)


def write_findings(settings: Settings, findings: Sequence[Finding]) -> int:
    """Append the findings that are not there yet, in one commit. Returns: how many.

    A window that is judged again adds nothing, unless late requests have made sure what was only seen before.
    Raises: CommitConflict, if rivals on other machines write all the time.
    """
    for tries in range(_TRIES):
        table = open_table(settings, DRIFT_FINDINGS.name)
        rows = _unknown(table, findings)
        if not rows:
            return 0
        try:
            append_once(
                table, from_records(rows, DRIFT_FINDINGS.schema), app_id=_APP_ID, source_version=int(table.version())
            )
        except (AlreadyCommitted, CommitConflict):
            # A rival judged the same windows; what it wrote is known at the next look.
            if tries == _TRIES - 1:
                raise
            continue
        return len(rows)
    return 0


def _unknown(table: Any, findings: Iterable[Finding]) -> list[Finding]:
    rows = {finding_id(finding): finding for finding in findings}
    if not rows:
        return []
    starts = [finding["window_start"] for finding in rows.values()]
    span = (pc.field("window_start") >= min(starts)) & (pc.field("window_start") <= max(starts))
    known = read_rows(table, ["finding_id", *_KEY, "confirmed"], span).to_pylist()
    ids = {row["finding_id"] for row in known}
    told = {key_of(row) for row in known if row["confirmed"]}
    judged_at = datetime.now(UTC)
    return [
        {**finding, "finding_id": identity, "judged_at": judged_at, "evidence": json.dumps(finding["evidence"])}
        for identity, finding in rows.items()
        if identity not in ids and (finding["confirmed"] or key_of(finding) not in told)
    ]


def request_ids(table: Any, times: Sequence[int], dates: list[str]) -> dict[int, str]:
    """The ids of requests by their time (microseconds since 1970)."""
    wanted = pa.array(list(times), pa.int64()).cast(pa.timestamp("us", "UTC"))
    where = pc.field("request_time").isin(wanted)
    found: dict[int, str] = {}
    for batch in batches_of_dates(table, ["request_time", "databricks_request_id"], dates, where):
        for time, name in zip(batch.column(0).cast(pa.int64()).to_pylist(), batch.column(1).to_pylist(), strict=True):
            found.setdefault(time, name)
    return found
