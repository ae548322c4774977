"""The comparison of two sides equals what the single rows say, and never mixes scorers."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dashboard.periods import Period, period
from dashboard.queries.quality import minute_means
from dashboard.queries.quality_comparison import Finding, findings
from dashboard.queries.quality_sides import Side
from dashboard.queries.traffic import versions
from settings import Settings
from tests.dashboard import workspace
from tests.dashboard.conftest import Month


def both(span: Period, endpoint: str = "chatbot") -> tuple[Side, Side]:
    second, first = versions(endpoint)
    a, b = (Side(one.entity_name, one.entity_version, span, f"v{one.entity_version}") for one in (first, second))
    return a, b


def values(rows: pd.DataFrame, side: Side, metric: str) -> pd.Series:
    """The single values of a side, by plain pandas."""
    start, end = side.span
    kept = rows[(rows["request_time"] >= start) & (rows["request_time"] < end)]
    kept = kept[kept["entity_version"] == side.entity_version]
    if side.status:
        kept = kept[(kept["status_code"] // 100).astype(str) + "xx" == side.status]
    if side.requester:
        kept = kept[kept["requester"] == side.requester]
    return kept[metric].dropna()


def check(rows: pd.DataFrame, found: Finding, sides: tuple[Side, Side]) -> None:
    """Every number of a finding, against pandas and scipy over the single rows."""
    a, b = (values(rows, side, found.score.metric) for side in sides)
    result = found.compared.comparison
    assert found.n == (len(a), len(b))
    assert (result.mean_a, result.mean_b) == pytest.approx((a.mean(), b.mean()))
    welch = stats.ttest_ind(b, a, equal_var=False)
    assert (result.low, result.high) == pytest.approx(tuple(welch.confidence_interval(0.95)), rel=1e-6)
    assert result.p_value == pytest.approx(welch.pvalue, rel=1e-5, abs=1e-12)
    pooled = np.sqrt(((len(a) - 1) * a.var() + (len(b) - 1) * b.var()) / (len(a) + len(b) - 2))
    assert result.effect_size == pytest.approx((b.mean() - a.mean()) / pooled)
    assert found.exact
    assert (found.medians.median_a, found.medians.median_b) == pytest.approx((a.median(), b.median()))
    assert [side.median for side in found.distributions] == pytest.approx([a.median(), b.median()], rel=0.0205)
    ranks = stats.mannwhitneyu(b, a, use_continuity=False, method="asymptotic")
    assert found.ranks.delta == pytest.approx(2 * ranks.statistic / len(a) / len(b) - 1, abs=0.005)
    assert found.ranks.p_value == pytest.approx(ranks.pvalue, rel=0.1, abs=0.02)
    if found.ratio is not None:
        logs = stats.ttest_ind(np.log(b), np.log(a), equal_var=False)
        interval = logs.confidence_interval(0.95)
        assert found.ratio.ratio == pytest.approx(stats.gmean(b) / stats.gmean(a), rel=1e-3)
        assert (found.ratio.low, found.ratio.high) == pytest.approx(
            (np.exp(interval.low), np.exp(interval.high)), rel=2e-3
        )


def test_every_number_of_two_versions_equals_that_of_the_single_rows(month: Month) -> None:
    span = period("30d", month.now)
    sides = both(span)
    found = findings("chatbot", *sides)
    inside = month.rows[month.rows["request_time"].between(span.start, span.end, inclusive="left")]
    assert len(found) == 7
    for one in found:
        check(month.rows, one, sides)
        assert (one.compared.requests_a, one.compared.requests_b) == tuple(
            inside["entity_version"].value_counts()[["1", "2"]]
        )


def test_each_score_is_judged_by_the_test_that_fits_it(month: Month) -> None:
    found = {one.score.metric: one for one in findings("chatbot", *both(period("30d", month.now)))}
    assert found["response_perplexity"].ratio is not None
    assert found["response_perplexity"].test == "Welch's t-test of the logarithms"
    assert found["response_fk_grade"].test == "Welch's t-test"
    assert found["response_toxicity"].test == "Mann-Whitney"
    assert found["response_fk_grade"].interval[0] == found["response_fk_grade"].compared.comparison.difference
    assert found["response_toxicity"].interval[0] == found["response_toxicity"].medians.difference
    assert [found[metric].direction for metric in ("response_perplexity", "response_fk_grade")] == [1, -1]
    corrected = [one.corrected for one in found.values()]
    own = [one.p_value for one in found.values()]
    assert all(new is not None and old is not None and new >= old for new, old in zip(corrected, own, strict=True))


def test_the_interval_of_the_medians_is_the_bootstraps(month: Month) -> None:
    sides = both(period("30d", month.now))
    # Not the latency, which is whole milliseconds: the end of its interval is one of two of them by chance.
    found = next(one for one in findings("chatbot", *sides) if one.score.metric == "response_toxicity")
    a, b = (values(month.rows, side, "response_toxicity").to_numpy() for side in sides)
    random = np.random.default_rng(0)
    drawn = [np.median(random.choice(b, len(b))) - np.median(random.choice(a, len(a))) for _ in range(800)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert (found.medians.low, found.medians.high) == pytest.approx((low, high), abs=0.15 * (high - low))


def test_two_ranges_of_one_version_are_compared(month: Month) -> None:
    later = period("24h", month.now)
    later = Period(later.end - timedelta(days=7), later.end, 10_800)
    side = both(later)[1]
    sides = replace(side, period=later.previous), side
    for one in findings("chatbot", *sides):
        check(month.rows, one, sides)


def test_a_status_class_is_a_slice_of_every_score(month: Month) -> None:
    side = both(period("30d", month.now))[1]
    sides = replace(side, status="2xx"), replace(side, status="5xx")
    found = {one.score.metric: one for one in findings("chatbot", *sides)}
    check(month.rows, found["execution_duration_ms"], sides)
    assert found["response_fk_grade"].n[1] == 0


def test_a_requester_is_a_slice_of_whole_days_and_of_what_is_summed_by_requester(month: Month) -> None:
    span = period("7d", month.now)
    side = both(span)[1]
    sides = replace(side, requester="ana@example.com"), replace(side, requester="ben@example.com")
    start, end = sides[0].span
    assert (start.hour, start.minute, end.hour, end.minute) == (0, 0, 0, 0)
    assert start <= span.start
    assert end >= span.end
    found = findings("chatbot", *sides)
    assert [one.score.metric for one in found] == ["response_toxicity", "completion_tokens", "cost_usd"]
    for one in found:
        check(month.rows, one, sides)
        assert one.compared.sample is None


def test_where_the_single_rows_are_not_there_the_medians_come_from_the_buckets(month: Month, empty: Settings) -> None:
    for table, minutes in (("metrics_15min", 15), ("metrics_minute", 1)):
        workspace.write_rows(empty, table, workspace.partials(month.rows, minutes))
    sides = both(period("30d", month.now))
    for one in findings("chatbot", *sides):
        a, b = (values(month.rows, side, one.score.metric) for side in sides)
        assert not one.exact
        assert (one.medians.median_a, one.medians.median_b) == pytest.approx((a.median(), b.median()), rel=0.0205)
        assert one.medians.low is not None
        assert one.medians.high is not None
        assert one.medians.low <= one.medians.difference <= one.medians.high


def test_two_scorers_are_never_mixed(month: Month, empty: Settings) -> None:
    other = month.rows.iloc[::10].assign(perplexity_scorer="another/1", response_perplexity=1_000.0)
    for part in (month.rows, other):
        workspace.write_rows(empty, "metrics_15min", workspace.partials(part, 15))
    found = findings("chatbot", *both(period("30d", month.now)))[0]
    assert found.compared.scorer == workspace.SCORERS["perplexity_scorer"]
    assert found.compared.others == ("another/1",)
    assert max(found.compared.comparison.mean_a, found.compared.comparison.mean_b) < 100
    assert max(found.medians.median_a, found.medians.median_b) < 100


def test_scores_that_were_given_later_count_in_the_medians(month: Month, empty: Settings) -> None:
    """One in three perplexities was given later, by the same scorer; a re-scoring by another one is left out."""
    rows = month.rows.head(900)
    given = rows.iloc[::3].dropna(subset=["response_perplexity"])
    first = rows.assign(
        response_perplexity=rows["response_perplexity"].where(~rows.index.isin(given.index)),
        perplexity_scorer=rows["perplexity_scorer"].where(~rows.index.isin(given.index)),
    )
    workspace.write_requests(empty, first)
    workspace.write_rows(empty, "metrics_15min", workspace.partials(rows, 15))
    base = {"metric": "response_perplexity", "scored_at": month.now, "weight": 1.0}
    later = [
        {
            **base,
            "databricks_request_id": row["databricks_request_id"],
            "request_date": row["request_time"].date(),
            "value": value,
            "scorer": scorer,
        }
        for row in given.to_dict("records")
        for value, scorer in (
            (row["response_perplexity"], workspace.SCORERS["perplexity_scorer"]),
            (5_000.0, "another/1"),
        )
    ]
    workspace.write_rows(empty, "request_scores", later)
    halves = rows["request_time"].iloc[450].floor("15min")
    start, end = rows["request_time"].min().floor("15min"), rows["request_time"].max().ceil("15min")
    sides = (
        Side("prod.chatbot", "1", Period(start.to_pydatetime(), halves.to_pydatetime(), 900)),
        Side("prod.chatbot", "1", Period(halves.to_pydatetime(), end.to_pydatetime(), 900)),
    )
    found = findings("chatbot", *sides)[0]
    check(rows, found, sides)


def test_a_version_without_scores_has_n_zero(month: Month) -> None:
    found = findings("chatbot", *both(period("24h", month.now)))
    assert [one.n[0] for one in found] == [0] * 7
    assert all(one.corrected is None and one.compared.comparison.low is None for one in found)


def test_versions_whose_model_has_no_name_are_compared_too(month: Month, empty: Settings) -> None:
    nameless = month.rows.assign(entity_name=None)
    for table, minutes in (("metrics_15min", 15), ("metrics_minute", 1)):
        workspace.write_rows(empty, table, workspace.partials(nameless, minutes))
    span = period("30d", month.now)
    assert min(findings("chatbot", *both(span))[0].n) > 0
    assert set(minute_means("chatbot", "response_fk_grade", span)["version"]) == {"/1", "/2"}


@pytest.mark.parametrize("metric", ["response_fk_grade", "response_perplexity", "response_toxicity"])
def test_minute_means_equal_those_of_the_single_rows(month: Month, metric: str) -> None:
    span = period("30d", month.now)
    found = minute_means("chatbot", metric, span)
    rows = month.rows.dropna(subset=[metric])
    rows = rows[rows["request_time"] >= span.start]
    minute = rows["request_time"].dt.floor("min")
    expected = rows.groupby([minute, "entity_version"])[metric].mean().reset_index()
    assert found["time"].dtype == "int64"
    assert found["time"].tolist() == expected["request_time"].astype("datetime64[ms, UTC]").astype("int64").tolist()
    assert found["mean"].tolist() == pytest.approx(expected[metric].tolist())
    assert found["n"].sum() == found["weight"].sum() == len(rows)


def test_a_period_ends_with_the_window_of_now(month: Month) -> None:
    span = period("30d", month.now)
    assert timedelta(0) < span.end - month.now <= timedelta(hours=1)
    assert span.previous.end == span.start
