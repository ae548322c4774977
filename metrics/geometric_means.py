"""Scores that spread over orders of magnitude, compared by how many times as large one is as the other."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from metrics.buckets import bucket_edges
from metrics.comparison import Moments, compare


@dataclass(frozen=True)
class RatioComparison:
    """Two geometric means and their ratio, b over a, with its 95 % interval (None where a side is too small).

    effect_size: Cohen's d of the logarithms.
    """

    mean_a: float
    mean_b: float
    ratio: float
    low: float | None
    high: float | None
    p_value: float | None
    effect_size: float | None
    test: str = "Welch's t-test of the logarithms"


def log_moments(metric: str, buckets: Mapping[int, float], n: int, size: float) -> Moments:
    """The moments of the natural logarithms of n positive values from their histogram (bucket → weight).

    size: how many values of equal weight they tell as much as. A bucket's middle stands for its values, which moves the
    mean of the logarithms by less than 0.01. Raises: ValueError, if a value is not above 0.
    """
    counted = [(bucket, weight) for bucket, weight in buckets.items() if weight > 0]
    if n <= 0 or not counted:
        return Moments(0, math.nan, math.nan)
    edges = np.array([bucket_edges(metric, bucket) for bucket, _ in counted])
    if edges.min() <= 0:
        raise ValueError(f"A ratio needs values above 0, and some of {metric} are not.")
    logs = np.log(edges).mean(axis=1)
    weights = np.array([weight for _, weight in counted])
    mean = float(np.average(logs, weights=weights))
    if size <= 1:
        return Moments(n, mean, math.nan, size)
    spread = float(np.average((logs - mean) ** 2, weights=weights))
    return Moments(n, mean, spread * size / (size - 1), None if size == n else size)


def compare_ratio(a: Moments, b: Moments) -> RatioComparison:
    """The ratio of the geometric means of two independent samples, given by the moments of their logarithms."""
    logs = compare(a, b)
    return RatioComparison(
        math.exp(logs.mean_a),
        math.exp(logs.mean_b),
        math.exp(logs.difference),
        None if logs.low is None else math.exp(logs.low),
        None if logs.high is None else math.exp(logs.high),
        logs.p_value,
        logs.effect_size,
    )
