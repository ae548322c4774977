"""Did a figure move between two stretches of time? Rates, shares and quantiles, each with a 95 % interval.

The interval of a difference is put together from those of its two sides (Zou and Donner 2008, "MOVER"), which for
shares is Newcombe's (1998, method 10). Averages have `metrics.comparison`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from metrics.buckets import quantile
from metrics.comparison import Moments, compare
from metrics.normal import Z_95
from metrics.proportions import wilson_interval

_FEWEST_BEYOND = 3.0
"""Values that have to lie beyond a quantile, on either side, for an interval of it to mean something."""


@dataclass(frozen=True)
class Estimate:
    """A figure of one stretch of time and its 95 % interval. NaN where there is nothing; None where too little."""

    n: int
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Moved:
    """A figure before and after: `difference` is after minus before, with its 95 % interval as far as it is known."""

    n_before: int
    n_after: int
    before: float
    after: float
    difference: float
    low: float | None
    high: float | None

    @property
    def clearness(self) -> float:
        """The difference in units of what separates it from the end of its interval that is nearer to zero.

        Above 1 the interval leaves zero out. 0 where there is no interval, infinite where it has no width.
        """
        if self.low is None or self.high is None or not math.isfinite(self.difference) or self.difference == 0:
            return 0.0
        margin = self.difference - self.low if self.difference > 0 else self.high - self.difference
        return abs(self.difference) / margin if margin > 0 else math.inf


def share_estimate(hits: float, n: int, effective_n: float | None = None) -> Estimate:
    """The share (0 to 1) that `hits` are of all, with Wilson's interval.

    hits: how many of `effective_n` (as much as n values of unequal weight tell), which is n unless given.
    """
    size = n if effective_n is None else effective_n
    if n <= 0 or size <= 0:
        return Estimate(0, math.nan)
    share = min(max(hits / size, 0.0), 1.0)
    return Estimate(n, share, *wilson_interval(share * size, size))


def quantile_estimate(
    metric: str, buckets: Mapping[int, float], q: float, n: int, effective_n: float | None = None
) -> Estimate:
    """The q-quantile of a histogram of n values, with the order statistics that hold it 95 times in 100."""
    size = float(n if effective_n is None else effective_n)
    if n <= 0 or not buckets:
        return Estimate(0, math.nan)
    value = quantile(metric, buckets, q)
    if size * min(q, 1 - q) < _FEWEST_BEYOND:
        return Estimate(n, value)
    # How many values lie below the true quantile is binomial; the upper end is the next value after that many.
    margin = Z_95 * math.sqrt(q * (1 - q) / size)
    low, high = max(q - margin, 0.0), min(q + margin + 1 / size, 1.0)
    return Estimate(n, value, quantile(metric, buckets, low), quantile(metric, buckets, high))


def rate_estimate(counts: Sequence[float], hours: float) -> Estimate:
    """Events an hour from the counts of equally long parts of the time.

    Where the parts differ by more than chance alone does, the interval is wider by as much (quasi-Poisson).
    """
    total = float(sum(counts))
    if hours <= 0:
        return Estimate(0, math.nan)
    mean = total / max(len(counts), 1)
    dispersion = 1.0
    if len(counts) > 1 and mean > 0:
        dispersion = max(sum((count - mean) ** 2 for count in counts) / (len(counts) - 1) / mean, 1.0)
    # Nothing at all is still compatible with a few: one event keeps the interval from having no width.
    margin = Z_95 * math.sqrt(dispersion * max(total, 1.0)) / hours
    rate = total / hours
    return Estimate(round(total), rate, max(rate - margin, 0.0), rate + margin)


def moved(before: Estimate, after: Estimate) -> Moved:
    """The difference of two independent estimates, with its interval from theirs."""
    difference = after.value - before.value
    low = high = None
    ends = (before.low, before.high, after.low, after.high)
    if all(end is not None for end in ends) and math.isfinite(difference):
        before_low, before_high, after_low, after_high = (float(end) for end in ends if end is not None)
        low = difference - math.hypot(after.value - after_low, before_high - before.value)
        high = difference + math.hypot(after_high - after.value, before.value - before_low)
    return Moved(before.n, after.n, before.value, after.value, difference, low, high)


def moved_mean(before: Moments, after: Moments) -> Moved:
    """The difference of two averages, with Welch's interval."""
    found = compare(before, after)
    return Moved(found.n_a, found.n_b, found.mean_a, found.mean_b, found.difference, found.low, found.high)
