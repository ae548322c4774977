"""Reading our tables for pages: snapshots, and SQL over them in one bounded DuckDB.

A result may be cached by its snapshot: a table that has not changed is not read again. Nothing here writes, and a
table that is not there yet is empty. A query that names a span of time reads only the files that have rows in it.
"""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import streamlit as st

from dashboard.errors import QueryFailed
from dashboard.moment import chosen_moment
from dashboard.queries.past import table_at
from dashboard.queries.small_files import SMALL_BYTES, SmallFiles
from lakehouse.errors import LakehouseError, TableMissing
from lakehouse.store import first_line, open_uri, storage_options, table_uri
from lakehouse.tables import TABLES
from settings import get_settings

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    from deltalake import DeltaTable

_RECHECK_SECONDS = 1.0
"""How long a snapshot counts as the newest: the panels of one page need not each ask the log."""


Span = tuple[datetime, datetime]
"""From a time (included) to a time (not included), UTC."""

_NOT_KEPT = ("inference_table", "evaluated_answers", "images", "image_readings", "image_questions")
"""Tables with people's words and images: only what is asked for comes into memory."""
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


class _OpenTable:
    """A table that stays open, so that a rerun reads only the log entries that are new."""

    def __init__(self, table: "DeltaTable") -> None:
        self.table = table
        self.lock = threading.Lock()
        self.checked = 0.0
        self.snapshot: Snapshot | None = None


@st.cache_resource(max_entries=32, show_spinner=False)
def _open(uri: str, _options: dict[str, str]) -> _OpenTable:
    return _OpenTable(open_uri(uri, _options))


def newest(name: str) -> Snapshot:
    """The newest snapshot of the table called `name`.

    Raises: LakehouseError, if the table is there but cannot be opened.
    """
    from deltalake.exceptions import DeltaError

    settings = get_settings()
    uri = table_uri(settings, name)
    options = storage_options(settings, uri)
    try:
        opened: _OpenTable = _open(uri, options)
    except TableMissing:
        return Snapshot(name, uri, "", -1)
    with opened.lock:
        if opened.snapshot is not None and time.monotonic() - opened.checked < _RECHECK_SECONDS:
            return opened.snapshot
        try:
            opened.table.update_incremental()
        except (DeltaError, OSError):
            # The log may have been cleaned up past us, or the table made anew: a fresh look decides.
            _open.clear(uri, options)
            opened.table = open_uri(uri, options)
            opened.snapshot = None
        opened.checked = time.monotonic()
        version = opened.table.version()
        if opened.snapshot is None or opened.snapshot.version != version:
            opened.snapshot = _snapshot(name, uri, opened.table)
        return opened.snapshot


def look_again(name: str) -> None:
    """Let the next look at a table be a fresh one: for who has just written to it."""
    settings = get_settings()
    uri = table_uri(settings, name)
    _open.clear(uri, storage_options(settings, uri))


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
    found: Snapshot = _past(name, uri, storage_options(settings, uri), moment)
    return found


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

    cursor = _database(get_settings().duckdb_memory).connection.cursor()
    try:
        # What is kept of small files stays until the rows have been taken.
        with ExitStack() as held:
            views = []
            for name, wanted in {"this": snapshot, **beside}.items():
                view, files = _view(cursor, name, wanted, span, held)
                views.append(f"{name} AS ({view})")
                parameters = {**parameters, **files}
            # Only our own texts are put together; what people chose comes in as parameters.
            return taken(cursor, f"WITH {', '.join(views)} {sql}", parameters)
    except (duckdb.Error, LakehouseError, OSError, pa.ArrowException) as error:
        raise QueryFailed(f"The table {snapshot.name} could not be read: {first_line(error)}") from error
    finally:
        cursor.close()


def _view(
    cursor: "duckdb.DuckDBPyConnection", name: str, snapshot: Snapshot, span: Span | None, held: ExitStack
) -> tuple[str, dict[str, Any]]:
    """The SELECT behind a name of a query, and the parameters that it takes."""
    spec = TABLES[snapshot.name]
    # Columns that were added since a file was written are null there, as in a table without any file.
    cursor.register(f"{name}_columns", spec.schema.empty_table())
    view = f"FROM {name}_columns"
    files = snapshot.files_between(span)
    if not files:
        return view, {}
    if not all(file.uri.startswith("/") for file in files):
        # DuckDB has no object-store reader of its own here: Arrow reads, with the storage options of the settings.
        table = open_uri(snapshot.uri, storage_options(get_settings(), snapshot.uri), snapshot.version)
        cursor.register(f"{name}_rows", table.to_pyarrow_dataset())
        return f"{view} UNION ALL BY NAME FROM {name}_rows", {}
    small = [file for file in files if file.size <= SMALL_BYTES and snapshot.name not in _NOT_KEPT]
    small_files = _database(get_settings().duckdb_memory).small_files
    kept = held.enter_context(small_files.view(cursor, f"{snapshot.uri}|{snapshot.table_id}", small, spec.schema))
    parameters: dict[str, Any] = {}
    if kept is not None:
        of_these = f"_file_number IN (SELECT unnest(${name}_kept))"
        view += f" UNION ALL BY NAME SELECT * EXCLUDE (_file_number) FROM {kept[0]} WHERE {of_these}"  # noqa: S608
        parameters[f"{name}_kept"] = kept[1]
        files = [file for file in files if file.size > SMALL_BYTES]
    if not files:
        return view, parameters
    # The date of a partition stands in the name of its folder only; other folders may have a = in their names, too.
    partition = "true, hive_types = {'request_date': DATE}" if "request_date" in spec.partition_by else "false"
    view += f""" UNION ALL BY NAME
        FROM read_parquet(${name}_files, union_by_name = true, hive_partitioning = {partition})"""
    return view, {**parameters, f"{name}_files": [file.uri for file in files]}


@dataclass(frozen=True)
class _Database:
    """DuckDB in this process's memory, and what it keeps of small files."""

    connection: "duckdb.DuckDBPyConnection"
    small_files: SmallFiles = field(default_factory=SmallFiles)


@st.cache_resource(max_entries=2, show_spinner=False)
def _database(memory: str) -> _Database:
    import duckdb

    connection = duckdb.connect(":memory:")
    connection.execute("SET memory_limit = $memory", {"memory": memory})
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET threads = $threads", {"threads": min(get_settings().cores, 4)})
    # A file never changes: what stands at its end, which may be a megabyte, is read once.
    connection.execute("SET parquet_metadata_cache = true")
    # A name in a query is a table, never a variable of this program.
    connection.execute("SET python_enable_replacements = false")
    return _Database(connection)
