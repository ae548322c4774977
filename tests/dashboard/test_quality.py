"""The comparison of two versions equals what the single rows say, and never mixes scorers."""

from datetime import timedelta

import pytest
from scipy.stats import ttest_ind

from dashboard.periods import period
from dashboard.queries.quality import comparisons, minute_means
from dashboard.queries.traffic import VersionSeen, versions
from settings import Settings
from tests.dashboard import workspace
from tests.dashboard.conftest import Month


def both(endpoint: str = "chatbot") -> tuple[VersionSeen, VersionSeen]:
    second, first = versions(endpoint)
    return first, second


def test_averages_intervals_and_tests_equal_those_of_the_single_rows(month: Month) -> None:
    first, second = both()
    for found in comparisons("chatbot", first, second, period("30d", month.now)):
        values = month.rows.groupby("entity_version")[found.score.metric]
        a, b = (values.get_group(version).dropna() for version in ("1", "2"))
        test = ttest_ind(b, a, equal_var=False)
        low, high = test.confidence_interval(0.95)
        result = found.comparison
        assert (result.n_a, result.n_b) == (len(a), len(b))
        assert (result.mean_a, result.mean_b) == pytest.approx((a.mean(), b.mean()))
        assert (result.low, result.high) == pytest.approx((low, high), rel=1e-6)
        assert result.p_value == pytest.approx(test.pvalue, rel=1e-5, abs=1e-12)
        assert (found.requests_a, found.requests_b) == tuple(month.rows["entity_version"].value_counts()[["1", "2"]])


def test_two_scorers_are_never_mixed(month: Month, empty: Settings) -> None:
    other = month.rows.iloc[::10].assign(perplexity_scorer="another/1", response_perplexity=1_000.0)
    for part in (month.rows, other):
        workspace.write_rows(empty, "metrics_15min", workspace.partials(part, 15))
    found = comparisons("chatbot", *both(), period("30d", month.now))[0]
    assert found.scorer == workspace.SCORERS["perplexity_scorer"]
    assert found.others == ("another/1",)
    assert max(found.comparison.mean_a, found.comparison.mean_b) < 100


def test_a_version_without_scores_has_n_zero(month: Month) -> None:
    first, second = both()
    last_day = period("24h", month.now)
    found = comparisons("chatbot", first, second, last_day)
    assert [compared.comparison.n_a for compared in found] == [0, 0, 0]
    assert all(compared.comparison.low is None for compared in found)


def test_versions_whose_model_has_no_name_are_compared_too(month: Month, empty: Settings) -> None:
    nameless = month.rows.assign(entity_name=None)
    for table, minutes in (("metrics_15min", 15), ("metrics_minute", 1)):
        workspace.write_rows(empty, table, workspace.partials(nameless, minutes))
    span = period("30d", month.now)
    found = comparisons("chatbot", *both(), span)[0].comparison
    assert min(found.n_a, found.n_b) > 0
    assert set(minute_means("chatbot", "response_fk_grade", span)["version"]) == {"/1", "/2"}


def test_minute_means_equal_those_of_the_single_rows(month: Month) -> None:
    span = period("30d", month.now)
    found = minute_means("chatbot", "response_fk_grade", span)
    rows = month.rows.dropna(subset=["response_fk_grade"])
    rows = rows[rows["request_time"] >= span.start]
    minute = rows["request_time"].dt.floor("min")
    expected = rows.groupby([minute, "entity_version"])["response_fk_grade"].mean().reset_index()
    assert found["time"].dtype == "int64"
    assert found["time"].tolist() == expected["request_time"].astype("datetime64[ms, UTC]").astype("int64").tolist()
    assert found["mean"].tolist() == pytest.approx(expected["response_fk_grade"].tolist())
    assert found["n"].sum() == len(rows)


def test_a_period_ends_with_the_window_of_now(month: Month) -> None:
    span = period("30d", month.now)
    assert timedelta(0) < span.end - month.now <= timedelta(minutes=15)
    assert span.previous.end == span.start
