"""The loop with nothing short: real traffic and chatbots, training, evaluation, gate, canary and promotion."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobs.features import refresh_handbook
from jobs.questions import QUESTIONS
from jobs.retrain import run_retrain
from jobs.retraining_work import Parts
from jobs.score import run_score
from jobs.train import train
from jobs.watch_look import Looker
from registry.actors import Actor
from registry.canary import ramps
from registry.changes import carry_out, plan_promotion
from registry.production import production_state
from registry.versions import CHALLENGER, find
from serving.client import EndpointClient
from settings import Settings
from tests.jobs.test_closed_loop import schedule, shift
from tests.serving.gateway_process import GatewayProcess

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1500)]
ANN = Actor("ann", "approver")
EVERY = 8
RULES = """
[training]
kind = "{kind}"
[canary]
on = true
shares = [20]
hold_minutes = 0.01
[promotion]
on = true
"""


@pytest.fixture
def live(tmp_path: Path, prepared_models: Path) -> Iterator[Settings]:
    """A gateway that serves version 1 of the chatbot, which has answered some questions; its answers are scored."""
    gateway = GatewayProcess(tmp_path / "home", module="serving")
    settings = gateway.settings.model_copy(update={"toxicity_model": "keyword"})
    try:
        settings.models_folder.symlink_to(prepared_models)
        refresh_handbook(settings)
        first = train(settings, "retrieval")
        plan = plan_promotion(settings, gateway.client, first.version)
        carry_out(settings, gateway.client, plan, actor=ANN, reason="the first", override_reason="nothing is live yet")
        asked = QUESTIONS[::EVERY]
        for question in asked:
            assert gateway.ask(settings.endpoint, question.text)[0] == 200
        deadline = time.monotonic() + 60
        while len(gateway.rows()) < len(asked):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        run_score(settings, once=True)
        yield settings
    finally:
        gateway.stop()


def with_rules(settings: Settings, folder: Path, kind: str) -> Settings:
    file = folder / "rules.toml"
    file.write_text(RULES.format(kind=kind))
    return settings.model_copy(update={"retraining_rules_file": str(file)})


def test_a_shift_leads_to_a_new_champion_and_a_bad_candidate_to_none(live: Settings, tmp_path: Path) -> None:
    client = EndpointClient(live)
    settings = with_rules(live, tmp_path, "retrieval-threshold")
    shift(settings, datetime.now(UTC), version="1")
    begun = schedule(settings, Parts())
    assert (begun.state, begun.next_step, begun.trigger) == ("waiting", "canary", "alert"), begun
    assert production_state(settings, client).traffic == {"1": 80, "2": 20}
    deadline = time.monotonic() + 120
    while any(ramp.active for ramp in ramps(settings)):
        assert time.monotonic() < deadline
        assert Looker(settings, client).look(act=True).errors == []
        time.sleep(0.2)
    done = schedule(settings, Parts())
    assert [step.state for step in done.steps] == ["succeeded"] * 6, done
    state = production_state(settings, client)
    assert (state.champion, state.previous, state.traffic["2"]) == ("2", "1", 100)

    inventing = with_rules(live, tmp_path, "generative")
    stopped = run_retrain(inventing, reason="a model that invents", parts=Parts())
    assert stopped is not None
    assert (stopped.state, stopped.steps[-1].name) == ("stopped", "evaluate"), stopped
    assert "invented" in stopped.steps[-1].sentence
    challenger = find(settings, settings.test_model, CHALLENGER)
    assert challenger is not None
    assert challenger.version == done.found("version"), "the bad one has no alias"
    assert production_state(settings, client) == state
