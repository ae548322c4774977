"""Two sides compared score by score, each by the test that fits it: what differs, by how much, and how sure that is."""

from dataclasses import dataclass, replace
from typing import Literal

from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, shown
from dashboard.queries.quality import NO_SUMS, Score, ScoreComparison, compared
from dashboard.queries.quality_rows import MOST_ROWS, SideRows, side_rows
from dashboard.queries.quality_sides import Side, scored, scores_for
from dashboard.queries.score_windows import Scored
from metrics.comparison import effective_size
from metrics.distributions import Distribution, MedianComparison, compare_medians, from_buckets, from_values
from metrics.geometric_means import RatioComparison, compare_ratio, log_moments
from metrics.multiple_tests import holm
from metrics.ranks import RankComparison, compare_ranks

Way = Literal["means", "ratio", "ranks"]
"""By averages; by the ratio of geometric means; by ranks and medians, where a long tail pulls an average."""

WAYS: dict[str, Way] = {
    "response_perplexity": "ratio",
    "response_toxicity": "ranks",
    "completion_tokens": "ranks",
    "execution_duration_ms": "ranks",
    "cost_usd": "ranks",
}
"""Every other score is compared by averages, unless its values have a long tail."""


@dataclass(frozen=True)
class Finding:
    """One score of two sides. All differences are b minus a; ratios are b over a.

    exact: the medians and their interval come from the single values, else from the buckets of the rollups.
    corrected: the p-value of the test that fits, corrected for the number of scores (Holm).
    """

    compared: ScoreComparison
    way: Way
    medians: MedianComparison
    exact: bool
    ranks: RankComparison
    ratio: RatioComparison | None
    distributions: tuple[Distribution, Distribution]
    corrected: float | None = None

    @property
    def score(self) -> Score:
        """The score that it is about."""
        return self.compared.score

    @property
    def n(self) -> tuple[int, int]:
        """How many values each side has."""
        return self.compared.comparison.n_a, self.compared.comparison.n_b

    @property
    def p_value(self) -> float | None:
        """Of the test that fits this score, before it is corrected."""
        if self.ratio is not None:
            return self.ratio.p_value
        return self.compared.comparison.p_value if self.way == "means" else self.ranks.p_value

    @property
    def test(self) -> str:
        """The test that fits this score."""
        if self.ratio is not None:
            return self.ratio.test
        return self.compared.comparison.test if self.way == "means" else self.ranks.test

    @property
    def effect(self) -> float | None:
        """Cohen's d (of the logarithms, for a ratio), or the rank-biserial correlation of ranks."""
        if self.ratio is not None:
            return self.ratio.effect_size
        return self.compared.comparison.effect_size if self.way == "means" else self.ranks.delta

    @property
    def interval(self) -> tuple[float | None, float | None, float | None]:
        """What differs, with its 95 % interval: of averages, a ratio, or medians."""
        if self.ratio is not None:
            return self.ratio.ratio, self.ratio.low, self.ratio.high
        of = self.compared.comparison if self.way == "means" else self.medians
        return of.difference, of.low, of.high

    @property
    def direction(self) -> int:
        """1 where b is higher by the test that fits, -1 where it is lower, 0 where neither."""
        if self.way == "ranks":
            value = self.ranks.delta
        else:
            value = self.compared.comparison.difference if self.ratio is None else self.ratio.ratio - 1
        return int(value > 0) - int(value < 0)

    def of_medians(self) -> ScoreComparison:
        """The same score with its medians in place of its averages: what a pie of medians shows."""
        medians = replace(self.compared.comparison, mean_a=self.medians.median_a, mean_b=self.medians.median_b)
        return replace(self.compared, comparison=medians)


def findings(endpoint: str, a: Side, b: Side) -> list[Finding]:
    """Every score that two sides can be compared by, each by the scorer that both share most.

    Raises: QueryFailed, LakehouseError.
    """
    snapshots = (a.rollup, b.rollup, shown("request_metrics"), shown("request_scores"))
    found: list[Finding] = _findings(snapshots, endpoint, a, b)
    return found


@kept(max_entries=16)
def _findings(snapshots: tuple[Snapshot, ...], endpoint: str, a: Side, b: Side) -> list[Finding]:
    both = scored(endpoint, a), scored(endpoint, b)
    comparisons = [compared(both[0].sums, both[1].sums, score) for score in scores_for(a, b)]
    few = all(0 < requests <= MOST_ROWS for requests in (comparisons[0].requests_a, comparisons[0].requests_b))
    rows = (side_rows(endpoint, a), side_rows(endpoint, b)) if few else None
    found = [_finding(one, both, rows) for one in comparisons]
    corrected = holm([one.p_value for one in found])
    return [replace(one, corrected=value) for one, value in zip(found, corrected, strict=True)]


def _finding(one: ScoreComparison, both: tuple[Scored, Scored], rows: tuple[SideRows, SideRows] | None) -> Finding:
    metric, comparison = one.score.metric, one.comparison
    counted = [side.histograms.get((metric, one.scorer), {}) for side in both]
    sums = (side.sums.get((metric, one.scorer), NO_SUMS) for side in both)
    sizes = [effective_size(own.n, own.sum_w, own.sum_w2) for own in sums]
    of_a, of_b = (from_buckets(metric, side, size) for side, size in zip(counted, sizes, strict=True))
    single = _single_values(one, rows)
    way: Way = WAYS.get(metric, "means")
    ratio = None
    if way == "ratio" and of_a.positive and of_b.positive:
        ratio = compare_ratio(log_moments(of_a, comparison.n_a), log_moments(of_b, comparison.n_b))
    if ratio is None and (way == "ratio" or of_a.long_tailed or of_b.long_tailed):
        way = "ranks"
    return Finding(
        compared=one,
        way=way,
        medians=compare_medians(*(single or (of_a, of_b))),
        exact=single is not None,
        ranks=compare_ranks(counted[0], counted[1], sizes[0], sizes[1]),
        ratio=ratio,
        distributions=(of_a, of_b),
    )


def _single_values(
    one: ScoreComparison, rows: tuple[SideRows, SideRows] | None
) -> tuple[Distribution, Distribution] | None:
    """The distributions of the single values; None where these are too many, or not all that the rollups count."""
    if rows is None:
        return None
    of_a, of_b = (from_values(*side.values(one.score.metric, one.scorer)) for side in rows)
    whole = (len(of_a.weight), len(of_b.weight)) == (one.comparison.n_a, one.comparison.n_b)
    return (of_a, of_b) if whole else None
