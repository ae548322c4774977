"""The windows of the rollups that tell of an endpoint's traffic: how many requests, how much, and how long."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from dashboard.periods import Period
from dashboard.queries.lake import Snapshot, Span, select
from dashboard.queries.rollup_windows import FAILED, MetricWindows, Places, Weights, rollup_windows
from dashboard.queries.sample import ANSWERS, REQUESTS
from dashboard.queries.shared_arrays import read_at_once, shared
from metrics.buckets import bucket_value

LATENCY, TOKENS_IN, TOKENS_OUT = "execution_duration_ms", "prompt_tokens", "completion_tokens"
COUNTED = (REQUESTS, TOKENS_IN, TOKENS_OUT, ANSWERS)
"""The metrics whose windows have a sum here."""
NO_STATUS = "none"
"""The class of status of requests without one."""
_TWO_MONTHS = timedelta(days=62)
MOST_BINS = 256
"""Stretches of time that a chart of the Traffic page is cut into, at most."""

_value = lru_cache(maxsize=65_536)(bucket_value)
_WIDTHS = (60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86_400)

Times = NDArray[np.int64]
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Amounts:
    """Sums of one metric in windows, one for each version and class of status that a window has, in the order of time.
    [n]

    `starts`: milliseconds since 1970, UTC. `version`, `status`: places in `versions` and `statuses`. `n` are requests,
    `total` the sum of their values. Not to be written to.
    """

    starts: Times
    version: Places
    versions: tuple[str, ...]
    status: Places
    statuses: tuple[str, ...]
    n: Numbers
    total: Numbers

    @property
    def failed(self) -> NDArray[np.bool_]:
        """Which of them are of requests that failed. [n]"""
        return np.isin(self.status, [place for place, name in enumerate(self.statuses) if name in FAILED])


@dataclass(frozen=True)
class Windows:
    """The windows of the metrics in `COUNTED`."""

    by_metric: Mapping[str, MetricWindows]

    def of(self, metric: str, period: Period) -> Amounts:
        """The sums of one metric in a period."""
        found = self.by_metric[metric].between(period.start, period.end)
        version, versions = found.coded([group.version for group in found.groups])
        status, statuses = found.coded([group.status or NO_STATUS for group in found.groups])
        return Amounts(found.starts, version, versions, status, statuses, found.n, np.nan_to_num(found.sum_wx))


@dataclass(frozen=True)
class Latencies:
    """Histograms of latency, one for each version and class of status that a window has. `values` (ms) stand for
    `buckets`, which rise. Not to be written to."""

    windows: MetricWindows

    @property
    def buckets(self) -> NDArray[np.int64]:
        """Those that any window has."""
        return self.windows.buckets

    @cached_property
    def values(self) -> Numbers:
        """What stands for each of `buckets`, in milliseconds."""
        return np.array([_value(LATENCY, bucket) for bucket in self.buckets.tolist()], dtype=np.float64)

    def of(self, period: Period, *, version: str = "") -> tuple[Places, Places, Weights]:
        """Of each entry in a period the bin of the period, the place in `buckets` and `values`, and the weight.

        version: only those of the version with this key.
        """
        part = self.windows.between(period.start, period.end)
        bins = part.of_entries(bins_of(part.starts, period))
        if not version:
            return bins, part.place, part.weight
        chosen = part.of_groups([group.version == version for group in part.groups]).astype(bool)
        rows = np.flatnonzero(part.of_entries(chosen))
        return bins[rows], part.place[rows], part.weight[rows]

    def seen(self, period: Period) -> list[str]:
        """The keys of the versions that have a window in a period."""
        part = self.windows.between(period.start, period.end)
        code, versions = part.coded([group.version for group in part.groups])
        return [versions[place] for place in np.unique(code).tolist()]


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
    return Windows(rollup_windows(snapshot, endpoint, (period.previous.start, period.end), sums=COUNTED))


def latencies(snapshot: Snapshot, endpoint: str, period: Period) -> Latencies:
    """The histograms of latency of a period and of the one before it, and maybe of more. snapshot: of a rollup.

    Raises: QueryFailed.
    """
    span = period.previous.start, period.end
    return Latencies(rollup_windows(snapshot, endpoint, span, histograms=[LATENCY])[LATENCY])


def requests_each(snapshot: Snapshot, endpoint: str, span: Span, seconds: int) -> Numbers:
    """Requests of each stretch of `seconds` in a span. snapshot: of a rollup whose windows are not longer.

    Raises: QueryFailed.
    """
    return _requests_each(snapshot, endpoint, span, seconds)


def two_months(snapshot: Snapshot, period: Period) -> Span:
    """The last two months of a snapshot where a period and the one before it are in them, else these two."""
    return read_at_once(snapshot, (period.previous.start, period.end), _TWO_MONTHS)


def bins_of(starts: Times, period: Period) -> Places:
    """In which bin of a period each time (milliseconds since 1970) is; below 0 before it."""
    return (starts - int(period.start.timestamp() * 1000)) // (period.bin_seconds * 1000)


@shared
def _requests_each(snapshot: Snapshot, endpoint: str, span: Span, seconds: int) -> Numbers:
    rows = select(
        snapshot,
        # As they are: adding up tens of thousands of groups takes DuckDB longer than all else here.
        f"""SELECT (epoch_ms(window_start) - epoch_ms($start)) // (1000 * $seconds) AS place, n::DOUBLE AS n
            FROM this
            WHERE endpoint_name = $endpoint AND window_start >= $start AND window_start < $end AND metric = '{REQUESTS}'
            """,  # noqa: S608
        span=span,
        endpoint=endpoint,
        start=span[0],
        end=span[1],
        seconds=seconds,
    )
    count = int((span[1] - span[0]).total_seconds()) // seconds
    return np.bincount(rows["place"].to_numpy(np.int64), rows["n"].to_numpy(float), count).astype(np.float64)
