"""Amounts of US dollars as people read them: from fractions of a cent to thousands of dollars."""

import math
from collections.abc import Iterable

from dashboard.wording import NOTHING, number

_MOST_DECIMALS = 8


def money(usd: float | None, decimals: int | None = None) -> str:
    """An amount; a dash for none. decimals: as `money_decimals` gives them for a column, else what it takes itself."""
    if usd is None or not math.isfinite(usd):
        return NOTHING
    places = money_decimals([usd]) if decimals is None else decimals
    sign = "\u2212" if usd < 0 and round(abs(usd), places) > 0 else ""
    return f"{sign}${number(abs(usd), places)}"


def money_change(usd: float | None, decimals: int | None = None) -> str:
    """An amount with its sign."""
    text = money(usd, decimals)
    return f"+{text}" if usd is not None and math.isfinite(usd) and usd > 0 else text


def money_decimals(amounts: Iterable[float]) -> int:
    """The decimals with which the largest of some amounts has three digits: cents at least up to 1,000 dollars."""
    largest = max((abs(usd) for usd in amounts if math.isfinite(usd)), default=0.0)
    if largest >= 1000:
        return 0
    if largest >= 0.1 or largest == 0:
        return 2
    return min(2 - math.floor(math.log10(largest)), _MOST_DECIMALS)
