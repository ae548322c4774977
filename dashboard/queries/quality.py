"""One score of two versions from sums, and how a score went minute by minute."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from dashboard.measures import MEASURES
from dashboard.periods import Period
from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, select, shown
from dashboard.queries.sample import ANSWERS, REQUESTS, Sample, sample_of
from metrics.comparison import Comparison, compare, moments_from_sums, shared_scorer

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


class Sums(NamedTuple):
    """What adds up of some values: how many they are, and the sums of their weights, w·x, w·x² and w²."""

    n: int
    sum_w: float
    sum_wx: float
    sum_wx2: float
    sum_w2: float


NO_SUMS = Sums(0, 0.0, 0.0, 0.0, 0.0)
SumsByScore = Mapping[tuple[str, str], Sums]
"""By metric and scorer, which is empty where nothing was scored by a model."""


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


@kept(max_entries=16)
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


def compared(a: SumsByScore, b: SumsByScore, score: Score) -> ScoreComparison:
    """One score of two versions (or sides) by the scorer that both share most.

    Requests are counted by the metric `REQUESTS`, answers by `ANSWERS`.
    """
    of_a, of_b = ({scorer: own for (metric, scorer), own in side.items() if metric == score.metric} for side in (a, b))
    scorer = shared_scorer(*({name: own.n for name, own in side.items()} for side in (of_a, of_b)))
    chosen = [side.get(scorer, NO_SUMS) for side in (of_a, of_b)]
    answers = counted(a, ANSWERS) + counted(b, ANSWERS)
    return ScoreComparison(
        score=score,
        scorer=scorer,
        others=tuple(sorted({*of_a, *of_b} - {scorer})),
        comparison=compare(*(moments_from_sums(*own) for own in chosen)),
        requests_a=counted(a, REQUESTS),
        requests_b=counted(b, REQUESTS),
        sample=sample_of(sum(own.n for own in chosen), sum(own.sum_w for own in chosen), answers),
    )


def counted(sums: SumsByScore, metric: str) -> int:
    """How many values of a metric there are, of all scorers."""
    return sum(own.n for (name, _), own in sums.items() if name == metric)
