"""One side of a comparison: a version, its time, and the part of its traffic that is looked at; summed from rollups."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.periods import Period
from dashboard.queries.lake import HASH_FUNCS, Snapshot, select, shown
from dashboard.queries.quality import Score, score_of
from dashboard.queries.request_filters import RequestFilter
from dashboard.queries.sample import ANSWERS, REQUESTS

if TYPE_CHECKING:
    import pandas as pd

SCORES = tuple(
    score_of(metric)
    for metric in (
        "response_perplexity",
        "response_fk_grade",
        "response_toxicity",
        "response_reading_ease",
        "response_ari",
        "completion_tokens",
        "execution_duration_ms",
    )
)
"""What two sides are compared by; the three of the pies first."""
SCORES_BY_REQUESTER = tuple(score_of(metric) for metric in ("response_toxicity", "completion_tokens", "cost_usd"))
"""What is summed by requester, and so all that a requester's traffic can be compared by."""
STATUS_CLASSES = ("2xx", "4xx", "5xx")

Histogram = dict[int, float]
"""Bucket → weight."""


@dataclass(frozen=True)
class Side:
    """Answers of one version in one period. status: a class such as `4xx`; requester: a name; empty means all.

    A requester's sums are of whole UTC days, so with one the side is as long as the days that the period touches.
    """

    entity_name: str
    entity_version: str
    period: Period
    label: str = ""
    status: str = ""
    requester: str = ""

    @property
    def key(self) -> str:
        """How links name the version."""
        return f"{self.entity_name}/{self.entity_version}"

    @property
    def span(self) -> tuple[datetime, datetime]:
        """From when (included) to when (not included) its answers were given, UTC."""
        return self.period.utc_days if self.requester else (self.period.start, self.period.end)

    @property
    def table(self) -> str:
        """The rollup that has its sums."""
        return "metrics_daily_requester" if self.requester else self.period.table

    def requests(self, endpoint: str, score: str = "") -> RequestFilter:
        """The filter of its single requests; `score`: of those that have this score."""
        start, end = self.span
        return RequestFilter(
            start,
            end,
            endpoint,
            versions=(self.key,),
            statuses=(self.status,) if self.status else (),
            requesters=(self.requester,) if self.requester else (),
            score=score,
        )


def scores_for(a: Side, b: Side) -> tuple[Score, ...]:
    """The scores that these two sides can be compared by."""
    return SCORES_BY_REQUESTER if a.requester or b.requester else SCORES


def sums(endpoint: str, side: Side) -> "pd.DataFrame":
    """One row for each metric and scorer: n, sum_w, sum_wx, sum_wx2, sum_w2. Raises: QueryFailed, LakehouseError."""
    found: pd.DataFrame = _sums(shown(side.table), endpoint, side)
    return found


def histograms(endpoint: str, side: Side) -> dict[tuple[str, str], Histogram]:
    """The buckets of every score by (metric, scorer). Raises: QueryFailed, LakehouseError."""
    found: dict[tuple[str, str], Histogram] = _histograms(shown(side.table), endpoint, side)
    return found


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASH_FUNCS)
def _sums(snapshot: Snapshot, endpoint: str, side: Side) -> "pd.DataFrame":
    # Only our own texts are put together; what people chose comes in as parameters.
    return select(
        snapshot,
        f"""SELECT metric, scorer, sum(n)::BIGINT AS n, sum(sum_w) AS sum_w, sum(sum_wx) AS sum_wx,
                   sum(sum_wx2) AS sum_wx2, sum(coalesce(sum_w2, sum_w)) AS sum_w2
            FROM this WHERE {_matching(side)} AND metric = ANY($metrics) GROUP BY ALL""",  # noqa: S608
        span=side.span,
        metrics=[REQUESTS, ANSWERS, *_metrics(side)],
        **_parameters(endpoint, side),
    )


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASH_FUNCS)
def _histograms(snapshot: Snapshot, endpoint: str, side: Side) -> dict[tuple[str, str], Histogram]:
    rows = select(
        snapshot,
        f"""SELECT metric, scorer, entry.key AS bucket, sum(entry.value) AS weight
            FROM (SELECT metric, scorer, unnest(map_entries(buckets)) AS entry
                  FROM this WHERE {_matching(side)} AND metric = ANY($metrics))
            GROUP BY ALL""",  # noqa: S608
        span=side.span,
        metrics=_metrics(side),
        **_parameters(endpoint, side),
    )
    found: dict[tuple[str, str], Histogram] = {}
    columns = (rows[name].to_numpy().tolist() for name in ("metric", "scorer", "bucket", "weight"))
    for metric, scorer, bucket, weight in zip(*columns, strict=True):
        found.setdefault((metric, scorer), {})[bucket] = weight
    return found


def _metrics(side: Side) -> list[str]:
    scores = SCORES_BY_REQUESTER if side.requester else (*SCORES, score_of("cost_usd"))
    return [score.metric for score in scores]


def _matching(side: Side) -> str:
    matching = """endpoint_name = $endpoint AND entity_version = $version AND coalesce(entity_name, '') = $entity
        AND window_start >= $start AND window_start < $end AND ($status = '' OR status_class = $status)"""
    return f"{matching} AND requester = $requester" if side.requester else matching


def _parameters(endpoint: str, side: Side) -> dict[str, Any]:
    start, end = side.span
    wanted = {"requester": side.requester} if side.requester else {}
    return {
        "endpoint": endpoint,
        "version": side.entity_version,
        "entity": side.entity_name,
        "start": start,
        "end": end,
        "status": side.status,
        **wanted,
    }
