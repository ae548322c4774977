"""`request_metrics` summed into the rollup tables, every row exactly once.

Each rollup table keeps its own position (application id `rollup:<id of request_metrics>`), so a run that was killed
between two of them goes on where each one stands.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from jobs.crash_points import crash_point
from jobs.partial_sums import COLUMNS_READ, partial_sums
from lakehouse.appends import FINISHED, append_once, position
from lakehouse.change_data import changed_batches, present_batches
from lakehouse.errors import HistoryGone
from lakehouse.store import open_table, table_id
from lakehouse.tables import REQUEST_METRICS
from settings import Settings

if TYPE_CHECKING:
    from deltalake import DeltaTable


@dataclass(frozen=True)
class Rollup:
    """A table of partial sums and the windows that it has."""

    table: str
    window_seconds: int
    by_requester: bool = False


ROLLUPS = (
    Rollup("metrics_minute", 60),
    Rollup("metrics_15min", 900),
    Rollup("metrics_daily_requester", 86_400, by_requester=True),
)
VERSIONS_AT_ONCE = 20
"""Commits of `request_metrics` that are read together; each has at most a chunk's rows, so memory stays bounded."""
ROWS_AT_ONCE = 200_000
"""Rows of a snapshot that one commit of a rollup covers, where days are small enough to be taken together."""


def roll_up(settings: Settings) -> dict[str, int]:
    """Bring every rollup table up to the newest version of `request_metrics`.

    Returns: rows of `request_metrics` that each rollup table took in; 0 where it was up to date.
    Raises: HistoryGone, if commits that a rollup still needs were cleaned up. CommitConflict, if another run rolls up.
    """
    source = open_table(settings, REQUEST_METRICS.name)
    taken = {}
    for rollup in ROLLUPS:
        taken[rollup.table] = _roll_up_one(settings, source, rollup)
        crash_point(f"roll_up_{rollup.table}")
    return taken


def _roll_up_one(settings: Settings, source: "DeltaTable", rollup: Rollup) -> int:
    target = open_table(settings, rollup.table)
    app_id = f"rollup:{table_id(source)}"
    done = position(target, app_id)
    newest = source.version()
    taken = 0
    if done is None or done[1] != FINISHED:
        taken += _roll_up_snapshot(settings, target, app_id, rollup, done or (newest, -1))
        done = position(target, app_id)
    if done is None:
        return taken
    for first in range(done[0] + 1, newest + 1, VERSIONS_AT_ONCE):
        last = min(first + VERSIONS_AT_ONCE - 1, newest)
        rows = _rows_added(source, target, first, last)
        if rows.num_rows:
            sums = partial_sums(rows, rollup.window_seconds, rollup.by_requester)
            append_once(target, sums, app_id=app_id, source_version=last)
        taken += rows.num_rows
    return taken


def _rows_added(source: "DeltaTable", target: "DeltaTable", first: int, last: int) -> pa.Table:
    """The rows that versions `first` to `last` added. A compaction adds none."""
    try:
        batches = [
            batch.select(list(COLUMNS_READ))
            for version in range(first, last + 1)
            for batch in changed_batches(source, version, COLUMNS_READ)
        ]
    except HistoryGone as error:
        raise HistoryGone(
            f"The rollups in {target.table_uri} are behind what is left of {source.table_uri}'s history; delete that "
            "folder, and the next run builds it from the present rows."
        ) from error
    return pa.concat_tables(batches) if batches else REQUEST_METRICS.schema.empty_table()


def _roll_up_snapshot(
    settings: Settings, target: "DeltaTable", app_id: str, rollup: Rollup, start: tuple[int, int]
) -> int:
    """The first time: sum the snapshot at version `start[0]`, days at a time, from day number `start[1]` + 1 on.

    The history of a table is not kept for ever, its snapshot is; a rollup table that is new starts from there.
    """
    version, done = start
    if version == 0:
        return 0
    source = open_table(settings, REQUEST_METRICS.name)
    source.load_as_version(version)
    days = _rows_by_day(source)
    taken = 0
    for number, group in _groups_of_days(days, done + 1):
        sums = [
            partial_sums(rows, rollup.window_seconds, rollup.by_requester) for rows in _snapshot_batches(source, group)
        ]
        rows = sum(days[day] for day in group)
        chunk = FINISHED if number == len(days) - 1 else number
        append_once(target, pa.concat_tables(sums), app_id=app_id, source_version=version, chunk=chunk)
        taken += rows
    return taken


def _rows_by_day(source: "DeltaTable") -> dict[str, int]:
    """Rows in each partition of a snapshot, by its `request_date` ('' for none), in order."""
    files = pa.table(source.get_add_actions(flatten=True))
    days: dict[str, int] = {}
    for day, rows in zip(files["partition.request_date"].to_pylist(), files["num_records"].to_pylist(), strict=True):
        key = day.isoformat() if day is not None else ""
        days[key] = days.get(key, 0) + (rows or 0)
    return dict(sorted(days.items()))


def _groups_of_days(days: dict[str, int], start: int) -> Iterator[tuple[int, list[str]]]:
    """(number of the last day, days) of consecutive days that together have about `ROWS_AT_ONCE` rows."""
    group: list[str] = []
    for number, day in enumerate(days):
        if number < start:
            continue
        group.append(day)
        if sum(days[one] for one in group) >= ROWS_AT_ONCE or number == len(days) - 1:
            yield number, group
            group = []


def _snapshot_batches(source: "DeltaTable", days: list[str]) -> Iterator[pa.Table]:
    """All rows of some days (partition values of the log, so no one's text), about `ROWS_AT_ONCE` at a time."""
    dated = ", ".join(f"DATE '{day}'" for day in days if day)
    conditions = [f"request_date IN ({dated})"] if dated else []
    conditions += ["request_date IS NULL"] if "" in days else []
    waiting: list[pa.Table] = []
    for batch in present_batches(source, COLUMNS_READ, " OR ".join(conditions)):
        waiting.append(batch)
        if sum(table.num_rows for table in waiting) >= ROWS_AT_ONCE:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)
