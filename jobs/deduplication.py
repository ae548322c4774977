"""One row for each request id, although a source may deliver a row twice or more."""

from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakehouse.store import batches_of_dates

if TYPE_CHECKING:
    from deltalake import DeltaTable

ONE_DAY = timedelta(days=1)


def new_rows(rows: pa.Table, request_metrics: "DeltaTable") -> NDArray[np.bool_]:
    """For each of `rows` (columns of `SOURCE_ROWS`) whether it is to be scored: first of its id, and not known yet.

    Known ids are looked up in the snapshot that `request_metrics` holds, on the dates of the rows and the day before
    and after: a row that was delivered twice has the same time, give or take the border of a day.
    """
    new = first_of_each_id(rows)
    if rows.num_rows == 0 or request_metrics.version() == 0:
        return new
    ids = rows["databricks_request_id"].combine_chunks()
    known = ids_found(request_metrics, ids, dates=_dates_to_look_at(rows["request_date"]))
    unknown: NDArray[np.bool_] = ~pc.is_in(ids, value_set=known).to_numpy(zero_copy_only=False)
    return new & unknown


def first_of_each_id(rows: pa.Table) -> NDArray[np.bool_]:
    """For each row whether it is the first of its `databricks_request_id`: by source version, time, then as read."""
    first = np.zeros(rows.num_rows, dtype=np.bool_)
    if rows.num_rows == 0:
        return first
    codes = pc.dictionary_encode(rows["databricks_request_id"].combine_chunks()).indices
    versions = rows["source_version"].to_numpy()
    times = rows["request_time"].cast(pa.int64()).fill_null(0).to_numpy()
    order = np.lexsort((times, versions))
    _, place = np.unique(codes.to_numpy(zero_copy_only=False)[order], return_index=True)
    first[order[place]] = True
    return first


def ids_found(table: "DeltaTable", ids: pa.Array, dates: list[str] | None = None) -> pa.Array:
    """Those of `ids` that the snapshot has as `databricks_request_id`, on `dates` (partition values) or on any date.

    Memory holds the hits only. Raises: UnreadableTable, if a file of the snapshot is gone.
    """
    found: list[pa.Array] = []
    for batch in batches_of_dates(table, ["databricks_request_id"], dates):
        stored = batch.column("databricks_request_id")
        found.append(stored.filter(pc.is_in(stored, value_set=ids)))
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
