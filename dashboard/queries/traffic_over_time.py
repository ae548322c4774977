"""Requests, tokens and latency of an endpoint over time, by version, requester or status: summed from the rollups."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dashboard.periods import Period, period
from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, Span, newest, rollup, select, shown
from dashboard.queries.latency_over_time import QUANTILES, quantiles
from dashboard.queries.rollup_windows import Places
from dashboard.queries.sample import REQUESTS
from dashboard.queries.traffic_windows import (
    TOKENS_IN,
    TOKENS_OUT,
    Amounts,
    Latencies,
    Numbers,
    Times,
    Windows,
    bins_of,
    finer,
    latencies,
    requests_each,
    times,
    two_months,
    windows,
)
from lakehouse.rollup_tables import METRICS_15MIN, METRICS_DAILY_REQUESTER, METRICS_MINUTE

if TYPE_CHECKING:
    import pandas as pd

MOST_PARTS = 7
"""Requesters that have a colour of their own; the others are added up."""
OTHERS = "\x00others"
"""The part that stands for all other requesters: no name can be it."""

_MINUTE_BY_MINUTE = timedelta(days=31)
_LONG = timedelta(hours=24)
_DAY = 86_400_000


@dataclass(frozen=True)
class Figure:
    """A number of the period and of the one before; NaN where there is none."""

    value: float
    previous: float


@dataclass(frozen=True)
class Summary:
    """The period in numbers. The peak is that of the busiest `peak_minutes` minutes, for one minute."""

    requests: Figure
    per_minute: Figure
    peak: Figure
    peak_minutes: int
    tokens_in: Figure
    tokens_out: Figure
    error_share: Figure
    latency: Mapping[str, Figure]
    """p50, p95 and p99 in milliseconds, within 1 %."""


@dataclass(frozen=True)
class Stack:
    """An amount over time in parts: the key of each and its amount in every bin.

    Versions and statuses come in their own order, requesters by their requests, whatever the amount is.
    `times`: starts of the bins in milliseconds since 1970, UTC; each is `seconds` long.
    """

    times: Times
    seconds: int
    parts: Mapping[str, Numbers]


def summary(endpoint: str, period: Period) -> Summary:
    """The tiles of the page. Raises: QueryFailed, LakehouseError."""
    minutes = 1 if period.length <= _MINUTE_BY_MINUTE else 15
    period = finer(period)
    peak_table = shown((METRICS_MINUTE if minutes == 1 else METRICS_15MIN).name)
    found: Summary = _summary(rollup(period), peak_table, endpoint, period, minutes)
    return found


def read_ahead(endpoint: str) -> None:
    """Read what tells the busiest minutes of weeks and months, as it is now. Raises: QueryFailed, LakehouseError."""
    minutes = newest(METRICS_MINUTE.name)
    requests_each(minutes, endpoint, two_months(minutes, finer(period("7d"))), 60)


def stack(endpoint: str, period: Period, by: str, metric: str) -> Stack:
    """Requests (`REQUESTS`) or tokens over time. by: version, status, or requester (UTC days that the period touches).

    Raises: QueryFailed, LakehouseError.
    """
    if by == "requester":
        return requesters(endpoint, period, metric)
    period = finer(period)
    rows = windows(rollup(period), endpoint, period).of(metric, period)
    codes, names = (rows.status, rows.statuses) if by == "status" else (rows.version, rows.versions)
    sums = _by_bin(rows, codes, len(names), rows.n if metric == REQUESTS else rows.total, period)
    parts = {names[code]: sums[code] for code in np.unique(codes).tolist()}
    return Stack(times(period), period.bin_seconds, parts)


def requesters(endpoint: str, period: Period, metric: str) -> Stack:
    """The same for each UTC day by requester: those with most requests, and all others together.

    Raises: QueryFailed, LakehouseError.
    """
    first, last = period.utc_days
    days = np.arange(int(first.timestamp() * 1000), int(last.timestamp() * 1000), _DAY, dtype=np.int64)
    rows = _daily(shown(METRICS_DAILY_REQUESTER.name), endpoint, first, last)
    column = "n" if metric == REQUESTS else metric
    found = _stacked(rows[rows[column].notna()], "requester", column, days, _DAY // 1000)
    order = rows.groupby("requester")["n"].sum().to_dict()
    ranked = sorted(found.parts, key=lambda key: (key == OTHERS, -order.get(key, 0), key))
    return Stack(found.times, found.seconds, {key: found.parts[key] for key in ranked})


def requests_by_status(endpoint: str, period: Period) -> dict[str, dict[str, int]]:
    """Requests of a period by version and class of status, those without any left out.

    Raises: QueryFailed, LakehouseError.
    """
    period = finer(period)
    rows = windows(rollup(period), endpoint, period).of(REQUESTS, period)
    places = rows.version * len(rows.statuses) + rows.status
    counted = np.bincount(places, rows.n, len(rows.versions) * len(rows.statuses))
    found: dict[str, dict[str, int]] = {}
    for place in np.flatnonzero(counted).tolist():
        version, status = divmod(place, len(rows.statuses))
        found.setdefault(rows.versions[version], {})[rows.statuses[status]] = int(counted[place])
    return found


@kept(max_entries=16)
def _summary(snapshot: Snapshot, peak_snapshot: Snapshot, endpoint: str, period: Period, peak_minutes: int) -> Summary:
    with ThreadPoolExecutor(max_workers=1) as beside:
        peak = beside.submit(_peak, peak_snapshot, endpoint, period, peak_minutes)
        whole, latency = windows(snapshot, endpoint, period), latencies(snapshot, endpoint, period)
    now, before = (_sums(whole, latency, span) for span in (period, period.previous))
    both = {name: Figure(now[name], before[name]) for name in now}
    length = period.length.total_seconds() / 60
    requests = both["requests"]
    return Summary(
        requests=requests,
        per_minute=Figure(requests.value / length, requests.previous / length),
        peak=peak.result(),
        peak_minutes=peak_minutes,
        tokens_in=both[TOKENS_IN],
        tokens_out=both[TOKENS_OUT],
        error_share=both["error_share"],
        latency={name: both[name] for name in QUANTILES},
    )


def _sums(whole: Windows, latency: Latencies, period: Period) -> dict[str, float]:
    """The figures of the tiles for one period."""
    requests = whole.of(REQUESTS, period)
    n = float(requests.n.sum())
    bins, place, weight = latency.of(period)
    found = quantiles(np.zeros_like(bins), place, weight, latency.values, 1)
    return {
        "requests": n,
        TOKENS_IN: float(whole.of(TOKENS_IN, period).total.sum()),
        TOKENS_OUT: float(whole.of(TOKENS_OUT, period).total.sum()),
        "error_share": float(requests.n[requests.failed].sum() / n) if n else float("nan"),
        **{name: float(values[0]) for name, values in found.items()},
    }


def _peak(snapshot: Snapshot, endpoint: str, period: Period, minutes: int) -> Figure:
    """The most requests of a stretch of so many minutes, for one minute."""
    start, end = _short_or_two_months(snapshot, period)
    counts = requests_each(snapshot, endpoint, (start, end), minutes * 60)

    def most(span: Period) -> float:
        first, last = (int((time - start).total_seconds()) // (minutes * 60) for time in (span.start, span.end))
        found = float(np.max(counts[first:last], initial=0.0))
        return found / minutes if found else float("nan")

    return Figure(most(period), most(period.previous))


def _short_or_two_months(snapshot: Snapshot, period: Period) -> Span:
    return two_months(snapshot, period) if period.length >= _LONG else (period.previous.start, period.end)


def _by_bin(rows: Amounts, codes: Places, count: int, amount: Numbers, period: Period) -> NDArray[np.float64]:
    """The amounts of the rows of each code in each bin of a period. [count, bins]"""
    cells = codes * period.bins + bins_of(rows.starts, period)
    return np.bincount(cells, amount, count * period.bins).reshape(count, period.bins).astype(np.float64)


@kept(max_entries=16)
def _daily(snapshot: Snapshot, endpoint: str, start: datetime, end: datetime) -> "pd.DataFrame":
    """Sums for each day and requester, of the requesters with most requests and of all others. `bin` is the day.

    Columns bin, requester, n, prompt_tokens, completion_tokens; tokens are missing where nothing has any.
    """
    return select(
        snapshot,
        """SELECT bin, CASE WHEN place <= $most THEN requester ELSE $others END AS requester, sum(n)::BIGINT AS n,
                  sum(prompt_tokens) AS prompt_tokens, sum(completion_tokens) AS completion_tokens
           FROM (WITH days AS MATERIALIZED (
                   SELECT ((epoch_ms(window_start) - epoch_ms($start)) // 86400000)::INTEGER AS bin,
                          coalesce(requester, '') AS requester,
                          coalesce(sum(n) FILTER (metric = 'databricks_request_id'), 0) AS n,
                          sum(sum_wx) FILTER (metric = 'prompt_tokens') AS prompt_tokens,
                          sum(sum_wx) FILTER (metric = 'completion_tokens') AS completion_tokens
                   FROM this WHERE endpoint_name = $endpoint AND window_start >= $start AND window_start < $end
                     AND metric IN ('databricks_request_id', 'prompt_tokens', 'completion_tokens') GROUP BY ALL)
                 FROM days JOIN (SELECT requester, row_number() OVER (ORDER BY sum(n) DESC, requester) AS place
                                 FROM days GROUP BY 1) USING (requester))
           GROUP BY ALL""",
        span=(start, end),
        endpoint=endpoint,
        start=start,
        end=end,
        most=MOST_PARTS,
        others=OTHERS,
    )


def _stacked(rows: "pd.DataFrame", column: str, amount: str, starts: Times, seconds: int) -> Stack:
    parts = {}
    # Version 10 comes after version 9.
    for key in sorted(rows[column].unique(), key=lambda key: (len(key), key)):
        part = rows[rows[column] == key]
        parts[str(key)] = np.bincount(
            part["bin"].to_numpy(int), part[amount].to_numpy(float), minlength=len(starts)
        ).astype(np.float64)
    return Stack(starts, seconds, parts)
