"""Is one version's average different from another's, and by how much: computed from sums, without the single values."""

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Moments:
    """A sample's size, mean and unbiased variance. Mean is NaN where n is 0, variance where n is below 2.

    kish: the effective size where the values weigh differently, from 1 to n; None where all weigh the same.
    """

    n: int
    mean: float
    variance: float
    kish: float | None = None

    @property
    def effective_n(self) -> float:
        """How many values that weigh the same would tell as much."""
        return self.n if self.kish is None else self.kish


@dataclass(frozen=True)
class Comparison:
    """Two averages side by side. `difference` is b minus a, with its 95 % interval from `low` to `high`.

    low, high, p_value: None where a sample has fewer than two values.
    effect_size: Cohen's d (the difference in pooled standard deviations); None where it has no meaning.
    """

    n_a: int
    n_b: int
    mean_a: float
    mean_b: float
    difference: float
    low: float | None
    high: float | None
    p_value: float | None
    effect_size: float | None
    test: str = "Welch's t-test"


def shared_scorer(a: Mapping[str, int], b: Mapping[str, int]) -> str:
    """The scorer by which two sides are compared: the one with the most values where it has fewest.

    So both sides are measured with one yardstick. a, b: scorer → how many values it gave; empty for no scorer at all.
    """

    def shared(name: str) -> tuple[int, int]:
        counts = a.get(name, 0), b.get(name, 0)
        return min(counts), sum(counts)

    return max(sorted({*a, *b}), key=shared, default="")


def moments_from_sums(n: int, sum_w: float, sum_wx: float, sum_wx2: float, sum_w2: float | None = None) -> Moments:
    """The moments of n values from the weighted sums of the rollups.

    sum_w2: the sum of the squared weights; None where it was not kept, which means that every weight is 1.
    Weights only balance the sample: a value that stands for many is no more evidence than one.
    """
    if n <= 0 or sum_w <= 0:
        return Moments(0, math.nan, math.nan)
    mean = sum_wx / sum_w
    size = effective_size(n, sum_w, sum_w if sum_w2 is None else sum_w2)
    if size <= 1:
        return Moments(n, mean, math.nan, None if n == 1 else size)
    # Rounding can take the difference of two large, nearly equal numbers below zero.
    spread = max(sum_wx2 / sum_w - mean * mean, 0.0)
    return Moments(n, mean, spread * size / (size - 1), None if size == n else size)


def effective_size(n: int, sum_w: float, sum_w2: float) -> float:
    """How many values of equal weight tell as much as n values of these weights: from 1 to n.

    Source: Kish (1965), Survey Sampling: (Σw)² / Σw².
    """
    if n <= 0 or sum_w2 <= 0:
        return float(max(n, 0))
    size = sum_w * sum_w / sum_w2
    # Equal weights come out as n but for the rounding of the sums.
    return float(n) if size > n * (1 - 1e-9) else max(size, 1.0)


def compare(a: Moments, b: Moments) -> Comparison:
    """Welch's t-test of two independent samples, two-sided, with the 95 % interval of the difference b − a.

    Samples whose values weigh differently count with their effective sizes.
    """
    difference = b.mean - a.mean
    size_a, size_b = a.effective_n, b.effective_n
    if size_a <= 1 or size_b <= 1:
        return Comparison(a.n, b.n, a.mean, b.mean, difference, None, None, None, None)
    share_a, share_b = a.variance / size_a, b.variance / size_b
    error = math.sqrt(share_a + share_b)
    if error == 0:
        # Neither sample varies at all: the difference is what it is, and there is no scale to measure an effect on.
        return Comparison(
            a.n,
            b.n,
            a.mean,
            b.mean,
            difference,
            difference,
            difference,
            float(difference == 0),
            0.0 if difference == 0 else None,
        )
    # Imported here: a light command that never compares need not load scipy.
    from scipy.special import stdtr, stdtrit

    # Shares of the squared error, so that neither tiny nor huge variances leave the range of a double.
    part_a, part_b = share_a / (share_a + share_b), share_b / (share_a + share_b)
    freedom = 1 / (part_a**2 / (size_a - 1) + part_b**2 / (size_b - 1))
    margin = float(stdtrit(freedom, 0.975)) * error
    p_value = 2 * float(stdtr(freedom, -abs(difference) / error))
    pooled = math.sqrt(((size_a - 1) * a.variance + (size_b - 1) * b.variance) / (size_a + size_b - 2))
    return Comparison(
        a.n,
        b.n,
        a.mean,
        b.mean,
        difference,
        difference - margin,
        difference + margin,
        p_value,
        difference / pooled if pooled > 0 else None,
    )
