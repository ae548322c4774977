"""One side of a comparison: a version, its time, and the part of its traffic that is looked at; summed from rollups."""

from dataclasses import dataclass, replace
from datetime import datetime

from dashboard.periods import Period
from dashboard.queries.lake import Snapshot, rollup, shown
from dashboard.queries.quality import Score, score_of
from dashboard.queries.request_filters import RequestFilter
from dashboard.queries.sample import ANSWERS
from dashboard.queries.score_windows import Rows, Scored, ScoreWindows, score_windows

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
METRICS = tuple(dict.fromkeys(score.metric for score in (*SCORES, *SCORES_BY_REQUESTER)))
"""What is summed of a version's answers."""
STATUS_CLASSES = ("2xx", "4xx", "5xx")
_ANSWERED = "completion_tokens"


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
    def rollup(self) -> Snapshot:
        """The rollup that has its sums. Raises: LakehouseError, QueryFailed."""
        return shown("metrics_daily_requester") if self.requester else rollup(self.period)

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


def scored(endpoint: str, side: Side) -> Scored:
    """The sums and the buckets of every score. Raises: QueryFailed, LakehouseError."""
    found = _windows(endpoint, side).of(_rows(side))
    if not side.requester:
        return found
    # Characters are not summed by requester; tokens are, and every answer has them.
    answers = {(ANSWERS, scorer): own for (metric, scorer), own in found.sums.items() if metric == _ANSWERED}
    return replace(found, sums={**found.sums, **answers})


def since_when(endpoint: str, side: Side, most: int) -> datetime:
    """A time from which on a side has at least its newest `most` requests, as the rollup tells; else its start.

    Raises: QueryFailed, LakehouseError.
    """
    return _windows(endpoint, side).newest(_rows(side), most) or side.span[0]


def _windows(endpoint: str, side: Side) -> ScoreWindows:
    metrics = tuple(score.metric for score in SCORES_BY_REQUESTER) if side.requester else METRICS
    return score_windows(side.rollup, endpoint, side.span, metrics, side.requester)


def _rows(side: Side) -> Rows:
    return Rows(side.entity_name, side.entity_version, side.status, side.span)
