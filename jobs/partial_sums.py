"""Rows of `request_metrics` summed into mergeable rollup rows. Pure: a table in, a table out.

Adding up two rollup rows of one window, version, metric and scorer (n, sums, buckets; least minimum, greatest maximum)
gives the row that all their requests together would have given, so rollups can be written in any order and in parts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakehouse.table_spec import TIMESTAMP
from lakehouse.tables import METRICS_DAILY_REQUESTER, METRICS_MINUTE
from metrics.buckets import bucket_of


@dataclass(frozen=True)
class Measure:
    """A column of `request_metrics` that is rolled up, and the column that says who gave its values."""

    metric: str
    scorer_column: str | None = None
    weighted: bool = False
    """Whether `score_weight` counts: a score may be of a sample, a count or a duration never is."""


REQUEST_COUNT = "databricks_request_id"
"""The metric whose `n` is the number of requests; it has no sums."""

MEASURES = (
    Measure("execution_duration_ms"),
    Measure("prompt_tokens"),
    Measure("completion_tokens"),
    Measure("prompt_chars"),
    Measure("response_chars"),
    Measure("cost_usd"),
    Measure("response_perplexity", "perplexity_scorer", weighted=True),
    Measure("prompt_perplexity", "perplexity_scorer", weighted=True),
    Measure("response_fk_grade", "readability_scorer", weighted=True),
    Measure("prompt_fk_grade", "readability_scorer", weighted=True),
    Measure("response_reading_ease", "readability_scorer", weighted=True),
    Measure("response_ari", "readability_scorer", weighted=True),
    Measure("response_toxicity", "toxicity_scorer", weighted=True),
    Measure("prompt_toxicity", "toxicity_scorer", weighted=True),
)
REQUESTER_MEASURES = tuple(
    measure
    for measure in MEASURES
    if measure.metric in {"prompt_tokens", "completion_tokens", "cost_usd", "response_toxicity", "prompt_toxicity"}
)

COLUMNS_READ = (
    REQUEST_COUNT,
    "request_time",
    "endpoint_name",
    "entity_name",
    "entity_version",
    "requester",
    "status_code",
    "score_weight",
    *dict.fromkeys(measure.scorer_column for measure in MEASURES if measure.scorer_column),
    *(measure.metric for measure in MEASURES),
)
"""The columns of `request_metrics` that a rollup needs."""

_MICROSECONDS = 1_000_000
_BUCKET_BITS = 32


def partial_sums(rows: pa.Table, window_seconds: int, by_requester: bool = False) -> pa.Table:
    """Sum `rows` (at least `COLUMNS_READ`) into windows of `window_seconds` from the epoch (UTC).

    Returns: rollup rows with the columns of `metrics_minute`, or of `metrics_daily_requester` with `by_requester`. A
    value that is null, NaN or infinite is not counted.
    """
    schema = METRICS_DAILY_REQUESTER.schema if by_requester else METRICS_MINUTE.schema
    if rows.num_rows == 0:
        return schema.empty_table()
    keys = {
        "window_start": _window_start(rows["request_time"], window_seconds),
        "endpoint_name": rows["endpoint_name"],
        "entity_name": rows["entity_name"],
        "entity_version": rows["entity_version"],
        "status_class": _status_class(rows["status_code"]),
    }
    if by_requester:
        keys["requester"] = rows["requester"]
    keys = {name: _flat(column) for name, column in keys.items()}
    groups = _group_numbers(list(keys.values()))
    score_weights = _numbers(pc.fill_null(rows["score_weight"], 1.0))
    parts = [_count_requests(keys, groups)]
    for measure in REQUESTER_MEASURES if by_requester else MEASURES:
        weights = score_weights if measure.weighted else np.ones(rows.num_rows)
        parts.append(_sum_measure(measure, rows, keys, groups, weights))
    table = pa.concat_tables([part.select(schema.names).cast(schema) for part in parts if part.num_rows])
    order = [(name, "ascending") for name in ("endpoint_name", "metric", "entity_version", "window_start")]
    return table.take(pc.sort_indices(table.select([name for name, _ in order]), sort_keys=order))


def _sum_measure(
    measure: Measure,
    rows: pa.Table,
    keys: dict[str, pa.Array],
    groups: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> pa.Table:
    values = _numbers(rows[measure.metric])
    counted = np.flatnonzero(np.isfinite(values) & np.isfinite(weights))
    scorers = _flat(pc.fill_null(rows[measure.scorer_column], "")) if measure.scorer_column else _repeat("", len(rows))
    both = _group_numbers([pa.array(groups[counted]), scorers.take(pa.array(counted))])
    _, first, group = np.unique(both, return_index=True, return_inverse=True)
    x, w = values[counted], weights[counted]
    size = len(first)
    least, greatest = np.full(size, np.inf), np.full(size, -np.inf)
    np.minimum.at(least, group, x)
    np.maximum.at(greatest, group, x)
    representative = pa.array(counted[first])
    return pa.table(
        {name: column.take(representative) for name, column in keys.items()}
        | {
            "metric": _repeat(measure.metric, size),
            "scorer": scorers.take(representative),
            "n": pa.array(np.bincount(group, minlength=size), pa.int64()),
            "sum_w": np.bincount(group, w, minlength=size),
            "sum_wx": np.bincount(group, w * x, minlength=size),
            "sum_wx2": np.bincount(group, w * x * x, minlength=size),
            "min": least,
            "max": greatest,
            "buckets": _histograms(group, size, bucket_of(measure.metric, x), w),
        }
    )


def _count_requests(keys: dict[str, pa.Array], groups: NDArray[np.int64]) -> pa.Table:
    _, first, counts = np.unique(groups, return_index=True, return_counts=True)
    size = len(first)
    representative = pa.array(first)
    nothing = pa.nulls(size, pa.float64())
    return pa.table(
        {name: column.take(representative) for name, column in keys.items()}
        | {
            "metric": _repeat(REQUEST_COUNT, size),
            "scorer": _repeat("", size),
            "n": pa.array(counts, pa.int64()),
            "sum_w": counts.astype(np.float64),
            "sum_wx": nothing,
            "sum_wx2": nothing,
            "min": nothing,
            "max": nothing,
            "buckets": pa.nulls(size, METRICS_MINUTE.schema.field("buckets").type),
        }
    )


def _histograms(
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


def _window_start(times: pa.ChunkedArray, window_seconds: int) -> pa.Array:
    instants = _flat(times).cast(pa.int64())
    width = window_seconds * _MICROSECONDS
    starts = instants.fill_null(0).to_numpy(zero_copy_only=False) // width * width
    missing = instants.is_null().to_numpy(zero_copy_only=False)
    return pa.array(starts, pa.int64(), mask=missing).cast(TIMESTAMP)


def _status_class(codes: pa.ChunkedArray) -> pa.Array:
    numbers = _flat(codes).fill_null(0).to_numpy(zero_copy_only=False)
    classes = np.where((numbers >= 100) & (numbers < 1000), numbers // 100, 0)
    names = pa.array(["none", *(f"{first}xx" for first in range(1, 10))])
    return names.take(pa.array(classes, pa.int64()))


def _group_numbers(columns: Sequence[pa.Array]) -> NDArray[np.int64]:
    """A number for each row, equal where the row is equal in every column; a null is a value like another."""
    numbers = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        encoded = pc.dictionary_encode(column, null_encoding="encode")
        codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        _, numbers = np.unique(numbers * len(encoded.dictionary) + codes, return_inverse=True)
    return numbers


def _flat(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """float64 with NaN for null."""
    numbers: NDArray[np.float64] = _flat(column).cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return numbers


def _repeat(value: str, size: int) -> pa.Array:
    return pa.array([value] * size, pa.string())
