"""Which requests have no score by a scorer yet, and which values still stand for more rows than their own.

Both are read from the tables alone: `request_metrics` has the first scoring, `request_scores` what was given later. So
whoever fills in scores needs no position of its own: what was committed is not found again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jobs.chunking import buckets_of
from jobs.partial_sums import MEASURES, REQUEST_COUNT
from jobs.rollups import rows_by_day
from lakehouse.appends import FINISHED
from lakehouse.store import batches_of_dates
from metrics.sampling import is_sampled
from metrics.scoring import TAKEN_OVER

if TYPE_CHECKING:
    import pyarrow.dataset as ds
    from deltalake import DeltaTable

ROWS_AT_ONCE = 500_000
"""Of a day with more requests, ranges of hash buckets are looked at one after the other, so that memory is bounded."""

REQUEST = tuple(TAKEN_OVER)
"""The columns that a request has in `request_metrics` as in the inference table."""

_CHARACTERS = ("prompt_chars", "response_chars")
_SCORER_COLUMNS = {measure.metric: measure.scorer_column for measure in MEASURES if measure.scorer_column}
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Wanted:
    """The scores that are wanted, and of which requests: made in `start` ≤ time < `end`, on an endpoint, by a version.

    scorers: metric (a column of `request_metrics`) → the name of the scorer that is to give it.
    """

    scorers: dict[str, str]
    start: datetime | None = None
    end: datetime | None = None
    endpoint: str = ""
    version: str = ""

    def where(self) -> "ds.Expression | None":
        """The requests as a condition on rows of `request_metrics`; None for all."""
        conditions = []
        if self.start is not None:
            conditions.append(pc.field("request_time") >= self.start)
        if self.end is not None:
            conditions.append(pc.field("request_time") < self.end)
        if self.endpoint:
            conditions.append(pc.field("endpoint_name") == self.endpoint)
        if self.version:
            conditions.append(pc.field("entity_version") == self.version)
        together = None
        for condition in conditions:
            together = condition if together is None else together & condition
        return together


@dataclass(frozen=True)
class Part:
    """The requests of a day whose hash bucket is in `first` to `last`, both included; `day` as in the Delta log."""

    day: str
    first: int
    last: int


def metrics_of(scorer_column: str) -> tuple[str, ...]:
    """The metrics whose scorer stands in that column of `request_metrics`."""
    return tuple(metric for metric, column in _SCORER_COLUMNS.items() if column == scorer_column)


def kind_of(metric: str) -> str:
    """What kind of scorer gives the metric: `perplexity`, `toxicity` or `readability`."""
    return str(_SCORER_COLUMNS[metric]).removesuffix("_scorer")


def parts(request_metrics: "DeltaTable", wanted: Wanted) -> Iterator[Part]:
    """Everything that may have wanted requests, the newest day first."""
    days = rows_by_day(request_metrics)
    for day in sorted(days, reverse=True):
        if not _may_have(day, wanted):
            continue
        number = -(-days[day] // ROWS_AT_ONCE)
        edges = [FINISHED * index // number for index in range(number + 1)]
        for first, behind in pairwise(edges):
            yield Part(day, first, behind - 1)


def missing_scores(request_metrics: "DeltaTable", request_scores: "DeltaTable", part: Part, wanted: Wanted) -> pa.Table:
    """The requests of a part for which something is to be done, in the order of their buckets.

    Returns: the columns `REQUEST`, `prompt_chars`, `response_chars` and, for each wanted metric, `<metric>` (its value
    by the wanted scorer, null if there is none), `missing <metric>` (bool: it has a text and no value by that scorer,
    and none was tried) and `correction <metric>` (float64: what its weight lacks to 1; 0 where nothing is to be
    corrected).
    """
    rows = _unfinished_at_first(request_metrics, part, wanted)
    later = _given_later(request_scores, part, wanted, rows[REQUEST_COUNT])
    something = np.zeros(rows.num_rows, dtype=np.bool_)
    for metric in wanted.scorers:
        weight, has_text = _floats(rows[_weight(metric)]), _booleans(rows[_text(metric)])
        of_metric = later.filter(pc.equal(later["metric"], metric))
        place = pc.index_in(rows[REQUEST_COUNT], value_set=of_metric[REQUEST_COUNT].combine_chunks())
        added = _floats(pc.fill_null(of_metric["weight_sum"].take(place), 0.0))
        missing = np.isnan(weight) & has_text & _booleans(pc.is_null(place))
        correction = np.where(np.isnan(weight), 0.0, 1.0 - (weight + added))
        correction[np.abs(correction) <= _ROUNDING] = 0.0
        rows = rows.append_column(f"missing {metric}", pa.array(missing))
        rows = rows.append_column(f"correction {metric}", pa.array(correction))
        something |= missing | (correction != 0)
    rows = rows.drop_columns([name(metric) for metric in wanted.scorers for name in (_weight, _text)])
    rows = rows.filter(pa.array(something))
    return rows.take(pa.array(np.argsort(buckets_of(rows[REQUEST_COUNT]), kind="stable")))


def _unfinished_at_first(request_metrics: "DeltaTable", part: Part, wanted: Wanted) -> pa.Table:
    """The requests that the first scoring left without a wanted value, or with one that stands for other rows, too."""
    read = {*REQUEST, *_CHARACTERS, "score_weight", *wanted.scorers}
    read |= {_SCORER_COLUMNS[metric] for metric in wanted.scorers}
    kept = []
    for batch in batches_of_dates(request_metrics, sorted(read), [part.day], wanted.where()):
        rows = pa.Table.from_batches([batch])
        buckets = buckets_of(rows[REQUEST_COUNT])
        rows = _with_states(rows.filter(pa.array((buckets >= part.first) & (buckets <= part.last))), wanted)
        kept.append(rows)
    if kept:
        return pa.concat_tables(kept)
    schema = pa.schema(request_metrics.schema())
    empty = pa.table({name: pa.nulls(0, schema.field(name).type) for name in sorted(read)})
    return _with_states(empty, wanted)


def _with_states(rows: pa.Table, wanted: Wanted) -> pa.Table:
    """Those of the rows for which something may be to be done, with each value's weight and whether there is a text."""
    score_weight = _floats(pc.fill_null(rows["score_weight"], 1.0))
    unfinished = np.zeros(rows.num_rows, dtype=np.bool_)
    columns = {name: rows[name] for name in (*REQUEST, *_CHARACTERS)}
    for metric, scorer in wanted.scorers.items():
        values = _floats(rows[metric])
        mine = _booleans(pc.fill_null(pc.equal(rows[_SCORER_COLUMNS[metric]], scorer), False)) & np.isfinite(values)
        weight = np.where(mine, score_weight if is_sampled(metric, scorer) else 1.0, np.nan)
        characters = rows["prompt_chars" if metric.startswith("prompt_") else "response_chars"]
        has_text = _booleans(pc.fill_null(pc.greater(characters, 0), False))
        unfinished |= np.where(mine, np.abs(weight - 1.0) > _ROUNDING, has_text)
        columns |= {
            metric: pa.array(values, mask=~mine),
            _weight(metric): pa.array(weight),
            _text(metric): pa.array(has_text),
        }
    return pa.table(columns).filter(pa.array(unfinished))


def _given_later(request_scores: "DeltaTable", part: Part, wanted: Wanted, ids: pa.ChunkedArray) -> pa.Table:
    """What was given later to the requests `ids`: columns databricks_request_id, metric, weight_sum."""
    columns = [REQUEST_COUNT, "metric", "scorer", "weight"]
    where = pc.field("scorer").isin(sorted(set(wanted.scorers.values())))
    of_whom = ids.combine_chunks()
    schema = pa.schema(request_scores.schema())
    batches = [
        batch.filter(pc.is_in(batch.column(REQUEST_COUNT), value_set=of_whom))
        for batch in batches_of_dates(request_scores, columns, [part.day], where)
    ]
    given = pa.Table.from_batches(batches, pa.schema([schema.field(name) for name in columns]))
    asked = [
        pc.and_(pc.equal(given["metric"], metric), pc.equal(given["scorer"], scorer))
        for metric, scorer in wanted.scorers.items()
    ]
    mine = asked[0]
    for one in asked[1:]:
        mine = pc.or_(mine, one)
    return given.filter(mine).group_by([REQUEST_COUNT, "metric"]).aggregate([("weight", "sum")])


def _may_have(day: str, wanted: Wanted) -> bool:
    """Whether a day may have requests of the wanted time; give or take a day, for a row's date may be its source's."""
    if not day:
        return wanted.start is None and wanted.end is None
    # Counted in days: the first and the last day there is have no neighbour.
    there = date.fromisoformat(day).toordinal()
    since = wanted.start.toordinal() - 1 if wanted.start is not None else there
    until = wanted.end.toordinal() + 1 if wanted.end is not None else there
    return since <= there <= until


def _weight(metric: str) -> str:
    return f"weight {metric}"


def _text(metric: str) -> str:
    return f"text {metric}"


def _floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    numbers: NDArray[np.float64] = column.cast(pa.float64()).to_numpy()
    return numbers


def _booleans(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    booleans: NDArray[np.bool_] = column.to_numpy()
    return booleans
