"""Histogram buckets that add up: percentiles and flag counts of any window from sums over its rollup rows.

Grades and reading ease, which are linear scales and can be negative, have buckets of width 0.25. Everything else
(latency, tokens, characters, perplexity, toxicity, cost) has logarithmic buckets: 35 to each doubling, so a bucket's
representative value is within 1 % of every value in it, and every power of two is an edge: the toxicity threshold 0.5
is counted exactly. Zero has a bucket of its own, and negative values (a clock that went backwards) mirror the positive
ones below it, so that buckets sort as their values do.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

BUCKETS_PER_DOUBLING = 35
LINEAR_WIDTH = 0.25
ZERO_BUCKET = -1_000_000
"""The bucket of exactly 0 on a logarithmic scale: below every bucket of a positive value."""

_NEGATIVE_BASE = -2_000_000
_LINEAR_SUFFIXES = ("_fk_grade", "_reading_ease", "_ari")
_LINEAR_LIMIT = 2**30
_FRACTIONS = np.exp2(np.arange(BUCKETS_PER_DOUBLING) / BUCKETS_PER_DOUBLING)


def is_linear(metric: str) -> bool:
    """Whether a metric (a column of `request_metrics`) is counted in linear buckets."""
    return metric.endswith(_LINEAR_SUFFIXES)


def bucket_of(metric: str, values: ArrayLike) -> NDArray[np.int32]:
    """The bucket of each value, in the shape of `values`.

    Raises ValueError for NaN and infinity: a missing value is not counted, so leave it out first.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError(
            f"A value of {metric} is not a finite number and has no bucket; leave missing values out first."
        )
    if is_linear(metric):
        steps = np.floor(numbers / LINEAR_WIDTH)
        return np.clip(steps, -_LINEAR_LIMIT, _LINEAR_LIMIT).astype(np.int32)
    magnitude = np.abs(numbers)
    index = _log_index(np.where(magnitude > 0, magnitude, 1.0))
    signed = np.where(numbers > 0, index, _NEGATIVE_BASE - index)
    return np.where(magnitude > 0, signed, ZERO_BUCKET).astype(np.int32)


def bucket_edges(metric: str, bucket: int) -> tuple[float, float]:
    """The lower and the upper edge of a bucket; both are 0 for the bucket of zero."""
    if is_linear(metric):
        return bucket * LINEAR_WIDTH, (bucket + 1) * LINEAR_WIDTH
    if bucket == ZERO_BUCKET:
        return 0.0, 0.0
    if bucket < ZERO_BUCKET:
        index = np.array([_NEGATIVE_BASE - bucket])
        return -float(_log_edge(index + 1)[0]), -float(_log_edge(index)[0])
    index = np.array([bucket])
    return float(_log_edge(index)[0]), float(_log_edge(index + 1)[0])


def bucket_value(metric: str, bucket: int) -> float:
    """The value that stands for a bucket: its middle on a linear scale, else the relatively nearest to all."""
    lower, upper = bucket_edges(metric, bucket)
    if is_linear(metric) or lower == upper:
        return (lower + upper) / 2
    # 2·l·u/(l+u) has the same relative distance to both edges; written so that it cannot overflow.
    return lower * (2 / (1 + lower / upper)) if np.isfinite(upper) else lower


def bucket_lower(metric: str, threshold: float) -> int:
    """The first bucket all of whose values are at least `threshold`.

    Count with `bucket >= bucket_lower(…)`. Exact where the threshold is an edge (any power of two, any multiple of 0.25
    on a linear scale); otherwise values up to 2 % above the threshold (0.25 on a linear scale) may be left out.
    """
    bucket = int(bucket_of(metric, threshold))
    lower, _ = bucket_edges(metric, bucket)
    return bucket if lower >= threshold else bucket + 1


def quantile(metric: str, buckets: Mapping[int, float], q: float) -> float:
    """The q-quantile (0 ≤ q ≤ 1) of a histogram (bucket → weight), within 1 % (0.125 on a linear scale).

    NaN for an empty histogram. It is the value at or below which at least the share q of the weight lies.
    """
    if not 0 <= q <= 1:
        raise ValueError(f"A quantile is between 0 and 1, not {q}.")
    counted = sorted((bucket, weight) for bucket, weight in buckets.items() if weight > 0)
    if not counted:
        return float("nan")
    cumulated = np.cumsum([weight for _, weight in counted])
    # The tiny allowance keeps a rounding error of the sums from pushing an exact share into the next bucket.
    position = int(np.searchsorted(cumulated, q * cumulated[-1] * (1 - 1e-12), side="left"))
    return bucket_value(metric, counted[min(position, len(counted) - 1)][0])


def share_at_least(metric: str, buckets: Mapping[int, float], threshold: float) -> float:
    """The share (0 to 1) of a histogram's weight at or above `threshold`, as exact as `bucket_lower`; NaN if empty."""
    total = sum(buckets.values())
    if total <= 0:
        return float("nan")
    first = bucket_lower(metric, threshold)
    return sum(weight for bucket, weight in buckets.items() if bucket >= first) / total


def _log_edge(index: NDArray[np.int64]) -> NDArray[np.float64]:
    """2^(index/35), exact for whole powers of two."""
    doublings, fraction = np.divmod(index, BUCKETS_PER_DOUBLING)
    with np.errstate(over="ignore"):
        return np.ldexp(_FRACTIONS[fraction], doublings)


def _log_index(positive: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bucket of each positive value, right also where rounding lands on the wrong side of an edge."""
    index = np.floor(np.log2(positive) * BUCKETS_PER_DOUBLING).astype(np.int64)
    index = np.where(_log_edge(index + 1) <= positive, index + 1, index)
    return np.asarray(np.where(_log_edge(index) > positive, index - 1, index), dtype=np.int64)
