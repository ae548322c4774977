"""Evaluations from end to end: real registry, models, tables and scorers; only the live traffic is short."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jobs.candidate import Candidate
from jobs.errors import ModelsNotPrepared
from jobs.evaluate import evaluate, main
from jobs.features import refresh_handbook
from jobs.questions import QUESTIONS
from jobs.score import run_score
from jobs.scorers import ScoringTools
from lakehouse.appends import append
from lakehouse.runs import request_run, runs
from lakehouse.status import read_status
from lakehouse.store import open_table, read_rows
from registry.errors import VersionMissing
from registry.evaluations import evaluated_answers, latest_evaluation
from registry.gate import Check
from registry.verdict import verdict
from registry.versions import CHAMPION, client, get
from settings import Settings

PROMPTS = 11
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def live(trained_chatbots: Settings, prepared_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Version 1 of the chatbot is live, has answered some prompts, and its answers have been scored."""
    settings = trained_chatbots.model_copy(
        update={
            "lake_uri": str(tmp_path_factory.mktemp("evaluated") / "lake"),
            "prod_model": "prod.evaluated",
            "toxicity_model": "keyword",
            "replayed_prompts": PROMPTS,
        }
    )
    if not settings.models_folder.exists():
        settings.models_folder.symlink_to(prepared_models)
    refresh_handbook(settings)
    copy = client(settings).copy_model_version(f"models:/{settings.test_model}/1", settings.prod_model)
    client(settings).set_registered_model_alias(settings.prod_model, CHAMPION, copy.version)
    now = datetime.now(UTC)
    entity = {"served_entity_id": "e1", "endpoint_name": "chatbot", "served_entity_name": "chatbot-1"}
    model = {"entity_name": settings.prod_model, "entity_version": "1", "change_time": now - timedelta(days=1)}
    append(settings, "served_entities", [{**entity, **model, "endpoint_config_version": 1}])
    price = {"input_usd_per_million": 0.15, "output_usd_per_million": 0.6, "effective_from": now - timedelta(days=1)}
    append(settings, "prices", [{**price, "entity_name": settings.prod_model, "entity_version": "", "source": "ours"}])
    candidate = Candidate.load(settings, get(settings, settings.prod_model, "1"), ["input"])
    rows = []
    for number, question in enumerate(QUESTIONS[:PROMPTS]):
        given = candidate.ask_question(question.text)
        at = now - timedelta(minutes=PROMPTS - number)
        row = {"databricks_request_id": f"r{number}", "request_date": at.date(), "request_time": at, "status_code": 200}
        body = {"request": given.request, "response": given.response, "execution_duration_ms": 5}
        rows.append({**row, **body, "served_entity_id": "e1"})
    append(settings, "inference_table", rows)
    run_score(settings, once=True)
    return settings


def stopping(settings: Settings, version: str) -> dict[str, Check]:
    return {check.name: check for check in verdict(settings, version).checks if check.blocking}


def test_the_honest_version_passes_with_its_numbers(live: Settings) -> None:
    request = request_run(live, "evaluate", {"version": "2"}, "ann")
    found = evaluate(live, "2", trigger="request", request_id=request)
    assert latest_evaluation(live, live.test_model, "2") == found
    assert (found.requested_by, found.live) == ("ann", "prod.evaluated version 1")
    assert stopping(live, "2") == {}
    assert verdict(live, "2").passed
    # It answers so briefly that few answers are as long as the live ones, of which perplexity would say something.
    assert {check.name for check in verdict(live, "2").checks if check.status != "passed"} <= {"perplexity"}
    evidence = found.evidence
    assert evidence.golden_answers.questions == 30
    assert evidence.golden_refusals.right == evidence.golden_refusals.questions == 8
    assert evidence.replayed == evidence.cost.n == PROMPTS
    assert evidence.perplexity.n + evidence.perplexity.left_out == PROMPTS
    averages = client(live).get_run(evidence.golden_answers.run_id).data.metrics
    right = evidence.golden_answers.right + evidence.golden_refusals.right
    assert averages["right/mean"] == pytest.approx(right / 38)
    assert averages["grounding/mean"] == pytest.approx(evidence.grounding.mean)
    (run,) = runs(live, "evaluate")
    assert (run["state"], run["request_id"], run["rows_read"]) == ("succeeded", request, 38 + PROMPTS)
    status = read_status(live, "evaluate")
    assert status is not None
    assert (status["state"], status["version"], status["questions_done"]) == ("succeeded", "2", 38 + PROMPTS)


def test_the_live_answers_stand_beside_with_their_stored_scores(live: Settings) -> None:
    evaluation = latest_evaluation(live, live.test_model, "2") or evaluate(live, "2")
    replayed = [one for one in evaluated_answers(live, evaluation.evaluation_id) if one.kind == "replay"]
    stored = {row["databricks_request_id"]: row for row in read_rows(open_table(live, "request_metrics")).to_pylist()}
    assert [one.prompt for one in replayed] == [question.text for question in reversed(QUESTIONS[:PROMPTS])]
    for one in replayed:
        metrics = stored[str(one.databricks_request_id)]
        for name in ("response_perplexity", "response_fk_grade", "response_toxicity", "cost_usd"):
            assert one.live_scores[name] == metrics[name]
        assert one.live_answer
        assert one.answer
        assert one.scores["response_perplexity"] > 1
        assert one.notes == {}


def test_a_version_that_does_not_start_is_stopped_and_its_reason_told(live: Settings) -> None:
    settings = live.model_copy(update={"test_model": "test.broken"})
    register(settings, HERE / "broken_model.py")
    evaluation = evaluate(settings, "1")
    reasons = stopping(settings, "1")
    assert reasons["loading"].sentence == "The version does not start: OSError: the index is not there"
    assert "could not be asked anything" in reasons["golden_answers"].sentence
    assert evaluated_answers(settings, evaluation.evaluation_id) == []


@pytest.fixture
def canteen(live: Settings, tmp_path: Path) -> Settings:
    """A model of a user's own, with golden questions of their own; nothing is live yet."""
    questions = [
        {"question": "When is lunch?", "expected_phrases": ["noon", "hall"]},
        {"question": "Who pays?", "expected_refusal": True},
        {"question": "What is for lunch?", "expected_phrases": ["soup"]},
    ]
    file = tmp_path / "golden.jsonl"
    file.write_text("\n".join(json.dumps(question) for question in questions))
    settings = live.model_copy(
        update={"test_model": "test.canteen", "prod_model": "prod.canteen", "golden_questions_file": str(file)}
    )
    register(settings, HERE / "column_model.py")
    return settings


def test_a_model_of_ones_own_is_asked_its_own_golden_questions(canteen: Settings) -> None:
    def unprepared(settings: Settings) -> ScoringTools:
        raise ModelsNotPrepared("The models for scoring are not there.")

    evaluation = evaluate(canteen, "1", load=unprepared)
    evidence = evaluation.evidence
    assert (evidence.golden_answers.questions, evidence.golden_answers.right) == (2, 1)
    assert (evidence.golden_refusals.questions, evidence.golden_refusals.right) == (1, 1)
    assert (evidence.failures.asked, evidence.failures.failed) == (3, 1)
    assert evidence.failures.first == "golden question 2: it raised KeyError."
    assert evaluation.live_entity_version is None
    checks = {check.name: check for check in verdict(canteen, "1").checks}
    assert checks["toxicity"].sentence == "The models for scoring are not there."
    assert "nothing to compare with" in checks["perplexity"].sentence
    assert not checks["perplexity"].blocking
    assert "name no sources" in checks["grounding"].sentence
    assert {name for name, check in checks.items() if check.blocking} == {"failures", "golden_answers", "toxicity"}


def test_no_question_is_begun_when_the_time_is_over(canteen: Settings) -> None:
    evaluation = evaluate(canteen, "1", asking_seconds=0.0)
    assert evaluation.evidence.failures.asked == 0
    assert "failures" in stopping(canteen, "1")


def test_a_version_that_is_not_there_is_a_failed_run_with_one_sentence(live: Settings) -> None:
    with pytest.raises(VersionMissing, match="has no version 99"):
        evaluate(live, "99")
    newest = runs(live, "evaluate", limit=1)[0]
    assert (newest["state"], newest["error"]) == (
        "failed",
        "Registered model test.chatbot has no version 99: look at the Versions it has.",
    )


def test_the_command_prints_every_check(
    canteen: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("jobs.evaluate.get_settings", lambda: canteen)
    assert main(["1", "--seconds", "0"]) == 0
    printed = capsys.readouterr().out
    assert "could not run (stops)  Answers at all: No question was asked." in printed
    assert "test.canteen version 1 does not pass the gate." in printed


def register(settings: Settings, file: Path) -> None:
    """Register a version of `settings.test_model` from a file, once."""
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    from registry.versions import find

    client(settings)
    if find(settings, settings.test_model, "1"):
        return
    signature = ModelSignature(Schema([ColSpec("string", "question")]), Schema([ColSpec("string")]))
    # The default experiment would put its artifacts into the folder that this process happens to stand in.
    experiment = mlflow.create_experiment(settings.test_model, (settings.home / "artifacts").as_uri())
    with mlflow.start_run(experiment_id=experiment):
        mlflow.pyfunc.log_model(
            name="model",
            python_model=str(file),
            signature=signature,
            pip_requirements=[f"mlflow=={mlflow.__version__}"],
            registered_model_name=settings.test_model,
        )
