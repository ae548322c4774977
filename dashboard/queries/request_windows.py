"""Where the first requests of an order are, told by a rollup: so that of a month only a few minutes are read.

A window of a rollup knows how many requests it has and their smallest and largest values. The fifty slowest requests of
a month are thus in the fifty windows with the slowest ones, whatever all the others hold.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dashboard.measures import MEASURES
from dashboard.queries.lake import Snapshot, Span, select
from dashboard.queries.request_filters import RequestFilter
from dashboard.queries.sample import REQUESTS
from lakehouse.rollup_tables import WINDOW_SECONDS

WITHIN = """metric = $metric AND window_start >= $start AND window_start < $end AND endpoint_name = $endpoint
    AND (len($versions::VARCHAR[]) = 0
         OR coalesce(entity_name, '') || '/' || coalesce(entity_version, '') = ANY($versions::VARCHAR[]))
    AND (len($statuses::VARCHAR[]) = 0 OR status_class = ANY($statuses::VARCHAR[]))"""
"""The windows of a filter, with the parameters `window_parameters`."""

_WHOLE_BY_TIME, _WHOLE_BY_VALUE = timedelta(hours=6), timedelta(days=1)
"""Up to how long a time is read whole: in the order of time, and in another."""
_EPOCH = datetime.fromtimestamp(0, UTC)
_MOST = 100
"""Requests from the first of an order to the last of the page, for whom windows are looked for."""


@dataclass(frozen=True)
class Places:
    """The spans of time that the first requests of an order are in, if what `reaches` is asked agrees.

    best: the first value and the newest time that a request outside of the spans can have.
    """

    spans: tuple[Span, ...]
    best: tuple[float, datetime]
    descending: bool

    def reaches(self, value: float, time: datetime) -> bool:
        """Whether a request with this value comes before every request outside of the spans."""
        theirs, newest = self.best
        ahead = value > theirs if self.descending else value < theirs
        return ahead or (value == theirs and time >= newest)


def known_to_rollups(wanted: RequestFilter) -> bool:
    """Whether rollups tell the requests of a filter apart: they know endpoint, version and class of status."""
    single = any(not status.endswith("xx") for status in wanted.statuses)
    limited = wanted.at_least is not None or wanted.below is not None
    return not (single or limited or wanted.requesters or wanted.request_ids or not wanted.endpoint)


def places(rollup: Snapshot, wanted: RequestFilter, order: str, descending: bool, count: int) -> Places | None:
    """Where the first `count` requests of `wanted` are in an order; None where all of its time has to be read.

    rollup: a snapshot of any by endpoint. order: a column of requests; those with the same value stand newest first.
    Raises: QueryFailed.
    """
    by_time = order == "request_time"
    short = wanted.end - wanted.start <= (_WHOLE_BY_TIME if by_time else _WHOLE_BY_VALUE)
    if short or count > _MOST or not known_to_rollups(wanted) or not (by_time or order in MEASURES):
        return None
    # A window that the time begins within has requests of before: its part of the time is read as it is, and so is what
    # may be newer than the rollup.
    window = timedelta(seconds=WINDOW_SECONDS[rollup.name])
    first = wanted.start + (_EPOCH - wanted.start) % window
    last = min(wanted.end, rollup.newest) if rollup.files else first
    last -= (last - _EPOCH) % window
    inside = replace(wanted, start=first, end=last, score=wanted.score if by_time else order)
    starts, n, values = _windows(rollup, inside, by_time, descending)
    ranked = np.lexsort((-starts, -values if descending else values))
    # In the order of time as many windows as have so many requests, else one for each of them.
    enough = int(np.searchsorted(np.cumsum(n[ranked]), count)) + 1 if by_time else count
    if enough >= len(ranked):
        return None
    chosen, next_one = np.sort(starts[ranked[:enough]]), ranked[enough]
    spans = [(_time(start), _time(start) + window) for start in chosen.tolist()]
    if not (by_time and descending):
        spans.insert(0, (wanted.start, first))
    if descending or not by_time:
        spans.append((last, wanted.end))
    newest = _time(int(starts[next_one])) + window
    best = newest.timestamp() if by_time and descending else float(values[next_one])
    return Places(_joined(spans), (best, newest), descending)


def _windows(
    rollup: Snapshot, inside: RequestFilter, by_time: bool, descending: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Of every window with requests: its start (seconds since 1970), how many, and the first value, or its start."""
    rows = select(
        rollup,
        f"""SELECT epoch_ms(window_start) // 1000 AS start, sum(n)::BIGINT AS n, min("min") AS least, max("max") AS most
            FROM this WHERE {WITHIN} GROUP BY ALL""",  # noqa: S608
        span=(inside.start, inside.end),
        **window_parameters(inside),
    )
    starts = rows["start"].to_numpy(np.int64)
    values = rows["most" if descending else "least"].to_numpy(float)
    known = np.flatnonzero(rows["n"].to_numpy() > 0) if by_time else np.flatnonzero(~np.isnan(values))
    values = starts.astype(float) if by_time else values
    return starts[known], rows["n"].to_numpy(np.int64)[known], values[known]


def window_parameters(wanted: RequestFilter) -> dict[str, Any]:
    """What `WITHIN` takes."""
    return {
        "metric": wanted.score or REQUESTS,
        "start": wanted.start,
        "end": wanted.end,
        "endpoint": wanted.endpoint,
        "versions": list(wanted.versions),
        "statuses": list(wanted.statuses),
    }


def _joined(spans: list[Span]) -> tuple[Span, ...]:
    """The spans, which rise, with those as one that touch; without empty ones."""
    found: list[Span] = []
    for start, end in spans:
        if start >= end:
            continue
        if found and found[-1][1] >= start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return tuple(found)


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
