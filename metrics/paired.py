"""Two scores of the same things: by how much do they differ on average, and is that more than chance?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metrics.distributions import from_values, median_interval
from metrics.ranks import mean_ranks


@dataclass(frozen=True)
class PairedComparison:
    """The means of n pairs and their difference, b minus a, with its 95 % interval (None below two pairs).

    Of a ratio the means are geometric and the difference is b over a; of ranks they are medians, and the difference is
    the median of the differences. p_value: two-sided; None below two pairs. effect_size: the mean difference in
    standard deviations of the differences (of the logarithms, for a ratio), None where these do not vary; of ranks, the
    rank-biserial correlation of matched pairs.
    """

    n: int
    mean_a: float
    mean_b: float
    difference: float
    low: float | None
    high: float | None
    p_value: float | None = None
    effect_size: float | None = None


def paired_difference(pairs: Sequence[tuple[float, float]]) -> PairedComparison | None:
    """The mean difference b − a of pairs (a, b), with the interval of Student's t for paired samples; None of none."""
    n = len(pairs)
    if n == 0:
        return None
    differences = [b - a for a, b in pairs]
    mean = math.fsum(differences) / n
    mean_a, mean_b = (math.fsum(pair[side] for pair in pairs) / n for side in (0, 1))
    if n == 1:
        return PairedComparison(1, mean_a, mean_b, mean, None, None)
    # Imported here: a light command that never compares need not load scipy.
    from scipy.special import stdtr, stdtrit

    variance = math.fsum((one - mean) ** 2 for one in differences) / (n - 1)
    error = math.sqrt(variance / n)
    margin = float(stdtrit(n - 1, 0.975)) * error
    if error == 0:
        # The differences are all the same: what they are, without a scale to measure an effect on.
        return PairedComparison(n, mean_a, mean_b, mean, mean, mean, float(mean == 0), 0.0 if mean == 0 else None)
    p_value = 2 * float(stdtr(n - 1, -abs(mean) / error))
    return PairedComparison(n, mean_a, mean_b, mean, mean - margin, mean + margin, p_value, mean / math.sqrt(variance))


def paired_ratio(pairs: Sequence[tuple[float, float]]) -> PairedComparison | None:
    """The typical ratio b / a of pairs of positive numbers: the difference of their logarithms, told as a factor.

    For scores that spread over orders of magnitude, as perplexity does. Raises: ValueError for a number that is not
    above 0.
    """
    if any(not (a > 0 and b > 0) for a, b in pairs):
        raise ValueError("A ratio needs numbers above 0.")
    logarithms = paired_difference([(math.log(a), math.log(b)) for a, b in pairs])
    if logarithms is None:
        return None
    found = logarithms
    return PairedComparison(
        found.n,
        math.exp(found.mean_a),
        math.exp(found.mean_b),
        math.exp(found.difference),
        None if found.low is None else math.exp(found.low),
        None if found.high is None else math.exp(found.high),
        found.p_value,
        found.effect_size,
    )


def paired_ranks(pairs: Sequence[tuple[float, float]]) -> PairedComparison | None:
    """The median difference b − a with its bootstrap interval, and Wilcoxon's signed-rank test; None of none.

    For scores with a long tail, which a mean follows. Pairs without a difference are left out of the test.
    Sources: Wilcoxon (1945), with the variance for ties; Kerby (2014) for the effect.
    """
    if not pairs:
        return None
    a, b = (np.array([pair[side] for pair in pairs], dtype=np.float64) for side in (0, 1))
    differences = from_values(b - a)
    medians = float(np.median(a)), float(np.median(b)), differences.median
    if len(pairs) == 1:
        return PairedComparison(1, *medians, None, None)
    low, high = median_interval(differences)
    moved = (b - a)[b != a]
    if not len(moved):
        return PairedComparison(len(pairs), *medians, low, high, 1.0, 0.0)
    ranks = mean_ranks(np.abs(moved))
    total = float(ranks.sum())
    effect = float(ranks[moved > 0].sum() - ranks[moved < 0].sum()) / total
    # The signs are a coin's: the sum of signed ranks has the variance of the sum of their squares.
    p_value = math.erfc(abs(effect) * total / math.sqrt(2 * float((ranks**2).sum())))
    return PairedComparison(len(pairs), *medians, low, high, p_value, effect)
