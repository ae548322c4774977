"""Errors from both sources: the requests that were logged, and what the endpoint itself counts."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from dashboard.periods import Period
from dashboard.queries.endpoint import served_metrics
from dashboard.queries.lake import HASH_FUNCS, Snapshot, select, shown
from dashboard.queries.traffic_over_time import failures, finer

if TYPE_CHECKING:
    import pandas as pd

    from serving.endpoint_metrics import ServedEntityMetrics

MOST_ROWS = 20_000
"""Single failed requests whose status codes are counted: the last ones of the period."""


@dataclass(frozen=True)
class StatusCodes:
    """Failed requests by status code and version: columns status_code, version, n, last (UTC), most first.

    They are those since `since`; `complete` says whether that is the period's start.
    """

    rows: "pd.DataFrame"
    since: datetime
    complete: bool


@dataclass(frozen=True)
class LastMinute:
    """What the endpoint counts. `state` is asking (no answer yet), known, down or failed (`message` says why)."""

    state: str
    entities: "tuple[ServedEntityMetrics, ...]" = ()
    seen_at: datetime | None = None
    message: str = ""


def by_version(endpoint: str, period: Period) -> "pd.DataFrame":
    """Requests and errors of each version: columns version, requests, errors_4xx, errors_5xx, most requests first.

    Raises: QueryFailed, LakehouseError.
    """
    rows = failures(endpoint, period)
    n = rows["n"]
    classes = {"requests": n, **{f"errors_{name}": n.where(rows["status_class"] == name, 0) for name in ("4xx", "5xx")}}
    sums = rows[["version"]].assign(**classes).groupby("version", sort=True).sum()
    return sums.sort_values("requests", ascending=False, kind="stable").reset_index()


def status_codes(endpoint: str, period: Period) -> StatusCodes:
    """The status codes of the failed requests, of the last `MOST_ROWS` of them at most.

    Raises: QueryFailed, LakehouseError.
    """
    fine = finer(period)
    rows = failures(endpoint, period)
    failed = rows[rows["status_class"].isin(["4xx", "5xx"])]
    counts = np.bincount(failed["bin"].to_numpy(int), failed["n"].to_numpy(float), minlength=fine.bins)
    # The rollup says how far back the last ones reach, so that no older file is read.
    later = np.cumsum(counts[::-1])[::-1]
    first = int(np.argmax(later <= MOST_ROWS)) if (later <= MOST_ROWS).any() else fine.bins - 1
    since = fine.start + timedelta(seconds=first * fine.bin_seconds)
    if not counts.sum():
        since = fine.end
    found = _codes(shown("request_metrics"), endpoint, since, fine.end)
    return StatusCodes(found, since, complete=bool(later[0] <= MOST_ROWS))


def last_minute(endpoint: str) -> LastMinute:
    """What the endpoint's own metrics say. Never waits."""
    from serving.errors import GatewayDown

    seen = served_metrics(endpoint)
    if seen.error is not None:
        state = "down" if isinstance(seen.error, GatewayDown) else "failed"
        return LastMinute(state, seen_at=seen.seen_at, message=str(seen.error))
    if seen.looking and seen.value is None:
        return LastMinute("asking")
    return LastMinute("known", tuple(seen.value or ()), seen.seen_at)


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs=HASH_FUNCS)
def _codes(snapshot: Snapshot, endpoint: str, start: datetime, end: datetime) -> "pd.DataFrame":
    return select(
        snapshot,
        """SELECT status_code, version, count(*)::BIGINT AS n, max(request_time) AS last
           FROM (SELECT status_code, request_time,
                        coalesce(entity_name, '') || '/' || coalesce(entity_version, '') AS version
                 FROM this WHERE endpoint_name = $endpoint AND request_time >= $start AND request_time < $end
                   AND status_code >= 400 AND status_code < 600 LIMIT $most)
           GROUP BY ALL ORDER BY n DESC, status_code, version""",
        span=(start, end),
        endpoint=endpoint,
        start=start,
        end=end,
        most=MOST_ROWS,
    )
