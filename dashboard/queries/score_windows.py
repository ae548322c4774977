"""What the windows of a rollup say of scores, as arrays: any versions and any part of a time without a query.

Whoever looks at two versions over a week looks at a day, a month and two others next. So much of the rollup by hours is
read at once that all of these are in it; of finer windows, which are many, what is asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dashboard.queries.lake import Snapshot, Span, select_table
from dashboard.queries.quality import Sums
from dashboard.queries.sample import ANSWERS, REQUESTS
from dashboard.queries.shared_arrays import read_at_once, shared
from lakehouse.rollup_rows import flat
from lakehouse.rollup_tables import METRICS_HOUR

READ_AT_ONCE = timedelta(days=62)
"""A month of any calendar and the one before."""

Histogram = dict[int, float]
"""Bucket → weight."""
Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Whose windows are wanted: a version's, of a class of status such as `4xx` (empty: of all)."""

    entity_name: str
    entity_version: str
    status: str
    span: Span


@dataclass(frozen=True)
class Scored:
    """What the windows of some rows add up to, by metric and scorer."""

    sums: dict[tuple[str, str], Sums]
    histograms: dict[tuple[str, str], Histogram]


@dataclass(frozen=True)
class ScoreWindows:
    """Windows of a rollup in the order of time, one for each of `groups` in each of them. [n]

    starts: milliseconds since 1970, UTC. group: places in `groups`, which are entity name, entity version, class of
    status, metric and scorer. sums: n, sum_w, sum_wx, sum_wx2, sum_w2. Window i has the entries [m] from `first[i]` to
    `first[i + 1]`: a place in `buckets`, which rise, and the weight in that bucket. Not to be written to.
    """

    starts: Whole
    group: Whole
    groups: tuple[tuple[str, str, str, str, str], ...]
    sums: tuple[Floats, ...]
    first: Whole
    place: NDArray[np.int16]
    weight: Floats
    buckets: Whole

    def between(self, span: Span) -> "ScoreWindows":
        """Those of a span of time."""
        start, end = (int(np.searchsorted(self.starts, _milliseconds(time))) for time in span)
        first = self.first[start : end + 1]
        entries = slice(int(first[0]), int(first[-1]))
        return ScoreWindows(
            starts=self.starts[start:end],
            group=self.group[start:end],
            groups=self.groups,
            sums=tuple(column[start:end] for column in self.sums),
            first=first - first[0],
            place=self.place[entries],
            weight=self.weight[entries],
            buckets=self.buckets,
        )

    def above(self, bucket: int) -> Floats:
        """The weight that each window has in this bucket and above. [n]"""
        counted = np.where(self.place >= np.searchsorted(self.buckets, bucket), self.weight, 0.0)
        window = np.repeat(np.arange(len(self.starts)), np.diff(self.first))
        return np.bincount(window, counted, len(self.starts)).astype(np.float64)

    def of(self, wanted: Rows) -> Scored:
        """What the windows of some rows add up to."""
        part = self.between(wanted.span)
        keys, key = part._chosen(wanted)
        rows = np.flatnonzero(key >= 0)
        sums = [np.bincount(key[rows], column[rows], len(keys)) for column in part.sums]
        of_entry = np.repeat(key, np.diff(part.first))
        inside = of_entry >= 0
        cell = of_entry[inside] * len(self.buckets) + part.place[inside]
        weights = np.bincount(cell, part.weight[inside], len(keys) * len(self.buckets))
        histograms = {}
        for name, counted in zip(keys, weights.reshape(len(keys), len(self.buckets)), strict=True):
            filled = np.flatnonzero(counted)
            histograms[name] = dict(zip(self.buckets[filled].tolist(), counted[filled].tolist(), strict=True))
        there = np.flatnonzero(np.bincount(key[rows], minlength=len(keys)))
        found = {keys[one]: Sums(int(sums[0][one]), *(float(column[one]) for column in sums[1:])) for one in there}
        return Scored(found, histograms)

    def newest(self, wanted: Rows, most: int) -> datetime | None:
        """The start of the window from which on there are `most` requests; None where there are fewer."""
        part = self.between(wanted.span)
        keys, key = part._chosen(wanted)
        rows = np.flatnonzero(key == keys.index((REQUESTS, ""))) if (REQUESTS, "") in keys else np.array([], np.int64)
        newer = np.cumsum(part.sums[0][rows][::-1])
        place = int(np.searchsorted(newer, most))
        if place >= len(newer):
            return None
        return _time(int(part.starts[rows[len(rows) - 1 - place]]))

    def _chosen(self, wanted: Rows) -> tuple[list[tuple[str, str]], Whole]:
        """The metrics and scorers that there are, and which of them each window is about: -1 where it is about other
        rows."""
        version = (wanted.entity_name, wanted.entity_version)
        own = [
            place
            for place, (*named, status, _, _) in enumerate(self.groups)
            if tuple(named) == version and wanted.status in ("", status)
        ]
        keys = sorted({self.groups[place][3:] for place in own})
        number = np.full(len(self.groups), -1, np.int64)
        number[own] = [keys.index(self.groups[place][3:]) for place in own]
        return keys, number[self.group]


def score_windows(
    snapshot: Snapshot, endpoint: str, span: Span, metrics: Sequence[str], requester: str = ""
) -> ScoreWindows:
    """The windows of an endpoint that have all of `span`, and maybe more: of the requests, the answers and `metrics`.

    requester: whose, in a rollup by requester. Raises: QueryFailed.
    """
    if snapshot.name == METRICS_HOUR.name:
        span = read_at_once(snapshot, span, READ_AT_ONCE)
    return _score_windows(snapshot, endpoint, span, tuple(metrics), requester)


@shared
def _score_windows(
    snapshot: Snapshot, endpoint: str, span: Span, metrics: tuple[str, ...], requester: str
) -> ScoreWindows:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    of_one = "AND requester = $requester" if requester else ""
    given: dict[str, Any] = {"requester": requester} if requester else {}
    rows = select_table(
        snapshot,
        # Only our own texts are put together; what people chose comes in as parameters.
        f"""SELECT epoch_ms(window_start) AS start, coalesce(entity_name, '') AS entity_name,
                   coalesce(entity_version, '') AS entity_version, coalesce(status_class, '') AS status, metric,
                   coalesce(scorer, '') AS scorer, n, sum_w, sum_wx, sum_wx2, coalesce(sum_w2, sum_w) AS sum_w2,
                   CASE WHEN metric = ANY($metrics) THEN coalesce(map_keys(buckets), []) ELSE [] END AS buckets,
                   CASE WHEN metric = ANY($metrics) THEN coalesce(map_values(buckets), []) ELSE [] END AS weights
            FROM this WHERE endpoint_name = $endpoint AND window_start >= $start AND window_start < $end {of_one}
              AND (metric = ANY($metrics) OR metric IN ($requests, $answers))""",  # noqa: S608
        span=span,
        endpoint=endpoint,
        start=span[0],
        end=span[1],
        metrics=list(metrics),
        requests=REQUESTS,
        answers=ANSWERS,
        **given,
    )
    order = np.argsort(rows["start"].to_numpy(), kind="stable")
    rows = rows.take(pa.array(order)).combine_chunks()
    group, groups = _numbered([rows[name].to_pylist() for name in _GROUPED])
    buckets, weights = (flat(rows[name]).flatten().to_numpy() for name in ("buckets", "weights"))
    lengths = pc.list_value_length(flat(rows["buckets"])).to_numpy()
    # Quicker than numpy's, which sorts a million buckets that are a few hundred different ones.
    place, known = pd.factorize(buckets.astype(np.int64), sort=True)
    return ScoreWindows(
        starts=rows["start"].to_numpy().astype(np.int64),
        group=group,
        groups=groups,
        sums=tuple(rows[name].to_numpy().astype(np.float64) for name in Sums._fields),
        first=np.concatenate([[0], np.cumsum(lengths)]),
        place=place.astype(np.int16 if len(known) < np.iinfo(np.int16).max else np.int64),
        weight=weights.astype(np.float64),
        buckets=known,
    )


_GROUPED = ("entity_name", "entity_version", "status", "metric", "scorer")


def _numbered(columns: Sequence[Any]) -> tuple[Whole, tuple[tuple[str, str, str, str, str], ...]]:
    """Which different values the columns have together, and which of them each row has."""
    numbers: dict[Any, int] = {}
    of_rows = [numbers.setdefault(row, len(numbers)) for row in zip(*columns, strict=True)]
    return np.array(of_rows, np.int64), tuple(numbers)


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
