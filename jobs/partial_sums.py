"""Rows of `request_metrics` and `request_scores` summed into mergeable rollup rows. Pure: a table in, a table out.

Adding up two rollup rows of one window, version, metric and scorer (n, sums, buckets; least minimum, greatest maximum)
gives the row that all their requests together would have given, so rollups can be written in any order and in parts.
That holds for a score that was given later, too: it adds its value, and where a value that stood for several rows now
stands for itself alone, the difference of the weights, which is negative, is added like any other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakehouse.rollup_rows import flat, group_numbers, histograms, in_order
from lakehouse.rollup_tables import METRICS_DAILY_REQUESTER, METRICS_MINUTE
from lakehouse.table_spec import TIMESTAMP
from metrics.buckets import bucket_of
from metrics.sampling import is_sampled


@dataclass(frozen=True)
class Measure:
    """A column of `request_metrics` that is rolled up, and the column that says who gave its values."""

    metric: str
    scorer_column: str | None = None


REQUEST_COUNT = "databricks_request_id"
"""The metric whose `n` is the number of requests; it has no sums."""

MEASURES = (
    Measure("execution_duration_ms"),
    Measure("prompt_tokens"),
    Measure("completion_tokens"),
    Measure("prompt_chars"),
    Measure("response_chars"),
    Measure("cost_usd"),
    Measure("response_perplexity", "perplexity_scorer"),
    Measure("prompt_perplexity", "perplexity_scorer"),
    Measure("response_fk_grade", "readability_scorer"),
    Measure("prompt_fk_grade", "readability_scorer"),
    Measure("response_reading_ease", "readability_scorer"),
    Measure("response_ari", "readability_scorer"),
    Measure("response_toxicity", "toxicity_scorer"),
    Measure("prompt_toxicity", "toxicity_scorer"),
)
REQUESTER_MEASURES = tuple(
    measure
    for measure in MEASURES
    if measure.metric in {"prompt_tokens", "completion_tokens", "cost_usd", "response_toxicity", "prompt_toxicity"}
)

REQUEST_COLUMNS = (
    REQUEST_COUNT,
    "request_time",
    "endpoint_name",
    "entity_name",
    "entity_version",
    "requester",
    "status_code",
)
"""The columns of `request_metrics` that say to which window and version a request belongs."""

COLUMNS_READ = (
    *REQUEST_COLUMNS,
    "score_weight",
    *dict.fromkeys(measure.scorer_column for measure in MEASURES if measure.scorer_column),
    *(measure.metric for measure in MEASURES),
)
"""The columns of `request_metrics` that a rollup needs."""

SCORE_COLUMNS = (REQUEST_COUNT, "request_date", "metric", "scorer", "value", "weight")
"""The columns of `request_scores` that a rollup needs."""

_MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class _Values:
    """The values of one metric that are counted: where in the rows they stand, and what each adds to the sums."""

    metric: str
    rows: NDArray[np.int64]
    scorers: pa.Array
    values: NDArray[np.float64]
    weights: NDArray[np.float64]
    squared_weights: NDArray[np.float64]
    counts: NDArray[np.int64]


def partial_sums(rows: pa.Table, window_seconds: int, by_requester: bool = False) -> pa.Table:
    """Sum `rows` (at least `COLUMNS_READ`) into windows of `window_seconds` from the epoch (UTC).

    Returns: rollup rows with the columns of `metrics_minute`, or of `metrics_daily_requester` with `by_requester`. A
    value that is null, NaN or infinite is not counted. A value that may be of a sample counts with its row's weight.
    """
    if rows.num_rows == 0:
        return _schema(by_requester).empty_table()
    keys, groups = _keys(rows, window_seconds, by_requester)
    score_weights = _numbers(pc.fill_null(rows["score_weight"], 1.0))
    measured = (_measured(measure, rows, score_weights) for measure in _measures(by_requester))
    return _in_order([_count_requests(keys, groups), *(_summed(part, keys, groups) for part in measured)], by_requester)


def partial_sums_of_scores(scores: pa.Table, window_seconds: int, by_requester: bool = False) -> pa.Table:
    """Sum scores that were given later: `SCORE_COLUMNS` of `request_scores`, `REQUEST_COLUMNS` of their requests.

    A row whose weight is negative corrects a value that is counted already and adds nothing to `n`.
    Returns: rollup rows as `partial_sums` does, without counts of requests.
    """
    if scores.num_rows == 0:
        return _schema(by_requester).empty_table()
    keys, groups = _keys(scores, window_seconds, by_requester)
    values, weights = _numbers(scores["value"]), _numbers(scores["weight"])
    metrics, scorers = flat(scores["metric"]), flat(pc.fill_null(scores["scorer"], ""))
    usable = np.isfinite(values) & np.isfinite(weights)
    parts = []
    for measure in _measures(by_requester):
        of_metric = pc.fill_null(pc.equal(metrics, measure.metric), False).to_numpy(zero_copy_only=False)
        counted = np.flatnonzero(usable & of_metric)
        added = weights[counted]
        part = _Values(
            metric=measure.metric,
            rows=counted,
            scorers=scorers.take(pa.array(counted)),
            values=values[counted],
            weights=added,
            # The weight is 1 from now on and was 1 - added before: the sum of squares grows by 1² - (1 - added)².
            squared_weights=added * (2 - added),
            counts=(added > 0).astype(np.int64),
        )
        parts.append(_summed(part, keys, groups))
    return _in_order(parts, by_requester)


def _measured(measure: Measure, rows: pa.Table, score_weights: NDArray[np.float64]) -> _Values:
    values = _numbers(rows[measure.metric])
    scorers = flat(pc.fill_null(rows[measure.scorer_column], "")) if measure.scorer_column else _repeat("", len(rows))
    encoded = pc.dictionary_encode(scorers)
    of_sample = np.array([is_sampled(measure.metric, name) for name in encoded.dictionary.to_pylist()], dtype=np.bool_)
    weights = np.where(of_sample[encoded.indices.to_numpy(zero_copy_only=False)], score_weights, 1.0)
    counted = np.flatnonzero(np.isfinite(values) & np.isfinite(weights))
    return _Values(
        metric=measure.metric,
        rows=counted,
        scorers=scorers.take(pa.array(counted)),
        values=values[counted],
        weights=weights[counted],
        squared_weights=weights[counted] ** 2,
        counts=np.ones(len(counted), dtype=np.int64),
    )


def _summed(part: _Values, keys: dict[str, pa.Array], groups: NDArray[np.int64]) -> pa.Table:
    both = group_numbers([pa.array(groups[part.rows]), part.scorers])
    _, first, group = np.unique(both, return_index=True, return_inverse=True)
    x, w, size = part.values, part.weights, len(first)
    least, greatest = np.full(size, np.inf), np.full(size, -np.inf)
    np.minimum.at(least, group, x)
    np.maximum.at(greatest, group, x)
    representative = pa.array(part.rows[first])
    return pa.table(
        {name: column.take(representative) for name, column in keys.items()}
        | {
            "metric": _repeat(part.metric, size),
            "scorer": part.scorers.take(pa.array(first)),
            "n": np.bincount(group, part.counts, minlength=size).astype(np.int64),
            "sum_w": np.bincount(group, w, minlength=size),
            "sum_wx": np.bincount(group, w * x, minlength=size),
            "sum_wx2": np.bincount(group, w * x * x, minlength=size),
            "min": least,
            "max": greatest,
            "buckets": histograms(group, size, bucket_of(part.metric, x), w),
            "sum_w2": np.bincount(group, part.squared_weights, minlength=size),
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
            "sum_w2": counts.astype(np.float64),
        }
    )


def _schema(by_requester: bool) -> pa.Schema:
    return METRICS_DAILY_REQUESTER.schema if by_requester else METRICS_MINUTE.schema


def _measures(by_requester: bool) -> tuple[Measure, ...]:
    return REQUESTER_MEASURES if by_requester else MEASURES


def _keys(rows: pa.Table, window_seconds: int, by_requester: bool) -> tuple[dict[str, pa.Array], NDArray[np.int64]]:
    """What a rollup row is told by, but for metric and scorer, and the number of each row's combination of these."""
    keys = {
        "window_start": _window_start(rows["request_time"], window_seconds),
        "endpoint_name": rows["endpoint_name"],
        "entity_name": rows["entity_name"],
        "entity_version": rows["entity_version"],
        "status_class": _status_class(rows["status_code"]),
    }
    if by_requester:
        keys["requester"] = rows["requester"]
    keys = {name: flat(column) for name, column in keys.items()}
    return keys, group_numbers(list(keys.values()))


def _in_order(parts: Sequence[pa.Table], by_requester: bool) -> pa.Table:
    """The parts as one table of rollup rows, sorted so that a reader of one endpoint and metric skips the rest."""
    schema = _schema(by_requester)
    filled = [part.select(schema.names).cast(schema) for part in parts if part.num_rows]
    table = pa.concat_tables(filled) if filled else schema.empty_table()
    return in_order(table)


def _window_start(times: pa.ChunkedArray, window_seconds: int) -> pa.Array:
    instants = flat(times).cast(pa.int64())
    width = window_seconds * _MICROSECONDS
    starts = instants.fill_null(0).to_numpy(zero_copy_only=False) // width * width
    missing = instants.is_null().to_numpy(zero_copy_only=False)
    return pa.array(starts, pa.int64(), mask=missing).cast(TIMESTAMP)


def _status_class(codes: pa.ChunkedArray) -> pa.Array:
    numbers = flat(codes).fill_null(0).to_numpy(zero_copy_only=False)
    classes = np.where((numbers >= 100) & (numbers < 1000), numbers // 100, 0)
    names = pa.array(["none", *(f"{first}xx" for first in range(1, 10))])
    return names.take(pa.array(classes, pa.int64()))


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """float64 with NaN for null."""
    numbers: NDArray[np.float64] = flat(column).cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return numbers


def _repeat(value: str, size: int) -> pa.Array:
    return pa.array([value] * size, pa.string())
