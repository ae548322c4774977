"""What the rules of alerts measure: the rollups' partial sums, added up over any window of whole minutes.

Every figure here is additive, so a window costs two look-ups in a running sum, whether a rule looks at now or a dry run
at each five minutes of a month. Only a percentile needs the window's histogram; whether it is over a limit does not:
the 95th percentile is over 5 s where more than 5 % of the answers took longer.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakehouse.errors import TableMissing
from lakehouse.rollup_rows import flat
from lakehouse.store import open_uri, read_rows, storage_options, table_id, table_uri
from metrics.buckets import bucket_lower, quantile
from metrics.comparison import effective_size, moments_from_sums
from registry.guard import Measured, mean, share
from settings import Settings

REQUESTS = "databricks_request_id"
"""The metric whose `n` is the number of requests."""

Version = tuple[str, str]
"""Model and version; ("", "") for all of an endpoint together."""
ALL: Version = ("", "")

_COLUMNS = (
    "window_start",
    "endpoint_name",
    "entity_name",
    "entity_version",
    "status_class",
    "metric",
    "scorer",
    "n",
    "sum_w",
    "sum_wx",
    "sum_wx2",
    "buckets",
    "sum_w2",
)
_MICROSECONDS_A_MINUTE = 60_000_000
_SUMS = 6


@dataclass(frozen=True)
class Counted:
    """What is added up: the values of a metric, and of them those at least `at_least`, or those that failed.

    answered: only of requests that were answered (status 2xx).
    """

    metric: str
    at_least: float | None = None
    answered: bool = False


@dataclass(frozen=True)
class Sums:
    """The sums over a window: `n` values, and what of their weight is counted (`hits`)."""

    n: int
    hits: float
    sum_w: float
    sum_wx: float
    sum_wx2: float
    sum_w2: float

    @property
    def measured_share(self) -> Measured:
        """The share that is counted. Of a sample whose rows weigh differently, as many as tell as much."""
        if self.n <= 0 or self.sum_w <= 0:
            return share(0, 0)
        size = max(1, round(effective_size(self.n, self.sum_w, self.sum_w2)))
        return share(size, round(min(max(self.hits / self.sum_w, 0.0), 1.0) * size))

    @property
    def measured_mean(self) -> Measured:
        """The mean of the values."""
        return mean(moments_from_sums(self.n, self.sum_w, self.sum_wx, self.sum_wx2, self.sum_w2))


NOTHING = Sums(0, 0.0, 0.0, 0.0, 0.0, 0.0)


class Rollups:
    """The rollup rows of one endpoint, added up over windows. A window is told by its first minute and the one after
    its last, as minutes since 1970.
    """

    def __init__(self, rows: pa.Table) -> None:
        self._rows = rows
        self._series: dict[Counted, dict[tuple[Version, str], _Series]] = {}
        self._answered: dict[str, tuple[pa.Table, NDArray[np.int64]]] = {}
        requests = rows.filter(pc.equal(rows["metric"], REQUESTS))
        self._minutes = np.unique(_minutes(requests))

    def newest(self, before: int) -> int | None:
        """The minute after the last one that has a request, at most `before`; None if there is none."""
        place = int(np.searchsorted(self._minutes, before, side="left"))
        return int(self._minutes[place - 1]) + 1 if place else None

    def versions(self, start: int, end: int) -> list[Version]:
        """The versions that had a request in a window, in order."""
        found = self._of(Counted(REQUESTS))
        versions = {version for version, _ in found if version != ALL}
        return sorted(version for version in versions if self.sums(Counted(REQUESTS), version, start, end).n)

    def sums(self, what: Counted, version: Version, start: int, end: int) -> Sums:
        """The sums over a window. Where two scorers gave values, those of the one that gave more: they never mix."""
        best = NOTHING
        for (of, _), series in self._of(what).items():
            if of == version and (found := series.between(start, end)).n > best.n:
                best = found
        return best

    def percentile(self, metric: str, q: float, version: Version, start: int, end: int) -> float:
        """The q-quantile of a metric over the answered requests of a window, within 1 %; NaN where there are none."""
        if metric not in self._answered:
            answered = self._metric_rows(Counted(metric, answered=True))
            self._answered[metric] = answered, _minutes(answered)
        rows, minutes = self._answered[metric]
        rows = rows.take(pa.array(np.flatnonzero((minutes >= start) & (minutes < end))))
        if version != ALL:
            mine = _is(rows["entity_name"], version[0]) & _is(rows["entity_version"], version[1])
            rows = rows.filter(pa.array(mine))
        buckets: dict[int, float] = defaultdict(float)
        for one in rows["buckets"].to_pylist():
            for bucket, weight in one or ():
                buckets[bucket] += weight
        return quantile(metric, buckets, q)

    def _of(self, what: Counted) -> dict[tuple[Version, str], "_Series"]:
        if what not in self._series:
            self._series[what] = _series(self._metric_rows(what), what)
        return self._series[what]

    def _metric_rows(self, what: Counted) -> pa.Table:
        rows = self._rows.filter(pc.equal(self._rows["metric"], what.metric))
        return rows.filter(pc.equal(rows["status_class"], "2xx")) if what.answered else rows


@dataclass(frozen=True)
class _Series:
    """Running sums by the minute."""

    minutes: NDArray[np.int64]
    running: NDArray[np.float64]

    def between(self, start: int, end: int) -> Sums:
        first, last = np.searchsorted(self.minutes, (start, end), side="left")
        n, *others = (self.running[last] - self.running[first]).tolist()
        return Sums(round(n), *others)


class RollupReader:
    """Reads a rollup table; rows that were read are kept until the table has a new version."""

    def __init__(self, settings: Settings, table: str, *, histograms: bool = True) -> None:
        """histograms: whether shares and percentiles are asked for; they are most of what a row weighs."""
        self._settings = settings
        self._table = table
        self._columns = [name for name in _COLUMNS if histograms or name != "buckets"]
        self._version: tuple[str, int] | None = None
        self._since = datetime.max.replace(tzinfo=UTC)
        self._metrics: frozenset[str] = frozenset()
        self._rows: dict[str, Rollups] = {}

    def read(self, since: datetime, metrics: frozenset[str]) -> dict[str, Rollups]:
        """The rows of these metrics from `since` (with a time zone) on, by endpoint; none before the first run.

        Raises: UnreadableTable.
        """
        uri = table_uri(self._settings, self._table)
        try:
            table = open_uri(uri, storage_options(self._settings, uri))
        except TableMissing:
            return {}
        version = (table_id(table), int(table.version()))
        if version != self._version or since < self._since or not metrics <= self._metrics:
            where = (pc.field("window_start") >= since) & pc.field("metric").isin(sorted(metrics))
            rows = read_rows(table, self._columns, where)
            names = [name for name in pc.unique(rows["endpoint_name"]).to_pylist() if name]
            self._rows = {name: Rollups(rows.filter(pc.equal(rows["endpoint_name"], name))) for name in names}
            self._version, self._since, self._metrics = version, since, metrics
        return self._rows


def minute_of(time: datetime) -> int:
    """The minute since 1970 that a time (with a time zone) is in."""
    return int(time.timestamp() // 60)


def time_of(minute: int) -> datetime:
    """The beginning of a minute since 1970, UTC."""
    return datetime.fromtimestamp(minute * 60, UTC)


def _series(rows: pa.Table, what: Counted) -> dict[tuple[Version, str], _Series]:
    minutes = _minutes(rows)
    values = np.zeros((rows.num_rows, _SUMS))
    values[:, 0] = _numbers(rows["n"])
    for place, name in enumerate(("sum_w", "sum_wx", "sum_wx2"), start=2):
        values[:, place] = _numbers(rows[name])
    # A row of an earlier release has no sum of squared weights; its weights were all 1.
    values[:, 5] = _numbers(pc.coalesce(rows["sum_w2"], rows["sum_w"]))
    values[:, 1] = _hits(rows, what)
    names = [flat(pc.fill_null(rows[name], "")).to_pylist() for name in ("entity_name", "entity_version", "scorer")]
    places: dict[tuple[Version, str], list[int]] = defaultdict(list)
    for place, (entity_name, entity_version, scorer) in enumerate(zip(*names, strict=True)):
        places[ALL, scorer].append(place)
        if entity_version:
            places[(entity_name, entity_version), scorer].append(place)
    return {key: _running(minutes[of], values[of]) for key, of in places.items()}


def _running(minutes: NDArray[np.int64], values: NDArray[np.float64]) -> _Series:
    order = np.argsort(minutes, kind="stable")
    running = np.zeros((len(order) + 1, _SUMS))
    np.cumsum(values[order], axis=0, out=running[1:])
    return _Series(minutes[order], running)


def _hits(rows: pa.Table, what: Counted) -> NDArray[np.float64]:
    """Of each row, the weight of what is counted: values at least `at_least`, or of requests those that failed."""
    if what.metric == REQUESTS:
        failed = _is(rows["status_class"], "5xx")
        return np.where(failed, _numbers(rows["n"]), 0.0)
    if what.at_least is None:
        return np.zeros(rows.num_rows)
    column = flat(rows["buckets"])
    entries = column.cast(pa.list_(column.type.field(0)))
    lengths = pc.fill_null(pc.list_value_length(entries), 0).to_numpy(zero_copy_only=False)
    of_row = np.repeat(np.arange(rows.num_rows), lengths)
    flattened = pc.list_flatten(entries)
    bucket = pc.struct_field(flattened, 0).to_numpy(zero_copy_only=False)
    weight = pc.struct_field(flattened, 1).to_numpy(zero_copy_only=False)
    counted = bucket >= bucket_lower(what.metric, what.at_least)
    return np.bincount(of_row[counted], weight[counted], minlength=rows.num_rows).astype(np.float64)


def _minutes(rows: pa.Table) -> NDArray[np.int64]:
    instants: NDArray[np.int64] = flat(rows["window_start"]).cast(pa.int64()).fill_null(0).to_numpy()
    return instants // _MICROSECONDS_A_MINUTE


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    numbers: NDArray[np.float64] = flat(pc.fill_null(column.cast(pa.float64()), 0.0)).to_numpy(zero_copy_only=False)
    return numbers


def _is(column: pa.ChunkedArray, value: str) -> NDArray[np.bool_]:
    equal: NDArray[np.bool_] = flat(pc.fill_null(pc.equal(column, value), False)).to_numpy(zero_copy_only=False)
    return equal
