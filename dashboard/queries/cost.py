"""What the answers of an endpoint cost: by version over time from the rollups, and by requester from the daily ones."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import streamlit as st

from dashboard.periods import Period, midnight
from dashboard.queries.lake import HASH_FUNCS, Snapshot, select, shown
from dashboard.queries.sample import REQUESTS

if TYPE_CHECKING:
    import pandas as pd

COST, TOKENS_IN, TOKENS_OUT = "cost_usd", "prompt_tokens", "completion_tokens"
BY_DAY_FROM = timedelta(days=3)
"""Ranges of this length and longer are shown by day."""
MOST_REQUESTERS = 25
"""Requesters that are listed; the rest is one sum."""
MOST_LINES = 6
"""Requesters that a chart tells apart; the rest is one colour."""
OTHERS = "\x00others"
"""Stands for all requesters that a chart does not tell apart; nobody can be called so."""

SUMS = ("requests", "failed", "unpriced_failed", "priced", "usd", "usd2", "tokens_in", "tokens_out")
"""What is summed for a version or requester.

requests, failed (status 4xx and 5xx), priced: counts. unpriced_failed: failed ones without a cost. usd, usd2: sums of
the costs in US dollars and of their squares, NaN where none is known. tokens_in, tokens_out: of all requests.
"""

_MEASURED = [REQUESTS, COST, TOKENS_IN, TOKENS_OUT]
_FAILED = "coalesce(status_class, '') IN ('4xx', '5xx')"
# Only our own texts are put together: names of fixed lists, never what somebody typed.
_SUMMED = f"""
    coalesce(sum(n) FILTER (metric = '{REQUESTS}'), 0)::BIGINT AS requests,
    coalesce(sum(n) FILTER (metric = '{REQUESTS}' AND {_FAILED}), 0)::BIGINT AS failed,
    coalesce(sum(CASE metric WHEN '{REQUESTS}' THEN n WHEN '{COST}' THEN -n ELSE 0 END) FILTER ({_FAILED}), 0)::BIGINT
        AS unpriced_failed,
    coalesce(sum(n) FILTER (metric = '{COST}'), 0)::BIGINT AS priced,
    sum(sum_wx) FILTER (metric = '{COST}') AS usd,
    sum(sum_wx2) FILTER (metric = '{COST}') AS usd2,
    coalesce(sum(sum_wx) FILTER (metric = '{TOKENS_IN}'), 0) AS tokens_in,
    coalesce(sum(sum_wx) FILTER (metric = '{TOKENS_OUT}'), 0) AS tokens_out"""
_OF_ANSWERS = f"""
    coalesce(sum(n) FILTER (metric = '{TOKENS_IN}' AND NOT {_FAILED}), 0)::BIGINT AS answers_in,
    coalesce(sum(sum_wx) FILTER (metric = '{TOKENS_IN}' AND NOT {_FAILED}), 0) AS answered_in,
    coalesce(sum(n) FILTER (metric = '{TOKENS_OUT}' AND NOT {_FAILED}), 0)::BIGINT AS answers_out,
    coalesce(sum(sum_wx) FILTER (metric = '{TOKENS_OUT}' AND NOT {_FAILED}), 0) AS answered_out"""
_ANSWERED = ("answers_in", "answered_in", "answers_out", "answered_out")


@dataclass(frozen=True)
class Spend:
    """What an endpoint cost over a period, as `SUMS` of each version and step.

    starts, ends: of the steps, in milliseconds since 1970 (UTC); the first and the last may be cut off by the period.
    steps: columns version, start (of its step), `SUMS`. versions: columns version, `SUMS`, mean_in and mean_out (tokens
    of a request that did not fail), the one that cost most first. before: the same of the period before.
    """

    starts: np.ndarray[Any, np.dtype[np.int64]]
    ends: np.ndarray[Any, np.dtype[np.int64]]
    by_day: bool
    steps: "pd.DataFrame"
    versions: "pd.DataFrame"
    before: "pd.DataFrame"


@dataclass(frozen=True)
class RequesterSpend:
    """What an endpoint cost by requester, over whole UTC days.

    starts, ends: of the days, in milliseconds since 1970. requesters: columns requester (empty if not known) and
    `SUMS`, the one that cost most first, at most `MOST_REQUESTERS`. steps: columns requester (or `OTHERS`), start, usd.
    count, usd, requests: of all requesters.
    """

    starts: np.ndarray[Any, np.dtype[np.int64]]
    ends: np.ndarray[Any, np.dtype[np.int64]]
    requesters: "pd.DataFrame"
    steps: "pd.DataFrame"
    count: int
    usd: float
    requests: int


def spend(endpoint: str, period: Period, zone: str) -> Spend:
    """What the versions of an endpoint cost, by day in the time zone `zone` or by the period's bins where it is short.

    Raises: QueryFailed, LakehouseError.
    """
    found: Spend = _spend(shown(period.table), endpoint, period, zone)
    return found


def requester_spend(endpoint: str, period: Period) -> RequesterSpend:
    """What the requesters of an endpoint cost, over the UTC days that the period touches.

    Raises: QueryFailed, LakehouseError.
    """
    found: RequesterSpend = _requester_spend(shown("metrics_daily_requester"), endpoint, *period.utc_days)
    return found


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs=HASH_FUNCS)
def _spend(snapshot: Snapshot, endpoint: str, period: Period, zone: str) -> Spend:
    by_day = period.length >= BY_DAY_FROM
    rows = select(
        snapshot,
        # The days of the page's zone begin at its midnights, which are borders of 15-minute windows.
        f"""SELECT coalesce(entity_name, '') || '/' || coalesce(entity_version, '') AS version,
                   CASE WHEN window_start < $start THEN -1
                        WHEN $by_day THEN epoch_ms(((window_start AT TIME ZONE $zone)::DATE)::TIMESTAMP
                                                   AT TIME ZONE $zone)
                        ELSE $first + (epoch_ms(window_start) - $first) // $width * $width END AS start,
                   {_SUMMED}, {_OF_ANSWERS}
            FROM this
            WHERE endpoint_name = $endpoint AND window_start >= $before AND window_start < $end
              AND metric = ANY($metrics)
            GROUP BY ALL ORDER BY start, version""",  # noqa: S608
        span=(period.previous.start, period.end),
        by_day=by_day,
        zone=zone,
        first=_milliseconds(period.start),
        width=period.bin_seconds * 1000,
        before=period.previous.start,
        **_parameters(endpoint, period.start, period.end),
    )
    starts, ends = _days(period, zone) if by_day else _bins(period)
    inside = rows[rows["start"] >= 0]
    return Spend(
        starts,
        ends,
        by_day,
        inside,
        _by_version(inside),
        _by_version(rows[rows["start"] < 0]),
    )


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs=HASH_FUNCS)
def _requester_spend(snapshot: Snapshot, endpoint: str, start: datetime, end: datetime) -> RequesterSpend:
    parameters = _parameters(endpoint, start, end)
    matching = """endpoint_name = $endpoint AND window_start >= $start AND window_start < $end
                  AND metric = ANY($metrics)"""
    listed = select(
        snapshot,
        f"""SELECT *, count(*) OVER () AS count, sum(usd) OVER () AS all_usd, sum(requests) OVER () AS all_requests
            FROM (SELECT coalesce(requester, '') AS requester, {_SUMMED} FROM this WHERE {matching} GROUP BY 1)
            ORDER BY usd DESC NULLS LAST, requests DESC, requester LIMIT $most""",  # noqa: S608
        most=MOST_REQUESTERS,
        **parameters,
    )
    told = list(listed["requester"][:MOST_LINES])
    steps = select(
        snapshot,
        f"""SELECT CASE WHEN coalesce(requester, '') = ANY($told::VARCHAR[]) THEN coalesce(requester, '')
                        ELSE $others END AS requester,
                   epoch_ms(window_start) AS start, sum(sum_wx) AS usd
            FROM this WHERE {matching} AND metric = '{COST}' GROUP BY ALL ORDER BY ALL""",  # noqa: S608
        told=told,
        others=OTHERS,
        **parameters,
    )
    day = 86_400_000
    starts = np.arange(_milliseconds(start), _milliseconds(end), day, dtype=np.int64)
    first = listed.iloc[0] if len(listed) else None
    return RequesterSpend(
        starts,
        starts + day,
        listed.drop(columns=["count", "all_usd", "all_requests"]),
        steps,
        0 if first is None else int(first["count"]),
        np.nan if first is None else float(first["all_usd"]),
        0 if first is None else int(first["all_requests"]),
    )


def total(rows: "pd.DataFrame") -> dict[str, float]:
    """The `SUMS` of all rows; usd is NaN where no cost is known."""
    sums = {name: float(np.nansum(rows[name].to_numpy(float))) for name in SUMS}
    return sums if rows["usd"].notna().any() else {**sums, "usd": np.nan, "usd2": np.nan}


def _by_version(rows: "pd.DataFrame") -> "pd.DataFrame":
    counts = [name for name in (*SUMS, *_ANSWERED) if name not in ("usd", "usd2")]
    groups = rows.groupby("version")
    found = groups[counts].sum().join(groups[["usd", "usd2"]].sum(min_count=1)).reset_index()
    for side in ("in", "out"):
        # Nothing over nothing is NaN: not known.
        found[f"mean_{side}"] = found.pop(f"answered_{side}") / found.pop(f"answers_{side}")
    return found.sort_values(["usd", "requests"], ascending=False, ignore_index=True)


def _parameters(endpoint: str, start: datetime, end: datetime) -> dict[str, Any]:
    return {"endpoint": endpoint, "start": start, "end": end, "metrics": _MEASURED}


def _bins(period: Period) -> tuple[Any, Any]:
    width = period.bin_seconds * 1000
    starts = _milliseconds(period.start) + np.arange(period.bins, dtype=np.int64) * width
    return starts, starts + width


def _days(period: Period, zone: str) -> tuple[Any, Any]:
    """The days of a time zone that a period touches; a day may have 23 or 25 hours."""
    day = period.start.astimezone(ZoneInfo(zone)).date()
    midnights: list[datetime] = []
    while not midnights or midnights[-1] < period.end:
        midnights.append(midnight(day, zone))
        day += timedelta(days=1)
    edges = np.array([_milliseconds(time) for time in midnights], dtype=np.int64)
    return edges[:-1], edges[1:]


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)
