"""How many requests a filter describes, summed from the rollups where these can tell, else counted one by one."""

from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.periods import Period
from dashboard.queries.lake import HASH_FUNCS, Snapshot, select, shown
from dashboard.queries.request_filters import RequestFilter, matching_source
from dashboard.queries.sample import REQUESTS

if TYPE_CHECKING:
    import pandas as pd

_WINDOWS = (("metrics_15min", 900), ("metrics_minute", 60))
"""The rollup tables and the seconds of their windows, the coarsest first."""
_COUNTED = """metric = $requests AND window_start >= $start AND window_start < $end AND endpoint_name = $endpoint
    AND (len($versions::VARCHAR[]) = 0
         OR coalesce(entity_name, '') || '/' || coalesce(entity_version, '') = ANY($versions::VARCHAR[]))
    AND (len($statuses::VARCHAR[]) = 0 OR status_class = ANY($statuses::VARCHAR[]))"""


def count_requests(wanted: RequestFilter) -> int:
    """How many requests `wanted` describes. Raises: QueryFailed, LakehouseError."""
    table = rollup_that_counts(wanted)
    if table:
        rolled_up: int = _rolled_up_total(shown(table), wanted)
        return rolled_up
    counted: int = _total(shown("request_metrics"), shown("request_scores"), wanted)
    return counted


def counts_over_time(wanted: RequestFilter, period: Period) -> "pd.DataFrame":
    """How many requests `wanted` describes in each bin of a period.

    Returns: columns time (int64, start of the bin in ms since 1970 UTC), status_class (`2xx`, "" for none), n; bins
    without requests have no row.
    Raises: QueryFailed, LakehouseError.
    """
    table = rollup_that_counts(wanted, period)
    found: pd.DataFrame
    if table:
        found = _rolled_up_counts(shown(table), wanted, period)
    else:
        found = _counts(shown("request_metrics"), shown("request_scores"), wanted, period)
    return found


def rollup_that_counts(wanted: RequestFilter, period: Period | None = None) -> str:
    """The rollup table whose windows make up what `wanted` describes, in the bins of `period`; "" if there is none.

    Rollups know endpoint, version and status class, and times to the border of a window.
    """
    single = any(not status.endswith("xx") for status in wanted.statuses)
    if single or wanted.requesters or wanted.request_ids or wanted.score or not wanted.endpoint:
        return ""
    seconds = [wanted.start.timestamp(), wanted.end.timestamp()]
    if period is not None:
        seconds += [period.start.timestamp(), period.bin_seconds]
    return next((table for table, width in _WINDOWS if not any(at % width for at in seconds)), "")


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=HASH_FUNCS)
def _rolled_up_total(snapshot: Snapshot, wanted: RequestFilter) -> int:
    sql = f"SELECT coalesce(sum(n), 0)::BIGINT AS total FROM this WHERE {_COUNTED}"  # noqa: S608
    found = select(snapshot, sql, span=(wanted.start, wanted.end), **_parameters(wanted))
    return int(found["total"].iloc[0])


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASH_FUNCS)
def _rolled_up_counts(snapshot: Snapshot, wanted: RequestFilter, period: Period) -> "pd.DataFrame":
    return select(
        snapshot,
        f"""SELECT $first + (epoch_ms(window_start) - $first) // $width * $width AS time,
                   CASE WHEN status_class = 'none' THEN '' ELSE coalesce(status_class, '') END AS status_class,
                   sum(n)::BIGINT AS n
            FROM this WHERE {_COUNTED} GROUP BY ALL ORDER BY ALL""",  # noqa: S608
        span=(wanted.start, wanted.end),
        first=int(period.start.timestamp() * 1000),
        width=period.bin_seconds * 1000,
        **_parameters(wanted),
    )


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=HASH_FUNCS)
def _total(snapshot: Snapshot, later: Snapshot, wanted: RequestFilter) -> int:
    matched = matching_source(wanted, later)
    sql = f"SELECT count(*) AS total FROM {matched.source} WHERE {matched.condition}"  # noqa: S608
    found = select(snapshot, sql, span=(wanted.start, wanted.end), beside=matched.beside, **matched.parameters)
    return int(found["total"].iloc[0])


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASH_FUNCS)
def _counts(snapshot: Snapshot, later: Snapshot, wanted: RequestFilter, period: Period) -> "pd.DataFrame":
    matched = matching_source(wanted, later)
    return select(
        snapshot,
        f"""SELECT $first + (epoch_ms(request_time) - $first) // $width * $width AS time,
                   coalesce((status_code // 100)::VARCHAR || 'xx', '') AS status_class, count(*) AS n
            FROM {matched.source} WHERE {matched.condition} GROUP BY ALL ORDER BY ALL""",  # noqa: S608
        span=(wanted.start, wanted.end),
        beside=matched.beside,
        first=int(period.start.timestamp() * 1000),
        width=period.bin_seconds * 1000,
        **matched.parameters,
    )


def _parameters(wanted: RequestFilter) -> dict[str, Any]:
    return {
        "requests": REQUESTS,
        "start": wanted.start,
        "end": wanted.end,
        "endpoint": wanted.endpoint,
        "versions": list(wanted.versions),
        "statuses": list(wanted.statuses),
    }
