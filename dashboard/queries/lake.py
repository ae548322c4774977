"""Reading our tables for pages: newest snapshots, and SQL over them in one bounded DuckDB.

A result may be cached by its snapshot: a table that has not changed is not read again. Nothing here writes, and a
table that is not there yet is empty.
"""

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import streamlit as st

from dashboard.errors import QueryFailed
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


@dataclass(frozen=True)
class Snapshot:
    """One version of one of our tables. Version -1: the table is not there yet."""

    name: str
    uri: str
    table_id: str
    version: int
    files: tuple[str, ...] = field(repr=False, default=())


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
            identity = str(opened.table.metadata().id)
            opened.snapshot = Snapshot(name, uri, identity, version, tuple(opened.table.file_uris()))
        return opened.snapshot


def select(snapshot: Snapshot, sql: str, **parameters: Any) -> "pd.DataFrame":
    """The result of a SELECT whose `FROM this` is the snapshot. Values only ever come in as `$parameters`.

    Raises: QueryFailed.
    """
    import duckdb
    import pyarrow as pa

    cursor = _database(get_settings().duckdb_memory).cursor()
    try:
        # Columns that were added since a file was written are null there, as in a table without any file.
        cursor.register("every_column", pa.Table.from_pylist([], schema=TABLES[snapshot.name].schema))
        this = "FROM every_column"
        if snapshot.files and all(file.startswith("/") for file in snapshot.files):
            this += " UNION ALL BY NAME FROM read_parquet($files, union_by_name = true)"
            # Delta names its files as addresses do: a space in the folder's name is %20.
            parameters = {**parameters, "files": [unquote(file) for file in snapshot.files]}
        elif snapshot.files:
            # DuckDB has no object-store reader of its own here: Arrow reads, with the storage options of the settings.
            table = open_uri(snapshot.uri, storage_options(get_settings(), snapshot.uri), snapshot.version)
            cursor.register("every_row", table.to_pyarrow_dataset())
            this += " UNION ALL BY NAME FROM every_row"
        # Only our own texts are put together; what people chose comes in as parameters.
        sql = f"WITH this AS ({this}) {sql}"
        found: pd.DataFrame = cursor.execute(sql, parameters).df()
        return found
    except (duckdb.Error, LakehouseError, OSError) as error:
        raise QueryFailed(f"The table {snapshot.name} could not be read: {first_line(error)}") from error
    finally:
        cursor.close()


@st.cache_resource(max_entries=2, show_spinner=False)
def _database(memory: str) -> "duckdb.DuckDBPyConnection":
    import duckdb

    database = duckdb.connect(":memory:")
    database.execute("SET memory_limit = $memory", {"memory": memory})
    database.execute("SET TimeZone = 'UTC'")
    database.execute("SET threads = $threads", {"threads": min(get_settings().cores, 4)})
    # A name in a query is a table, never a variable of this program.
    database.execute("SET python_enable_replacements = false")
    return database
