"""Does one version score higher than another more often than not: ranks, which long tails cannot pull."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metrics.normal import Z_95


@dataclass(frozen=True)
class RankComparison:
    """How often a value of b is above one of a, less how often below: `delta` from -1 to 1, 0 is a coin's.

    It is Cliff's delta, and the rank-biserial correlation. low, high: its 95 % interval. p_value: of the two-sided
    Mann-Whitney test. None where a side has fewer than two values.
    """

    delta: float
    low: float | None
    high: float | None
    p_value: float | None
    test: str = "Mann-Whitney"


def compare_ranks(a: Mapping[int, float], b: Mapping[int, float], size_a: float, size_b: float) -> RankComparison:
    """Two histograms (bucket → weight) of one metric. Values in one bucket count as equal.

    size_a, size_b: how many values of equal weight they tell as much as; for weights of 1, how many values.
    Sources: Mann, Whitney (1947), with the variance for ties; Cliff (1993), Dominance statistics; DeLong, DeLong,
    Clarke-Pearson (1988) for the interval.
    """
    names = sorted({*a, *b})
    share_a, share_b = (_shares(side, names) for side in (a, b))
    if not share_a.sum() or not share_b.sum():
        return RankComparison(math.nan, None, None, None)
    # For each bucket: the share of the other side below, and half of that beside.
    place_of_b, place_of_a = _places(share_a), _places(share_b)
    chance = float(share_b @ place_of_b)
    delta = 2 * chance - 1
    if min(size_a, size_b) <= 1:
        return RankComparison(delta, None, None, None)
    variance = _variance(place_of_b, share_b, size_b) + _variance(place_of_a, share_a, size_a)
    margin = 2 * Z_95 * math.sqrt(variance)
    p_value = _p_value(chance, share_a * size_a + share_b * size_b, size_a, size_b)
    return RankComparison(delta, max(delta - margin, -1.0), min(delta + margin, 1.0), p_value)


def mean_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1, float64 [n]; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: NDArray[np.float64] = (last - (counts - 1) / 2)[place]
    return ranks


def _shares(histogram: Mapping[int, float], names: list[int]) -> NDArray[np.float64]:
    weights = np.array([max(histogram.get(name, 0.0), 0.0) for name in names])
    total = weights.sum()
    return np.asarray(weights / total) if total > 0 else weights


def _places(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.cumsum(shares) - shares / 2


def _variance(places: NDArray[np.float64], shares: NDArray[np.float64], size: float) -> float:
    """The variance of the mean place of one side's values among the other's."""
    mean = float(shares @ places)
    return float(shares @ (places - mean) ** 2) * size / (size - 1) / size


def _p_value(chance: float, together: NDArray[np.float64], size_a: float, size_b: float) -> float:
    size = size_a + size_b
    ties = float((together**3 - together).sum()) / (size * (size - 1))
    spread = (size + 1 - ties) / (12 * size_a * size_b)
    # All values are equal: there is nothing to tell the sides apart by.
    return math.erfc(abs(chance - 0.5) / math.sqrt(2 * spread)) if spread > 1e-15 else 1.0
