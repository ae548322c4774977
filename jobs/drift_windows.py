"""Which windows of time the profile and drift tables lack, and which of theirs late rows have changed.

Each table that follows `request_metrics` remembers two things in its own log: the version that it has taken in, and
until when windows were closed. So a run knows what is left to do, wherever the last one was killed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lakehouse.change_data import changed_batches
from lakehouse.errors import HistoryGone
from lakehouse.runs import runs
from lakehouse.store import is_foreign, table_id
from settings import Settings

if TYPE_CHECKING:
    from deltalake import DeltaTable

WEEK = timedelta(days=7)
POOLED_WEEKS = 4
"""Of so many weeks the same hour is taken together where a week ago there were too few requests."""
LATEST = timedelta(hours=1)
"""Windows are closed so long after all requests must be delivered, however far the metrics job has come."""
DELIVERY = timedelta(seconds=30)
"""How long a request may be on its way into the inference table of our own gateway."""
FOREIGN_DELIVERY = timedelta(hours=1)
"""The same for an inference table of others: Databricks delivers up to this late."""
KEPT = timedelta(days=35)
"""So long the shortest windows stay at least: they are most of the rows. Hours and days stay."""
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
"""Until when a table is closed that has nothing yet; all windows are counted from here."""
_MANY_COMMITS = 300
"""From more commits than this the newest rows are found in the snapshot: each commit is a file to open."""


@dataclass(frozen=True)
class Granularity:
    """A length of windows, in Databricks' words, and how far back from now windows of it are computed."""

    name: str
    length: timedelta
    history: timedelta


GRANULARITIES = (
    Granularity("5 minutes", timedelta(minutes=5), timedelta(days=1)),
    Granularity("1 hour", timedelta(hours=1), timedelta(days=8)),
    Granularity("1 day", timedelta(days=1), timedelta(days=35)),
)
SHORTEST = GRANULARITIES[0].name
_BY_NAME = {granularity.name: granularity for granularity in GRANULARITIES}


class Window(NamedTuple):
    """From `start` (included) to `end` (not included), UTC."""

    granularity: str
    start: datetime
    end: datetime

    def moved(self, by: timedelta) -> "Window":
        """The window that much later."""
        return Window(self.granularity, self.start + by, self.end + by)

    @property
    def before(self) -> "Window":
        """The window that it is compared with as CONSECUTIVE."""
        return self.moved(self.start - self.end)

    @property
    def week_before(self) -> "Window":
        """The window that it is compared with as BASELINE, if that has enough requests."""
        return self.moved(-WEEK)

    @property
    def same_hours(self) -> list[tuple[datetime, datetime]]:
        """The same hour (of a day: the same weekday) of the last weeks, the nearest first: what is pooled instead."""
        start, end = self.start, self.end
        if end - start < timedelta(hours=1):
            start = start.replace(minute=0, second=0, microsecond=0)
            end = start + timedelta(hours=1)
        return [(start - week * WEEK, end - week * WEEK) for week in range(1, POOLED_WEEKS + 1)]


@dataclass(frozen=True)
class Position:
    """How far a table has come: the version of `request_metrics` in it, and until when its windows are closed."""

    version: int
    closed_until: datetime


@dataclass(frozen=True)
class Plan:
    """What a table needs to come to `target`. All windows are closed, in rising order of their end.

    late: windows that new rows fell into after they were closed. compared: closed windows that are compared with those.
    closed: windows that have closed since. left_out: granularity → rows that came too late for windows of it.
    """

    target: Position
    late: tuple[Window, ...] = ()
    compared: tuple[Window, ...] = ()
    closed: tuple[Window, ...] = ()
    left_out: dict[str, int] = field(default_factory=dict)


def position_ids(source: "DeltaTable") -> tuple[str, str]:
    """The application ids of a position: of the version, and of the time (minutes since 1970)."""
    return f"drift:{table_id(source)}", f"drift-closed:{table_id(source)}"


def position_of(table: "DeltaTable", source: "DeltaTable") -> Position | None:
    """How far `table` has come with `source`; None if it never did anything."""
    version, minutes = (table.transaction_version(app_id) for app_id in position_ids(source))
    if version is None or minutes is None:
        return None
    return Position(int(version), BEGINNING + timedelta(minutes=int(minutes)))


def as_transactions(position: Position, source: "DeltaTable") -> dict[str, int]:
    """Application id → number, as they are written with a commit."""
    minutes = int((position.closed_until - BEGINNING) / timedelta(minutes=1))
    return dict(zip(position_ids(source), (position.version, minutes), strict=True))


def closed_until(settings: Settings, now: datetime) -> datetime:
    """Until when the metrics job has brought all requests that there were, and soon after their delivery at least."""
    delivery = FOREIGN_DELIVERY if is_foreign(settings, "inference_table") else DELIVERY
    known = [now - delivery - LATEST]
    for run in runs(settings, "score", limit=20):
        if run["state"] == "succeeded" and not run["rows_waiting"] and run["started_at"] <= now:
            known.append(run["started_at"] - delivery)
            break
    return _floor(max(known), GRANULARITIES[0].length)


def plan(source: "DeltaTable", position: Position | None, until: datetime, now: datetime) -> Plan:
    """What a table at `position` needs to have all windows that end at or before `until`, with all rows of `source`.

    Where the commits in between were cleaned up, every window may have changed. Raises: UnreadableTable.
    """
    version = int(source.version())
    if position is None:
        return Plan(Position(version, until), closed=_closing(BEGINNING, until, now))
    until = max(until, position.closed_until)
    closed = _closing(position.closed_until, until, now)
    try:
        times = _times_of_new_rows(source, position.version)
    except HistoryGone:
        late = _closing(BEGINNING, position.closed_until, now)
        return Plan(Position(version, until), late=late, closed=closed)
    touched, left_out = _touched(times, position.closed_until, now)
    late = tuple(window for window in touched if _is_kept(window, now))
    compared = _comparing(touched, position.closed_until, now)
    return Plan(Position(version, until), late, compared, closed, left_out)


def replacing(windows: Sequence[Window]) -> str:
    """The rows of these windows in our tables, as a condition of SQL made of our own words and of times."""
    conditions = []
    for granularity in GRANULARITIES:
        starts = [window.start for window in windows if window.granularity == granularity.name]
        if starts:
            listed = ", ".join(f"TIMESTAMP '{start.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}'" for start in starts)
            conditions.append(f"(granularity = '{granularity.name}' AND \"window\"['start'] IN ({listed}))")
    return " OR ".join(conditions)


def outdated(before: datetime, until: datetime) -> str:
    """The rows of our tables that go when windows are closed from `before` up to `until`, as `replacing` says it.

    Empty for none. Once a week, as whole files are written anew; never windows that are still computed.
    """
    if (before - BEGINNING) // WEEK == (until - BEGINNING) // WEEK:
        return ""
    oldest = _floor(until - KEPT, GRANULARITIES[0].length)
    return f"(granularity = '{SHORTEST}' AND \"window\"['start'] < TIMESTAMP '{oldest:%Y-%m-%dT%H:%M:%SZ}')"


def _floor(time: datetime, length: timedelta) -> datetime:
    return BEGINNING + (time - BEGINNING) // length * length


def _earliest(granularity: Granularity, now: datetime) -> datetime:
    return _floor(now - granularity.history, granularity.length)


def _closing(after: datetime, until: datetime, now: datetime) -> tuple[Window, ...]:
    """Windows whose end is after `after` and not after `until`, none older than its granularity goes back."""
    windows = []
    for granularity in GRANULARITIES:
        start = max(_floor(after, granularity.length), _earliest(granularity, now))
        while start + granularity.length <= until:
            windows.append(Window(granularity.name, start, start + granularity.length))
            start += granularity.length
    return _in_order(windows)


def _times_of_new_rows(source: "DeltaTable", version: int) -> NDArray[np.int64]:
    """Microseconds since 1970 [n] of the rows that the commits after `version` brought, if they have a time."""
    newest = int(source.version())
    if newest - version > _MANY_COMMITS:
        raise HistoryGone("There are too many new commits to be read one by one.")
    found = [np.empty(0, dtype=np.int64)]
    for commit in range(version + 1, newest + 1):
        for rows in changed_batches(source, commit, ("request_time",)):
            times = rows["request_time"].drop_null().cast("int64", safe=False)
            found.append(times.to_numpy())
    return np.concatenate(found)


def _touched(times: NDArray[np.int64], closed: datetime, now: datetime) -> tuple[tuple[Window, ...], dict[str, int]]:
    """The closed windows that rows fall into, and the rows that came too late for one of their windows.

    Windows that are no longer computed are among them where later ones are compared with them.
    """
    windows: list[Window] = []
    left_out = {}
    for granularity in GRANULARITIES:
        starts = times // (granularity.length // timedelta(microseconds=1))
        earliest = (_earliest(granularity, now) - BEGINNING) // granularity.length
        if (starts < earliest).any():
            left_out[granularity.name] = int((starts < earliest).sum())
        compared = earliest - (POOLED_WEEKS * WEEK) // granularity.length
        for start in np.unique(starts[starts >= compared]).tolist():
            begin = BEGINNING + start * granularity.length
            if begin + granularity.length <= closed:
                windows.append(Window(granularity.name, begin, begin + granularity.length))
    return _in_order(windows), left_out


def _comparing(touched: tuple[Window, ...], closed: datetime, now: datetime) -> tuple[Window, ...]:
    """Other closed windows that are compared with `touched`: the next ones, and the same hours of later weeks."""
    found: set[Window] = set()
    for window in touched:
        found.add(window.moved(window.end - window.start))
        for week in range(1, POOLED_WEEKS + 1):
            later = window.moved(week * WEEK)
            if later.end - later.start >= timedelta(hours=1):
                found.add(later)
                continue
            hour = later.start.replace(minute=0, second=0, microsecond=0)
            if not (_is_kept(later.moved(timedelta(hours=1)), now) and hour < closed):
                continue
            length = later.end - later.start
            found |= {
                Window(later.granularity, hour + step * length, hour + (step + 1) * length)
                for step in range(timedelta(hours=1) // length)
            }
    return _in_order(w for w in found - set(touched) if w.end <= closed and _is_kept(w, now))


def _is_kept(window: Window, now: datetime) -> bool:
    """Whether windows that old are still computed."""
    return window.start >= _earliest(_BY_NAME[window.granularity], now)


def _in_order(windows: Iterable[Window]) -> tuple[Window, ...]:
    return tuple(sorted(windows, key=lambda window: (window.end, window.start)))
