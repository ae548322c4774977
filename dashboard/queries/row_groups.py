"""Rows of a few spans of time out of the large files of a table, read by the parts of files that have them.

DuckDB reads as little, but takes longer to plan dozens of spans than to read them. Small files it keeps in memory.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dashboard.errors import QueryFailed
from dashboard.queries.kept import kept
from dashboard.queries.lake import DataFile, Snapshot, Span, select_table
from dashboard.queries.small_files import SMALL_BYTES
from lakehouse.store import first_line
from lakehouse.tables import TABLES

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_MOST_FOOTERS = 512
_FEW_NAMES = ["endpoint_name", "entity_name", "entity_version"]
"""Texts of which there are few different ones: they stay numbers, which is ten times as quick."""


def rows_between(snapshot: Snapshot, spans: Sequence[Span], columns: Sequence[str]) -> "pa.Table":
    """Some columns of all rows of `request_metrics` in some spans of time, which do not overlap, and maybe of others.

    snapshot: whose files are on this machine. Raises: QueryFailed.
    """
    import pyarrow as pa

    known = TABLES[snapshot.name].schema
    few = pa.dictionary(pa.int32(), pa.string())
    schema = pa.schema([pa.field(name, few if name in _FEW_NAMES else known.field(name).type) for name in columns])
    found = [schema.empty_table()]
    edges = np.array([[time.timestamp() for time in span] for span in spans])
    try:
        files = {file.uri: file for span in spans for file in snapshot.files_between(span)}.values()
        small = tuple(file for file in files if file.size <= SMALL_BYTES)
        if small:
            found.append(_rows_of_small(replace(snapshot, files=small), spans, schema))
        for file in files:
            if file.size > SMALL_BYTES:
                found += _rows_of_file(file, edges, schema)
        return pa.concat_tables(found)
    except (OSError, pa.ArrowException) as error:
        raise QueryFailed(f"The table {snapshot.name} could not be read: {first_line(error)}") from error


def _rows_of_small(snapshot: Snapshot, spans: Sequence[Span], schema: "pa.Schema") -> "pa.Table":
    """The rows of the small files, which are many and which DuckDB keeps in memory, from the first span to the last."""
    start, end = min(start for start, _ in spans), max(end for _, end in spans)
    rows = select_table(
        snapshot,
        f"""SELECT {", ".join(schema.names)} FROM this
            WHERE request_time >= $start AND request_time < $end""",  # noqa: S608
        start=start,
        end=end,
    )
    return rows.cast(schema)


def _rows_of_file(file: DataFile, edges: NDArray[np.float64], schema: "pa.Schema") -> "list[pa.Table]":
    import pyarrow as pa
    import pyarrow.parquet as pq

    footer, starts, ends = _footer(file.uri)
    wanted = np.flatnonzero(
        [np.any((edges[:, 0] <= end) & (edges[:, 1] > start)) for start, end in zip(starts, ends, strict=True)]
    ).tolist()
    if not wanted:
        return []
    known = set(footer.schema.to_arrow_schema().names)
    there = [name for name in schema.names if name in known]
    few = [name for name in _FEW_NAMES if name in known]
    with pq.ParquetFile(file.uri, metadata=footer, read_dictionary=few) as opened:
        rows = opened.read_row_groups(wanted, columns=there, use_threads=False)
    # Columns that were added since the file was written are null in it.
    gaps = [rows[name] if name in there else pa.nulls(len(rows), schema.field(name).type) for name in schema.names]
    return [pa.table(gaps, schema.names).cast(schema)]


@kept(max_entries=_MOST_FOOTERS, copied=False)
def _footer(path: str) -> "tuple[pq.FileMetaData, list[float], list[float]]":
    """What stands at the end of a file, which never changes, and the first and last time of each of its row groups."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as opened:
        footer = opened.metadata
    paths = [footer.schema.column(place).path for place in range(footer.num_columns)]
    place = paths.index("request_time")
    starts, ends = [], []
    for group in range(footer.num_row_groups):
        about = footer.row_group(group).column(place).statistics
        known = about is not None and about.has_min_max
        starts.append(about.min.timestamp() if known else -np.inf)
        ends.append(about.max.timestamp() if known else np.inf)
    return footer, starts, ends
