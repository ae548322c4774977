"""The distribution of a score, from single values or from the buckets of rollups: medians and their intervals, ranks.

A distribution from buckets knows where a value stands to within its bucket, which is 2 % wide (0.25 on a linear
scale); inside of a bucket values are taken as spread evenly.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.buckets import bucket_edges
from metrics.comparison import effective_size

BOOTSTRAP_DRAWS = 4_000
"""Resampled medians behind an interval."""

_START = 20_261_122
"""Of the random numbers."""
_LONG_TAIL = 8.0
"""Of a normal distribution all but 1 % spread over 3.8 times what the middle half does."""

_edges = lru_cache(maxsize=65_536)(bucket_edges)
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Distribution:
    """Values in rising order, float64 [k]: each lies from `lower` to `upper` and weighs `weight`, above 0.

    size: how many values of equal weight tell as much (Kish).
    """

    lower: Floats
    upper: Floats
    weight: Floats
    size: float

    @property
    def median(self) -> float:
        """The value with as much weight below as above; NaN of nothing."""
        return float(self.at(np.array([0.5]))[0]) if len(self.weight) else math.nan

    @property
    def positive(self) -> bool:
        """Whether all values are above 0; not so of nothing."""
        return bool(len(self.lower)) and float(self.lower[0]) > 0

    @property
    def long_tailed(self) -> bool:
        """Whether a few values lie so far away that an average says more of them than of the others."""
        if len(self.weight) < 2:
            return False
        lowest, lower, upper, highest = self.at(np.array([0.005, 0.25, 0.75, 0.995]))
        return bool(highest - lowest > _LONG_TAIL * (upper - lower))

    def at(self, shares: Floats) -> Floats:
        """The values below which these shares (0 to 1) of the weight lie; halfway, where a share ends between two."""
        ends = np.cumsum(self.weight)
        wanted = shares * ends[-1]
        slack = ends[-1] * 1e-12
        below = np.searchsorted(ends, wanted - slack).clip(max=len(ends) - 1)
        above = np.searchsorted(ends, wanted + slack).clip(max=len(ends) - 1)
        inside = ((wanted - ends[below]) / self.weight[below] + 1).clip(0, 1)
        found = self.lower[below] + inside * (self.upper[below] - self.lower[below])
        return np.asarray(np.where(above > below, (found + self.lower[above]) / 2, found))


@dataclass(frozen=True)
class MedianComparison:
    """Two medians and their difference, b minus a, with the 95 % bootstrap interval (None below two values)."""

    median_a: float
    median_b: float
    difference: float
    low: float | None
    high: float | None


def from_values(values: ArrayLike, weights: ArrayLike | None = None) -> Distribution:
    """The distribution of single values; missing ones are left out. weights: all 1 unless given."""
    numbers = np.asarray(values, dtype=np.float64)
    weight = np.ones(len(numbers)) if weights is None else np.asarray(weights, dtype=np.float64)
    kept = np.isfinite(numbers) & (weight > 0)
    numbers, weight = numbers[kept], weight[kept]
    order = np.argsort(numbers, kind="stable")
    size = effective_size(len(numbers), float(weight.sum()), float((weight**2).sum()))
    return Distribution(numbers[order], numbers[order], weight[order], size)


def from_buckets(metric: str, buckets: Mapping[int, float], size: float) -> Distribution:
    """The distribution of a histogram (bucket → weight) of `metric`, a column of `request_metrics`."""
    counted = sorted((bucket, weight) for bucket, weight in buckets.items() if weight > 0)
    edges = np.array([_edges(metric, bucket) for bucket, _ in counted], dtype=np.float64).reshape(-1, 2)
    return Distribution(edges[:, 0], edges[:, 1], np.array([weight for _, weight in counted], dtype=np.float64), size)


def compare_medians(a: Distribution, b: Distribution, draws: int = BOOTSTRAP_DRAWS) -> MedianComparison:
    """The medians of two independent samples, and the percentile bootstrap interval of their difference.

    The same numbers every time: the random numbers have a fixed start.
    """
    difference = b.median - a.median
    if min(a.size, b.size) < 2:
        return MedianComparison(a.median, b.median, difference, None, None)
    random = np.random.default_rng(_START)
    resampled_a, resampled_b = _resampled_medians(a, draws, random), _resampled_medians(b, draws, random)
    low, high = np.quantile(resampled_b - resampled_a, [0.025, 0.975])
    return MedianComparison(a.median, b.median, difference, float(low), float(high))


def median_interval(of: Distribution, draws: int = BOOTSTRAP_DRAWS) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of a median."""
    low, high = np.quantile(_resampled_medians(of, draws, np.random.default_rng(_START)), [0.025, 0.975])
    return float(low), float(high)


def _resampled_medians(of: Distribution, draws: int, random: np.random.Generator) -> Floats:
    """Medians of samples that are drawn from a distribution with replacement.

    Not drawn value by value: the k-th smallest of n draws stands at a share of the distribution that is distributed as
    Beta(k, n - k + 1), which is the same and takes no time, however large n is.
    Source: David, Nagaraja (2003), Order Statistics, 2.3.
    """
    n = max(round(of.size), 2)
    k = (n + 1) // 2
    first = random.beta(k, n - k + 1, draws)
    if n % 2:
        return _drawn(of, first)
    # Of an even number the two in the middle: the next one is the least of the n - k draws above.
    second = first + (1 - first) * random.beta(1, n - k, draws)
    return (_drawn(of, first) + _drawn(of, second)) / 2


def _drawn(of: Distribution, shares: Floats) -> Floats:
    """Values as they would be drawn at these shares: one of those that there are, never halfway between two."""
    ends = np.cumsum(of.weight)
    wanted = shares * ends[-1]
    place = np.searchsorted(ends, wanted).clip(max=len(ends) - 1)
    inside = ((wanted - ends[place]) / of.weight[place] + 1).clip(0, 1)
    return np.asarray(of.lower[place] + inside * (of.upper[place] - of.lower[place]))
