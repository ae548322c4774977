"""Scores that are given later: what a sample left out, what another scorer says, and what cannot be scored."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from jobs import later_scores, missing_scores, rescore
from jobs.errors import JobError, StillAtWork
from jobs.one_at_a_time import one_at_a_time
from jobs.rescore import Asked, RescoreProgress, run_rescore
from jobs.score import run_score
from jobs.scorers import ScoringTools
from lakehouse.appends import append_once
from lakehouse.runs import runs
from lakehouse.store import open_table, read_rows, table_uri
from metrics.scoring import Scorers
from settings import Settings
from tests.jobs.request_rows import NOON, add_requests, add_served_entity, inference_row, inference_rows
from tests.jobs.sampled_requests import differing_sums, fill, later, load, rollup_sums, score_sample, scored_at_once
from tests.metrics.test_scoring import LetterPerplexity

PERPLEXITY, WORDS = "letters-v1/python/1", "words/python/1"


def another_model(settings: Settings) -> ScoringTools:
    return ScoringTools(Scorers(LetterPerplexity("letters-v2/python/1")))


def no_model(settings: Settings) -> ScoringTools:
    return ScoringTools(Scorers())


@pytest.fixture
def at_once(tmp_path: Path) -> Settings:
    return scored_at_once(tmp_path / "at once")


def versions(settings: Settings) -> list[int]:
    return [open_table(settings, name).version() for name in ("request_scores", "metrics_minute", "metrics_15min")]


def test_a_sample_that_is_filled_in_leaves_the_rollups_of_a_run_that_scored_everything(
    settings: Settings, at_once: Settings
) -> None:
    fill(settings)
    score_sample(settings)
    assert differing_sums(settings, at_once), "a sample alone has other sums"
    progress = run_rescore(settings, Asked(), load=load)
    assert differing_sums(settings, at_once) == {}
    assert progress.rows_scored > 30
    corrections = [row for row in later(settings) if row["weight"] < 0]
    assert {row["weight"] for row in corrections} == {-3.0}
    assert {row["metric"] for row in corrections} == {
        f"{side}_{kind}" for side in ("prompt", "response") for kind in ("perplexity", "toxicity")
    }


def test_a_repeat_adds_nothing_and_what_cannot_be_scored_is_counted_once_with_its_reason(settings: Settings) -> None:
    fill(settings)
    score_sample(settings)
    progress = run_rescore(settings, Asked(), load=load)
    reasons = dict(progress.unscored_reasons)
    assert reasons["response_perplexity: the text says nothing"] == 1
    assert reasons["response_toxicity: the text is in German (de)"] == 1
    assert [row["unscored_reason"] for row in later(settings) if row["weight"] == 0.0].count(
        "the text says nothing"
    ) == 1
    before = versions(settings)
    again = run_rescore(settings, Asked(), load=load)
    assert (again.rows_read, again.rows_scored, again.rows_unscored) == (0, 0, 0)
    assert versions(settings) == before


def test_every_commit_on_the_way_leaves_weights_that_stand_for_all_requests_of_its_chunk(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(later_scores, "TEXTS_AT_ONCE", 16)
    fill(settings)
    score_sample(settings)
    run_rescore(settings, Asked("perplexity"), load=load)
    table = open_table(settings, "request_scores")
    first = {row["databricks_request_id"]: row["score_weight"] for row in metrics_rows(settings)}
    for version in range(1, table.version() + 1):
        table.load_as_version(version)
        rows = read_rows(table).to_pylist()
        weights: Counter[str] = Counter()
        for row in rows:
            if row["metric"] == "prompt_perplexity":
                weights[row["databricks_request_id"]] += row["weight"]
        assert {first[request_id] + weight for request_id, weight in weights.items()} == {1.0}
    assert table.version() > 3, "several chunks"


def metrics_rows(settings: Settings) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = read_rows(open_table(settings, "request_metrics")).to_pylist()
    return rows


def test_another_scorer_scores_a_range_again_with_weight_one_and_nothing_is_corrected(settings: Settings) -> None:
    fill(settings)
    score_sample(settings)
    asked = Asked("perplexity", start=NOON + timedelta(seconds=10), end=NOON + timedelta(seconds=20))
    run_rescore(settings, asked, load=another_model)
    assert {row["scorer"] for row in later(settings)} == {"letters-v2/python/1"}
    assert {row["weight"] for row in later(settings)} == {1.0}
    assert {row["databricks_request_id"] for row in later(settings)} == {f"r{number}" for number in range(10, 20)}
    sums = rollup_sums(settings, "metrics_daily_requester"), rollup_sums(settings, "metrics_15min")
    assert not any("letters-v2/python/1" in key for key in sums[0]), "perplexity is not in the daily rollup"
    counted = [value for key, value in sums[1].items() if "letters-v2/python/1" in key and key[-1] == "n"]
    assert sum(counted) == 20, "answers and prompts"


def test_texts_that_an_earlier_run_scored_are_not_scored_again(settings: Settings) -> None:
    add_served_entity(settings)
    add_requests(settings, inference_rows(0, 30, **same_texts()))
    score_sample(settings)
    # The first row of the sample made the text known; a row that was left out lacks its score all the same.
    assert any(row["score_weight"] == 0 for row in metrics_rows(settings))
    model = LetterPerplexity()
    progress = run_rescore(settings, Asked("perplexity"), load=lambda _: ScoringTools(Scorers(model)))
    assert progress.rows_scored > 10
    assert model.seen == []


def same_texts() -> dict[str, Any]:
    row = inference_row("any")
    return {"request": row["request"], "response": row["response"]}


def test_scores_that_had_no_model_are_given_when_there_is_one(settings: Settings, at_once: Settings) -> None:
    fill(settings)
    run_score(settings, once=True, load=no_model)
    run_rescore(settings, Asked(), load=load)
    # Not filled in are counts of tokens, and the grade that the German answer has for want of a language detector.
    filled_in = {f"{side}_{kind}" for side in ("prompt", "response") for kind in ("perplexity", "toxicity")}
    assert len(later(settings)) > 200
    assert [key for key in differing_sums(settings, at_once) if filled_in.intersection(map(str, key))] == []


def test_a_model_of_which_no_request_lacks_a_score_is_not_asked(settings: Settings) -> None:
    forgetful = settings.model_copy(update={"score_cache_texts": 0})
    fill(forgetful)
    without_toxicity = load(forgetful).scorers
    run_score(forgetful, once=True, load=lambda _: ScoringTools(replace(without_toxicity, toxicity=None)))
    run_rescore(forgetful, Asked("perplexity"), load=load)
    asked = LetterPerplexity()
    progress = run_rescore(
        forgetful, Asked(), load=lambda _: ScoringTools(replace(load(forgetful).scorers, perplexity=asked))
    )
    assert progress.rows_scored > 60
    assert asked.seen == []


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (Asked(endpoint="nobody"), 0),
        (Asked(version="2"), 0),
        (Asked(endpoint="chatbot", version="1", start=NOON + timedelta(days=1)), 1),
        (Asked(end=NOON), 0),
        (Asked(start=datetime(1, 1, 1, tzinfo=UTC), end=datetime(9999, 12, 31, tzinfo=UTC)), 64),
    ],
)
def test_only_the_requests_that_were_asked_for_are_scored(settings: Settings, asked: Asked, expected: int) -> None:
    fill(settings)
    run_score(settings, once=True, load=no_model)
    assert run_rescore(settings, asked, load=load).rows_read == expected


def test_a_run_without_time_left_still_gets_on_and_the_next_one_goes_on(
    settings: Settings, at_once: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missing_scores, "ROWS_AT_ONCE", 25)
    fill(settings)
    score_sample(settings)
    done: list[RescoreProgress] = []
    while not done or done[-1].rows_waiting:
        done.append(run_rescore(settings, Asked(), seconds=1e-9, load=load))
        assert done[-1].rows_read > 0
    assert len(done) > 2
    run_rescore(settings, Asked(), load=load)
    assert differing_sums(settings, at_once) == {}
    assert runs(settings, "rescore")[1]["rows_read"] == done[-1].rows_read


def test_a_rival_on_another_machine_takes_nothing_away_and_adds_nothing_twice(
    settings: Settings, at_once: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(settings)
    score_sample(settings)
    others: list[int] = []

    def overtaken(table: DeltaTable, rows: Any, **position: Any) -> int:
        if not others:
            # The rival, whose lock is another machine's, found the same and commits it first.
            rival = open_table(settings, "request_scores")
            others.append(append_once(rival, rows, **position))
        return append_once(table, rows, **position)

    monkeypatch.setattr(rescore, "append_once", overtaken)
    run_rescore(settings, Asked(), load=load)
    assert others
    assert differing_sums(settings, at_once) == {}


def test_values_stand_for_requests_whose_texts_are_gone_if_their_own_are_gone_too(settings: Settings) -> None:
    add_served_entity(settings)
    add_requests(settings, inference_rows(0, 40))
    score_sample(settings)
    gone = [f"r{number}" for number in range(20)]
    listed = ", ".join(f"'{request_id}'" for request_id in gone)
    DeltaTable(table_uri(settings, "inference_table")).delete(f"databricks_request_id IN ({listed})")
    progress = run_rescore(settings, Asked("perplexity"), load=load)
    left_out = {row["databricks_request_id"] for row in metrics_rows(settings) if row["score_weight"] == 0}
    lost = left_out & set(gone)
    assert progress.unscored_reasons["response_perplexity: its text is not in the inference table any more"] == len(
        lost
    )
    assert not {row["databricks_request_id"] for row in later(settings)} & set(gone)
    assert {row["databricks_request_id"] for row in later(settings)} == {f"r{number}" for number in range(20, 40)}


def test_new_requests_may_be_scored_while_older_ones_are_filled_in(
    settings: Settings, at_once: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(settings)
    score_sample(settings)
    new = [inference_row("new", request_time=NOON + timedelta(hours=1))]

    def meanwhile(*given: Any) -> Any:
        if new:
            add_requests(settings, new)
            new.clear()
            run_score(settings, once=True, load=load)
        return later_scores.with_texts(*given)

    monkeypatch.setattr(rescore, "with_texts", meanwhile)
    run_rescore(settings, Asked(), load=load)
    add_requests(at_once, [inference_row("new", request_time=NOON + timedelta(hours=1))])
    run_score(at_once, once=True, load=load)
    assert differing_sums(settings, at_once) == {}


def test_the_run_stands_in_job_runs_also_when_it_fails(settings: Settings) -> None:
    fill(settings)
    score_sample(settings)

    def broken(settings: Settings) -> ScoringTools:
        raise JobError("The models are on strike.")

    with pytest.raises(JobError, match="on strike"):
        run_rescore(settings, Asked(), load=broken)
    run_rescore(settings, Asked(), trigger="request", request_id="wish-1", load=load)
    last, first = runs(settings, "rescore")
    assert (first["state"], first["error"]) == ("failed", "The models are on strike.")
    assert (last["state"], last["trigger"], last["request_id"], last["rows_waiting"]) == (
        "succeeded",
        "request",
        "wish-1",
        0,
    )
    assert last["rows_read"] == last["rows_scored"] + last["rows_unscored"] > 30
    assert {"find", "read", "score", "append", "roll_up"} <= last["stage_seconds"].keys()


def test_an_error_that_nobody_foresaw_is_written_down_without_what_it_says(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(settings)
    score_sample(settings)

    def failing(*given: Any) -> Any:
        raise RuntimeError("someone's secret words")

    monkeypatch.setattr(rescore, "later_scores", failing)
    with pytest.raises(JobError, match="unexpected RuntimeError"):
        run_rescore(settings, Asked(), load=load)
    assert "secret" not in runs(settings, "rescore")[0]["error"]


def test_two_at_once_are_one_too_many(settings: Settings) -> None:
    with one_at_a_time(settings, "rescore", 0), pytest.raises(StillAtWork):
        run_rescore(settings, Asked(), load=load)


def test_what_nothing_can_score_is_refused_with_one_sentence(settings: Settings) -> None:
    with pytest.raises(JobError, match="There is no perplexity model to score with"):
        run_rescore(settings, Asked("perplexity"), load=no_model)


def test_an_empty_workspace_is_no_error(settings: Settings) -> None:
    assert run_rescore(settings, Asked(), load=load).rows_read == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--from", "yesterday"], "'yesterday' is no time"),
        (["--from", "2026-05-04", "--to", "2026-05-04"], "must be before --to"),
        (["--seconds", "-1"], "'-1' is no number of seconds above 0"),
        (["--metric", "colour"], "invalid choice: 'colour'"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_opened(
    settings: Settings, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        rescore.main(arguments)
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err


def test_a_time_without_a_zone_is_utc(settings: Settings) -> None:
    assert rescore._time("2026-05-04T12:30") == datetime(2026, 5, 4, 12, 30, tzinfo=UTC)
    assert rescore._time("2026-05-04T12:30+02:00") == datetime(2026, 5, 4, 10, 30, tzinfo=UTC)
