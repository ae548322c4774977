"""What each day cost, for the forecast of the month, and the hours in which more was spent than usual."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from dashboard.moment import time_now
from dashboard.periods import Period, midnight
from dashboard.queries.cost_sums import COST, version_sums
from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, coarsest_rollup, select, shown
from dashboard.queries.request_filters import RequestFilter
from dashboard.queries.rollup_windows import milliseconds
from metrics.forecast import HISTORY_DAYS, MonthForecast, forecast_month
from metrics.spikes import Spike, spikes

if TYPE_CHECKING:
    import pandas as pd

HOUR = 3_600_000
"""Milliseconds of an hour."""

_HOURS_OF_A_DAY = 24
_BEFORE = timedelta(days=14)
"""Time before a period from which the usual spend of an hour is told, too."""


@dataclass(frozen=True)
class MonthSpend:
    """The present month: what its days have cost, and what it will come to. `days`: those of the month up to today."""

    today: date
    days: dict[date, float]
    forecast: MonthForecast


@dataclass(frozen=True)
class SpendSpike:
    """An hour (its start in milliseconds since 1970, UTC) that cost far more than usual, in US dollars."""

    time: int
    usd: float
    expected: float


def month_spend(endpoint: str, zone: str) -> MonthSpend:
    """The month that is now (or was at the moment looked back at) in the time zone `zone`.

    Raises: QueryFailed, LakehouseError.
    """
    now = time_now().astimezone(ZoneInfo(zone))
    clock = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
    found: MonthSpend = _month_spend(shown("metrics_15min"), endpoint, zone, clock.replace(tzinfo=None))
    return found


def spend_spikes(endpoint: str, period: Period) -> list[SpendSpike]:
    """The hours of a period that cost far more than the same hour of other days, oldest first.

    Raises: QueryFailed, LakehouseError.
    """
    # Where the period ends within an hour, what comes after it is not counted.
    whole = period.end.timestamp() % (HOUR // 1000) == 0
    snapshot = coarsest_rollup() if whole else shown("metrics_15min")
    found: list[SpendSpike] = _spikes(snapshot, endpoint, period.start, period.end)
    return found


@kept(max_entries=8)
def _month_spend(snapshot: Snapshot, endpoint: str, zone: str, clock: datetime) -> MonthSpend:
    today = clock.date()
    earliest = min(today - timedelta(days=HISTORY_DAYS), today.replace(day=1))
    sums = _day_sums(snapshot, endpoint, zone, earliest, clock)
    days = {day: usd for day, (usd, _) in sums.items()}
    before = {day: usd for day, usd in days.items() if day < today}
    # The first day of all began somewhere in its middle.
    first = min(before, default=today)
    history = {day: usd for day, usd in before.items() if day > first or first == earliest}
    of_month = {day: usd for day, usd in days.items() if (day.year, day.month) == (today.year, today.month)}
    usual, later = (sum(sums[day][side] for day in history) for side in (0, 1))
    rest = float(later / usual) if usual > 0 else 1 - (clock.hour * 60 + clock.minute) / 1440
    forecast = forecast_month(history, today, sum(of_month.values()), min(max(rest, 0.0), 1.0))
    return MonthSpend(today, of_month, forecast)


def _day_sums(
    snapshot: Snapshot, endpoint: str, zone: str, earliest: date, clock: datetime
) -> dict[date, tuple[float, float]]:
    """What each day from `earliest` to that of `clock` cost, and what of it after the time of `clock`."""
    days = [earliest + timedelta(days=number) for number in range((clock.date() - earliest).days + 2)]
    midnights = [midnight(day, zone) for day in days]
    rows = select(
        snapshot,
        """SELECT epoch_ms(window_start) AS start, sum_wx::DOUBLE AS usd FROM this
           WHERE endpoint_name = $endpoint AND metric = $metric AND window_start >= $start AND window_start < $end""",
        span=(midnights[0], midnights[-1]),
        endpoint=endpoint,
        metric=COST,
        start=midnights[0],
        end=midnights[-1],
    )
    starts, usd = rows["start"].to_numpy(np.int64), np.nan_to_num(rows["usd"].to_numpy(float))
    edges = np.array([milliseconds(time) for time in midnights], dtype=np.int64)
    clocks = [datetime.combine(day, clock.time(), ZoneInfo(zone)) for day in days[:-1]]
    place = np.searchsorted(edges, starts, side="right") - 1
    late = starts >= np.array([milliseconds(time) for time in clocks], dtype=np.int64)[place]
    seen = np.bincount(place, minlength=len(clocks)).tolist()
    sums = [np.bincount(place[part], usd[part], len(clocks)).tolist() for part in (slice(None), late)]
    return {day: (whole, later) for day, any_, whole, later in zip(days, seen, *sums, strict=False) if any_}


@kept(max_entries=8)
def _spikes(snapshot: Snapshot, endpoint: str, start: datetime, end: datetime) -> list[SpendSpike]:
    spent = version_sums(snapshot, endpoint, start - _BEFORE, end).spent()
    if not len(spent.starts):
        return []
    first = int((start - _BEFORE).timestamp()) // 3600
    # The last hour may be under way or cut off by the period: it can only be too low, which is no spike.
    hours = np.arange(first, -int(-end.timestamp() // 3600), dtype=np.int64)
    sums = np.bincount(spent.starts // HOUR - first, np.nan_to_num(spent.total), len(hours)).astype(np.float64)
    average = sums.sum() / max(np.count_nonzero(sums), 1)
    if average <= 0:
        return []
    found: list[Spike] = spikes(hours * HOUR, sums, season_bins=_HOURS_OF_A_DAY, minimum=2 * average)
    shown_from = start.timestamp() * 1000
    return [
        SpendSpike(int(hours[spike.index]) * HOUR, spike.value, spike.expected)
        for spike in found
        if (int(hours[spike.index]) + 1) * HOUR > shown_from
    ]


def day_filter(endpoint: str, day: str, zone: str) -> RequestFilter:
    """The requests of a day (`2026-11-22`) of a time zone."""
    wanted = date.fromisoformat(day)
    return RequestFilter(midnight(wanted, zone), midnight(wanted + timedelta(days=1), zone), endpoint)


def month_period(month: MonthSpend, zone: str) -> Period:
    """From the first of a month to the end of its last day so far."""
    start, end = midnight(month.today.replace(day=1), zone), midnight(month.today + timedelta(days=1), zone)
    return Period(start, end, 900)


def month_frame(month: MonthSpend) -> "pd.DataFrame":
    """The month as a table: columns day, usd (None for days ahead), total, low, high, where the month will stand."""
    import pandas as pd

    rows: dict[date, dict[str, object]] = {day: {"day": day, "usd": usd} for day, usd in sorted(month.days.items())}
    for ahead in month.forecast.days:
        told = {"day": ahead.day, "total": ahead.total, "low": ahead.low, "high": ahead.high}
        rows[ahead.day] = {**rows.get(ahead.day, {}), **told}
    return pd.DataFrame(list(rows.values()), columns=["day", "usd", "total", "low", "high"])
