"""Requests, tokens and latency of an endpoint over time, by version, requester or status: summed from the rollups."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard.periods import Period
from dashboard.queries.lake import HASH_FUNCS, Snapshot, select, shown
from dashboard.queries.sample import REQUESTS
from metrics.buckets import bucket_value

if TYPE_CHECKING:
    import pandas as pd

LATENCY, TOKENS_IN, TOKENS_OUT = "execution_duration_ms", "prompt_tokens", "completion_tokens"
MOST_BINS = 256
"""Stretches of time that a chart of this page is cut into, at most."""
MOST_PARTS = 7
"""Requesters that have a colour of their own; the others are added up."""
OTHERS = "\x00others"
"""The part that stands for all other requesters: no name can be it."""
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}

_WIDTHS = (60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86_400)
_MINUTE_BY_MINUTE = timedelta(days=31)
_BEFORE = -1
_DAY = 86_400_000

Times = NDArray[np.int64]
Numbers = NDArray[np.float64]


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


@dataclass(frozen=True)
class LatencyLines:
    """Quantiles of latency over time, in milliseconds (NaN: no request): for all (``""``) and for each version."""

    times: Times
    seconds: int
    lines: Mapping[str, Mapping[str, Numbers]]
    """Version key (`""` for all) → p50, p95, p99 → one value for each bin."""


def finer(period: Period) -> Period:
    """The same period cut more finely than for a small line: at most `MOST_BINS` bins."""
    length = period.length.total_seconds()
    widths = [w for w in _WIDTHS if w <= period.bin_seconds and length % w == 0 and length / w <= MOST_BINS]
    return Period(period.start, period.end, min(widths, default=period.bin_seconds))


def summary(endpoint: str, period: Period) -> Summary:
    """The tiles of the page. Raises: QueryFailed, LakehouseError."""
    minutes = 1 if period.length <= _MINUTE_BY_MINUTE else 15
    period = finer(period)
    peak_table = shown("metrics_minute" if minutes == 1 else "metrics_15min")
    found: Summary = _summary(shown(period.table), peak_table, endpoint, period, minutes)
    return found


def stack(endpoint: str, period: Period, by: str, metric: str) -> Stack:
    """Requests (`REQUESTS`) or tokens over time. by: version, status, or requester (UTC days that the period touches).

    Raises: QueryFailed, LakehouseError.
    """
    if by == "requester":
        return requesters(endpoint, period, metric)
    period = finer(period)
    rows = _sums_of(endpoint, period)
    rows = rows[(rows["metric"] == metric) & (rows["bin"] != _BEFORE)]
    column = "n" if metric == REQUESTS else "total"
    return _stacked(rows, "status_class" if by == "status" else "version", column, times(period), period.bin_seconds)


def requesters(endpoint: str, period: Period, metric: str) -> Stack:
    """The same for each UTC day by requester: those with most requests, and all others together.

    Raises: QueryFailed, LakehouseError.
    """
    first, last = period.utc_days
    days = np.arange(int(first.timestamp() * 1000), int(last.timestamp() * 1000), _DAY, dtype=np.int64)
    rows = _daily(shown("metrics_daily_requester"), endpoint, first, last)
    column = "n" if metric == REQUESTS else "total"
    found = _stacked(rows[rows["metric"] == metric], "requester", column, days, _DAY // 1000)
    order = rows[rows["metric"] == REQUESTS].groupby("requester")["n"].sum().to_dict()
    ranked = sorted(found.parts, key=lambda key: (key == OTHERS, -order.get(key, 0), key))
    return Stack(found.times, found.seconds, {key: found.parts[key] for key in ranked})


def failures(endpoint: str, period: Period) -> "pd.DataFrame":
    """Requests for each bin, version and class of status: columns bin, version, status_class, n.

    Raises: QueryFailed, LakehouseError.
    """
    rows = _sums_of(endpoint, finer(period))
    return rows[(rows["metric"] == REQUESTS) & (rows["bin"] != _BEFORE)][["bin", "version", "status_class", "n"]]


def latency_lines(endpoint: str, period: Period) -> LatencyLines:
    """Latency over time, within 1 %. Raises: QueryFailed, LakehouseError."""
    period = finer(period)
    found: LatencyLines = _latency_lines(shown(period.table), endpoint, period)
    return found


def distribution(endpoint: str, period: Period, metric: str) -> "pd.DataFrame":
    """The histogram of latency or tokens in the period: columns version, bucket, weight, the buckets as they are.

    Raises: QueryFailed, LakehouseError.
    """
    period = finer(period)
    found: pd.DataFrame = _distribution(shown(period.table), endpoint, period, metric)
    return found


def times(period: Period) -> Times:
    """The starts of a period's bins, in milliseconds since 1970, UTC."""
    start = int(period.start.timestamp() * 1000)
    return start + np.arange(period.bins, dtype=np.int64) * period.bin_seconds * 1000


def _sums_of(endpoint: str, period: Period) -> "pd.DataFrame":
    found: pd.DataFrame = _sums(shown(period.table), endpoint, period)
    return found


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs=HASH_FUNCS)
def _summary(snapshot: Snapshot, peak_snapshot: Snapshot, endpoint: str, period: Period, peak_minutes: int) -> Summary:
    sums, latency = _sums(snapshot, endpoint, period), _latency(snapshot, endpoint, period)
    counts = sums[sums["metric"] == REQUESTS]

    def both(value: Callable[["pd.DataFrame"], float], rows: "pd.DataFrame") -> Figure:
        before = rows["bin"] == _BEFORE
        return Figure(value(rows[~before]), value(rows[before]))

    def total(rows: "pd.DataFrame") -> float:
        return float(rows["total"].sum())

    def error_share(rows: "pd.DataFrame") -> float:
        whole = rows["n"].sum()
        return float(rows["n"][rows["status_class"].isin(["4xx", "5xx"])].sum() / whole) if whole else float("nan")

    requests = both(lambda rows: float(rows["n"].sum()), counts)
    length = period.length.total_seconds() / 60
    return Summary(
        requests=requests,
        per_minute=Figure(requests.value / length, requests.previous / length),
        peak=_peak(peak_snapshot, endpoint, period, peak_minutes),
        peak_minutes=peak_minutes,
        tokens_in=both(total, sums[sums["metric"] == TOKENS_IN]),
        tokens_out=both(total, sums[sums["metric"] == TOKENS_OUT]),
        error_share=both(error_share, counts),
        latency={name: both(partial(_quantile, name), latency) for name in QUANTILES},
    )


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs=HASH_FUNCS)
def _latency_lines(snapshot: Snapshot, endpoint: str, period: Period) -> LatencyLines:
    rows = _latency(snapshot, endpoint, period)
    rows = rows[rows["bin"] != _BEFORE]
    by_key = {"": rows, **{str(key): part for key, part in rows.groupby("version", sort=True)}}
    lines = {key: _quantiles(part, part["bin"].to_numpy(int), period.bins) for key, part in by_key.items()}
    return LatencyLines(times(period), period.bin_seconds, lines)


_BIN = """CASE WHEN window_start < $start THEN -1
               ELSE (epoch_ms(window_start) - epoch_ms($start)) // (1000 * $bin) END::INTEGER AS bin"""
_VERSION = "coalesce(entity_name, '') || '/' || coalesce(entity_version, '') AS version"
_WITHIN = "endpoint_name = $endpoint AND window_start >= $before AND window_start < $end"


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs=HASH_FUNCS)
def _sums(snapshot: Snapshot, endpoint: str, period: Period) -> "pd.DataFrame":
    return select(
        snapshot,
        f"""SELECT {_BIN}, {_VERSION}, status_class, metric, sum(n)::BIGINT AS n, coalesce(sum(sum_wx), 0) AS total
            FROM this WHERE {_WITHIN} AND metric IN ('databricks_request_id', 'prompt_tokens', 'completion_tokens')
            GROUP BY ALL""",  # noqa: S608
        span=(period.previous.start, period.end),
        **_window(endpoint, period),
    )


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs=HASH_FUNCS)
def _latency(snapshot: Snapshot, endpoint: str, period: Period) -> "pd.DataFrame":
    return select(
        snapshot,
        f"""SELECT bin, version, entry.key AS bucket, sum(entry.value) AS weight
            FROM (SELECT {_BIN}, {_VERSION}, unnest(map_entries(buckets)) AS entry
                  FROM this WHERE {_WITHIN} AND metric = 'execution_duration_ms')
            GROUP BY ALL ORDER BY bin, bucket""",  # noqa: S608
        span=(period.previous.start, period.end),
        **_window(endpoint, period),
    )


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs=HASH_FUNCS)
def _distribution(snapshot: Snapshot, endpoint: str, period: Period, metric: str) -> "pd.DataFrame":
    return select(
        snapshot,
        f"""SELECT version, entry.key AS bucket, sum(entry.value) AS weight
            FROM (SELECT {_VERSION}, unnest(map_entries(buckets)) AS entry FROM this
                  WHERE endpoint_name = $endpoint AND window_start >= $start AND window_start < $end
                    AND metric = $metric)
            GROUP BY ALL ORDER BY version, bucket""",  # noqa: S608
        span=(period.start, period.end),
        endpoint=endpoint,
        start=period.start,
        end=period.end,
        metric=metric,
    )


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs=HASH_FUNCS)
def _peak(snapshot: Snapshot, endpoint: str, period: Period, minutes: int) -> Figure:
    rows = select(
        snapshot,
        """SELECT now, max(n)::DOUBLE AS most
           FROM (SELECT window_start >= $start AS now, sum(n) AS n FROM this
                 WHERE endpoint_name = $endpoint AND window_start >= $before AND window_start < $end
                   AND metric = 'databricks_request_id' GROUP BY window_start)
           GROUP BY now""",
        span=(period.previous.start, period.end),
        endpoint=endpoint,
        start=period.start,
        before=period.previous.start,
        end=period.end,
    )
    most = dict(zip(rows["now"].tolist(), rows["most"].tolist(), strict=True))
    return Figure(most.get(True, float("nan")) / minutes, most.get(False, float("nan")) / minutes)


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs=HASH_FUNCS)
def _daily(snapshot: Snapshot, endpoint: str, start: datetime, end: datetime) -> "pd.DataFrame":
    """Sums for each day and requester, of the requesters with most requests and of all others. `bin` is the day."""
    return select(
        snapshot,
        """SELECT bin, CASE WHEN place <= $most THEN requester ELSE $others END AS requester, metric,
                  sum(n)::BIGINT AS n, sum(total) AS total
           FROM (SELECT ((epoch_ms(window_start) - epoch_ms($start)) // 86400000)::INTEGER AS bin,
                        coalesce(requester, '') AS requester, metric, sum(n) AS n, coalesce(sum(sum_wx), 0) AS total
                 FROM this WHERE endpoint_name = $endpoint AND window_start >= $start AND window_start < $end
                   AND metric IN ('databricks_request_id', 'prompt_tokens', 'completion_tokens') GROUP BY ALL)
           JOIN (SELECT coalesce(requester, '') AS requester, row_number() OVER (ORDER BY sum(n) DESC, 1) AS place
                 FROM this WHERE endpoint_name = $endpoint AND window_start >= $start AND window_start < $end
                   AND metric = 'databricks_request_id' GROUP BY 1) USING (requester)
           GROUP BY ALL""",
        span=(start, end),
        endpoint=endpoint,
        start=start,
        end=end,
        most=MOST_PARTS,
        others=OTHERS,
    )


def _window(endpoint: str, period: Period) -> dict[str, Any]:
    return {
        "endpoint": endpoint,
        "before": period.previous.start,
        "start": period.start,
        "end": period.end,
        "bin": period.bin_seconds,
    }


def _stacked(rows: "pd.DataFrame", column: str, amount: str, starts: Times, seconds: int) -> Stack:
    parts = {}
    # Version 10 comes after version 9.
    for key in sorted(rows[column].unique(), key=lambda key: (len(key), key)):
        part = rows[rows[column] == key]
        parts[str(key)] = np.bincount(
            part["bin"].to_numpy(int), part[amount].to_numpy(float), minlength=len(starts)
        ).astype(np.float64)
    return Stack(starts, seconds, parts)


def _quantiles(rows: "pd.DataFrame", groups: NDArray[np.int64], count: int) -> dict[str, Numbers]:
    """p50, p95 and p99 of every group of rows, as `metrics.buckets.quantile` tells them; NaN for a group of none.

    All groups at once: one by one they would take most of the page's time.
    """
    order = np.lexsort((rows["bucket"].to_numpy(), groups))
    group, bucket, weight = groups[order], rows["bucket"].to_numpy()[order], rows["weight"].to_numpy(float)[order]
    cumulated = np.cumsum(weight)
    last = np.searchsorted(group, np.arange(count), side="right") - 1
    first = np.searchsorted(group, np.arange(count), side="left")
    filled = last >= first
    found = {name: np.full(count, np.nan) for name in QUANTILES}
    if not filled.any():
        return found
    below = np.where(first > 0, cumulated[first - 1], 0.0)[filled]
    whole = cumulated[last[filled]] - below
    for name, share in QUANTILES.items():
        # The allowance keeps a rounding error of the sums from pushing an exact share into the next bucket.
        place = np.searchsorted(cumulated, below + share * whole * (1 - 1e-9), side="left")
        at, position = np.unique(bucket[np.minimum(place, last[filled])], return_inverse=True)
        found[name][filled] = np.array([bucket_value(LATENCY, int(one)) for one in at])[position]
    return found


def _quantile(name: str, rows: "pd.DataFrame") -> float:
    return float(_quantiles(rows, np.zeros(len(rows), dtype=np.int64), 1)[name][0])
