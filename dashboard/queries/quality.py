"""One score of two versions from sums, and how a score went minute by minute."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.measures import MEASURES
from dashboard.periods import Period
from dashboard.queries.lake import HASH_FUNCS, Snapshot, select, shown
from dashboard.queries.sample import ANSWERS, REQUESTS, Sample, sample_of
from metrics.comparison import Comparison, Moments, compare, moments_from_sums, shared_scorer

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Score:
    """A score of the Quality page: its column in `request_metrics` and how people read it."""

    metric: str
    title: str
    unit: str
    meaning: str
    decimals: int


def score_of(metric: str) -> Score:
    """The score in the column `metric` of `request_metrics`, as `MEASURES` describes it."""
    measure = MEASURES[metric]
    return Score(metric, measure.title, measure.unit, measure.meaning, measure.decimals)


MAIN_SCORES = tuple(score_of(metric) for metric in ("response_perplexity", "response_fk_grade", "response_toxicity"))
"""The scores of the three pies."""

BY_MINUTE = {
    "grade": score_of("response_fk_grade"),
    "ease": score_of("response_reading_ease"),
    "ari": score_of("response_ari"),
    "perplexity": score_of("response_perplexity"),
    "toxicity": score_of("response_toxicity"),
}
"""The scores that are shown minute by minute, by the name that links have."""


@dataclass(frozen=True)
class ScoreComparison:
    """One score of two versions over a period, by one scorer. `others`: scorers that are left out of it.

    sample: of both versions together; None where every answer with this score counts for itself alone.
    """

    score: Score
    scorer: str
    others: tuple[str, ...]
    comparison: Comparison
    requests_a: int
    requests_b: int
    sample: Sample | None = None


def minute_means(endpoint: str, metric: str, period: Period) -> "pd.DataFrame":
    """The average of a score in every minute: columns time (int64, ms since 1970 UTC), version, scorer, n, weight,
    mean.

    Raises: QueryFailed, LakehouseError.
    """
    found: pd.DataFrame = _minute_means(shown("metrics_minute"), endpoint, metric, period)
    return found


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs=HASH_FUNCS)
def _minute_means(snapshot: Snapshot, endpoint: str, metric: str, period: Period) -> "pd.DataFrame":
    found = select(
        snapshot,
        """SELECT epoch_ms(window_start) AS time,
                  coalesce(entity_name, '') || '/' || entity_version AS version, scorer,
                  sum(n)::BIGINT AS n, sum(sum_w) AS weight, sum(sum_wx) / sum(sum_w) AS mean
           FROM this
           WHERE endpoint_name = $endpoint AND window_start >= $start AND window_start < $end
             AND metric = $metric
           GROUP BY ALL HAVING sum(sum_w) > 0 ORDER BY time""",
        span=(period.start, period.end),
        endpoint=endpoint,
        start=period.start,
        end=period.end,
        metric=metric,
    )
    # Names of 43,200 rows are many times quicker to look through as categories.
    return found.astype({"version": "category", "scorer": "category"})


def compared(sums: "pd.DataFrame", score: Score, a: str, b: str) -> ScoreComparison:
    """One score of the versions whose keys are `a` and `b`, by the scorer that both share most.

    sums: columns version (the keys), metric, scorer, n, sum_w, sum_wx, sum_wx2, sum_w2; requests are counted by the
    metric `REQUESTS`, answers by `ANSWERS`.
    """
    rows = sums[sums["metric"] == score.metric]
    of_a, of_b = (rows[rows["version"] == version].set_index("scorer") for version in (a, b))
    counts = [{str(name): int(n) for name, n in side["n"].items()} for side in (of_a, of_b)]
    scorer = shared_scorer(counts[0], counts[1])
    requests = sums[sums["metric"] == REQUESTS].groupby("version")["n"].sum()
    answers = sums[(sums["metric"] == ANSWERS) & sums["version"].isin([a, b])]["n"].sum()
    chosen = rows[(rows["scorer"] == scorer) & rows["version"].isin([a, b])]
    return ScoreComparison(
        score=score,
        scorer=scorer,
        others=tuple(sorted({*counts[0], *counts[1]} - {scorer})),
        comparison=compare(_moments(of_a, scorer), _moments(of_b, scorer)),
        requests_a=int(requests.get(a, 0)),
        requests_b=int(requests.get(b, 0)),
        sample=sample_of(int(chosen["n"].sum()), float(chosen["sum_w"].sum()), int(answers)),
    )


def _moments(rows: "pd.DataFrame", scorer: str) -> Moments:
    if scorer not in rows.index:
        return moments_from_sums(0, 0.0, 0.0, 0.0)
    row: Any = rows.loc[scorer]
    return moments_from_sums(int(row["n"]), row["sum_w"], row["sum_wx"], row["sum_wx2"], row["sum_w2"])
