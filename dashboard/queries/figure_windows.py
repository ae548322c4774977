"""The windows of a rollup that tell an endpoint's figures, as arrays: another stretch of time is another piece of them.

A time is looked at beside the one before it, and then a longer one is. Of hours and quarters of an hour so much is read
at once that most of these are in it; of minutes, which are many, what is asked for.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dashboard.periods import Period
from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, Span, rollup, select
from dashboard.queries.sample import REQUESTS
from dashboard.queries.shared_arrays import read_at_once, shared
from lakehouse.rollup_tables import METRICS_HOUR

HISTOGRAMS = ("execution_duration_ms", "response_perplexity", "response_toxicity", "prompt_toxicity")
MEANS = ("response_fk_grade", "completion_tokens", "cost_usd")
READ_AT_ONCE = {"metrics_hour": timedelta(days=22), "metrics_15min": timedelta(days=3)}
"""Of the last time as much: two weeks and one to begin in, and two days and one to begin in."""

_PARTS = 12
"""Parts that a stretch is cut into, to see by how much requests vary of themselves."""
_WINDOWS = (3600, 900, 60)
_SUMS = ("w", "wx", "wx2", "w2")

Key = tuple[str, str]
"""Metric and scorer."""
Whole = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class WindowSums:
    """What the rollups say of one stretch of time. Keys of the dictionaries are (metric, scorer)."""

    hours: float
    requests: tuple[int, ...]
    """In equally long parts of the time."""
    errors: int
    sums: dict[Key, tuple[int, float, float, float, float]] = field(default_factory=dict)
    """n, and the sums of w, w·x, w·x² and w²."""
    buckets: dict[Key, dict[int, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class FigureWindows:
    """Windows of a rollup in the order of time, one for each metric, scorer, version and class of status. [n]

    starts: milliseconds since 1970, UTC. key: places in `keys`. Window i has the entries [m] from `first[i]` to
    `first[i + 1]`: a place in `buckets`, which rise, and the weight in that bucket. Not to be written to.
    """

    starts: Whole
    key: Whole
    keys: tuple[Key, ...]
    failed: NDArray[np.bool_]
    n: Floats
    sums: tuple[Floats, ...]
    first: Whole
    place: Whole
    weight: Floats
    buckets: Whole

    def between(self, start: datetime, end: datetime, parts: int) -> WindowSums:
        """What the windows from `start` to `end` add up to; requests in so many equal parts of it."""
        edges = [round(time.timestamp() * 1000) for time in (start, end)]
        rows = slice(*(int(place) for place in np.searchsorted(self.starts, edges)))
        key, n = self.key[rows], self.n[rows]
        of_requests = (
            key == self.keys.index((REQUESTS, "")) if (REQUESTS, "") in self.keys else np.zeros(len(key), bool)
        )
        part = (self.starts[rows][of_requests] - edges[0]) * parts // (edges[1] - edges[0])
        counts = np.bincount(part, n[of_requests], parts)
        columns = [np.bincount(key, column[rows], len(self.keys)).tolist() for column in (self.n, *self.sums)]
        sums = {
            name: (int(number), w, wx, wx2, w2)
            for name, number, w, wx, wx2, w2 in zip(self.keys, *columns, strict=True)
            if number and name[0] != REQUESTS
        }
        errors = int(n[of_requests & self.failed[rows]].sum())
        hours = (edges[1] - edges[0]) / 3_600_000
        return WindowSums(hours, tuple(int(one) for one in counts), errors, sums, self._histograms(rows))

    def _histograms(self, rows: slice) -> dict[Key, dict[int, float]]:
        entries = slice(int(self.first[rows.start]), int(self.first[rows.stop]))
        of_key = np.repeat(self.key[rows], np.diff(self.first[rows.start : rows.stop + 1]))
        cell = of_key * len(self.buckets) + self.place[entries]
        size = (len(self.keys), len(self.buckets))
        weights = np.bincount(cell, self.weight[entries], size[0] * size[1]).reshape(size)
        found = {}
        for place in np.flatnonzero(weights.any(axis=1)).tolist():
            filled = np.flatnonzero(weights[place])
            histogram = zip(self.buckets[filled].tolist(), weights[place][filled].tolist(), strict=True)
            found[self.keys[place]] = dict(histogram)
        return found


def window_sums(endpoint: str, start: datetime, end: datetime) -> WindowSums:
    """The sums of an endpoint from `start` (included) to `end` (not included), both whole minutes, UTC.

    Raises: QueryFailed, LakehouseError.
    """
    if end <= start:
        return WindowSums(0.0, (), 0)
    fitting = (width for width in _WINDOWS if start.timestamp() % width == end.timestamp() % width == 0)
    seconds = next(fitting, _WINDOWS[-1])
    return _window_sums(rollup(Period(start, end, seconds)), endpoint, start, end)


@kept(max_entries=64)
def _window_sums(snapshot: Snapshot, endpoint: str, start: datetime, end: datetime) -> WindowSums:
    seconds = (end - start).total_seconds()
    window = {METRICS_HOUR.name: 3600, "metrics_minute": 60}.get(snapshot.name, 900)
    # Parts of whole rollup windows, so that each holds as many.
    parts = next((count for count in range(_PARTS, 0, -1) if (seconds / count) % window == 0), 1)
    length = READ_AT_ONCE.get(snapshot.name, timedelta())
    return _windows(snapshot, endpoint, read_at_once(snapshot, (start, end), length)).between(start, end, parts)


@shared
def _windows(snapshot: Snapshot, endpoint: str, span: Span) -> FigureWindows:
    rows = select(
        snapshot,
        # Lists and not a row for each bucket: these would take three times as long.
        """SELECT epoch_ms(window_start) AS start, metric, coalesce(scorer, '') AS scorer,
                  coalesce(status_class IN ('4xx', '5xx'), false) AS failed, n::DOUBLE AS n,
                  coalesce(sum_w, 0) AS w, coalesce(sum_wx, 0) AS wx, coalesce(sum_wx2, 0) AS wx2,
                  coalesce(sum_w2, sum_w, 0) AS w2,
                  CASE WHEN metric = ANY($histograms) THEN coalesce(map_keys(buckets), []) ELSE [] END AS names,
                  CASE WHEN metric = ANY($histograms) THEN coalesce(map_values(buckets), []) ELSE [] END AS weights
           FROM this WHERE endpoint_name = $endpoint AND window_start >= $start AND window_start < $end
             AND metric = ANY($metrics) ORDER BY window_start""",
        span=span,
        endpoint=endpoint,
        start=span[0],
        end=span[1],
        histograms=list(HISTOGRAMS),
        metrics=[REQUESTS, *HISTOGRAMS, *MEANS],
    )
    numbers: dict[Any, int] = {}
    key = [numbers.setdefault(one, len(numbers)) for one in zip(rows["metric"], rows["scorer"], strict=True)]
    lengths = np.fromiter(map(len, rows["names"]), np.int64, len(rows))
    names, weights = (np.concatenate([np.zeros(0), *rows[name]]) for name in ("names", "weights"))
    buckets, place = np.unique(names.astype(np.int64), return_inverse=True)
    return FigureWindows(
        starts=rows["start"].to_numpy(np.int64),
        key=np.array(key, np.int64),
        keys=tuple(numbers),
        failed=rows["failed"].to_numpy(bool),
        n=rows["n"].to_numpy(float),
        sums=tuple(rows[name].to_numpy(float) for name in _SUMS),
        first=np.append(0, np.cumsum(lengths)),
        place=place.astype(np.int64),
        weight=weights,
        buckets=buckets,
    )
