"""Many small files of one of our tables into few, in one commit that a rival's merge makes fail.

Partial sums of one window come from many runs of the job and from late rows; merging makes them one row, which says the
same. So the commit changes no data: whoever sums commit by commit passes over it.

deltalake has a `compact` of its own, but of two that run at once both succeed and every row is there twice: its
commit carries no application transaction and does not see that the files of the second are gone (version 1.6.6). So the
files are written here and committed with compare-and-set, like every other write.
"""

import json
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from lakehouse.appends import conform
from lakehouse.commits import file_system
from lakehouse.errors import CommitConflict, LakehouseError
from lakehouse.rollup_rows import blocks
from lakehouse.store import first_line
from lakehouse.table_spec import TableSpec

if TYPE_CHECKING:
    from deltalake import DeltaTable

FEW_FILES = 8
"""A table with at most this many small files is not worth a rewrite."""

_SMALL = 64 * 2**20
_LARGEST = 128 * 2**20
_APP_ID = "upkeep:merge"


@dataclass(frozen=True)
class _File:
    path: str
    size: int
    rows: int
    partition: dict[str, str | None]
    null_count: dict[str, Any]
    min: dict[str, Any]
    max: dict[str, Any]


def merge_small_files(table: "DeltaTable", spec: TableSpec) -> int:
    """Merge small files of the snapshot of `table`, within their partitions. Returns how many were merged away.

    Raises: CommitConflict, if another merge was committed since the snapshot. LakehouseError.
    """
    files = _small_files(table)
    if len(files) <= FEW_FILES:
        return 0
    storage = file_system(table)
    schema = pa.schema(table.schema())
    written: list[str] = []
    actions: list[Any] = []
    try:
        groups = [group for group in _groups(files) if len(group) > 1]
        for group in groups:
            path = _folder(group[0]) + f"part-{uuid.uuid4()}.zstd.parquet"
            written.append(path)
            _write_merged(storage, group, path, schema, spec)
            actions += _actions(storage, group, path, spec)
        _commit(table, actions, spec)
    except (OSError, pa.ArrowException) as error:
        _delete_unnamed(table, storage, written)
        raise LakehouseError(f"The files of {table.table_uri} cannot be merged: {first_line(error)}") from error
    except LakehouseError:
        _delete_unnamed(table, storage, written)
        raise
    return sum(len(group) for group in groups)


def _small_files(table: "DeltaTable") -> list[_File]:
    rows = pa.table(table.get_add_actions()).to_pylist()
    return [
        _File(
            path=row["path"],
            size=row["size_bytes"],
            rows=row["num_records"] or 0,
            partition={name: _as_text(value) for name, value in (row.get("partition") or {}).items()},
            null_count=row.get("null_count") or {},
            min=row.get("min") or {},
            max=row.get("max") or {},
        )
        for row in sorted(rows, key=lambda row: (row["modification_time"], row["path"]))
        if row["size_bytes"] < _SMALL
    ]


def _groups(files: list[_File]) -> Iterator[list[_File]]:
    """Files of one partition that together stay under the largest size, in the order in which they were written."""
    partitions: dict[str, list[_File]] = defaultdict(list)
    for file in files:
        partitions[json.dumps(file.partition)].append(file)
    for members in partitions.values():
        group: list[_File] = []
        for file in members:
            if group and sum(member.size for member in group) + file.size > _LARGEST:
                yield group
                group = []
            group.append(file)
        yield group


def _write_merged(storage: pafs.FileSystem, group: list[_File], path: str, schema: pa.Schema, spec: TableSpec) -> None:
    """Write the rows of `group` into one file, holding one row group, or one piece of sums, in memory."""
    in_file = pa.schema([field for field in schema if field.name not in spec.partition_by])
    parts = _batches(storage, group, in_file, spec.row_group_rows)
    storage.create_dir(path.rpartition("/")[0] or ".", recursive=True)
    with (
        storage.open_output_stream(path) as sink,
        pq.ParquetWriter(sink, in_file, compression="zstd") as writer,
    ):
        for rows in blocks(parts) if spec.adds_up else _gathered(parts, spec.row_group_rows):
            writer.write_table(rows, row_group_size=spec.row_group_rows)


def _batches(storage: pafs.FileSystem, group: list[_File], in_file: pa.Schema, size: int) -> Iterator[pa.Table]:
    for file in group:
        with storage.open_input_file(file.path) as source:
            for batch in pq.ParquetFile(source).iter_batches(batch_size=size):
                yield conform(pa.Table.from_batches([batch]), in_file)


def _gathered(parts: Iterator[pa.Table], size: int) -> Iterator[pa.Table]:
    """The rows in pieces of at least `size`."""
    waiting: list[pa.Table] = []
    for part in parts:
        waiting.append(part)
        if sum(rows.num_rows for rows in waiting) >= size:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _actions(storage: pafs.FileSystem, group: list[_File], path: str, spec: TableSpec) -> list[Any]:
    from deltalake.transaction import AddAction, RemoveAction

    now = int(time.time() * 1000)
    size = storage.get_file_info(path).size
    statistics = _merged_statistics(group)
    if spec.adds_up:
        # Fewer rows than before: how many, and how many of them lack a value, only the new file knows.
        del statistics["nullCount"]
        with storage.open_input_file(path) as written:
            statistics["numRecords"] = pq.ParquetFile(written).metadata.num_rows
    # No row changes: readers of new rows pass over a commit without data change.
    added = AddAction(path, size, group[0].partition, now, data_change=False, stats=json.dumps(statistics))
    return [added, *(RemoveAction(file.path, False, now, file.size, file.partition) for file in group)]


def _commit(table: "DeltaTable", actions: list[Any], spec: TableSpec) -> None:
    from deltalake import CommitProperties, Transaction
    from deltalake.exceptions import CommitFailedError, DeltaError

    try:
        table.create_write_transaction(
            actions,
            mode="append",
            schema=table.schema(),
            partition_by=list(spec.partition_by),
            commit_properties=CommitProperties(app_transactions=[Transaction(_APP_ID, int(table.version()))]),
        )
    except CommitFailedError as error:
        raise CommitConflict(
            f"Files of {table.table_uri} were changed while they were merged, and nothing was merged; try again later."
        ) from error
    except DeltaError as error:
        raise LakehouseError(f"The files of {table.table_uri} cannot be merged: {first_line(error)}") from error


def _merged_statistics(group: list[_File]) -> dict[str, Any]:
    """The statistics of the files together, for the columns of which each file has them."""
    statistics: dict[str, Any] = {"numRecords": sum(file.rows for file in group)}
    for name, of_file, together in (("minValues", "min", min), ("maxValues", "max", max)):
        values: dict[str, Any] = {}
        for column in getattr(group[0], of_file):
            known = [getattr(file, of_file).get(column) for file in group if file.null_count.get(column) != file.rows]
            if known and all(value is not None for value in known):
                values[column] = _as_statistic(together(known), is_max=of_file == "max")
        statistics[name] = values
    statistics["nullCount"] = {
        column: sum(file.null_count[column] for file in group)
        for column in group[0].null_count
        if all(file.null_count.get(column) is not None for file in group)
    }
    return statistics


def _as_statistic(value: Any, *, is_max: bool) -> Any:
    if isinstance(value, datetime):
        # deltalake cuts the times in its statistics to milliseconds: the largest may be up to one later.
        value = value + timedelta(microseconds=999) if is_max and value.microsecond % 1000 == 0 else value
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return value.isoformat() if isinstance(value, date) else value


def _as_text(value: Any) -> str | None:
    return None if value is None else value.isoformat() if isinstance(value, date) else str(value)


def _folder(file: _File) -> str:
    folder, slash, _ = file.path.rpartition("/")
    return folder + slash


def _delete_unnamed(table: "DeltaTable", storage: pafs.FileSystem, paths: list[str]) -> None:
    """Delete files of a merge that did not happen; an error does not prove that it did not.

    deltalake raises also when a commit stands but the checkpoint after it could not be written (a full disk). So the
    newest snapshot is asked; where it cannot be read, the files are left to the next vacuum.
    """
    from deltalake.exceptions import DeltaError

    try:
        table.update_incremental()
        named = set(pa.table(table.get_add_actions())["path"].to_pylist())
    except (DeltaError, OSError):
        return
    for path in paths:
        if path not in named and storage.get_file_info(path).type == pafs.FileType.File:
            storage.delete_file(path)
