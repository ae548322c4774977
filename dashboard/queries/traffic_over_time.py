"""Requests, tokens and latency of an endpoint over time, by version, requester or status: summed from the rollups."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard.periods import Period
from dashboard.queries.lake import HASH_FUNCS, Snapshot, select, shown
from dashboard.queries.sample import REQUESTS
from metrics.buckets import quantile

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
    period = finer(period)
    sums, latency = _read(endpoint, period)
    peak_table, minutes = ("metrics_minute", 1) if period.length <= _MINUTE_BY_MINUTE else ("metrics_15min", 15)
    counts = sums[sums["metric"] == REQUESTS]

    def both(value: Callable[["pd.DataFrame"], float], rows: "pd.DataFrame") -> Figure:
        before = rows["bin"] == _BEFORE
        return Figure(value(rows[~before]), value(rows[before]))

    def error_share(rows: "pd.DataFrame") -> float:
        whole = rows["n"].sum()
        return float(rows["n"][_failed(rows)].sum() / whole) if whole else float("nan")

    requests = both(lambda rows: float(rows["n"].sum()), counts)
    length = period.length.total_seconds() / 60
    return Summary(
        requests=requests,
        per_minute=Figure(requests.value / length, requests.previous / length),
        peak=_peak(shown(peak_table), endpoint, period, minutes),
        peak_minutes=minutes,
        tokens_in=both(lambda rows: float(rows["total"].sum()), sums[sums["metric"] == TOKENS_IN]),
        tokens_out=both(lambda rows: float(rows["total"].sum()), sums[sums["metric"] == TOKENS_OUT]),
        error_share=both(error_share, counts),
        latency={name: both(partial(_quantile, share), latency) for name, share in QUANTILES.items()},
    )


def stack(endpoint: str, period: Period, by: str, metric: str) -> Stack:
    """Requests (`REQUESTS`) or tokens over time. by: version, status, or requester (UTC days that the period touches).

    Raises: QueryFailed, LakehouseError.
    """
    if by == "requester":
        return requesters(endpoint, period, metric)
    period = finer(period)
    rows, _ = _read(endpoint, period)
    rows = rows[(rows["metric"] == metric) & (rows["bin"] != _BEFORE)]
    column = "n" if metric == REQUESTS else "total"
    return _stacked(rows, "status_class" if by == "status" else "version", column, times(period), period.bin_seconds)


def requesters(endpoint: str, period: Period, metric: str) -> Stack:
    """The same for each UTC day by requester: those with most requests, and all others together.

    Raises: QueryFailed, LakehouseError.
    """
    first, last = (int(time.timestamp() * 1000) // _DAY for time in (period.start, period.end - timedelta(seconds=1)))
    days = np.arange(first, last + 1, dtype=np.int64) * _DAY
    rows = _daily(shown("metrics_daily_requester"), endpoint, _moment(days[0]), _moment(days[-1] + _DAY))
    column = "n" if metric == REQUESTS else "total"
    found = _stacked(rows[rows["metric"] == metric], "requester", column, days, _DAY // 1000)
    order = rows[rows["metric"] == REQUESTS].groupby("requester")["n"].sum().to_dict()
    ranked = sorted(found.parts, key=lambda key: (key == OTHERS, -order.get(key, 0), key))
    return Stack(found.times, found.seconds, {key: found.parts[key] for key in ranked})


def failures(endpoint: str, period: Period) -> "pd.DataFrame":
    """Requests for each bin, version and class of status: columns bin, version, status_class, n.

    Raises: QueryFailed, LakehouseError.
    """
    rows, _ = _read(endpoint, finer(period))
    return rows[(rows["metric"] == REQUESTS) & (rows["bin"] != _BEFORE)][["bin", "version", "status_class", "n"]]


def latency_lines(endpoint: str, period: Period) -> LatencyLines:
    """Latency over time, within 1 %. Raises: QueryFailed, LakehouseError."""
    period = finer(period)
    _, rows = _read(endpoint, period)
    rows = rows[rows["bin"] != _BEFORE]
    by_key = {"": rows, **{str(key): part for key, part in rows.groupby("version", sort=True)}}
    return LatencyLines(
        times(period), period.bin_seconds, {key: _lines(part, period.bins) for key, part in by_key.items()}
    )


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


def _read(endpoint: str, period: Period) -> tuple["pd.DataFrame", "pd.DataFrame"]:
    snapshot = shown(period.table)
    return _sums(snapshot, endpoint, period), _latency(snapshot, endpoint, period)


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


def _failed(rows: "pd.DataFrame") -> "pd.Series[bool]":
    return rows["status_class"].isin(["4xx", "5xx"])


def _stacked(rows: "pd.DataFrame", column: str, amount: str, starts: Times, seconds: int) -> Stack:
    parts = {}
    # Version 10 comes after version 9.
    for key in sorted(rows[column].unique(), key=lambda key: (len(key), key)):
        part = rows[rows[column] == key]
        parts[str(key)] = np.bincount(
            part["bin"].to_numpy(int), part[amount].to_numpy(float), minlength=len(starts)
        ).astype(np.float64)
    return Stack(starts, seconds, parts)


def _lines(rows: "pd.DataFrame", bins: int) -> dict[str, Numbers]:
    """The quantiles of every bin; plain arrays, for pandas would take most of the page's time."""
    order = np.argsort(rows["bin"].to_numpy(int), kind="stable")
    bin_of, buckets, weights = (rows[name].to_numpy()[order] for name in ("bin", "bucket", "weight"))
    edges = np.searchsorted(bin_of, np.arange(bins + 1))
    found = {name: np.full(bins, np.nan) for name in QUANTILES}
    for number in np.flatnonzero(np.diff(edges)):
        histogram = _histogram(buckets[edges[number] : edges[number + 1]], weights[edges[number] : edges[number + 1]])
        for name, share in QUANTILES.items():
            found[name][number] = quantile(LATENCY, histogram, share)
    return found


def _quantile(share: float, rows: "pd.DataFrame") -> float:
    return quantile(LATENCY, _histogram(rows["bucket"].to_numpy(), rows["weight"].to_numpy()), share)


def _histogram(buckets: Any, weights: Any) -> dict[int, float]:
    names, position = np.unique(buckets, return_inverse=True)
    return dict(zip(names.tolist(), np.bincount(position, weights, len(names)).tolist(), strict=True))


def _moment(milliseconds: Any) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
