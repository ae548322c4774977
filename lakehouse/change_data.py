"""The data behind commits, in small batches: files that were added, the change data feed, all present rows."""

from collections.abc import Iterator, Sequence
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
"""Rows in memory at once for each file being read: bodies have up to 1 MiB, usually a few KiB."""

_VERSION = "__commit_version"


def added_batches(
    files: pafs.FileSystem, schema: pa.Schema, columns: Sequence[str], commits: Sequence[Commit]
) -> Iterator[tuple[pa.Table, pa.ChunkedArray]]:
    """Rows of the files that `commits` added, in the order of the log, each batch with its rows' commit versions.

    Raises: HistoryGone, if a file was vacuumed. UnreadableTable.
    """
    parquet = ds.ParquetFileFormat(read_options=ds.ParquetReadOptions(coerce_int96_timestamp_unit="us"))
    fragments = [
        parquet.make_fragment(
            _inside(file.path), files, (ds.field(_VERSION) == commit.version) & _partition(file, schema)
        )
        for commit in commits
        for file in commit.files
    ]
    if not fragments:
        return
    with_version = schema.append(pa.field(_VERSION, pa.int64()))
    dataset = ds.FileSystemDataset(fragments, with_version, parquet, files)
    try:
        # Gathered up: what follows costs a few milliseconds a batch, and a commit often has ten rows.
        waiting: list[pa.RecordBatch] = []
        for batch in dataset.to_batches(
            columns=[*columns, _VERSION], batch_size=_BATCH_ROWS, batch_readahead=2, fragment_readahead=4
        ):
            waiting.append(batch)
            if sum(b.num_rows for b in waiting) >= _BATCH_ROWS:
                yield _without_version(waiting)
                waiting = []
        if any(batch.num_rows for batch in waiting):
            yield _without_version(waiting)
    except FileNotFoundError as error:
        raise _vacuumed(error) from error
    except (OSError, pa.ArrowException) as error:
        raise UnreadableTable(f"A data file of the inference table cannot be read: {first_line(error)}") from error


def _without_version(batches: list[pa.RecordBatch]) -> tuple[pa.Table, pa.ChunkedArray]:
    table = pa.Table.from_batches(batches)
    return table.drop_columns([_VERSION]), table.column(_VERSION)


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
        for batch in pa.RecordBatchReader.from_stream(table.scan(columns=list(columns), predicate=where)):
            if batch.num_rows:
                yield plain(pa.Table.from_batches([batch]))
    except Exception as error:  # deltalake raises bare `Exception` here; it is told apart by its text and raised again.
        raise _from_kernel(table, error) from error


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
    for name, text in file.partition_values.items():
        if name not in schema.names:
            continue
        # The protocol writes partition values as text; an empty text is a null of any type.
        if text is None or text == "":
            condition = condition & ds.field(name).is_null()
        else:
            condition = condition & (ds.field(name) == pa.scalar(text).cast(schema.field(name).type))
    return condition


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
