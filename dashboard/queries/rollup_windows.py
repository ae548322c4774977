"""The windows of a rollup as arrays, one metric at a time: any range, version or class of status is a piece of them.

Whoever looks at a week looks at a day, a month and another version next, on this page or on another. From the rollups
by hours and by quarters so much is read at once that all of these are in it; of finer windows, which are many, what is
asked for. A metric is read once for all pages.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dashboard.queries.lake import Snapshot, Span, select_table
from dashboard.queries.shared_arrays import read_at_once, shared_each
from lakehouse.rollup_rows import flat
from lakehouse.rollup_tables import METRICS_15MIN, METRICS_HOUR

if TYPE_CHECKING:
    import pyarrow as pa

READ_AT_ONCE = {METRICS_HOUR.name: timedelta(days=62), METRICS_15MIN.name: timedelta(days=4)}
"""Rollup → how much of its end is read at once: a month and the month before it, two days and the two before them."""

FAILED = ("4xx", "5xx")
"""The classes of status of requests that failed."""

_SUMS = ("n", "sum_w", "sum_wx", "sum_wx2", "sum_w2")
_GROUP = ("entity_name", "entity_version", "status", "scorer")
_MOST_DIFFERENT = np.iinfo(np.int16).max

Whole = NDArray[np.int64]
Floats = NDArray[np.float64]
Places = NDArray[np.integer[Any]]
"""Places in a list."""
Weights = NDArray[np.floating[Any]]


class Group(NamedTuple):
    """What a window is about beside its metric; each is empty where it is not known."""

    entity_name: str
    entity_version: str
    status: str
    """The class, such as `4xx`."""
    scorer: str

    @property
    def version(self) -> str:
        """How links name the version."""
        return f"{self.entity_name}/{self.entity_version}"


@dataclass(frozen=True)
class MetricWindows:
    """Windows of one metric in the order of time, one for each of `groups` in each of them. [n] Not to be written to.

    starts: milliseconds since 1970, UTC. group: places in `groups`. n: how many values; the sums are of their weights,
    w·x, w·x² and w², NaN where none is known. Window i has the entries [m] from `first[i]` to `first[i + 1]`: a place
    in `buckets`, which rise, and the weight in that bucket. Without histograms there are no entries.
    """

    starts: Whole
    group: Places
    groups: tuple[Group, ...]
    n: Floats
    sum_w: Floats
    sum_wx: Floats
    sum_wx2: Floats
    sum_w2: Floats
    first: Places
    place: Places
    weight: Weights
    buckets: Whole

    def __len__(self) -> int:
        return len(self.starts)

    def slice_of(self, start: datetime, end: datetime) -> slice:
        """Which of them begin in a span of time."""
        first, last = (int(np.searchsorted(self.starts, milliseconds(time))) for time in (start, end))
        return slice(first, max(first, last))

    def between(self, start: datetime, end: datetime) -> "MetricWindows":
        """Those that begin in a span of time."""
        part = self.slice_of(start, end)
        first = self.first[part.start : part.stop + 1]
        entries = slice(int(first[0]), int(first[-1]))
        columns: dict[str, Any] = {name: getattr(self, name)[part] for name in ("starts", "group", *_SUMS)}
        return replace(self, **columns, first=first - first[0], place=self.place[entries], weight=self.weight[entries])

    def of_groups(self, values: Sequence[Any]) -> NDArray[Any]:
        """What stands for the group of each window, of values for each of `groups`. [n]"""
        return np.asarray(values)[self.group] if len(self.groups) else np.zeros(0, np.int64)

    def coded(self, names: Sequence[str]) -> tuple[Places, tuple[str, ...]]:
        """Which of the different names each window has [n], and these in order: version 10 comes after version 9.

        names: of each of `groups`.
        """
        ordered = sorted(set(names), key=lambda name: (len(name), name))
        return self.of_groups([ordered.index(name) for name in names]), tuple(ordered)

    def of_entries(self, values: NDArray[Any]) -> NDArray[Any]:
        """What stands for the window of each entry, of values for each window. [m]"""
        return np.repeat(values, np.diff(self.first))

    def above(self, bucket: int) -> Floats:
        """The weight that each window has in this bucket and above. [n]"""
        entries = np.flatnonzero(self.place >= np.searchsorted(self.buckets, bucket))
        window = np.searchsorted(self.first, entries, side="right") - 1
        return np.bincount(window, self.weight[entries], len(self)).astype(np.float64)

    def histograms(self, key: Places, count: int) -> list[dict[int, float]]:
        """Bucket → weight of all windows with the same key; key: of each window, below 0 for none, up to `count`."""
        of_entry = self.of_entries(key)
        inside = np.flatnonzero(of_entry >= 0)
        cell = of_entry[inside].astype(np.int64) * len(self.buckets) + self.place[inside]
        weights = np.bincount(cell, self.weight[inside], count * len(self.buckets))
        found = []
        for own in weights.reshape(count, len(self.buckets)):
            filled = np.flatnonzero(own)
            found.append(dict(zip(self.buckets[filled].tolist(), own[filled].tolist(), strict=True)))
        return found


def rollup_windows(
    snapshot: Snapshot,
    endpoint: str,
    span: Span,
    *,
    sums: Iterable[str] = (),
    histograms: Iterable[str] = (),
    requester: str = "",
) -> dict[str, MetricWindows]:
    """The windows of some metrics of an endpoint, that have all of `span` and maybe more, by metric.

    snapshot: of a rollup. sums: metrics without histograms, which is a fraction of the work; histograms: those with
    both. requester: whose, in a rollup by requester.
    Raises: QueryFailed.
    """
    read = read_span(snapshot, span)
    bucketed = tuple(histograms)
    if bucketed and not (snapshot.name in READ_AT_ONCE and snapshot.is_local):
        # Little is read of finer windows, and what takes time is to find it: both at once, then.
        bucketed = tuple(dict.fromkeys((*bucketed, *sums)))
    counted = tuple(metric for metric in sums if metric not in bucketed)
    asked = (snapshot, endpoint, read, requester)
    if not bucketed:
        return _sums_of(counted, *asked)
    if not counted:
        return _histograms_of(bucketed, *asked)
    # Beside each other: unpacking histograms is most of what this takes.
    with ThreadPoolExecutor(max_workers=1) as beside:
        reading = beside.submit(_sums_of, counted, *asked)
        return _histograms_of(bucketed, *asked) | reading.result()


def read_span(snapshot: Snapshot, span: Span) -> Span:
    """What is read for a span of time: of hours and quarters mostly the same."""
    length = READ_AT_ONCE.get(snapshot.name)
    return span if length is None else read_at_once(snapshot, span, length)


def milliseconds(time: datetime) -> int:
    """A time in milliseconds since 1970."""
    return round(time.timestamp() * 1000)


@shared_each
def _sums_of(
    metrics: Sequence[str], snapshot: Snapshot, endpoint: str, span: Span, requester: str
) -> dict[str, MetricWindows]:
    return _read(metrics, snapshot, endpoint, span, requester, bucketed=False)


@shared_each
def _histograms_of(
    metrics: Sequence[str], snapshot: Snapshot, endpoint: str, span: Span, requester: str
) -> dict[str, MetricWindows]:
    return _read(metrics, snapshot, endpoint, span, requester, bucketed=True)


def _read(
    metrics: Sequence[str], snapshot: Snapshot, endpoint: str, span: Span, requester: str, *, bucketed: bool
) -> dict[str, MetricWindows]:
    lists = "coalesce(map_keys(buckets), []) AS buckets, coalesce(map_values(buckets), []) AS weights"
    of_one = "AND requester = $requester" if requester else ""
    given: dict[str, Any] = {"requester": requester} if requester else {}
    rows = select_table(
        snapshot,
        # Only our own texts are put together; what people chose comes in as parameters.
        f"""SELECT (list_position($metrics, metric) - 1)::TINYINT AS metric, epoch_ms(window_start) AS start,
                   coalesce(entity_name, '') AS entity_name, coalesce(entity_version, '') AS entity_version,
                   coalesce(status_class, '') AS status, coalesce(scorer, '') AS scorer,
                   n::DOUBLE AS n, sum_w, sum_wx, sum_wx2, coalesce(sum_w2, sum_w) AS sum_w2
                   {"," + lists if bucketed else ""}
            FROM this WHERE endpoint_name = $endpoint AND window_start >= $start AND window_start < $end {of_one}
              AND metric = ANY($metrics)""",  # noqa: S608
        span=span,
        endpoint=endpoint,
        start=span[0],
        end=span[1],
        metrics=list(metrics),
        **given,
    )
    order = np.lexsort((rows["start"].to_numpy(), rows["metric"].to_numpy()))
    # What is alike for all metrics is done for all at once: each step in Arrow takes its time, however little it has.
    rows = rows.take(order).combine_chunks()
    coded = _Coded.of(rows)
    edges = np.searchsorted(rows["metric"].to_numpy(), np.arange(len(metrics) + 1)).tolist()
    return {
        name: _windows_of(rows.slice(first, end - first), *coded.groups(first, end), bucketed=bucketed)
        for name, first, end in zip(metrics, edges, edges[1:], strict=False)
    }


class _Coded(NamedTuple):
    """The groups of rows as numbers: one for each that the columns of `_GROUP`, of which `names` are the different
    values, can make together."""

    code: Whole
    names: list[list[str]]

    @classmethod
    def of(cls, rows: "pa.Table") -> "_Coded":
        code, names = np.zeros(rows.num_rows, np.int64), []
        for column in _GROUP:
            encoded = flat(rows[column]).dictionary_encode()
            names.append(encoded.dictionary.to_pylist())
            code = code * max(len(names[-1]), 1) + encoded.indices.to_numpy()
        return cls(code, names)

    def groups(self, first: int, end: int) -> tuple[Places, tuple[Group, ...]]:
        """Which different groups some of the rows have, and which of them each of these has."""
        present, group = np.unique(self.code[first:end], return_inverse=True)
        return group.astype(np.int32), tuple(self._group(code) for code in present.tolist())

    def _group(self, code: int) -> Group:
        parts = []
        for values in reversed(self.names):
            code, place = divmod(code, len(values))
            parts.append(values[place])
        return Group(*reversed(parts))


def _windows_of(rows: "pa.Table", group: Places, groups: tuple[Group, ...], *, bucketed: bool) -> MetricWindows:
    """rows: of one metric, in the order of time."""
    import pyarrow.compute as pc

    first = np.zeros(rows.num_rows + 1, np.int32)
    place, buckets = _places(np.zeros(0, np.int32))
    weight: Weights = np.zeros(0, np.float32)
    if bucketed:
        first[1:] = np.cumsum(pc.list_value_length(flat(rows["buckets"])).to_numpy())
        place, buckets = _places(flat(rows["buckets"]).flatten().to_numpy())
        weight = _smaller(flat(rows["weights"]).flatten().to_numpy())
    sums: dict[str, Floats] = {name: rows[name].to_numpy().astype(np.float64) for name in _SUMS}
    starts = rows["start"].to_numpy().astype(np.int64)
    return MetricWindows(starts, group, groups, **sums, first=first, place=place, weight=weight, buckets=buckets)


def _places(buckets: NDArray[np.integer[Any]]) -> tuple[Places, Whole]:
    """The place of each bucket among the different ones, which are few hundred where there are a million."""
    if not len(buckets):
        return np.zeros(0, np.int16), np.zeros(0, np.int64)
    least, most = int(buckets.min()), int(buckets.max())
    if most - least > 4 * len(buckets) + 4_096:
        known, place = np.unique(buckets, return_inverse=True)
    else:
        # Counted and not sorted, which takes a tenth of the time.
        seen = np.flatnonzero(np.bincount(buckets - least))
        places = np.zeros(most - least + 1, np.int32)
        places[seen] = np.arange(len(seen))
        known, place = seen + least, places[buckets - least]
    return place.astype(np.int16 if len(known) <= _MOST_DIFFERENT else np.int32), known.astype(np.int64)


def _smaller(weights: Floats) -> Weights:
    """The same numbers in half the memory, where that has all of their digits: mostly they are counts."""
    small = weights.astype(np.float32)
    return small if (small == weights).all() else weights.astype(np.float64)
