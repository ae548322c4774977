"""Every write to a table: plain appends to logs, and appends that happen exactly once.

Exactly once works by compare-and-set. Each commit carries a Delta application transaction (`app_id`, version) and is
made on the snapshot that the caller read, so that a rival's commit of the same application makes ours fail instead of
doubling its rows. Delta itself accepts a replayed or lower version; that is refused here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse.errors import AlreadyCommitted, CommitConflict, LakehouseError, SchemaMismatch
from lakehouse.store import first_line, open_table
from lakehouse.tables import TABLES
from settings import Settings

if TYPE_CHECKING:
    from deltalake import DeltaTable, WriterProperties

CHUNKS = 2**20
"""Chunk numbers that a source version has room for."""

FINISHED = CHUNKS - 1
"""The chunk number that says: this source version is finished."""

_COMMIT_RETRIES = 50
"""Plain appends never conflict in what they say, only in the number of their commit; a crowd of writers needs tries."""


def position(table: "DeltaTable", app_id: str) -> tuple[int, int] | None:
    """(source version, chunk) that `app_id` committed last, as this snapshot knows it; None before the first."""
    last = table.transaction_version(app_id)
    return None if last is None else divmod(int(last), CHUNKS)


def append_once(
    table: "DeltaTable",
    rows: pa.Table,
    *,
    app_id: str,
    source_version: int,
    chunk: int = FINISHED,
    details: dict[str, str] | None = None,
) -> int:
    """Append `rows` and advance the position of `app_id`, both or neither, unless a rival did since `table` was opened.

    The snapshot of `table` is never refreshed before the write: it is what the caller based its decisions on. With no
    rows only the position advances. `details` is kept in the commit's metadata. An object that made hundreds of
    commits gets slow (0.2 ms more with each): open the table anew for each append.

    Returns: the version of the table with these rows. `table` is at that version then.
    Raises: AlreadyCommitted, if the position is not after the last one. CommitConflict, if a rival's commit won: open
    the table again. SchemaMismatch.
    """
    if not 0 <= chunk <= FINISHED or source_version < 0:
        raise LakehouseError(
            f"Source version {source_version}, chunk {chunk} is no position; chunks are 0 to {FINISHED}."
        )
    last = position(table, app_id)
    if last is not None and (source_version, chunk) <= last:
        raise AlreadyCommitted(
            f"Version {source_version}, chunk {chunk} of {app_id} is committed already; the last one was {last}."
        )
    from deltalake import Transaction

    _write(
        table,
        conform(rows, pa.schema(table.schema())),
        transactions=[Transaction(app_id=app_id, version=source_version * CHUNKS + chunk)],
        details=details,
    )
    return int(table.version())


def append(settings: Settings, name: str, rows: "pa.Table | list[dict[str, Any]]") -> int:
    """Append rows to one of our logs. A column that is left out becomes null; an unknown one is refused.

    Returns: the version of the table with these rows.
    Raises: SchemaMismatch, CommitConflict.
    """
    if name not in TABLES:
        raise LakehouseError(f"There is no table called {name!r}; the tables are {', '.join(TABLES)}.")
    checked = from_records(rows, TABLES[name].schema) if isinstance(rows, list) else conform(rows, TABLES[name].schema)
    table = open_table(settings, name)
    # A later release may have given the table a column that this one knows nothing of.
    _write(table, conform(checked, pa.schema(table.schema())))
    return int(table.version())


def conform(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """`rows` with exactly the columns and types of `schema`, missing columns as nulls.

    Only casts that lose nothing are made: string views and dictionaries become strings, 1.5 never becomes 1, a
    timestamp without a time zone is refused. Finer timestamps are cut to microseconds.

    Raises: SchemaMismatch.
    """
    unknown = [name for name in rows.column_names if name not in schema.names]
    if unknown:
        raise SchemaMismatch(f"Rows have the columns {', '.join(unknown)}, which the table does not have.")
    columns = [
        _cast(rows.column(field.name), field)
        if field.name in rows.column_names
        else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def from_records(records: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows given as dictionaries, under the same rules as `conform`.

    Raises: SchemaMismatch.
    """
    for record in records:
        for name, value in record.items():
            if name not in schema.names:
                raise SchemaMismatch(f"A row has the column {name}, which the table does not have.")
            if isinstance(value, datetime) and value.tzinfo is None:
                raise SchemaMismatch(f"The column {name} got {value}, a time without a time zone; give it in UTC.")
            if (
                isinstance(value, Real)
                and not isinstance(value, Integral)
                and pa.types.is_integer(schema.field(name).type)
            ):
                # Arrow would take 1.0 for 1; whoever sends a float has computed something else than a count.
                raise SchemaMismatch(f"The column {name} got {value}, which is not an integer.")
    columns = []
    for field in schema:
        values = [record.get(field.name) for record in records]
        try:
            columns.append(pa.array(values, type=field.type))
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise SchemaMismatch(f"The column {field.name} must hold {field.type}: {first_line(error)}") from error
    return pa.Table.from_arrays(columns, schema=schema)


def writer_properties(table: "DeltaTable") -> "WriterProperties":
    """How the files of a table of ours are written."""
    from deltalake import WriterProperties

    spec = TABLES.get(table.metadata().name or "")
    return WriterProperties(compression="ZSTD", max_row_group_size=spec.row_group_rows if spec else None)


def _cast(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    if column.type == field.type:
        return column
    timestamp = pa.types.is_timestamp(field.type)
    # Arrow reads a string or a bare number as a time and a number as a string; none of these was meant.
    strange = (
        (timestamp and not (pa.types.is_null(column.type) or (pa.types.is_timestamp(column.type) and column.type.tz)))
        or (pa.types.is_string(field.type) and not _is_text(column.type))
        or (pa.types.is_integer(field.type) and not (pa.types.is_integer(column.type) or pa.types.is_null(column.type)))
    )
    if strange:
        raise SchemaMismatch(f"The column {field.name} holds {column.type}, but the table needs {field.type}.")
    try:
        # Below a microsecond nothing is kept anywhere, so cutting a timestamp loses nothing; other casts are checked.
        return column.cast(field.type, safe=not timestamp)
    except pa.ArrowException as error:
        raise SchemaMismatch(f"The column {field.name} must hold {field.type}: {first_line(error)}") from error


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_null(kind)
        or pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
    )


@contextmanager
def write_failures_told(table: "DeltaTable") -> Iterator[None]:
    """What deltalake raises inside as our errors: CommitConflict where a rival was first, else LakehouseError."""
    from deltalake.exceptions import CommitFailedError, DeltaError

    try:
        yield
    except CommitFailedError as error:
        raise CommitConflict(
            f"Another writer committed to {table.table_uri} first, and nothing was written: {first_line(error)}"
        ) from error
    except (DeltaError, OSError) as error:
        raise LakehouseError(f"The table at {table.table_uri} cannot be written: {first_line(error)}") from error


def _write(
    table: "DeltaTable",
    rows: pa.Table,
    transactions: "list[Any] | None" = None,
    details: dict[str, str] | None = None,
) -> None:
    from deltalake import CommitProperties, write_deltalake

    with write_failures_told(table):
        # The object, not its address: an address would reload the snapshot and lose the compare-and-set.
        write_deltalake(
            table,
            rows,
            mode="append",
            commit_properties=CommitProperties(
                app_transactions=transactions, custom_metadata=details, max_commit_retries=_COMMIT_RETRIES
            ),
            writer_properties=writer_properties(table),
        )
