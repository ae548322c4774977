"""Two sides compared score by score, each by the test that fits it: what differs, by how much, and how sure that is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import streamlit as st

from dashboard.queries.lake import HASH_FUNCS, Snapshot, shown
from dashboard.queries.quality import Score, ScoreComparison, compared
from dashboard.queries.quality_rows import MOST_ROWS, SideRows, side_rows
from dashboard.queries.quality_sides import Side, histograms, scores_for, sums
from dashboard.queries.sample import ANSWERS, REQUESTS
from metrics.comparison import effective_size
from metrics.distributions import Distribution, MedianComparison, compare_medians, from_buckets, from_values
from metrics.geometric_means import RatioComparison, compare_ratio, log_moments
from metrics.multiple_tests import holm
from metrics.ranks import RankComparison, compare_ranks

if TYPE_CHECKING:
    import pandas as pd

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
_ANSWERED = "completion_tokens"


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
    snapshots = tuple(shown(name) for name in (a.table, b.table, "request_metrics", "request_scores"))
    found: list[Finding] = _findings(snapshots, endpoint, a, b)
    return found


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs=HASH_FUNCS)
def _findings(snapshots: tuple[Snapshot, ...], endpoint: str, a: Side, b: Side) -> list[Finding]:
    both = _both_sums(endpoint, a, b)
    buckets = histograms(endpoint, a), histograms(endpoint, b)
    comparisons = [compared(both, score, "a", "b") for score in scores_for(a, b)]
    few = all(0 < requests <= MOST_ROWS for requests in (comparisons[0].requests_a, comparisons[0].requests_b))
    rows = (side_rows(endpoint, a), side_rows(endpoint, b)) if few else None
    found = [_finding(one, both, buckets, rows) for one in comparisons]
    corrected = holm([one.p_value for one in found])
    return [replace(one, corrected=value) for one, value in zip(found, corrected, strict=True)]


def _both_sums(endpoint: str, a: Side, b: Side) -> "pd.DataFrame":
    """The sums of both sides, told apart by `version`, which is `a` or `b`."""
    import pandas as pd

    sides = []
    for name, side in (("a", a), ("b", b)):
        own = sums(endpoint, side)
        if side.requester:
            # Characters are not summed by requester; tokens are, and every answer has them.
            answers = own[own["metric"] == _ANSWERED].assign(metric=ANSWERS)
            own = pd.concat([own, answers], ignore_index=True)
        sides.append(own.assign(version=name))
    return pd.concat(sides, ignore_index=True)


def _finding(
    one: ScoreComparison,
    both: "pd.DataFrame",
    buckets: Sequence[dict[tuple[str, str], dict[int, float]]],
    rows: tuple[SideRows, SideRows] | None,
) -> Finding:
    metric, comparison = one.score.metric, one.comparison
    counted = [side.get((metric, one.scorer), {}) for side in buckets]
    sizes = [_size(both, name, metric, one.scorer) for name in ("a", "b")]
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


def _size(both: "pd.DataFrame", side: str, metric: str, scorer: str) -> float:
    own = both[(both["version"] == side) & (both["metric"] == metric) & (both["scorer"] == scorer)]
    if own.empty:
        return 0.0
    return effective_size(int(own["n"].iloc[0]), float(own["sum_w"].iloc[0]), float(own["sum_w2"].iloc[0]))


def requests_of(endpoint: str, side: Side) -> int:
    """How many requests a side has. Raises: QueryFailed, LakehouseError."""
    own = sums(endpoint, side)
    return int(own[own["metric"] == REQUESTS]["n"].sum())
