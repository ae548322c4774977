"""Runs of jobs and people's wishes that a job runs now.

A run is a row when it starts and a row when it ends, with the same run id; the last row holds. A run whose process
is gone without a last row reads `interrupted`.
"""

import json
import os
import socket
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.appends import append
from lakehouse.errors import LakehouseError
from lakehouse.liveness import process_is_gone
from lakehouse.store import open_to_read, read_rows
from settings import Settings

REQUEST_LIFETIME = timedelta(hours=24)
"""A wish that no scheduler picked up within this time has lapsed: nobody expects it to be granted any more."""

_started_here: dict[str, dict[str, Any]] = {}
"""Runs that this process started and has not ended: their first rows need not be looked for in a day's many files."""


def start_run(settings: Settings, job: str, trigger: str, request_id: str = "", **columns: Any) -> str:
    """Write down that this process begins a run of `job`. Returns the run id.

    `trigger` says why: `schedule`, `command`, `request`. `request_id` is that of the wish it fulfils. `columns` are
    further columns of `job_runs` that are known already.
    """
    run_id = uuid.uuid4().hex
    row = {
        "run_id": run_id,
        "job": job,
        "trigger": trigger,
        "request_id": request_id,
        "process_id": os.getpid(),
        "host": socket.gethostname(),
        "started_at": datetime.now(UTC),
        "state": "running",
    }
    _started_here[run_id] = {**row, **columns}
    append(settings, "job_runs", [_started_here[run_id]])
    return run_id


def finish_run(settings: Settings, run_id: str, state: str, **columns: Any) -> None:
    """Write down how a run ended: `succeeded`, `failed`, `timed_out`, … `columns` are further columns of `job_runs`.

    Another process may say it of a run that it had to end.
    Raises: LakehouseError, if there is no such run. SchemaMismatch for an unknown column.
    """
    started = _started_here.pop(run_id, None)
    if started is None:
        rows = read_rows(open_to_read(settings, "job_runs"), where=pc.field("run_id") == run_id).to_pylist()
        if not rows:
            raise LakehouseError(f"There is no job run {run_id}; start it before it ends.")
        started = min(rows, key=_row_order)
    append(
        settings,
        "job_runs",
        [{**started, "finished_at": datetime.now(UTC), **columns, "run_id": run_id, "state": state}],
    )


def runs(settings: Settings, job: str | None = None, limit: int = 50) -> list[dict[str, Any]]:
    """The last `limit` runs, newest first, one dictionary each with the columns of `job_runs`."""
    rows = read_rows(open_to_read(settings, "job_runs"), where=None if job is None else pc.field("job") == job)
    return runs_in(rows.filter(pc.is_in(rows["run_id"], _newest_run_ids(rows, limit))).to_pylist())


def runs_in(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The runs that rows of `job_runs` tell of, newest first, as `runs` does: the last row of a run holds."""
    last: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=_row_order):
        last[row["run_id"]] = row
    ordered = sorted(last.values(), key=lambda row: row["started_at"], reverse=True)
    return [_with_maps({**row, "state": "interrupted"} if _is_dead(row) else row) for row in ordered]


def request_run(settings: Settings, job: str, arguments: dict[str, Any], requested_by: str) -> str:
    """Ask the scheduler to run `job` now. Returns the request id, which the run will carry in `job_runs`."""
    request_id = uuid.uuid4().hex
    row = {
        "request_id": request_id,
        "job": job,
        "arguments": json.dumps(arguments, sort_keys=True),
        "requested_by": requested_by,
        "requested_at": datetime.now(UTC),
    }
    append(settings, "job_requests", [row])
    return request_id


def pending_requests(settings: Settings) -> list[dict[str, Any]]:
    """Wishes of the last 24 hours that no run carries yet, oldest first.

    `arguments` is a dictionary, or None where the row holds no JSON object: such a wish can only be refused.
    Cheap enough to be asked every second: without a recent wish only the log of one small table is read.
    """
    since = datetime.now(UTC) - REQUEST_LIFETIME
    # A wish without an id could never be told to be fulfilled, and would be fulfilled without end.
    recent = (pc.field("requested_at") >= since) & pc.field("request_id").is_valid()
    wishes = read_rows(open_to_read(settings, "job_requests"), where=recent)
    if wishes.num_rows == 0:
        return []
    ids = pa.array(wishes["request_id"].to_pylist(), pa.string())
    started = read_rows(
        open_to_read(settings, "job_runs"),
        columns=["request_id"],
        where=(pc.field("started_at") >= since) & pc.field("request_id").isin(ids),
    )
    taken = set(started["request_id"].to_pylist())
    rows = [row for row in wishes.to_pylist() if row["request_id"] not in taken]
    rows.sort(key=lambda row: row["requested_at"])
    return [{**row, "arguments": _arguments(row["arguments"])} for row in rows]


def _arguments(text: str | None) -> dict[str, Any] | None:
    try:
        arguments = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return None
    return arguments if isinstance(arguments, dict) else None


def _newest_run_ids(rows: pa.Table, limit: int) -> pa.Array:
    starts = rows.group_by("run_id").aggregate([("started_at", "min")]).sort_by([("started_at_min", "descending")])
    return starts["run_id"].slice(0, limit).combine_chunks()


def _row_order(row: dict[str, Any]) -> tuple[bool, datetime]:
    """A row that ends a run comes after the row that began it, whatever the clocks say."""
    return (row["state"] != "running", row["finished_at"] or row["started_at"])


def _with_maps(row: dict[str, Any]) -> dict[str, Any]:
    """Arrow gives maps as lists of pairs; readers want dictionaries."""
    return {
        **row,
        "unscored_reasons": dict(row["unscored_reasons"] or []),
        "stage_seconds": dict(row["stage_seconds"] or []),
    }


def _is_dead(row: dict[str, Any]) -> bool:
    return bool(row["state"] == "running") and process_is_gone(row["process_id"], row["host"], row["started_at"])
