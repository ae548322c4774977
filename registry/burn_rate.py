"""How fast an error budget is used up. Pure: counts in, a judgement out.

An objective of 99 % leaves a budget of 1 %. A burn rate of 1 uses it up exactly in the objective's period, one of 14.4
uses up 2 % of a month's budget in an hour. A long window alone fires late and ends late, a short one fires at every
trifle; both together fire soon and end soon. Source: Google, The Site Reliability Workbook (2018), chapter 5,
"Multiwindow, Multi-Burn-Rate Alerts".
"""

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Counted:
    """Of `total` requests, `bad` broke the objective. Both may be weighted, so they need not be whole."""

    bad: float
    total: float


@dataclass(frozen=True)
class Burn:
    """How fast a pair of windows burns. Rates are multiples of what the objective allows; NaN where nothing came.

    status: "unknown" with too few requests, else "breached" or "within". One long window over its limit whose short
    window is calm is within: it is over already.
    """

    status: Literal["breached", "within", "unknown"]
    long_rate: float
    short_rate: float


def burn_rate(counted: Counted, objective: float) -> float:
    """The share of bad requests as a multiple of what `objective` (0 to 1) allows; NaN where there were none.

    Raises: ValueError, for an objective that leaves no budget, or counts that are no share.
    """
    if not 0 < objective < 1:
        raise ValueError(f"An objective is between 0 and 1, not {objective}.")
    if counted.bad < 0 or counted.bad > counted.total * (1 + 1e-9):
        raise ValueError(f"{counted.bad} of {counted.total} requests is no share.")
    return counted.bad / counted.total / (1 - objective) if counted.total > 0 else math.nan


def judge_burn(
    long: Counted, short: Counted, objective: float, factor: float, least_long: float, least_short: float
) -> Burn:
    """Whether a long and a short window both burn at least `factor` times as fast as the objective allows.

    Raises: ValueError, as `burn_rate`.
    """
    long_rate, short_rate = burn_rate(long, objective), burn_rate(short, objective)
    if long.total < least_long or short.total < max(least_short, 1):
        return Burn("unknown", long_rate, short_rate)
    # The allowance keeps a rate that is exactly the factor from being lost to rounding.
    least = factor * (1 - 1e-9)
    return Burn("breached" if long_rate >= least and short_rate >= least else "within", long_rate, short_rate)


def budget_used(counted: Counted, objective: float, window_days: float, period_days: float = 30.0) -> float:
    """The share of a period's error budget that a window used up, if the period's traffic is like the window's."""
    rate = burn_rate(counted, objective)
    return rate * window_days / period_days if math.isfinite(rate) else math.nan
