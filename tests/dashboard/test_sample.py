"""Figures of answers that were scored as a random sample: they are weighted, and the pages say how many were scored."""

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from deltalake import write_deltalake
from streamlit.testing.v1 import AppTest

from dashboard.periods import period
from dashboard.queries import models
from dashboard.queries.lake import newest, select
from dashboard.queries.quality import ScoreComparison
from dashboard.queries.quality_comparison import findings
from dashboard.queries.sample import Sample, sample_of
from dashboard.queries.traffic import traffic
from dashboard.wording import random_sample
from metrics.comparison import compare, moments_from_sums
from registry.versions import ModelVersion
from settings import Settings
from tests.dashboard import workspace
from tests.dashboard.conftest import Month
from tests.dashboard.test_pages import texts
from tests.dashboard.test_quality import both

Opener = Callable[..., AppTest]


@pytest.fixture
def thin(month: Month, empty: Settings) -> pd.DataFrame:
    """Version 2 is a sample of 1 in 4; version 1 was scored wholly."""
    first = month.rows["entity_version"] == "1"
    rows = pd.concat([month.rows[first].assign(toxicity_scorer="original/detoxify-0.5.4/1"), month.rows[~first]])
    rows = pd.concat([rows[first], workspace.sampled(rows[~first], 4.0)])
    for table, minutes in (("metrics_15min", 15), ("metrics_minute", 1)):
        workspace.write_rows(empty, table, workspace.partials(rows, minutes))
    return rows


def comparisons(month: Month) -> list[ScoreComparison]:
    return [one.compared for one in findings("chatbot", *both(period("30d", month.now)))]


def scored(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    return rows.dropna(subset=[metric])


@pytest.mark.parametrize("metric", ["response_perplexity", "response_toxicity"])
def test_averages_and_intervals_of_a_sample_are_weighted(month: Month, thin: pd.DataFrame, metric: str) -> None:
    found = next(one for one in comparisons(month) if one.score.metric == metric)
    a, b = (scored(thin[thin["entity_version"] == version], metric) for version in ("1", "2"))
    result = found.comparison
    assert (result.n_a, result.n_b) == (len(a), len(b))
    assert (result.mean_a, result.mean_b) == pytest.approx((a[metric].mean(), b[metric].mean()))
    everyone = month.rows[month.rows["entity_version"] == "2"]
    assert found.requests_b == len(everyone)
    assert found.sample == Sample(len(a) + len(b), int(month.rows["response_chars"].notna().sum()))


def test_rows_that_stand_for_many_are_no_more_evidence_in_a_comparison(month: Month, empty: Settings) -> None:
    weights = pd.Series(np.where(np.arange(len(month.rows)) % 3, 1.0, 9.0), index=month.rows.index)
    rows = month.rows.assign(score_weight=weights)
    workspace.write_rows(empty, "metrics_15min", workspace.partials(rows, 15))
    found = comparisons(month)[0]
    sides = []
    for version in ("1", "2"):
        mine = scored(rows[rows["entity_version"] == version], "response_perplexity")
        x, w = mine["response_perplexity"].to_numpy(), mine["score_weight"].to_numpy()
        sums = (float(one) for one in (w.sum(), (w * x).sum(), (w * x * x).sum(), (w * w).sum()))
        sides.append(moments_from_sums(len(mine), *sums))
    exact = compare(*sides)
    assert (found.comparison.low, found.comparison.high) == pytest.approx((exact.low, exact.high), rel=1e-6)
    assert found.comparison.low is not None
    careless = compare(*(moments_from_sums(m.n, m.n, m.n * m.mean, m.n * (m.variance + m.mean**2)) for m in sides))
    assert careless.low is not None
    assert found.comparison.difference - found.comparison.low > 1.2 * (careless.difference - careless.low)


def test_what_every_answer_has_is_no_sample(month: Month, thin: pd.DataFrame) -> None:
    found = {one.score.metric: one for one in comparisons(month)}
    assert found["response_fk_grade"].sample is None
    assert sample_of(10, 10.0, 12) is None
    assert sample_of(10, 40.0, 38) == Sample(10, 38)


def test_the_quality_page_says_how_many_answers_were_scored(thin: pd.DataFrame, page: Opener) -> None:
    said = texts(page("quality"))
    answers = int(thin["response_chars"].notna().sum())
    assert random_sample("Perplexity", len(scored(thin, "response_perplexity")), answers) in said
    assert "Toxicity: a random sample of" in said
    assert "grade: a random sample" not in said


def test_the_pages_say_nothing_of_a_sample_where_everything_was_scored(month: Month, page: Opener) -> None:
    for name in ("quality", "overview", "jobs"):
        assert "random sample" not in texts(page(name))


def test_flagged_shares_of_a_sample_are_weighted_and_the_overview_says_so(
    month: Month, thin: pd.DataFrame, page: Opener
) -> None:
    span = period("30d", month.now)
    found = traffic("chatbot", span)
    rows = thin[(thin["request_time"] >= span.start) & (thin["request_time"] < span.end)]
    for metric, indicator in (
        ("response_toxicity", found.flagged_answers),
        ("prompt_toxicity", found.flagged_prompts),
    ):
        judged = scored(rows, metric)
        share = np.average(judged[metric] >= 0.5, weights=judged["score_weight"])
        assert indicator.value == pytest.approx(share)
    assert found.flagged_prompts.value != pytest.approx(
        (scored(rows, "prompt_toxicity")["prompt_toxicity"] >= 0.5).mean()
    )
    assert found.toxicity_sample == Sample(len(scored(rows, "response_toxicity")), rows["response_chars"].notna().sum())
    app = page("overview", span="30d")
    assert "Toxicity: a random sample of" in texts(app)


def test_figures_of_registered_versions_name_their_sample(thin: pd.DataFrame) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    a, b = (
        ModelVersion("prod.chatbot", number, (), "Archived", moment, moment, "", "models:/m-1") for number in ("1", "2")
    )
    found = {one.score.metric: one.sample for one in models.measured(a, b)}
    assert found["response_perplexity"] is not None
    assert found["cost_usd"] is found["completion_tokens"] is None


def test_a_run_says_how_many_requests_its_models_scored(month: Month, empty: Settings, page: Opener) -> None:
    left_out = {"response_perplexity: left out of the sample": 15_000, "response_fk_grade: not English": 2}
    run = workspace.job_run(month.now, rows=20_000, rows_left_out=15_000, unscored_reasons=left_out)
    workspace.write_rows(empty, "job_runs", [run])
    said = texts(page("jobs"))
    assert random_sample("Scores of models", 5_000, 20_000, "requests") in said
    assert "Not counted here: 15\u202f000 requests that a random sample left out." in said


def test_files_from_before_there_were_squared_weights_are_read(
    month: Month, empty: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = workspace.partials(month.rows.head(60), 15).drop_columns(["sum_w2"])
    write_deltalake(f"{empty.lake}/metrics_15min", old)
    count = "SELECT count(*) AS rows, count(sum_w2) AS known FROM this"
    assert select(newest("metrics_15min"), count).iloc[0].tolist() == [old.num_rows, 0]
    monkeypatch.setattr("dashboard.queries.lake._RECHECK_SECONDS", 0.0)
    new = workspace.partials(month.rows.iloc[60:120], 15)
    write_deltalake(f"{empty.lake}/metrics_15min", new, mode="append", schema_mode="merge")
    found = select(newest("metrics_15min"), count).iloc[0].tolist()
    assert found == [old.num_rows + new.num_rows, new.num_rows]


@pytest.mark.parametrize(
    ("scored_answers", "answers", "said"),
    [
        (4_120, 20_300, "Perplexity: a random sample of 4\u202f120 of 20\u202f300 answers (20\u00a0%) was scored; "),
        (50, 4_000, "(1.2\u00a0%)"),
        (0, 0, "(–)"),
    ],
)
def test_the_sentence_has_the_numbers(scored_answers: int, answers: int, said: str) -> None:
    assert said in random_sample("Perplexity", scored_answers, answers)
