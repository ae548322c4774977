"""How likely is a shift of a given size found, before any is looked for?

The same rules as `metrics.drift_judgement`, by formulas in place of data: a shift that lasts has to be seen in two of
three windows, and the three together have to be beyond doubt.
Source: Cohen (1988), Statistical Power Analysis for the Behavioral Sciences, for the reasoning.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import log, sqrt

import numpy as np

from metrics.drift_judgement import LARGEST_Q, LARGEST_Q_TOGETHER, LEAST_VALUES, WINDOWS, Question


@dataclass(frozen=True)
class Power:
    """Chances, 0 to 1, that a lasting shift is seen in a single window, and that the first three together are beyond
    doubt; and at least which chance there is that it is told by the third window."""

    single: float
    together: float

    @property
    def found(self) -> float:
        """Two of three seen and the three beyond doubt; if what spoils one spoils the other as rarely as can be."""
        two_of_three = self.single**2 * (3 - 2 * self.single)
        return max(two_of_three + self.together - 1, 0.0)


@dataclass(frozen=True)
class Traffic:
    """What a test works with.

    n: requests in a window. n_compared, windows_compared: in the reference, and in how many windows. wander: the
    standard deviation between windows beyond chance (of logarithms for a ratio). tests: columns and slices that are
    looked at beside each other, of which only one has shifted.
    """

    n: int = 300
    n_compared: int = 39_000
    windows_compared: int = 130
    wander: float = 0.0
    tests: int = 8


def power_of_ratio(question: Question, ratio: float, deviation: float, traffic: Traffic) -> Power:
    """For values with a long tail: by what they are multiplied, and the standard deviation of their logarithms.

    Raises: ValueError for a ratio or deviation that is not above 0.
    """
    if ratio <= 0 or deviation <= 0:
        raise ValueError(f"A ratio and a deviation are above 0, not {ratio} and {deviation}.")
    least = max(log(question.least_change), question.least_deviations * deviation)
    return _power_of_means(abs(log(ratio)), deviation, least, traffic)


def power_of_mean(question: Question, deviations: float, traffic: Traffic) -> Power:
    """For plain means: the shift in standard deviations of the single values."""
    return _power_of_means(abs(deviations), 1.0, question.least_change, traffic)


def power_of_share(question: Question, share: float, shifted: float, traffic: Traffic) -> Power:
    """For shares: from `share` to `shifted`, both between 0 and 1.

    Raises: ValueError for a share that is not between them.
    """
    from scipy.stats import binom

    if not (0 < share < 1 and 0 < shifted < 1):
        raise ValueError(f"Shares lie between 0 and 1, not {share} and {shifted}.")

    def chance(n: int, q_value: float) -> float:
        hits = np.arange(n + 1)
        own = share * (1 - share)
        trials = own / (own / n + traffic.wander**2 + own / traffic.n_compared)
        far = _share_is_far(hits / n, share, trials, q_value, traffic)
        least = np.abs(hits / n - share) >= question.least_change
        high, low = np.maximum(hits / n, share), np.minimum(hits / n, share)
        same_way = (hits / n > share) == (shifted > share)
        told = far & least & (high >= question.least_ratio * low) & same_way
        return float(binom.pmf(hits[told], n, shifted).sum())

    return Power(chance(traffic.n, LARGEST_Q), chance(WINDOWS * traffic.n, LARGEST_Q_TOGETHER))


def least_found(power: Callable[[float], Power], low: float, high: float, chance: float = 0.8) -> float | None:
    """The smallest shift between `low` and `high` that is told by the third window with this chance, by bisection.

    power: of a shift, rising from `low` to `high`. None where even `high` is found more rarely.
    """
    if power(high).found < chance:
        return None
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if power(middle).found >= chance else (middle, high)
    return high


def _power_of_means(apart: float, deviation: float, least: float, traffic: Traffic) -> Power:
    from scipy.special import ndtr, stdtrit

    def chance(n: int, q_value: float) -> float:
        if n < LEAST_VALUES:
            return 0.0
        spread = sqrt(deviation**2 / n + traffic.wander**2 + deviation**2 / traffic.n_compared)
        critical = -float(stdtrit(traffic.windows_compared - 1, q_value / traffic.tests / 2)) * spread
        return float(ndtr((apart - max(critical, least)) / spread))

    return Power(chance(traffic.n, LARGEST_Q), chance(WINDOWS * traffic.n, LARGEST_Q_TOGETHER))


def _share_is_far(
    seen: "np.ndarray[tuple[int], np.dtype[np.float64]]", share: float, trials: float, q_value: float, traffic: Traffic
) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    from scipy.special import betainc, ndtri, stdtr

    hits = seen * trials
    more = np.where(hits > 0, betainc(np.fmax(hits, 1e-9), trials - hits + 1, share), 1.0)
    less = np.where(hits < trials, betainc(np.fmax(trials - hits, 1e-9), hits + 1, 1 - share), 1.0)
    tail = np.clip(np.fmin(more, less), 1e-300, 0.5)
    return np.asarray(2 * stdtr(traffic.windows_compared - 1, ndtri(tail)) <= q_value / traffic.tests)
