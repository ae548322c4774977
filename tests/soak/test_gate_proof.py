"""The demo's models before the gate: inventing versions are stopped with readable reasons, the honest one passes."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jobs.candidate import Candidate
from jobs.evaluate import evaluate
from jobs.features import refresh_handbook
from jobs.questions import QUESTIONS
from jobs.score import run_score
from lakehouse.appends import append
from registry.verdict import verdict
from registry.versions import CHAMPION, client, get
from settings import Settings

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]
EVERY = 6


@pytest.fixture(scope="module")
def production(trained_chatbots: Settings, prepared_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Both production versions of the demo, each with scored answers to every sixth question of the demo's bank."""
    settings = trained_chatbots.model_copy(
        update={
            "lake_uri": str(tmp_path_factory.mktemp("proof") / "lake"),
            "prod_model": "prod.proof",
            "toxicity_model": "keyword",
        }
    )
    if not settings.models_folder.exists():
        settings.models_folder.symlink_to(prepared_models)
    refresh_handbook(settings)
    for version in ("1", "2"):
        client(settings).copy_model_version(f"models:/{settings.test_model}/{version}", settings.prod_model)
        log_answers(settings, version)
    run_score(settings, once=True)
    return settings


def log_answers(settings: Settings, version: str) -> None:
    now = datetime.now(UTC)
    entity = {"served_entity_id": version, "endpoint_name": "chatbot", "served_entity_name": f"chatbot-{version}"}
    model = {"entity_name": settings.prod_model, "entity_version": version, "change_time": now - timedelta(days=1)}
    append(settings, "served_entities", [{**entity, **model, "endpoint_config_version": 1}])
    candidate = Candidate.load(settings, get(settings, settings.prod_model, version), ["input"])
    rows = []
    for number, question in enumerate(QUESTIONS[::EVERY]):
        given = candidate.ask_question(question.text)
        at = now - timedelta(minutes=number)
        row = {"databricks_request_id": f"{version}-{number}", "request_date": at.date(), "request_time": at}
        body = {"request": given.request, "response": given.response, "execution_duration_ms": 5, "status_code": 200}
        rows.append({**row, **body, "served_entity_id": version})
    append(settings, "inference_table", rows)


# An inventing version takes minutes to answer, so one of the two stands for both.
@pytest.mark.parametrize(
    ("version", "live"),
    [("2", "1"), ("3", "1")],
    ids=["honest", "generative"],
)
def test_the_gate_tells_the_honest_version_from_the_inventing_ones(
    production: Settings, version: str, live: str
) -> None:
    client(production).set_registered_model_alias(production.prod_model, CHAMPION, live)
    evidence = evaluate(production, version).evidence
    found = verdict(production, version)
    if version == "2":
        assert found.reasons == ()
        assert found.passed
        return
    stopping = {check.name: check.sentence for check in found.checks if check.blocking}
    assert not found.passed
    assert {"golden_answers", "golden_refusals", "grounding"} <= set(stopping)
    # How many are asked goes by the time that they take.
    assert re.match(r"0 of [1-8] golden questions that have no answer were turned down", stopping["golden_refusals"])
    assert "The rest is invented." in stopping["grounding"]
    assert evidence.grounding.mean is not None
    assert evidence.grounding.mean < 0.5
