"""The data behind commits, in small batches: files that were added, the change data feed, all present rows."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from lakehouse.commits import AddedFile, Commit
from lakehouse.errors import HistoryGone, UnreadableTable
from lakehouse.store import first_line

if TYPE_CHECKING:
    from deltalake import DeltaTable

_BATCH_ROWS = 4096
_BATCH_BYTES = 16 * 2**20
"""A batch has about so many rows at most, of about so many bytes: bodies have up to 1 MiB, usually a few KiB."""
_DECODED_ROWS = 64
"""Rows that are decoded at once where a batch's bytes are not known before: equal bodies are stored once."""
_SMALL_FILE_BYTES = 2**20
"""Files up to this size with few rows are read ahead of their turn, as an object store takes its time for each."""
_BUFFER_BYTES = 4 * 2**20
_BODIES = frozenset({"request", "response"})
_BODIES_DECODED = 16
"""Rows that Delta's kernel decodes at once where they have bodies; it keeps several such batches ready."""

_VERSION = "__commit_version"


def added_batches(
    files: pafs.FileSystem, schema: pa.Schema, columns: Sequence[str], commits: Sequence[Commit]
) -> Iterator[tuple[pa.Table, pa.ChunkedArray]]:
    """Rows of the files that `commits` added, in the order of the log, each batch with its rows' commit versions.

    Raises: HistoryGone, if a file was vacuumed. UnreadableTable.
    """
    added = [(commit.version, file) for commit in commits for file in commit.files]
    try:
        for rows in _gathered(_decoded(files, schema, columns, added)):
            yield rows.drop_columns([_VERSION]), rows.column(_VERSION)
    except FileNotFoundError as error:
        raise _vacuumed(error) from error
    except (OSError, pa.ArrowException) as error:
        raise UnreadableTable(f"A data file of the inference table cannot be read: {first_line(error)}") from error


def _gathered(parts: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Small parts put together: what follows costs a few milliseconds a batch, and a commit often has ten rows."""
    waiting: list[pa.Table] = []
    rows = size = 0
    for part in parts:
        waiting.append(part)
        rows, size = rows + part.num_rows, size + part.nbytes
        if rows >= _BATCH_ROWS or size >= _BATCH_BYTES:
            yield pa.concat_tables(waiting)
            waiting, rows, size = [], 0, 0
    if rows:
        yield pa.concat_tables(waiting)


def _decoded(
    files: pafs.FileSystem, schema: pa.Schema, columns: Sequence[str], added: Sequence[tuple[int, AddedFile]]
) -> Iterator[pa.Table]:
    """Rows of the files with the columns and their commit's version, a few at a time."""
    for small, run in groupby(added, lambda one: _is_small(one[1])):
        if small:
            yield from _read_ahead(files, schema, columns, list(run))
            continue
        for version, file in run:
            yield from _streamed(files, schema, columns, version, file)


def _is_small(file: AddedFile) -> bool:
    return file.rows is not None and file.rows <= _DECODED_ROWS and file.size <= _SMALL_FILE_BYTES


def _read_ahead(
    files: pafs.FileSystem, schema: pa.Schema, columns: Sequence[str], added: Sequence[tuple[int, AddedFile]]
) -> Iterator[pa.Table]:
    """Small files, several at once."""
    parquet = ds.ParquetFileFormat(read_options=ds.ParquetReadOptions(coerce_int96_timestamp_unit="us"))
    fragments = [
        parquet.make_fragment(_inside(file.path), files, (ds.field(_VERSION) == version) & _partition(file, schema))
        for version, file in added
    ]
    dataset = ds.FileSystemDataset(fragments, schema.append(pa.field(_VERSION, pa.int64())), parquet, files)
    names = [*columns, _VERSION]
    for batch in dataset.to_batches(columns=names, batch_readahead=2, fragment_readahead=4):
        yield pa.Table.from_arrays(batch.columns, names)


def _streamed(
    files: pafs.FileSystem, schema: pa.Schema, columns: Sequence[str], version: int, file: AddedFile
) -> Iterator[pa.Table]:
    """A large file, page by page: Arrow's datasets decode whole row groups, which may hold gigabytes of bodies."""
    given = {name: value for name, value in _partition_scalars(file, schema).items() if name in columns}
    names = [name for name in columns if name not in given]
    with pq.ParquetFile(
        _inside(file.path), filesystem=files, buffer_size=_BUFFER_BYTES, coerce_int96_timestamp_unit="us"
    ) as parquet:
        there = set(parquet.schema_arrow.names)
        for batch in parquet.iter_batches(_rows_to_decode(parquet.metadata), columns=names):
            size = batch.num_rows
            read = {name: batch.column(name) for name in names if name in there}
            arrays = [
                pa.repeat(given[name], size) if name in given else _typed(read.get(name), schema.field(name).type, size)
                for name in columns
            ]
            yield pa.Table.from_arrays([*arrays, pa.repeat(pa.scalar(version, pa.int64()), size)], [*columns, _VERSION])


def _rows_to_decode(about: pq.FileMetaData) -> int:
    groups = [about.row_group(number) for number in range(about.num_row_groups)]
    row_bytes = max((group.total_byte_size / max(group.num_rows, 1) for group in groups), default=0.0)
    return max(1, min(_DECODED_ROWS, int(_BATCH_BYTES / max(row_bytes, 1.0))))


def _typed(column: pa.Array | None, kind: pa.DataType, size: int) -> pa.Array:
    """A column as the table has it: a file may be older than the column, or have written it with another type."""
    if column is None:
        return pa.nulls(size, kind)
    return column if column.type == kind else column.cast(kind)


def rows_in_files(files: pafs.FileSystem, added: Sequence[AddedFile]) -> int:
    """Rows by the files' own footers, for a log that counts none."""
    try:
        return sum(pq.read_metadata(_inside(file.path), filesystem=files).num_rows for file in added)
    except FileNotFoundError as error:
        raise _vacuumed(error) from error


def changed_batches(table: "DeltaTable", version: int, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Rows that the commit `version` inserted, from the change data feed. Updates and deletes are no new rows.

    Raises: HistoryGone, UnreadableTable.
    """
    try:
        reader = pa.RecordBatchReader.from_stream(
            table.load_cdf(version, version, columns=[*columns, "_change_type", "_commit_version"])
        )
        for batch in reader:
            rows = plain(pa.Table.from_batches([batch]))
            rows = rows.filter(pc.equal(rows["_change_type"], "insert"))
            if rows.num_rows:
                yield rows.select(list(columns)) if columns else rows
    except Exception as error:  # deltalake raises bare `Exception` here; it is told apart by its text and raised again.
        raise _from_kernel(table, error) from error


def present_batches(table: "DeltaTable", columns: Sequence[str], where: str | None = None) -> Iterator[pa.Table]:
    """All rows of the snapshot of `table` for which the SQL condition `where` holds.

    Raises: HistoryGone, UnreadableTable.
    """
    try:
        found = pa.RecordBatchReader.from_stream(_selected(table, columns, where))
        yield from _gathered(plain(pa.Table.from_batches([batch])) for batch in found if batch.num_rows)
    except Exception as error:  # deltalake raises bare `Exception` here; it is told apart by its text and raised again.
        raise _from_kernel(table, error) from error


def _selected(table: "DeltaTable", columns: Sequence[str], where: str | None) -> Any:
    if _BODIES.isdisjoint(columns):
        return table.scan(columns=list(columns), predicate=where)
    from deltalake import QueryBuilder

    listed = ", ".join('"{}"'.format(name.replace('"', '""')) for name in columns)
    condition = f" WHERE {where}" if where else ""
    # A file at a time and few rows of it: the 8,192 rows that a scan takes may be gigabytes of bodies.
    session = {
        "datafusion.execution.batch_size": str(_BODIES_DECODED),
        "datafusion.execution.target_partitions": "1",
    }
    query = f"SELECT {listed} FROM present{condition}"  # noqa: S608 - quoted names of columns, and conditions of ours
    return QueryBuilder(session).register("present", table).execute(query)


def plain(rows: pa.Table) -> pa.Table:
    """`rows` with ordinary strings and lists where the kernel gave views: most of Arrow's functions refuse views."""
    columns = [
        column if kind == column.type else _recast(column, kind)
        for column in rows.columns
        for kind in [_plain_type(column.type)]
    ]
    return pa.table(dict(zip(rows.column_names, columns, strict=True)))


def _recast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if pa.types.is_nested(kind):
        return pa.chunked_array([pa.array(column.to_pylist(), kind)])
    return column.cast(kind)


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_string_view(kind) or pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_binary_view(kind) or pa.types.is_large_binary(kind):
        return pa.binary()
    if pa.types.is_map(kind):
        return pa.map_(_plain_type(kind.key_type), _plain_type(kind.item_type))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(_plain_type(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, _plain_type(field.type)) for field in kind])
    return kind


def _partition(file: AddedFile, schema: pa.Schema) -> Any:
    condition = pc.scalar(True)
    for name, value in _partition_scalars(file, schema).items():
        condition = condition & (ds.field(name) == value if value.is_valid else ds.field(name).is_null())
    return condition


def _partition_scalars(file: AddedFile, schema: pa.Schema) -> dict[str, pa.Scalar]:
    """Column → the value that all rows of the file have."""
    kinds = {name: schema.field(name).type for name in file.partition_values if name in schema.names}
    # The protocol writes partition values as text; an empty text is a null of any type.
    return {
        name: pa.scalar(text).cast(kinds[name]) if text else pa.scalar(None, kinds[name])
        for name, text in file.partition_values.items()
        if name in kinds
    }


def _inside(path: str) -> str:
    if "://" in path or path.startswith("/"):
        raise UnreadableTable(f"The table's log points to a file outside of its folder ({path}); copy the table first.")
    return path


def _vacuumed(error: BaseException) -> HistoryGone:
    return HistoryGone(
        f"A file that is still needed was vacuumed ({first_line(error)[:200]}); "
        "begin again from the table's present rows."
    )


def _from_kernel(table: "DeltaTable", error: BaseException) -> HistoryGone | UnreadableTable:
    if isinstance(error, HistoryGone | UnreadableTable):
        return error
    text = first_line(error)
    if "not found" in text.lower() and "object" in text.lower():
        return _vacuumed(error)
    return UnreadableTable(f"The table at {table.table_uri} cannot be read: {text}")
