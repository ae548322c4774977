"""The figures that the guard judges, measured from the tables for a span of time and a version.

Errors and latency come from the inference table itself, seconds after the requests. Toxicity, perplexity and cost come
from the rollups by the minute, as soon as the metrics job has scored them. A figure that nothing tells is left out.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import TableMissing
from lakehouse.recent_requests import RecentRequests
from lakehouse.store import open_uri, read_rows, storage_options, table_uri
from metrics.buckets import share_at_least
from metrics.comparison import effective_size, moments_from_sums
from registry.guard import Measured, mean, percentile, share
from settings import Settings

_SERVER_ERROR = 500
_FROM_ROLLUPS = {"toxicity": "response_toxicity", "perplexity": "response_perplexity", "cost": "cost_usd"}
_LATENCY_QUANTILE = 0.95

Figures = dict[str, Measured]


@dataclass(frozen=True)
class Span:
    """A version's requests on an endpoint from `start` (included) to `end` (not included; None: until now)."""

    endpoint: str
    entity_name: str
    entity_version: str
    start: datetime
    end: datetime | None = None


def figures(settings: Settings, recent: RecentRequests, spans: Iterable[Span]) -> dict[Span, Figures]:
    """Every figure that can be measured, by span. Spans that are compared get scores of one and the same scorer.

    Raises: UnreadableTable, SchemaMismatch.
    """
    wanted = list(spans)
    if not wanted:
        return {}
    start = min(span.start for span in wanted)
    requests = recent.since(start)
    rollups = _rollups(settings, start)
    scorer = _main_scorers(rollups, wanted)
    return {span: {**_from_requests(requests, span), **_scored(settings, rollups, span, scorer)} for span in wanted}


def _from_requests(requests: pa.Table, span: Span) -> Figures:
    rows = requests.filter(_inside(requests, "request_time", span))
    statuses = rows["status_code"].drop_null()
    found: Figures = {}
    if len(statuses):
        failed = pc.sum(pc.greater_equal(statuses, _SERVER_ERROR)).as_py() or 0
        found["errors"] = share(len(statuses), int(failed))
    answered = rows.filter(pc.fill_null(pc.less(rows["status_code"], 300), False))
    durations = answered["execution_duration_ms"].drop_null().to_pylist()
    if durations:
        found["latency"] = percentile(durations, _LATENCY_QUANTILE)
    return found


def _inside(rows: pa.Table, time: str, span: Span) -> Any:
    kind = rows.schema.field(time).type
    inside = pc.and_(
        pc.greater_equal(rows[time], pa.scalar(span.start, kind)),
        pc.and_(
            pc.equal(rows["endpoint_name"], span.endpoint),
            pc.and_(
                pc.equal(rows["entity_name"], span.entity_name), pc.equal(rows["entity_version"], span.entity_version)
            ),
        ),
    )
    if span.end is not None:
        inside = pc.and_(inside, pc.less(rows[time], pa.scalar(span.end, kind)))
    return pc.fill_null(inside, False)


def _rollups(settings: Settings, start: datetime) -> pa.Table | None:
    """The partial sums of the minutes that began at `start` or later; None before the metrics job's first run."""
    try:
        uri = table_uri(settings, "metrics_minute")
        table = open_uri(uri, storage_options(settings, uri))
    except TableMissing:
        return None
    wanted = pc.field("metric").isin(list(_FROM_ROLLUPS.values()))
    return read_rows(table, where=(pc.field("window_start") >= start) & wanted)


def _main_scorers(rollups: pa.Table | None, spans: list[Span]) -> dict[str, str]:
    """Metric → the scorer that most of the spans' values come from: two are never mixed."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for span in spans if rollups is not None else ():
        rows = rollups.filter(_inside(rollups, "window_start", span))  # type: ignore[union-attr]
        for row in rows.select(["metric", "scorer", "n"]).to_pylist():
            counts[row["metric"]][row["scorer"] or ""] += row["n"] or 0
    return {metric: max(sorted(found), key=lambda name: found[name]) for metric, found in counts.items()}


def _scored(settings: Settings, rollups: pa.Table | None, span: Span, scorer: dict[str, str]) -> Figures:
    if rollups is None:
        return {}
    rows = rollups.filter(_inside(rollups, "window_start", span))
    found: Figures = {}
    for figure, metric in _FROM_ROLLUPS.items():
        mine = rows.filter(pc.equal(rows["metric"], metric)).to_pylist()
        mine = [row for row in mine if (row["scorer"] or "") == scorer.get(metric, "")]
        n = sum(row["n"] or 0 for row in mine)
        if n == 0:
            continue
        if figure == "toxicity":
            buckets: dict[int, float] = defaultdict(float)
            for row in mine:
                for bucket, weight in row["buckets"] or ():
                    buckets[bucket] += weight
            flagged = share_at_least(metric, buckets, settings.toxicity_threshold)
            if math.isfinite(flagged):
                # Of a sample whose rows weigh differently, as many as tell as much.
                size = round(effective_size(n, _sum(mine, "sum_w"), _sum_of_squares(mine)))
                found[figure] = share(size, round(flagged * size))
        else:
            sum_w, sum_wx, sum_wx2 = (_sum(mine, name) for name in ("sum_w", "sum_wx", "sum_wx2"))
            found[figure] = mean(moments_from_sums(n, sum_w, sum_wx, sum_wx2, _sum_of_squares(mine)))
    return found


def _sum(rows: list[dict[str, Any]], name: str) -> float:
    return sum(row[name] or 0.0 for row in rows)


def _sum_of_squares(rows: list[dict[str, Any]]) -> float:
    """Of the weights. Rows that were written before there was such a column have weights of 1."""
    return sum((row["sum_w"] if row["sum_w2"] is None else row["sum_w2"]) or 0.0 for row in rows)
