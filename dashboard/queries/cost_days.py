"""What each day cost, for the forecast of the month, and the hours in which more was spent than usual."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import streamlit as st

from dashboard.moment import time_now
from dashboard.periods import Period, midnight
from dashboard.queries.cost import COST
from dashboard.queries.lake import HASH_FUNCS, Snapshot, select, shown
from dashboard.queries.request_filters import RequestFilter
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
    found: list[SpendSpike] = _spikes(shown("metrics_15min"), endpoint, period.start, period.end)
    return found


@st.cache_data(max_entries=8, show_spinner=False, hash_funcs=HASH_FUNCS)
def _month_spend(snapshot: Snapshot, endpoint: str, zone: str, clock: datetime) -> MonthSpend:
    today = clock.date()
    earliest = min(today - timedelta(days=HISTORY_DAYS), today.replace(day=1))
    rows = select(
        snapshot,
        """SELECT (window_start AT TIME ZONE $zone)::DATE::VARCHAR AS day, sum(sum_wx) AS usd,
                  coalesce(sum(sum_wx) FILTER ((window_start AT TIME ZONE $zone)::TIME >= $clock::TIME), 0) AS later
           FROM this
           WHERE endpoint_name = $endpoint AND metric = $metric AND window_start >= $start AND window_start < $end
           GROUP BY 1 ORDER BY 1""",
        span=(midnight(earliest, zone), midnight(today + timedelta(days=1), zone)),
        zone=zone,
        clock=f"{clock:%H:%M}",
        endpoint=endpoint,
        metric=COST,
        start=midnight(earliest, zone),
        end=midnight(today + timedelta(days=1), zone),
    )
    sums = {date.fromisoformat(row["day"]): (row["usd"], row["later"]) for row in rows.to_dict("records")}
    days = {day: float(usd) for day, (usd, _) in sums.items()}
    before = {day: usd for day, usd in days.items() if day < today}
    # The first day of all began somewhere in its middle.
    first = min(before, default=today)
    history = {day: usd for day, usd in before.items() if day > first or first == earliest}
    of_month = {day: usd for day, usd in days.items() if (day.year, day.month) == (today.year, today.month)}
    usual, later = (sum(sums[day][side] for day in history) for side in (0, 1))
    rest = float(later / usual) if usual > 0 else 1 - (clock.hour * 60 + clock.minute) / 1440
    forecast = forecast_month(history, today, sum(of_month.values()), min(max(rest, 0.0), 1.0))
    return MonthSpend(today, of_month, forecast)


@st.cache_data(max_entries=8, show_spinner=False, hash_funcs=HASH_FUNCS)
def _spikes(snapshot: Snapshot, endpoint: str, start: datetime, end: datetime) -> list[SpendSpike]:
    rows: pd.DataFrame = select(
        snapshot,
        """SELECT epoch_ms(window_start) // 3600000 AS hour, sum(sum_wx) AS usd
           FROM this
           WHERE endpoint_name = $endpoint AND metric = $metric AND window_start >= $start AND window_start < $end
           GROUP BY 1""",
        span=(start - _BEFORE, end),
        endpoint=endpoint,
        metric=COST,
        start=start - _BEFORE,
        end=end,
    )
    if rows.empty:
        return []
    first = int((start - _BEFORE).timestamp()) // 3600
    # The last hour is still under way, or cut off by the period: it can only be too low, which is no spike.
    hours = np.arange(first, -int(-end.timestamp() // 3600), dtype=np.int64)
    sums = np.zeros(len(hours))
    sums[rows["hour"].to_numpy(np.int64) - first] = rows["usd"].to_numpy(float)
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
