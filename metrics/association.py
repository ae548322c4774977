"""How two columns of numbers go together: a correlation of ranks, and a slope that outliers do not move.

Source: Spearman (1904), The proof and measurement of association between two things; Theil (1950), A rank-invariant
method of linear and polynomial regression analysis, the incomplete method: each value is in one pair only, so the
slopes are independent and the interval of their median is that of the sign test.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metrics.normal import Z_95
from metrics.ranks import mean_ranks

LEAST_PAIRS = 20
"""Pairs from which on a slope is told: fewer have no useful interval."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Slope:
    """The change of y for one more of x, with its 95 % interval, and the pairs of rows that it comes from."""

    value: float
    low: float
    high: float
    pairs: int


def spearman(x: Numbers, y: Numbers) -> float:
    """Spearman's correlation of ranks (-1 to 1) of finite values; NaN for fewer than 3 or where a side is constant."""
    if len(x) < 3:
        return float("nan")
    ranks_x, ranks_y = (mean_ranks(side) - (len(side) + 1) / 2 for side in (x, y))
    scale = float(np.sqrt((ranks_x @ ranks_x) * (ranks_y @ ranks_y)))
    return float(ranks_x @ ranks_y) / scale if scale > 0 else float("nan")


def robust_slope(x: Numbers, y: Numbers) -> Slope | None:
    """The median slope of pairs half of the rows apart in the order of x; None for too few pairs of different x."""
    order = np.argsort(x, kind="stable")
    half = len(order) // 2
    lower, upper = order[:half], order[len(order) - half :]
    run = x[upper] - x[lower]
    usable = run > 0
    slopes = np.sort((y[upper] - y[lower])[usable] / run[usable])
    count = len(slopes)
    if count < LEAST_PAIRS:
        return None
    # Order statistics of the sign test's 95 % interval, in its normal approximation.
    inside = Z_95 * np.sqrt(count) / 2
    low, high = int(np.floor(count / 2 - inside)), int(np.ceil(count / 2 + inside))
    return Slope(float(np.median(slopes)), float(slopes[max(low, 0)]), float(slopes[min(high, count - 1)]), count)
