"""DuckDB in the dashboard's memory, and a snapshot as the SELECT behind a name of its queries."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.queries.small_files import SMALL_BYTES, SmallFiles
from lakehouse.store import open_uri, storage_options
from lakehouse.tables import TABLES
from settings import get_settings

if TYPE_CHECKING:
    import duckdb

    from dashboard.queries.lake import Snapshot, Span

_NOT_KEPT = ("inference_table", "evaluated_answers", "images", "image_readings", "image_questions")
"""Tables with people's words and images: only what is asked for comes into memory."""


@dataclass(frozen=True)
class Database:
    """DuckDB in this process's memory, and what it keeps of small files."""

    connection: "duckdb.DuckDBPyConnection"
    small_files: SmallFiles = field(default_factory=SmallFiles)


@st.cache_resource(max_entries=2, show_spinner=False)
def database(memory: str) -> Database:
    """The one database of this process. memory: the most that it takes, as DuckDB writes it (`400MB`)."""
    import duckdb

    connection = duckdb.connect(":memory:")
    connection.execute("SET memory_limit = $memory", {"memory": memory})
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET threads = $threads", {"threads": min(get_settings().cores, 4)})
    # A file never changes: what stands at its end, which may be a megabyte, is read once.
    connection.execute("SET parquet_metadata_cache = true")
    # A name in a query is a table, never a variable of this program.
    connection.execute("SET python_enable_replacements = false")
    return Database(connection)


def view_of(
    small_files: SmallFiles,
    cursor: "duckdb.DuckDBPyConnection",
    name: str,
    snapshot: "Snapshot",
    span: "Span | None",
    held: ExitStack,
) -> tuple[str, dict[str, Any]]:
    """The SELECT behind a name of a query, and the parameters that it takes.

    span: only files that can have rows of this time. held: what is kept of small files stays until this is closed.
    """
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
