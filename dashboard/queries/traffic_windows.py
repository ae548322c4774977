"""The windows of the rollups that tell of an endpoint's traffic, as arrays in the order of time.

Whoever looks at a week looks at a day and at a month next. From the rollup by hours so much is read at once that all of
these are in it: another time range is another piece of the same arrays, and no query.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dashboard.periods import Period
from dashboard.queries.lake import Snapshot, Span, select
from dashboard.queries.sample import ANSWERS, REQUESTS
from dashboard.queries.shared_arrays import read_at_once, shared
from lakehouse.rollup_tables import METRICS_HOUR
from metrics.buckets import bucket_value

if TYPE_CHECKING:
    import pandas as pd

LATENCY, TOKENS_IN, TOKENS_OUT = "execution_duration_ms", "prompt_tokens", "completion_tokens"
COUNTED = (REQUESTS, TOKENS_IN, TOKENS_OUT, ANSWERS)
"""The metrics whose windows have a sum here."""
READ_AT_ONCE = timedelta(days=62)
"""A month and the month before it."""
MOST_BINS = 256
"""Stretches of time that a chart of the Traffic page is cut into, at most."""

_WIDTHS = (60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86_400)

Times = NDArray[np.int64]
Places = NDArray[np.integer[Any]]
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Windows:
    """Sums of windows, one for each metric, version and class of status that a window has, in the order of time. [n]

    `starts`: milliseconds since 1970, UTC. `version`, `status`, `metric`: places in `versions`, `statuses`, `COUNTED`.
    `n` are requests, `total` the sum of their values. Not to be written to.
    """

    starts: Times
    version: Places
    versions: tuple[str, ...]
    status: Places
    statuses: tuple[str, ...]
    metric: Places
    n: Numbers
    total: Numbers

    def of(self, metric: str, period: Period) -> "Windows":
        """Those of one metric of `COUNTED` in a period."""
        part = _between(self.starts, period)
        rows = np.flatnonzero(self.metric[part] == COUNTED.index(metric)) + part.start
        arrays = (getattr(self, name)[rows] for name in ("starts", "version", "status", "metric", "n", "total"))
        starts, version, status, metrics, n, total = arrays
        return Windows(starts, version, self.versions, status, self.statuses, metrics, n, total)


@dataclass(frozen=True)
class Latencies:
    """Histograms of latency, one for each version and class of status that a window has, in the order of time. [n]

    Entries [m] from `first[i]` to `first[i + 1]` are those of window i: `weight` requests in the bucket
    `buckets[place]`, of which `buckets` rise; `values[place]` (ms) stands for it. Not to be written to.
    """

    starts: Times
    version: Places
    versions: tuple[str, ...]
    first: Places
    place: Places
    weight: Numbers
    buckets: Places
    values: Numbers

    def of(self, period: Period, *, version: int | None = None) -> tuple[Places, Places, Numbers]:
        """Of each entry in a period the bin of the period, the place in `buckets` and `values`, and the weight.

        version: only those of the version at this place.
        """
        part = _between(self.starts, period)
        entries = slice(int(self.first[part.start]), int(self.first[part.stop]))
        lengths = np.diff(self.first[part.start : part.stop + 1])
        bins = np.repeat(bins_of(self.starts[part], period), lengths)
        if version is None:
            return bins, self.place[entries], self.weight[entries]
        rows = np.flatnonzero(np.repeat(self.version[part] == version, lengths))
        return bins[rows], self.place[entries][rows], self.weight[entries][rows]

    def seen(self, period: Period) -> list[int]:
        """The places of the versions that have a window in a period."""
        found: list[int] = np.unique(self.version[_between(self.starts, period)]).tolist()
        return found


def finer(period: Period) -> Period:
    """The same period cut more finely than for a small line: at most `MOST_BINS` bins."""
    length = period.length.total_seconds()
    widths = [w for w in _WIDTHS if w <= period.bin_seconds and length % w == 0 and length / w <= MOST_BINS]
    return Period(period.start, period.end, min(widths, default=period.bin_seconds))


def times(period: Period) -> Times:
    """The starts of a period's bins, in milliseconds since 1970, UTC."""
    start = int(period.start.timestamp() * 1000)
    return start + np.arange(period.bins, dtype=np.int64) * period.bin_seconds * 1000


def windows(snapshot: Snapshot, endpoint: str, period: Period) -> Windows:
    """The sums of a period and of the one before it, and maybe of more. snapshot: of a rollup.

    Raises: QueryFailed.
    """
    return _windows(snapshot, endpoint, read_span(snapshot, period))


def latencies(snapshot: Snapshot, endpoint: str, period: Period) -> Latencies:
    """The histograms of latency of a period and of the one before it, and maybe of more. snapshot: of a rollup.

    Raises: QueryFailed.
    """
    return _latencies(snapshot, endpoint, read_span(snapshot, period))


def requests_each(snapshot: Snapshot, endpoint: str, span: Span, seconds: int) -> Numbers:
    """Requests of each stretch of `seconds` in a span. snapshot: of a rollup whose windows are not longer.

    Raises: QueryFailed.
    """
    return _requests_each(snapshot, endpoint, span, seconds)


def read_span(snapshot: Snapshot, period: Period) -> Span:
    """What is read for a period and the one before it: of hours two months, the same for most periods."""
    return two_months(snapshot, period) if snapshot.name == METRICS_HOUR.name else (period.previous.start, period.end)


def two_months(snapshot: Snapshot, period: Period) -> Span:
    """The last two months of a snapshot where a period and the one before it are in them, else these two."""
    return read_at_once(snapshot, (period.previous.start, period.end), READ_AT_ONCE)


def bins_of(starts: Times, period: Period) -> Places:
    """In which bin of a period each time (milliseconds since 1970) is; below 0 before it."""
    return (starts - int(period.start.timestamp() * 1000)) // (period.bin_seconds * 1000)


_VERSION = "coalesce(entity_name, '') || '/' || coalesce(entity_version, '') AS version"
_WITHIN = "endpoint_name = $endpoint AND window_start >= $start AND window_start < $end"


@shared
def _windows(snapshot: Snapshot, endpoint: str, span: Span) -> Windows:
    rows = select(
        snapshot,
        f"""SELECT epoch_ms(window_start) AS start, {_VERSION}, coalesce(status_class, 'none') AS status,
                   list_position($metrics, metric)::BIGINT - 1 AS metric,
                   n::DOUBLE AS n, coalesce(sum_wx, 0)::DOUBLE AS total
            FROM this WHERE {_WITHIN} AND metric IN {COUNTED} ORDER BY window_start""",  # noqa: S608
        span=span,
        endpoint=endpoint,
        start=span[0],
        end=span[1],
        metrics=list(COUNTED),
    )
    version, versions = _coded(rows["version"])
    status, statuses = _coded(rows["status"])
    numbers = (rows[name].to_numpy(float) for name in ("n", "total"))
    return Windows(
        rows["start"].to_numpy(np.int64),
        version,
        versions,
        status,
        statuses,
        rows["metric"].to_numpy(np.int64),
        *numbers,
    )


@shared
def _latencies(snapshot: Snapshot, endpoint: str, span: Span) -> Latencies:
    rows = select(
        snapshot,
        # Lists and not a row for each bucket: these would take three times as long.
        f"""SELECT epoch_ms(window_start) AS start, {_VERSION}, map_keys(buckets) AS names,
                   map_values(buckets) AS weights
            FROM this WHERE {_WITHIN} AND metric = '{LATENCY}' AND len(map_keys(buckets)) > 0
            ORDER BY window_start""",  # noqa: S608
        span=span,
        endpoint=endpoint,
        start=span[0],
        end=span[1],
    )
    version, versions = _coded(rows["version"])
    lengths = np.array([len(names) for names in rows["names"]], dtype=np.int64)
    names = np.concatenate(list(rows["names"])) if len(rows) else np.zeros(0, dtype=np.int64)
    weights = np.concatenate(list(rows["weights"])) if len(rows) else np.zeros(0)
    buckets, place = np.unique(names, return_inverse=True)
    return Latencies(
        starts=rows["start"].to_numpy(np.int64),
        version=version,
        versions=versions,
        first=np.append(0, np.cumsum(lengths)),
        place=place.astype(np.int16 if len(buckets) <= np.iinfo(np.int16).max else np.int32),
        weight=np.asarray(weights, dtype=np.float64),
        buckets=buckets.astype(np.int64),
        values=np.array([bucket_value(LATENCY, bucket) for bucket in buckets.tolist()], dtype=np.float64),
    )


@shared
def _requests_each(snapshot: Snapshot, endpoint: str, span: Span, seconds: int) -> Numbers:
    rows = select(
        snapshot,
        # As they are: adding up tens of thousands of groups takes DuckDB longer than all else here.
        f"""SELECT (epoch_ms(window_start) - epoch_ms($start)) // (1000 * $seconds) AS place, n::DOUBLE AS n
            FROM this WHERE {_WITHIN} AND metric = '{REQUESTS}'""",  # noqa: S608
        span=span,
        endpoint=endpoint,
        start=span[0],
        end=span[1],
        seconds=seconds,
    )
    count = int((span[1] - span[0]).total_seconds()) // seconds
    return np.bincount(rows["place"].to_numpy(np.int64), rows["n"].to_numpy(float), count).astype(np.float64)


def _coded(names: "pd.Series[str]") -> tuple[Places, tuple[str, ...]]:
    """The place of each name among all of them, which are sorted: version 10 comes after version 9."""
    import pandas as pd

    codes, found = pd.factorize(names.astype(object))
    ordered = sorted(range(len(found)), key=lambda code: (len(str(found[code])), str(found[code])))
    place = np.empty(len(found), dtype=np.int64)
    place[ordered] = np.arange(len(found))
    return place[codes], tuple(str(found[code]) for code in ordered)


def _between(starts: Times, period: Period) -> slice:
    edges = [int(time.timestamp() * 1000) for time in (period.start, period.end)]
    first, last = np.searchsorted(starts, edges)
    return slice(int(first), int(last))
