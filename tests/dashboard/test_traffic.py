"""The figures of the Overview equal what the single rows say."""

import numpy as np
import pandas as pd
import pytest

from dashboard.periods import Period, period
from dashboard.queries.traffic import endpoints, failures, traffic, versions
from settings import get_settings
from tests.dashboard import workspace
from tests.dashboard.conftest import Month


def rows_of(month: Month, span: Period) -> pd.DataFrame:
    times = month.rows["request_time"]
    return month.rows[(times >= span.start) & (times < span.end)]


@pytest.mark.parametrize("name", ["1h", "24h", "7d"])
def test_counts_and_errors_equal_those_of_the_single_rows(month: Month, name: str) -> None:
    span = period(name, month.now)
    found = traffic("chatbot", span)
    for indicator, rows in (("value", rows_of(month, span)), ("previous", rows_of(month, span.previous))):
        assert getattr(found.requests, indicator) == len(rows)
        expected = (rows["status_code"] >= 400).mean() if len(rows) else np.nan
        assert getattr(found.error_share, indicator) == pytest.approx(expected, nan_ok=True)
    assert found.requests.values.sum() == found.requests.value


def test_failures_of_the_last_hour_are_those_of_now(month: Month) -> None:
    span = period("6h", month.now)
    rows = rows_of(month, span)
    found = failures("chatbot", span)
    assert (found.requests, found.failed) == (len(rows), (rows["status_code"] >= 400).sum())
    assert found.share == pytest.approx((rows["status_code"] >= 400).mean(), nan_ok=True)
    assert np.isnan(failures("somewhere else", span).share)


def test_each_point_of_a_line_covers_its_own_stretch_of_time(month: Month) -> None:
    span = period("7d", month.now)
    found = traffic("chatbot", span)
    rows = rows_of(month, span)
    edges = [*found.times, int(span.end.timestamp() * 1000)]
    expected, _ = np.histogram(rows["request_time"].astype("datetime64[ms, UTC]").astype("int64"), edges)
    assert found.requests.values.tolist() == expected.tolist()


def test_p95_latency_is_within_one_per_cent(month: Month) -> None:
    span = period("7d", month.now)
    exact = np.quantile(rows_of(month, span)["execution_duration_ms"], 0.95, method="inverted_cdf")
    assert traffic("chatbot", span).latency_p95.value == pytest.approx(exact, rel=0.01)


def test_flagged_shares_are_exact_at_the_threshold(month: Month) -> None:
    span = period("7d", month.now)
    rows = rows_of(month, span)
    found = traffic("chatbot", span)
    prompts = rows["prompt_toxicity"].dropna()
    assert found.flagged_prompts.value == pytest.approx((prompts >= 0.5).mean())
    assert found.flagged_prompts.value > 0
    assert found.flagged_answers.value == pytest.approx((rows["response_toxicity"].dropna() >= 0.5).mean())
    assert found.toxicity_scorer == workspace.SCORERS["toxicity_scorer"]


def test_versions_are_listed_with_the_last_seen_first(month: Month) -> None:
    found = versions("chatbot")
    assert [version.entity_version for version in found] == ["2", "1"]
    assert sum(version.requests for version in found) == len(month.rows)


def test_an_endpoint_that_was_never_used_has_no_requests(month: Month) -> None:
    found = traffic("somewhere else", period("24h", month.now))
    assert found.requests.value == 0
    assert np.isnan(found.error_share.value)
    assert np.isnan(found.latency_p95.value)
    assert endpoints() == ["chatbot"]


def test_an_endpoint_that_was_used_comes_before_one_of_the_settings_that_was_not(
    month: Month, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKEHELM_ENDPOINT", "unused")
    get_settings.cache_clear()
    assert endpoints() == ["chatbot", "unused"]
