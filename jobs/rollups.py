"""The tables that are made of `request_metrics` and `request_scores`: the rollups, and `notable_requests`.

Every row is taken in exactly once. Each table keeps its own position in each of the two (application id
`rollup:<id of the table>`), so a run that was killed between two of them goes on where each one stands.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from jobs.crash_points import crash_point
from jobs.notable_requests import notable
from jobs.one_at_a_time import one_at_a_time
from jobs.partial_sums import (
    COLUMNS_READ,
    REQUEST_COLUMNS,
    REQUEST_COUNT,
    SCORE_COLUMNS,
    partial_sums,
    partial_sums_of_scores,
)
from lakehouse.appends import FINISHED, append_once, position
from lakehouse.change_data import changed_batches, present_batches
from lakehouse.errors import HistoryGone
from lakehouse.notable_requests import NOTABLE_REQUESTS
from lakehouse.rollup_tables import WINDOW_SECONDS
from lakehouse.store import batches_of_dates, open_table, table_id
from lakehouse.table_spec import TableSpec
from lakehouse.tables import REQUEST_METRICS, REQUEST_SCORES
from settings import Settings

if TYPE_CHECKING:
    from deltalake import DeltaTable


class Derived(Protocol):
    """A table that is made of the rows of the sources, and what the rows of each add to it."""

    @property
    def table(self) -> str: ...
    def of_requests(self, rows: pa.Table) -> pa.Table: ...
    def of_scores(self, rows: pa.Table) -> pa.Table: ...


@dataclass(frozen=True)
class Rollup:
    """A table of partial sums and the windows that it has."""

    table: str
    window_seconds: int
    by_requester: bool = False

    def of_requests(self, rows: pa.Table) -> pa.Table:
        """The sums of rows of `request_metrics`."""
        return partial_sums(rows, self.window_seconds, self.by_requester)

    def of_scores(self, rows: pa.Table) -> pa.Table:
        """The sums of rows of `request_scores` with what they need of their requests."""
        return partial_sums_of_scores(rows, self.window_seconds, self.by_requester)


@dataclass(frozen=True)
class NotableRequests:
    """The table of requests that pages look at one by one; scores that were given later are not in it."""

    table: str = NOTABLE_REQUESTS.name

    def of_requests(self, rows: pa.Table) -> pa.Table:
        """Those of some rows of `request_metrics` that stand in it."""
        return notable(rows)

    def of_scores(self, rows: pa.Table) -> pa.Table:
        """None."""
        return NOTABLE_REQUESTS.schema.empty_table()


ROLLUPS = (
    *(Rollup(name, seconds) for name, seconds in reversed(WINDOW_SECONDS.items())),
    Rollup("metrics_daily_requester", 86_400, by_requester=True),
)
DERIVED: tuple[Derived, ...] = (*ROLLUPS, NotableRequests())
VERSIONS_AT_ONCE = 20
"""Commits of a source that are read together; each has at most a chunk's rows, so memory stays bounded."""
ROWS_AT_ONCE = 200_000
"""Rows of a snapshot that one commit of a rollup covers, where days are small enough to be taken together."""
_PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class _Source:
    """A table that is rolled up: what is read of it, and what its rows add to a derived table."""

    spec: TableSpec
    columns: tuple[str, ...]
    derive: Callable[[Derived, pa.Table], pa.Table]
    completed: Callable[[Settings, pa.Table], pa.Table] = lambda _, rows: rows
    """What another table has to add to the rows before they can be summed."""


def _with_requests(settings: Settings, scores: pa.Table) -> pa.Table:
    """Scores with the time, version and status of their requests; null where `request_metrics` has no such request."""
    wanted = pc.unique(scores[REQUEST_COUNT])
    dates = ["" if day is None else day.isoformat() for day in pc.unique(scores["request_date"]).to_pylist()]
    batches = [
        batch.filter(pc.is_in(batch.column(REQUEST_COUNT), value_set=wanted))
        for batch in batches_of_dates(open_table(settings, REQUEST_METRICS.name), REQUEST_COLUMNS, dates)
    ]
    requests = pa.Table.from_batches(batches, REQUEST_METRICS.schema.empty_table().select(REQUEST_COLUMNS).schema)
    place = pc.index_in(scores[REQUEST_COUNT], value_set=requests[REQUEST_COUNT])
    for name in REQUEST_COLUMNS[1:]:
        scores = scores.append_column(name, requests[name].take(place))
    return scores


_SOURCES = (
    _Source(REQUEST_METRICS, COLUMNS_READ, lambda derived, rows: derived.of_requests(rows)),
    _Source(REQUEST_SCORES, SCORE_COLUMNS, lambda derived, rows: derived.of_scores(rows), _with_requests),
)


@dataclass
class _Commits:
    """The commits of a source. Rows that were read last are kept: mostly every rollup table asks for the same."""

    settings: Settings
    source: _Source
    table: "DeltaTable"
    _read: tuple[tuple[int, int], pa.Table] | None = None

    def rows_added(self, first: int, last: int) -> pa.Table:
        """The rows that versions `first` to `last` added, ready to be summed. A compaction adds none."""
        if self._read is None or self._read[0] != (first, last):
            self._read = None
            batches = [
                batch.select(list(self.source.columns))
                for version in range(first, last + 1)
                for batch in changed_batches(self.table, version, self.source.columns)
            ]
            rows = pa.concat_tables(batches) if batches else self.source.spec.schema.empty_table()
            self._read = (first, last), self.source.completed(self.settings, rows) if rows.num_rows else rows
        return self._read[1]


def roll_up(settings: Settings) -> dict[str, int]:
    """Bring every table in `DERIVED` up to the newest versions of `request_metrics` and `request_scores`.

    Returns: rows of both that each of them took in; 0 where it was up to date.
    Raises: HistoryGone, if commits that a rollup still needs were cleaned up. CommitConflict, if a run on another
    machine rolls up; StillAtWork, if another process of this workspace does, for minutes.
    """
    with one_at_a_time(settings, "roll_up", _PATIENCE_SECONDS):
        sources = [_Commits(settings, source, open_table(settings, source.spec.name)) for source in _SOURCES]
        taken = {}
        for derived in DERIVED:
            target = open_table(settings, derived.table)
            taken[derived.table] = sum(_roll_up_one(commits, target, derived) for commits in sources)
            crash_point(f"roll_up_{derived.table}")
        return taken


def _roll_up_one(commits: _Commits, target: "DeltaTable", derived: Derived) -> int:
    app_id = f"rollup:{table_id(commits.table)}"
    done = position(target, app_id)
    newest = commits.table.version()
    taken = 0
    if done is None or done[1] != FINISHED:
        taken += _roll_up_snapshot(commits.settings, commits.source, target, app_id, derived, done or (newest, -1))
        done = position(target, app_id)
    if done is None:
        return taken
    for first in range(done[0] + 1, newest + 1, VERSIONS_AT_ONCE):
        last = min(first + VERSIONS_AT_ONCE - 1, newest)
        try:
            rows = commits.rows_added(first, last)
        except HistoryGone as error:
            raise HistoryGone(
                f"The rollups in {target.table_uri} are behind what is left of {commits.table.table_uri}'s history; "
                "delete that folder, and the next run builds it from the present rows."
            ) from error
        if rows.num_rows:
            append_once(target, commits.source.derive(derived, rows), app_id=app_id, source_version=last)
        taken += rows.num_rows
    return taken


def _roll_up_snapshot(
    settings: Settings, source: _Source, target: "DeltaTable", app_id: str, derived: Derived, start: tuple[int, int]
) -> int:
    """The first time: sum the snapshot at version `start[0]`, days at a time, from day number `start[1]` + 1 on.

    The history of a table is not kept for ever, its snapshot is; a rollup table that is new starts from there.
    """
    version, done = start
    if version == 0:
        return 0
    table = open_table(settings, source.spec.name)
    table.load_as_version(version)
    days = rows_by_day(table)
    taken = 0
    for number, group in _groups_of_days(days, done + 1):
        sums = [
            source.derive(derived, source.completed(settings, rows)) for rows in _snapshot_batches(source, table, group)
        ]
        rows = sum(days[day] for day in group)
        chunk = FINISHED if number == len(days) - 1 else number
        append_once(target, pa.concat_tables(sums), app_id=app_id, source_version=version, chunk=chunk)
        taken += rows
    return taken


def rows_by_day(table: "DeltaTable") -> dict[str, int]:
    """Rows in each partition of a snapshot, by its `request_date` ('' for none), in order."""
    files = pa.table(table.get_add_actions(flatten=True))
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


def _snapshot_batches(source: _Source, table: "DeltaTable", days: list[str]) -> Iterator[pa.Table]:
    """All rows of some days (partition values of the log, so no one's text), about `ROWS_AT_ONCE` at a time."""
    dated = ", ".join(f"DATE '{day}'" for day in days if day)
    conditions = [f"request_date IN ({dated})"] if dated else []
    conditions += ["request_date IS NULL"] if "" in days else []
    waiting: list[pa.Table] = []
    for batch in present_batches(table, source.columns, " OR ".join(conditions)):
        waiting.append(batch)
        if sum(table.num_rows for table in waiting) >= ROWS_AT_ONCE:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)
