"""Rows of the rollup tables: their order, their histograms, and several that belong together added up to one."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

ORDER = ("endpoint_name", "metric", "entity_version", "window_start")
"""How rows stand in a file: a reader of one endpoint and metric skips the row groups of the rest."""

_SUMS = ("n", "sum_w", "sum_wx", "sum_wx2", "min", "max", "buckets", "sum_w2")
"""What a row says; by all its other columns it is told from others."""
_AT_ONCE = 65_536
"""Rows that are added up and sorted together; with their histograms they take up to some hundred MB."""
_BUCKET_BITS = 32


def in_order(rows: pa.Table) -> pa.Table:
    """The rows in `ORDER`."""
    keys = [(name, "ascending") for name in ORDER]
    return rows.take(pc.sort_indices(rows.select(list(ORDER)), sort_keys=keys))


def blocks(parts: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The rows of all parts, in pieces that are added up and in order; rows that stand far apart may stay apart.

    Parts are taken as they come, so that only one piece is in memory: what belongs together was written together.
    """
    waiting: list[pa.Table] = []
    count = 0
    for part in parts:
        waiting.append(part)
        count += part.num_rows
        if count >= _AT_ONCE:
            block = added_up(pa.concat_tables(waiting))
            waiting, count = [block], block.num_rows
            if count >= _AT_ONCE // 2:
                yield in_order(block)
                waiting, count = [], 0
    if count:
        yield in_order(added_up(pa.concat_tables(waiting)))


def added_up(rows: pa.Table) -> pa.Table:
    """Rollup rows with those of one window, version, metric, scorer and so on added up to one.

    rows: with the columns of a rollup table. Returns: the same columns; what was null in all of a group stays null.
    """
    keys = [flat(rows[name]) for name in rows.column_names if name not in _SUMS]
    _, first, group = np.unique(group_numbers(keys), return_index=True, return_inverse=True)
    size = len(first)
    if size == rows.num_rows:
        return rows
    representatives = pa.array(first)
    # A row of an earlier release has no sum of squared weights; its weights were all 1.
    squares = pc.coalesce(rows["sum_w2"], rows["sum_w"])
    sums = {
        "n": pa.array(_sum(pc.fill_null(rows["n"], 0), group, size), pa.int64()),
        **{name: _summed(rows[name], group, size) for name in ("sum_w", "sum_wx", "sum_wx2")},
        "min": _extreme(np.minimum, np.inf, rows["min"], group, size),
        "max": _extreme(np.maximum, -np.inf, rows["max"], group, size),
        "buckets": _histograms_together(flat(rows["buckets"]), group, size),
        "sum_w2": _summed(squares, group, size),
    }
    columns = [sums[name] if name in sums else flat(rows[name]).take(representatives) for name in rows.column_names]
    return pa.Table.from_arrays(columns, schema=rows.schema)


def histograms(
    group: NDArray[np.int64], size: int, bucket: NDArray[np.int32], weights: NDArray[np.float64]
) -> pa.MapArray:
    """One sparse histogram (bucket → weight) for each of `size` groups."""
    shifted = bucket.astype(np.int64) + 2 ** (_BUCKET_BITS - 1)
    pairs, pair = np.unique((group.astype(np.int64) << _BUCKET_BITS) | shifted, return_inverse=True)
    starts = np.searchsorted(pairs >> _BUCKET_BITS, np.arange(size + 1), side="left")
    keys = (pairs & (2**_BUCKET_BITS - 1)) - 2 ** (_BUCKET_BITS - 1)
    return pa.MapArray.from_arrays(
        pa.array(starts, pa.int32()),
        pa.array(keys, pa.int32()),
        pa.array(np.bincount(pair, weights, minlength=len(pairs)), pa.float64()),
    )


def group_numbers(columns: Sequence[pa.Array]) -> NDArray[np.int64]:
    """A number for each row, equal where the row is equal in every column; a null is a value like another."""
    numbers = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        encoded = pc.dictionary_encode(column, null_encoding="encode")
        codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        _, numbers = np.unique(numbers * len(encoded.dictionary) + codes, return_inverse=True)
    return numbers


def flat(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """The column as one array."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _sum(values: pa.ChunkedArray, group: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    sums = np.zeros(size, dtype=np.int64)
    np.add.at(sums, group, flat(values).to_numpy(zero_copy_only=False))
    return sums


def _summed(column: pa.ChunkedArray, group: NDArray[np.int64], size: int) -> pa.Array:
    values = flat(column)
    known = values.is_valid().to_numpy(zero_copy_only=False)
    sums = np.bincount(group, values.fill_null(0.0).to_numpy(zero_copy_only=False), minlength=size)
    return pa.array(sums, mask=np.bincount(group, known, minlength=size) == 0)


def _extreme(
    least_or_greatest: np.ufunc, start: float, column: pa.ChunkedArray, group: NDArray[np.int64], size: int
) -> pa.Array:
    values = flat(column)
    known = values.is_valid().to_numpy(zero_copy_only=False)
    found = np.full(size, start)
    least_or_greatest.at(found, group[known], values.drop_null().to_numpy(zero_copy_only=False))
    return pa.array(found, mask=np.bincount(group, known, minlength=size) == 0)


def _histograms_together(column: pa.MapArray, group: NDArray[np.int64], size: int) -> pa.MapArray:
    lengths = pc.fill_null(pc.list_value_length(column.cast(pa.list_(column.type.field(0)))), 0)
    of_entry = np.repeat(group, lengths.to_numpy(zero_copy_only=False))
    entries = pc.list_flatten(column.cast(pa.list_(column.type.field(0))))
    buckets, weights = (pc.struct_field(entries, place) for place in (0, 1))
    together = histograms(of_entry, size, buckets.to_numpy(zero_copy_only=False), weights.to_numpy())
    known = np.bincount(group, column.is_valid().to_numpy(zero_copy_only=False), minlength=size) > 0
    # A count of requests has no histogram at all, which is not an empty one.
    return pa.MapArray.from_arrays(
        together.offsets, together.keys, together.items, type=column.type, mask=pa.array(~known)
    )
