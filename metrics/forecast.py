"""What a month will come to: the days so far, and what its other days will likely add. Pure: sums in, sums out.

Method. A day's sum is a level times the factor of its weekday, give or take. The factors are the averages of the
weekdays of up to eight weeks, drawn a little towards 1; the level is the average of the days without their weekday,
in which a day counts half as much as one ten days later. From four weeks on it rises or falls along a line, whose
slope is drawn towards 0 as far as it may be chance. The interval is Student's t on what the days left may differ by:
their own scatter, how little the history tells about level, slope and factors, and that the level itself wanders (by
0.6 % a day, an assumption of ours: nobody can tell slow growth from chance soon).
Days that resemble the day before (autocorrelation) widen it. Below two weeks the weekdays cannot be told apart, and
below one week it is only a run rate: the average day, with the wide interval that so few days give.

Checked on simulated histories of 60 days (tests/metrics/test_forecast.py): independent, correlated, growing, skewed
and suddenly higher days.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

import numpy as np

HISTORY_DAYS = 56
"""The days before today that count: eight of each weekday."""

Method = Literal["weekdays", "level", "run rate", "nothing"]

_HALF_LIFE_DAYS = 10.0
_WANDERING = 0.006
"""The share of itself by which the level changes from a day to the next (a standard deviation)."""
_DAYS_FOR_WEEKDAYS = 14
_DAYS_FOR_LEVEL = 7
_DAYS_FOR_SLOPE = 28
_SHRINKAGE = 1.0
"""Average days that each weekday's own days are joined by, so that few of them do not say too much."""
_MOST_CORRELATION = 0.6


@dataclass(frozen=True)
class DayAhead:
    """Where the month's sum will stand at the end of a day, with its interval (None where nothing can be said)."""

    day: date
    total: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class MonthForecast:
    """What a month will come to, in the unit of the sums.

    so_far: of this month up to now. low, high: the interval of `coverage`; None with fewer than two days of history.
    days: today and the days to the month's end. history_days: full days that it rests on.
    """

    so_far: float
    total: float
    low: float | None
    high: float | None
    coverage: float
    history_days: int
    method: Method
    days: tuple[DayAhead, ...]


@dataclass(frozen=True)
class _Rhythm:
    """A day's usual sum by weekday: (level + slope · days after yesterday) · factor.

    variance: of a day's sum over its factor. level_n, weekday_n: the days that level and factors rest on.
    inflation: how much more correlated days scatter.
    """

    level: float
    slope: float
    slope_variance: float
    factors: np.ndarray[Any, np.dtype[np.float64]]
    variance: float
    level_n: float
    weekday_n: np.ndarray[Any, np.dtype[np.float64]] | None
    inflation: float
    method: Method


def forecast_month(
    history: Mapping[date, float], today: date, so_far: float, rest_of_today: float, coverage: float = 0.8
) -> MonthForecast:
    """What the month of `today` will come to.

    history: the sums of full days before today; a day between the first and yesterday that is not there is 0.
    so_far: the sum of this month up to now, today included. rest_of_today: the share (0 to 1) of a day's sum that
    usually comes after this time of day.
    Raises: ValueError for a share outside of 0 to 1.
    """
    if not 0 <= rest_of_today <= 1 or not 0 < coverage < 1:
        raise ValueError("The rest of today and the coverage are shares between 0 and 1.")
    days, sums = _series(history, today)
    ahead = [today]
    while _same_month(ahead[-1] + timedelta(days=1), today):
        ahead.append(ahead[-1] + timedelta(days=1))
    if not len(sums):
        return MonthForecast(so_far, so_far, None, None, coverage, 0, "nothing", ())
    rhythm = _rhythm(days, sums)
    shares = np.array([rest_of_today] + [1.0] * (len(ahead) - 1))
    weekdays = np.array([day.weekday() for day in ahead])
    levels = np.maximum(rhythm.level + rhythm.slope * np.arange(1, len(ahead) + 1), 0.0)
    expected = so_far + np.cumsum(levels * rhythm.factors[weekdays] * shares)
    margins = _margins(rhythm, weekdays, shares, coverage)
    path = tuple(
        DayAhead(
            day,
            float(total),
            # What is spent stays spent.
            None if margin is None else max(float(total - margin), so_far),
            None if margin is None else float(total + margin),
        )
        for day, total, margin in zip(ahead, expected, margins, strict=True)
    )
    end = path[-1]
    return MonthForecast(so_far, end.total, end.low, end.high, coverage, len(sums), rhythm.method, path)


def _series(history: Mapping[date, float], today: date) -> tuple[list[date], np.ndarray[Any, np.dtype[np.float64]]]:
    """The days from the first of the history (at most eight weeks back) to yesterday, and their sums."""
    earliest = today - timedelta(days=HISTORY_DAYS)
    known = [day for day in history if earliest <= day < today]
    if not known:
        return [], np.array([])
    first = min(known)
    days = [first + timedelta(days=number) for number in range((today - first).days)]
    return days, np.array([float(history.get(day, 0.0)) for day in days])


def _rhythm(days: list[date], sums: np.ndarray[Any, np.dtype[np.float64]]) -> _Rhythm:
    n = len(sums)
    weekdays = np.array([day.weekday() for day in days])
    factors, weekday_n = np.ones(7), None
    mean = float(sums.mean())
    if n >= _DAYS_FOR_WEEKDAYS and mean > 0:
        counted = np.bincount(weekdays, minlength=7).astype(float)
        own = np.bincount(weekdays, sums, minlength=7)
        factors = (own + _SHRINKAGE * mean) / ((counted + _SHRINKAGE) * mean)
        # A weekday on which nothing ever happens stays empty.
        factors[own == 0] = 0.0
        weekday_n = counted
    told = factors[weekdays] > 0
    adjusted = sums[told] / factors[weekdays][told]
    ages = np.arange(n, 0, -1)[told]
    weights = 0.5 ** (ages / _HALF_LIFE_DAYS) if n >= _DAYS_FOR_LEVEL else np.ones(len(adjusted))
    slope, slope_variance = _slope(-ages.astype(float), adjusted)
    adjusted = adjusted + slope * ages
    level = float(np.average(adjusted, weights=weights)) if len(adjusted) else 0.0
    size = float(weights.sum() ** 2 / (weights**2).sum()) if len(adjusted) else 0.0
    residuals = adjusted - level
    variance = float(np.average(residuals**2, weights=weights)) * size / (size - 1) if size > 1 else math.nan
    if weekday_n is not None:
        # Seven factors were fitted to the same days.
        variance *= (n - 1) / max(n - 7, 1)
    method: Method = "weekdays" if weekday_n is not None else "level" if n >= _DAYS_FOR_LEVEL else "run rate"
    return _Rhythm(level, slope, slope_variance, factors, variance, size, weekday_n, _inflation(residuals), method)


def _slope(times: np.ndarray[Any, Any], values: np.ndarray[Any, Any]) -> tuple[float, float]:
    """By how much the values grow a day, drawn towards 0 as far as it may be chance, and the variance of that."""
    if len(values) < _DAYS_FOR_SLOPE:
        return 0.0, 0.0
    centred = times - times.mean()
    spread = float((centred**2).sum())
    slope = float((centred * values).sum()) / spread
    residuals = values - values.mean() - slope * centred
    variance = float((residuals**2).sum()) / (len(values) - 2) / spread * _inflation(residuals)
    kept = slope**2 / (slope**2 + variance) if slope else 0.0
    return slope * kept, variance * kept


def _inflation(residuals: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    """By how much the variance of a sum of days grows because a day resembles the day before: (1+ρ)/(1−ρ)."""
    n = len(residuals)
    if n < _DAYS_FOR_WEEKDAYS:
        return 1.0
    spread = float((residuals**2).sum())
    correlation = float((residuals[1:] * residuals[:-1]).sum()) / spread if spread > 0 else 0.0
    if correlation < 1.3 / math.sqrt(n):
        return 1.0
    correlation = min(correlation, _MOST_CORRELATION)
    return (1 + correlation) / (1 - correlation)


def _margins(
    rhythm: _Rhythm, weekdays: np.ndarray[Any, Any], shares: np.ndarray[Any, Any], coverage: float
) -> list[float | None]:
    """Half the width of the interval at the end of each day ahead."""
    if not math.isfinite(rhythm.variance):
        return [None] * len(weekdays)
    # Imported here: a light command that never forecasts need not load scipy.
    from scipy.special import stdtrit

    factors = rhythm.factors[weekdays] * shares
    scatter = np.cumsum(factors**2)
    of_level = np.cumsum(factors) ** 2 / rhythm.level_n
    of_weekdays = np.zeros(len(factors))
    if rhythm.weekday_n is not None:
        for weekday in range(7):
            counted = rhythm.weekday_n[weekday] + _SHRINKAGE
            of_weekdays += np.cumsum(np.where(weekdays == weekday, factors, 0.0)) ** 2 / counted
        # The level has one of the seven degrees of freedom already.
        of_weekdays *= 6 / 7
    # A step of the level moves every day after it: what it adds to a sum is the share of the days still ahead.
    after = np.array([np.sum(np.cumsum(factors[: end + 1][::-1]) ** 2) for end in range(len(factors))])
    of_level_ahead = (_WANDERING * rhythm.level) ** 2 * (after + np.cumsum(factors) ** 2 * _HALF_LIFE_DAYS)
    of_slope = rhythm.slope_variance * np.cumsum(factors * (np.arange(1, len(factors) + 1) + _HALF_LIFE_DAYS)) ** 2
    variance = rhythm.variance * (rhythm.inflation * (scatter + of_level) + of_weekdays) + of_level_ahead + of_slope
    quantile = float(stdtrit(max(rhythm.level_n - 1, 1.0), 0.5 + coverage / 2))
    return [float(margin) for margin in quantile * np.sqrt(variance)]


def _same_month(day: date, other: date) -> bool:
    return (day.year, day.month) == (other.year, other.month)
