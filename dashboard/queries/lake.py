"""Reading our tables for pages: snapshots, and SQL over them in one bounded DuckDB.

A result may be cached by its snapshot: a table that has not changed is not read again. Nothing here writes, and a
table that is not there yet is empty. A query that names a span of time reads only the files that have rows in it.
"""

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import streamlit as st

from dashboard.errors import QueryFailed
from dashboard.moment import chosen_moment
from dashboard.periods import Period, has_whole_hours
from dashboard.queries.duckdb_views import database, view_of
from dashboard.queries.past import table_at
from lakehouse.errors import LakehouseError, TableMissing
from lakehouse.rollup_tables import METRICS_15MIN, METRICS_HOUR
from lakehouse.store import first_line, open_uri, storage_options, table_uri
from settings import get_settings

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa
    from deltalake import DeltaTable

_RECHECK_SECONDS = 1.0
"""How long a snapshot counts as the newest: the panels of one page need not each ask the log."""


Span = tuple[datetime, datetime]
"""From a time (included) to a time (not included), UTC."""

_BEHIND = timedelta(hours=1)
"""How much earlier the last hour may begin than the last quarter of an hour where both hold the same requests."""
_TIME_COLUMNS = ("window_start", "request_time", "time", "started_at")
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class DataFile:
    """A file of a snapshot, and the first and the last time of its rows as far as the log knows them.

    The log's statistics may be rounded to milliseconds, so the last time is taken a little later.
    """

    uri: str
    """On this machine a path, else an address."""
    first: datetime = _FIRST
    last: datetime = _LAST
    date: str = ""
    """The `request_date` of its partition; empty where there is none."""
    size: int = 0
    """Bytes, compressed."""


@dataclass(frozen=True)
class Snapshot:
    """One version of one of our tables. Version -1: the table is not there (yet)."""

    name: str
    uri: str
    table_id: str
    version: int
    files: tuple[DataFile, ...] = field(repr=False, default=())

    def files_between(self, span: Span | None) -> list[DataFile]:
        """The files that can have rows of a span of time; None: all files."""
        if span is None:
            return list(self.files)
        start, end = span
        return [file for file in self.files if file.last >= start and file.first < end]

    @cached_property
    def newest(self) -> datetime:
        """The last time of its rows; the earliest of all times where it has none."""
        return max((file.last for file in self.files), default=_FIRST)

    @property
    def is_local(self) -> bool:
        """Whether DuckDB reads all of its files where they lie; else Arrow does, which reads more."""
        return all(file.uri.startswith("/") for file in self.files)

    def at_times(self, times: Iterable[datetime]) -> "Snapshot":
        """The same snapshot with only the files that can have rows of one of these moments."""
        moments = sorted(times)
        kept = tuple(
            file
            for file in self.files
            if (place := bisect_left(moments, file.first)) < len(moments) and moments[place] <= file.last
        )
        return Snapshot(self.name, self.uri, self.table_id, self.version, kept)

    def on_dates(self, start: datetime, end: datetime) -> "Snapshot":
        """The same snapshot with only the files whose `request_date` is in a span of time, or not known.

        For tables that are partitioned by date and have no other time of the request.
        """
        first, last = start.date().isoformat(), end.date().isoformat()
        kept = tuple(file for file in self.files if not file.date or first <= file.date <= last)
        return Snapshot(self.name, self.uri, self.table_id, self.version, kept)


def snapshot_key(snapshot: Snapshot) -> str:
    """What a cached result depends on."""
    return f"{snapshot.uri}|{snapshot.table_id}|{snapshot.version}"


HASH_FUNCS: dict[str | type, Any] = {Snapshot: snapshot_key}
"""For `st.cache_data(hash_funcs=…)` of functions that take a snapshot."""


LogFile = tuple[int, int, int]
"""Which file of a log it is, and when it was written: a table that is made anew has others."""


class _OpenTable:
    """A table that stays open, so that a rerun reads only the log entries that are new."""

    def __init__(self, uri: str, options: dict[str, str]) -> None:
        self.uri, self.options = uri, options
        self.lock = threading.Lock()
        self.checked = 0.0
        self.open()

    def open(self) -> None:
        """Open it with a fresh look at all of its log. Raises: TableMissing, LakehouseError."""
        self.table = open_uri(self.uri, self.options)
        self.last_commit = self._commit(self.table.version())
        self.snapshot: Snapshot | None = None

    def look(self) -> None:
        """Read what its log has since. Raises: DeltaError, OSError; TableMissing, LakehouseError.

        In a folder two looks at files tell whether it has anything; deltalake takes ten milliseconds and more.
        """
        version = self.table.version()
        if self.last_commit is not None:
            if self._commit(version) != self.last_commit:
                self.open()
                return
            if self._commit(version + 1) is None:
                return
        self.table.update_incremental()
        self.last_commit = self._commit(self.table.version())

    def _commit(self, version: int) -> LogFile | None:
        try:
            found = Path(f"{self.uri}/_delta_log/{version:020}.json").stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_mtime_ns


@st.cache_resource(max_entries=32, show_spinner=False)
def _open(uri: str, _options: dict[str, str]) -> _OpenTable:
    return _OpenTable(uri, _options)


def newest(name: str) -> Snapshot:
    """The newest snapshot of the table called `name`.

    Raises: LakehouseError, if the table is there but cannot be opened.
    """
    from deltalake.exceptions import DeltaError

    settings = get_settings()
    uri = table_uri(settings, name)
    options = storage_options(settings, uri)
    try:
        # By name: else Streamlit looks up what each argument is called, for each call.
        opened: _OpenTable = _open(uri=uri, _options=options)
    except TableMissing:
        return Snapshot(name, uri, "", -1)
    with opened.lock:
        if opened.snapshot is not None and time.monotonic() - opened.checked < _RECHECK_SECONDS:
            return opened.snapshot
        try:
            opened.look()
        except TableMissing:
            # Its folder is gone, as for a rollup that is to be built anew.
            _open.clear(uri=uri, _options=options)
            return Snapshot(name, uri, "", -1)
        except (DeltaError, OSError):
            # The log may have been cleaned up past us, or the table made anew: a fresh look decides.
            _open.clear(uri=uri, _options=options)
            opened.open()
        opened.checked = time.monotonic()
        version = opened.table.version()
        if opened.snapshot is None or opened.snapshot.version != version:
            opened.snapshot = _snapshot(name, uri, opened.table)
        return opened.snapshot


def look_again(name: str) -> None:
    """Let the next look at a table be a fresh one: for who has just written to it."""
    settings = get_settings()
    uri = table_uri(settings, name)
    _open.clear(uri=uri, _options=storage_options(settings, uri))


def shown(name: str) -> Snapshot:
    """The snapshot that pages show: the newest, or that of the moment which the visitor looks back at.

    For figures only: what is live and what a command rests on is read from `newest`.
    Raises: LakehouseError; QueryFailed, if the table's past cannot be read any more.
    """
    moment = chosen_moment()
    if moment is None:
        return newest(name)
    settings = get_settings()
    uri = table_uri(settings, name)
    found: Snapshot = _past(name=name, uri=uri, _options=storage_options(settings, uri), moment=moment)
    return found


def rollup(period: Period, *, zone: str = "", live: bool = False) -> Snapshot:
    """The snapshot of the rollup table that a period is read from: the coarsest whose windows fit its bins.

    zone: the time zone whose days are asked for, some of which begin at half past. live: as `newest`, else as `shown`.
    Raises: LakehouseError, QueryFailed.
    """
    if period.table == METRICS_HOUR.name and (not zone or has_whole_hours(zone, period)):
        return coarsest_rollup(live=live)
    name = METRICS_15MIN.name if period.table == METRICS_HOUR.name else period.table
    return newest(name) if live else shown(name)


def coarsest_rollup(*, live: bool = False) -> Snapshot:
    """The snapshot of the rollup table with the fewest rows, for whom any window will do. live: as in `rollup`.

    While the hours are being summed for the first time, in a workspace of an earlier release, the quarters stand in.
    Raises: LakehouseError, QueryFailed.
    """
    hours, quarters = (newest(name) if live else shown(name) for name in (METRICS_HOUR.name, METRICS_15MIN.name))
    behind = bool(quarters.files) and (not hours.files or quarters.newest - hours.newest > _BEHIND)
    return quarters if behind else hours


@st.cache_resource(max_entries=64, show_spinner=False)
def _past(name: str, uri: str, _options: dict[str, str], moment: datetime) -> Snapshot:
    try:
        table = table_at(name, uri, _options, moment)
    except TableMissing:
        table = None
    return Snapshot(name, uri, "", -1) if table is None else _snapshot(name, uri, table)


def _snapshot(name: str, uri: str, table: "DeltaTable") -> Snapshot:
    """The snapshot that an open table has, with its files as the log describes them."""
    import pyarrow as pa

    added = pa.table(table.get_add_actions(flatten=True))
    time_column = next((column for column in _TIME_COLUMNS if f"min.{column}" in added.column_names), "")
    described = ("path", "size_bytes", f"min.{time_column}", f"max.{time_column}", "partition.request_date")
    files = []
    for row in added.select([name for name in described if name in added.column_names]).to_pylist():
        first, last = row.get(f"min.{time_column}"), row.get(f"max.{time_column}")
        day = row.get("partition.request_date")
        files.append(
            DataFile(
                _address(str(table.table_uri), row["path"]),
                first or _FIRST,
                last + timedelta(milliseconds=1) if last else _LAST,
                "" if day is None else str(day),
                row["size_bytes"] or 0,
            )
        )
    return Snapshot(name, uri, str(table.metadata().id), table.version(), tuple(files))


def _address(table_uri: str, path: str) -> str:
    """Where a file is that the log calls `path`: names in a log are written as in addresses, a space as %20."""
    whole = path if "://" in path else f"{table_uri.rstrip('/')}/{path}"
    if not whole.startswith("file://"):
        return whole
    # The log writes a name in the way of addresses once more than the address of the table does.
    return unquote(whole.removeprefix("file://"))


def select(
    snapshot: Snapshot,
    sql: str,
    *,
    span: Span | None = None,
    beside: Mapping[str, Snapshot] | None = None,
    **parameters: Any,
) -> "pd.DataFrame":
    """The result of a SELECT whose `FROM this` is the snapshot. Values only ever come in as `$parameters`.

    span: only files that can have rows of this time are read; the SELECT still has to say which rows it wants.
    beside: more snapshots that the SELECT may name, by the name that it gives them; `span` holds for them, too, where
    they have a time.
    Raises: QueryFailed.
    """
    found: pd.DataFrame = _found(
        snapshot, sql, span, beside or {}, parameters, lambda cursor, whole, values: cursor.execute(whole, values).df()
    )
    return found


def select_table(snapshot: Snapshot, sql: str, *, span: Span | None = None, **parameters: Any) -> "pa.Table":
    """The same as `select` as an Arrow table: lists of numbers lie one after another, and not each by itself."""
    found: pa.Table = _found(
        snapshot,
        sql,
        span,
        {},
        parameters,
        lambda cursor, whole, values: cursor.sql(whole, params=values).to_arrow_table(),
    )
    return found


def select_records(
    snapshot: Snapshot,
    sql: str,
    *,
    span: Span | None = None,
    beside: Mapping[str, Snapshot] | None = None,
    **parameters: Any,
) -> list[dict[str, Any]]:
    """The same as `select`, one dictionary a row as pyarrow gives them: None where nothing stands, a map as pairs."""
    found: list[dict[str, Any]] = _found(
        snapshot,
        sql,
        span,
        beside or {},
        parameters,
        lambda cursor, whole, values: cursor.sql(whole, params=values).to_arrow_table().to_pylist(),
    )
    return found


def select_rows(rows: "pa.Table", sql: str, **parameters: Any) -> "pd.DataFrame":
    """The result of a SELECT whose `FROM this` is a table in memory, with `select`'s rules. Raises: QueryFailed."""
    import duckdb

    cursor = database(memory=get_settings().duckdb_memory).connection.cursor()
    try:
        # Known to this cursor only.
        cursor.register("this", rows)
        found: pd.DataFrame = cursor.execute(sql, parameters).df()
        return found
    except duckdb.Error as error:
        raise QueryFailed(f"The rows could not be looked through: {first_line(error)}") from error
    finally:
        cursor.close()


def _found(
    snapshot: Snapshot,
    sql: str,
    span: Span | None,
    beside: Mapping[str, Snapshot],
    parameters: dict[str, Any],
    taken: "Callable[[duckdb.DuckDBPyConnection, str, dict[str, Any]], Any]",
) -> Any:
    import duckdb
    import pyarrow as pa

    memory = database(memory=get_settings().duckdb_memory)
    cursor = memory.connection.cursor()
    try:
        # What is kept of small files stays until the rows have been taken.
        with ExitStack() as held:
            views = []
            for name, wanted in {"this": snapshot, **beside}.items():
                view, files = view_of(memory.small_files, cursor, name, wanted, span, held)
                views.append(f"{name} AS ({view})")
                parameters = {**parameters, **files}
            # Only our own texts are put together; what people chose comes in as parameters.
            return taken(cursor, f"WITH {', '.join(views)} {sql}", parameters)
    except (duckdb.Error, LakehouseError, OSError, pa.ArrowException) as error:
        raise QueryFailed(f"The table {snapshot.name} could not be read: {first_line(error)}") from error
    finally:
        cursor.close()
