from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from registry.expectations import expected_differences
from registry.measured import measured, measured_by_scorer
from registry.plans import ProductionState, ServedShare
from settings import Settings
from tests.dashboard.workspace import partials, requests, write_rows

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return requests(NOW, 20, 40)


@pytest.fixture(scope="module")
def settings(rows: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(home=tmp_path_factory.mktemp("measured"))
    write_rows(settings, "metrics_15min", partials(rows, 15))
    return settings


def of(rows: pd.DataFrame, version: str) -> pd.DataFrame:
    return rows[rows["entity_version"] == version]


@pytest.mark.parametrize("metric", ["execution_duration_ms", "response_perplexity", "response_fk_grade", "cost_usd"])
@pytest.mark.parametrize("version", ["1", "2"])
def test_a_figure_is_that_of_the_single_rows(rows: pd.DataFrame, settings: Settings, version: str, metric: str) -> None:
    values = of(rows, version)[metric].dropna()
    figure = measured(settings, "prod.chatbot", version)[metric]
    assert figure.moments.n == len(values)
    assert figure.moments.mean == pytest.approx(values.mean(), rel=1e-9)
    assert figure.moments.variance == pytest.approx(values.var(), rel=1e-6)
    for q, found in ((0.5, figure.p50), (0.95, figure.p95)):
        exact = np.quantile(values, q, method="inverted_cdf")
        assert found == pytest.approx(exact, rel=0.011, abs=0.13 if metric.endswith("grade") else 0)


def test_the_error_share_counts_every_request(rows: pd.DataFrame, settings: Settings) -> None:
    mine = of(rows, "2")
    figure = measured(settings, "prod.chatbot", "2")["error_share"].moments
    assert (figure.n, figure.mean) == (len(mine), pytest.approx((mine["status_code"] >= 400).mean()))


def test_only_the_version_the_endpoint_and_the_days_that_were_asked_for_count(
    rows: pd.DataFrame, settings: Settings
) -> None:
    assert measured(settings, "prod.chatbot", "3") == {}
    assert measured(settings, "test.chatbot", "2") == {}
    assert measured(settings, "prod.chatbot", "2", endpoint="other") == {}
    few = measured(settings, "prod.chatbot", "2", days=3)["execution_duration_ms"].moments.n
    assert 0 < few < len(of(rows, "2")["execution_duration_ms"])


def test_values_of_two_scorers_are_never_mixed(tmp_path: Path, rows: pd.DataFrame) -> None:
    settings = Settings(home=tmp_path)
    half = of(rows, "2").assign(perplexity_scorer="another/1").iloc[::3]
    write_rows(settings, "metrics_15min", partials(rows, 15))
    write_rows(settings, "metrics_15min", partials(half, 15))
    by_scorer = measured_by_scorer(settings, "prod.chatbot", "2")
    assert by_scorer["response_perplexity", "another/1"].moments.n == half["response_perplexity"].notna().sum()
    assert measured(settings, "prod.chatbot", "2")["response_perplexity"].scorer.startswith("smollm2")


def test_a_sample_is_told_by_its_weights(tmp_path: Path, rows: pd.DataFrame) -> None:
    settings = Settings(home=tmp_path)
    mine = of(rows, "2").dropna(subset=["response_perplexity"])
    thinned = mine.assign(score_weight=np.where(np.arange(len(mine)) % 2, 1.0, 6.0))
    write_rows(settings, "metrics_15min", partials(thinned, 15))
    moments = measured(settings, "prod.chatbot", "2")["response_perplexity"].moments
    weights = thinned["score_weight"]
    assert moments.n == len(mine)
    assert moments.mean == pytest.approx(np.average(mine["response_perplexity"], weights=weights))
    assert moments.effective_n == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    assert measured(settings, "prod.chatbot", "2")["response_fk_grade"].moments.kish is None


def test_a_plan_expects_what_both_versions_have_shown(rows: pd.DataFrame, settings: Settings) -> None:
    served = tuple(ServedShare(f"chatbot-{v}", "prod.chatbot", v, share) for v, share in (("1", 0), ("2", 100)))
    before = ProductionState("chatbot", served, "2", "1")
    expected = {one.figure: one for one in expected_differences(settings, before, target="1")}
    latency, grade = expected["Latency, p95"], expected["Reading grade"]
    assert latency.live is not None
    assert latency.target is not None
    assert latency.target > latency.live, "version 1 is the slower one"
    assert grade.target == pytest.approx(of(rows, "1")["response_fk_grade"].mean())
    assert grade.low is not None
    assert grade.high is not None
    assert 0 < grade.low < grade.target - (grade.live or 0) < grade.high
    assert "of version 2 and" in grade.evidence
    assert "textstat" in grade.evidence
    assert expected_differences(settings, before, target="3") == (), "nothing is known of version 3"
    assert expected_differences(settings, before, target="2") == (), "a version is not compared with itself"
