"""One row for each request id, although a source may deliver a row twice or more."""

from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import UnreadableTable
from lakehouse.store import first_line

if TYPE_CHECKING:
    from deltalake import DeltaTable

ONE_DAY = timedelta(days=1)


def first_of_each_id(rows: pa.Table) -> pa.Table:
    """The row that came first for each `databricks_request_id`: by source version, then time, then as read."""
    order = pc.sort_indices(
        pa.table(
            {
                "source_version": rows["source_version"],
                "request_time": rows["request_time"],
                "row": pa.array(np.arange(rows.num_rows)),
            }
        ),
        sort_keys=[("source_version", "ascending"), ("request_time", "ascending"), ("row", "ascending")],
    )
    ordered = rows["databricks_request_id"].take(order)
    codes = pc.dictionary_encode(ordered.combine_chunks()).indices.to_numpy(zero_copy_only=False)
    _, first = np.unique(codes, return_index=True)
    if len(first) == rows.num_rows:
        return rows
    kept = np.sort(order.to_numpy()[first])
    return rows.take(pa.array(kept))


def without_known_ids(rows: pa.Table, request_metrics: "DeltaTable") -> pa.Table:
    """The rows whose id is not yet in `request_metrics`, looked up in the snapshot that the DeltaTable holds.

    Only the dates of the rows and the day before and after are read: a row delivered twice has the same time, give or
    take the border of a day.
    """
    if rows.num_rows == 0 or request_metrics.version() == 0:
        return rows
    ids = rows["databricks_request_id"].combine_chunks()
    known = ids_found(request_metrics, ids, dates=_dates_to_look_at(rows["request_date"]))
    return rows.filter(pc.invert(pc.is_in(ids, value_set=known))) if len(known) else rows


def ids_found(table: "DeltaTable", ids: pa.Array, dates: list[str] | None = None) -> pa.Array:
    """Those of `ids` that stand in the snapshot's `databricks_request_id`, on `dates` (partition values) or on any date.

    Memory holds the hits only. Raises: UnreadableTable, if a file of the snapshot is gone.
    """
    pruning = None if dates is None else [("request_date", "in", dates)]
    found: list[pa.Array] = []
    try:
        dataset = table.to_pyarrow_dataset(file_pruning_predicate=pruning)
        for batch in dataset.scanner(columns=["databricks_request_id"]).to_batches():
            stored = batch.column("databricks_request_id")
            found.append(stored.filter(pc.is_in(stored, value_set=ids)))
    except OSError as error:
        raise UnreadableTable(f"The table at {table.table_uri} cannot be read: {first_line(error)}") from error
    return pa.concat_arrays(found) if found else ids.slice(0, 0)


def _dates_to_look_at(dates: pa.ChunkedArray) -> list[str]:
    """The dates as the partition values they have in the Delta log ('' for a row without a date)."""
    touched: set[date] = set()
    found: set[str] = set()
    for day in pc.unique(dates).to_pylist():
        if day is None:
            found.add("")
            continue
        touched.add(day)
        # A clock that is far off can stand at the first or the last day there is.
        if day > date.min:
            touched.add(day - ONE_DAY)
        if day < date.max:
            touched.add(day + ONE_DAY)
    return sorted(found | {day.isoformat() for day in touched})
