"""Is one version's average different from another's, and by how much: computed from sums, without the single values."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Moments:
    """A sample's size, mean and unbiased variance. Mean is NaN where n is 0, variance where n is below 2."""

    n: int
    mean: float
    variance: float


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


def moments_from_sums(n: int, sum_w: float, sum_wx: float, sum_wx2: float) -> Moments:
    """The moments of n values from the weighted sums of the rollups.

    Weights only balance the sample: n stays the number of values that were really scored, so a sampled window is not
    taken for more evidence than it is.
    """
    if n <= 0 or sum_w <= 0:
        return Moments(0, math.nan, math.nan)
    mean = sum_wx / sum_w
    if n == 1:
        return Moments(1, mean, math.nan)
    # Rounding can take the difference of two large, nearly equal numbers below zero.
    spread = max(sum_wx2 / sum_w - mean * mean, 0.0)
    return Moments(n, mean, spread * n / (n - 1))


def compare(a: Moments, b: Moments) -> Comparison:
    """Welch's t-test of two independent samples, two-sided, with the 95 % interval of the difference b − a."""
    difference = b.mean - a.mean
    if a.n < 2 or b.n < 2:
        return Comparison(a.n, b.n, a.mean, b.mean, difference, None, None, None, None)
    share_a, share_b = a.variance / a.n, b.variance / b.n
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
    freedom = 1 / (part_a**2 / (a.n - 1) + part_b**2 / (b.n - 1))
    margin = float(stdtrit(freedom, 0.975)) * error
    p_value = 2 * float(stdtr(freedom, -abs(difference) / error))
    pooled = math.sqrt(((a.n - 1) * a.variance + (b.n - 1) * b.variance) / (a.n + b.n - 2))
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
