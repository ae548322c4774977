"""Retraining step by step, on a real gateway with a real registry and the real gate."""

import json
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from jobs.child_runs import Wish
from jobs.errors import JobError
from jobs.retrain import MOST_TIMES_BROKEN_OFF, main, run_retrain
from jobs.retraining_triggers import due
from jobs.retraining_work import PIPELINE_TAG
from jobs.watch_look import Looker
from lakehouse.errors import CommitConflict
from lakehouse.ledger import changes
from lakehouse.pipelines import begin_step, find_pipeline, new_pipeline, pipelines
from lakehouse.runs import pending_requests, request_run, runs
from registry.alerts import alerts, close_alert, open_alert
from registry.canary import ramps, stop_ramp
from registry.errors import RegistryError
from registry.ramp_steps import Ramp
from registry.versions import CHALLENGER, find, versions
from settings import Settings
from tests.jobs.quick_retraining import let_the_scheduler_go_on, quick_parts, rules_file, write_handbook
from tests.registry.echo_production import ANN, EchoProduction, echo_production
from tests.serving.gateway_process import GatewayProcess

NUMBERS = count(1)
EVERYTHING = "[canary]\non = true\n[promotion]\non = true\n"


@pytest.fixture
def production(echo_gateway: GatewayProcess, tmp_path: Path) -> EchoProduction:
    """A production with a lake of this test's own, so that it sees no other test's retrainings."""
    settings = echo_gateway.settings.model_copy(update={"lake_uri": str(tmp_path / "lake")})
    return echo_production(settings, f"retrained-{next(NUMBERS)}")


@pytest.fixture
def handbook(tmp_path: Path) -> Path:
    return write_handbook(tmp_path / "handbook")


def with_rules(production: EchoProduction, tmp_path: Path, text: str = "", **more: Any) -> Settings:
    own = {"retraining_rules_file": rules_file(tmp_path / "rules.toml", text), **more}
    return production.settings.model_copy(update=own)


def of(settings: Settings, name: str) -> list[str]:
    return [one.version for one in versions(settings, settings.test_model) if name in one.aliases]


def test_asked_for_it_goes_step_by_step_and_a_person_promotes(
    production: EchoProduction, tmp_path: Path, handbook: Path
) -> None:
    settings, parts = with_rules(production, tmp_path), quick_parts(handbook)
    request = request_run(settings, "retrain", {}, "ann")
    begun = run_retrain(settings, trigger="request", request_id=request, parts=parts)
    assert begun is not None
    assert [step.name for step in begun.steps] == ["features"], "one run does one step"
    assert begun.plan == ("features", "train", "evaluate", "challenger")
    assert due(settings, datetime.now(UTC)) is None, "its own wish for the next step is there"
    done = let_the_scheduler_go_on(settings, parts)
    assert [(step.name, step.state) for step in done.steps] == [(name, "succeeded") for name in begun.plan]
    assert (done.state, done.requested_by, done.trigger) == ("succeeded", "ann", "request")
    assert done.reason == "ann asked for it"
    assert of(settings, CHALLENGER) == [done.found("version")]
    assert production.traffic == {"1": 0, "2": 100}, "nobody has promoted it"
    made = find(settings, settings.test_model, done.found("version"))
    assert made is not None
    assert made.tags[PIPELINE_TAG] == done.pipeline_id
    assert made.tags["chunks_version"] == done.found("chunks_version")
    (moved,) = [one for one in changes(settings, target=settings.test_model) if one.action == "set_challenger"]
    assert (moved.actor, moved.reason) == ("retraining", f"{done.mark}: ann asked for it")
    assert {run["state"] for run in runs(settings, "retrain", 4)} == {"succeeded"}


def test_a_bad_candidate_is_stopped_by_the_gate_and_gets_no_alias(
    production: EchoProduction, tmp_path: Path, handbook: Path
) -> None:
    settings = with_rules(production, tmp_path, EVERYTHING)
    done = run_retrain(settings, reason="by hand", parts=quick_parts(handbook, bad=True))
    assert done is not None
    assert (done.state, done.next_step, done.steps[-1].name) == ("stopped", None, "evaluate")
    assert "does not let" in done.steps[-1].sentence
    assert json.loads(done.found("checks"))["failures"] == "failed"
    assert of(settings, CHALLENGER) == []
    assert (production.traffic, production.copies) == ({"1": 0, "2": 100}, ["2", "1"])
    assert changes(settings, target=settings.endpoint) == []


def test_the_gate_is_asked_again_before_the_alias(production: EchoProduction, tmp_path: Path, handbook: Path) -> None:
    settings, parts = with_rules(production, tmp_path), quick_parts(handbook)
    request = request_run(settings, "retrain", {}, "ann")
    run_retrain(settings, trigger="request", request_id=request, parts=parts)
    for _ in range(2):
        (wish,) = [one for one in pending_requests(settings) if one["job"] == "retrain"]
        run_retrain(settings, trigger="request", request_id=wish["request_id"], next_only=True, parts=parts)
    gate = tmp_path / "gate.toml"
    gate.write_text("[gate.golden_answers]\nleast_share = 1.0\n")
    stricter = settings.model_copy(update={"gate_rules_file": str(gate)})
    done = let_the_scheduler_go_on(stricter, parts)
    assert [step.state for step in done.steps] == ["succeeded", "succeeded", "succeeded", "stopped"]
    assert of(settings, CHALLENGER) == []


def test_an_alert_leads_to_a_new_champion_through_its_canary(
    production: EchoProduction, tmp_path: Path, handbook: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, parts = with_rules(production, tmp_path, EVERYTHING), quick_parts(handbook)
    now = datetime.now(UTC)
    assert due(settings, now) is None
    alert_id = alert(settings, "drift_flags", "More answers are flagged: 15 % instead of 5 %.")
    wish = due(settings, now)
    assert wish is not None
    assert wish.command() == ["jobs", "retrain", "--if-due", "--trigger=schedule"]
    run_retrain(settings, trigger="schedule", if_due=True, parts=parts)
    waiting = let_the_scheduler_go_on(settings, parts)
    assert (waiting.state, waiting.next_step) == ("waiting", "canary")
    assert (waiting.trigger, waiting.found("alert_id")) == ("alert", alert_id)
    assert production.traffic == {"1": 0, "2": 95, "3": 5}
    assert due(settings, datetime.now(UTC)) is None, "the ramp holds"
    monkeypatch.setattr(Ramp, "next_at", property(lambda ramp: ramp.since if ramp.next_share is not None else None))
    for _ in range(2):
        assert Looker(settings, production.client).look(act=True).errors == []
    goes_on = due(settings, datetime.now(UTC))
    assert goes_on is not None
    assert goes_on.command() == ["jobs", "retrain", "--next", "--trigger=schedule"]
    run_retrain(settings, trigger="schedule", next_only=True, parts=parts)
    done = let_the_scheduler_go_on(settings, parts)
    assert [(step.name, step.state) for step in done.steps][-2:] == [("canary", "succeeded"), ("promote", "succeeded")]
    assert (production.aliases, production.traffic["3"]) == (("3", "2"), 100)
    steps = changes(settings, target=settings.endpoint)
    assert {(one.actor, one.outcome) for one in steps} == {("retraining", "succeeded")}
    assert all(done.mark in one.reason for one in steps)
    assert len(ramps(settings, settings.endpoint)) == 1
    assert due(settings, datetime.now(UTC) + timedelta(days=2)) is None, "an alert starts only one retraining"
    close_alert(settings, alert_id)


def alert(settings: Settings, rule: str, sentence: str) -> str:
    about = {"endpoint_name": settings.endpoint, "entity_name": settings.prod_model, "entity_version": "2"}
    open_alert(settings, rule=rule, sentence=sentence, **about)
    return next(one.alert_id for one in alerts(settings, settings.endpoint) if one.rule == rule)


def test_a_canary_that_somebody_stops_ends_the_retraining(
    production: EchoProduction, tmp_path: Path, handbook: Path
) -> None:
    settings, parts = with_rules(production, tmp_path, EVERYTHING), quick_parts(handbook)
    waiting = run_retrain(settings, reason="by hand", parts=parts)
    assert waiting is not None
    assert (waiting.state, waiting.next_step) == ("waiting", "canary")
    with pytest.raises(JobError, match="is under way"):
        run_retrain(settings, reason="once more", parts=parts)
    stop_ramp(settings, waiting.found("ramp_id"), actor=ANN, reason="seen enough")
    assert due(settings, datetime.now(UTC)) is not None
    ended = run_retrain(settings, next_only=True, parts=parts)
    assert ended is not None
    assert (ended.state, ended.active) == ("stopped", False)
    assert "seen enough" in ended.steps[-1].sentence
    assert production.aliases == ("2", "1")


def test_without_a_canary_it_may_go_to_everybody_at_once(
    production: EchoProduction, tmp_path: Path, handbook: Path
) -> None:
    settings = with_rules(production, tmp_path, "[promotion]\non = true\n")
    done = run_retrain(settings, reason="by hand", parts=quick_parts(handbook))
    assert done is not None
    assert (done.state, done.plan[-1]) == ("succeeded", "promote")
    assert (production.aliases, production.traffic["3"]) == (("3", "2"), 100)


def test_where_promotions_take_two_people_it_only_asks(
    production: EchoProduction, tmp_path: Path, handbook: Path
) -> None:
    settings = with_rules(production, tmp_path, EVERYTHING, four_eyes=True)
    done = run_retrain(settings, reason="by hand", parts=quick_parts(handbook))
    assert done is not None
    assert (done.plan[-2:], done.state) == (("challenger", "promote"), "succeeded")
    assert "another person" in done.steps[-1].sentence or "two people" in done.steps[-1].sentence
    assert [one.action for one in changes(settings, target=settings.endpoint)] == ["request_promotion"]
    assert production.traffic == {"1": 0, "2": 100}


def test_a_trigger_stops_where_there_is_nothing_new_to_learn_and_a_person_does_not(
    production: EchoProduction, tmp_path: Path, handbook: Path
) -> None:
    settings = with_rules(production, tmp_path, "[limits]\ncooldown_hours = 0.0\nmost_per_week = 99\n")
    parts = quick_parts(handbook)
    first = run_retrain(settings, reason="by hand", parts=parts)
    again = run_retrain(settings, reason="by hand", parts=parts)
    assert first is not None
    assert again is not None
    assert (first.state, again.state) == ("succeeded", "succeeded")
    alert_id = alert(settings, "drift_length", "Answers are longer.")
    run_retrain(settings, trigger="schedule", if_due=True, parts=parts)
    stopped = let_the_scheduler_go_on(settings, parts)
    assert (stopped.state, stopped.steps[-1].name) == ("stopped", "train")
    assert "nothing new to learn" in stopped.steps[-1].sentence
    close_alert(settings, alert_id)
    alert_id = alert(settings, "drift_length", "Answers are longer still.")
    write_handbook(handbook, f"Other words for {settings.endpoint}.")
    run_retrain(settings, trigger="schedule", if_due=True, parts=parts)
    assert let_the_scheduler_go_on(settings, parts).state == "succeeded"
    close_alert(settings, alert_id)


def test_a_dry_run_says_what_it_would_do_and_does_nothing(
    production: EchoProduction, tmp_path: Path, handbook: Path
) -> None:
    settings = with_rules(production, tmp_path, EVERYTHING)
    before = [one.version for one in versions(settings, settings.test_model)]
    request = request_run(settings, "retrain", {"dry-run": True}, "ann")
    done = run_retrain(settings, trigger="request", request_id=request, dry_run=True, parts=quick_parts(handbook))
    assert done is not None
    assert (done.dry_run, done.state, done.requested_by) == (True, "succeeded", "ann")
    said = {step.name: step.sentence for step in done.steps}
    assert tuple(said) == ("features", "train", "evaluate", "challenger", "canary", "promote")
    assert f"against {settings.prod_model} version 2" in said["evaluate"]
    assert "5 % → 25 % → 100 %" in said["canary"]
    assert [one.version for one in versions(settings, settings.test_model)] == before
    assert [wish for wish in pending_requests(settings) if wish["job"] == "retrain"] == []
    assert changes(settings, target=settings.endpoint) == []


def test_a_step_that_fails_ends_it_with_its_sentence(
    production: EchoProduction, tmp_path: Path, handbook: Path
) -> None:
    settings = with_rules(production, tmp_path)
    unknown = settings.model_copy(update={"retraining_rules_file": ""})
    with pytest.raises(JobError, match="It is not known what to train"):
        run_retrain(unknown, reason="by hand", parts=quick_parts(handbook))
    failed = pipelines(settings)[0]
    assert (failed.state, failed.active, failed.steps[-1].name) == ("failed", False, "train")
    assert failed.steps[-1].error.startswith("It is not known what to train")
    assert runs(settings, "retrain", 1)[0]["error"] == failed.steps[-1].error


def test_an_error_that_nobody_foresaw_quotes_nobody(production: EchoProduction, tmp_path: Path, handbook: Path) -> None:
    settings, parts = with_rules(production, tmp_path), quick_parts(handbook)

    def fails(*_: Any) -> Any:
        raise ValueError("the prompt of Ann")

    with pytest.raises(JobError, match="unexpected ValueError"):
        run_retrain(settings, reason="by hand", parts=type(parts)(parts.refresh, fails, parts.evaluate))
    failed = pipelines(settings)[0]
    assert "unexpected ValueError" in failed.steps[-1].error
    assert "Ann" not in failed.steps[-1].error


def test_what_dies_again_and_again_is_given_up(
    production: EchoProduction, tmp_path: Path, handbook: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = with_rules(production, tmp_path)
    pipeline = new_pipeline(trigger="command", reason="a test", requested_by="ann", plan=("features", "train"))
    # A number that no process has, as after a SIGKILL.
    monkeypatch.setattr("lakehouse.pipelines.os.getpid", lambda: 2**22 + 7)
    for _ in range(MOST_TIMES_BROKEN_OFF):
        begin_step(settings, find_pipeline(settings, pipeline.pipeline_id) or pipeline, "features")
    monkeypatch.undo()
    found = find_pipeline(settings, pipeline.pipeline_id)
    assert found is not None
    assert (found.state, found.steps[0].broken_off) == ("interrupted", MOST_TIMES_BROKEN_OFF)
    assert due(settings, datetime.now(UTC)) is not None
    with pytest.raises(JobError, match="broken off 3 times"):
        run_retrain(settings, trigger="schedule", next_only=True, parts=quick_parts(handbook))
    assert pipelines(settings)[0].state == "failed"


def test_of_two_machines_at_once_one_does_the_step(production: EchoProduction, tmp_path: Path) -> None:
    settings = with_rules(production, tmp_path)
    about = {"trigger": "command", "reason": "a test", "requested_by": "ann", "plan": ("features", "train")}
    ours, theirs = new_pipeline(**about), new_pipeline(**about)  # type: ignore[arg-type]
    begin_step(settings, ours, "features")
    with pytest.raises(CommitConflict, match="Another retraining was begun"):
        begin_step(settings, theirs, "features")
    with pytest.raises(CommitConflict, match="Somebody else went on"):
        begin_step(settings, ours, "features")
    assert [len(one.steps) for one in pipelines(settings)] == [1]


def test_a_step_that_left_no_wish_is_gone_on_with(production: EchoProduction, tmp_path: Path, handbook: Path) -> None:
    settings, parts = with_rules(production, tmp_path), quick_parts(handbook)
    from jobs.retrain import begin, go_on
    from registry.retraining_rules import Start

    pipeline = go_on(settings, begin(settings, Start("command", "a test"), requested_by="ann"), parts)
    now = datetime.now(UTC)
    assert due(settings, now) is None
    wish = due(settings, now + timedelta(minutes=1))
    assert wish is not None
    assert wish.switches == ("--next",)
    done = run_retrain(settings, next_only=True, parts=parts)
    assert done is not None
    assert (done.pipeline_id, done.state) == (pipeline.pipeline_id, "succeeded")


def test_wrong_rules_are_told_before_anything_is_written(
    production: EchoProduction, tmp_path: Path, handbook: Path
) -> None:
    settings = with_rules(production, tmp_path, "[canary]\nshares = [25, 5]\n")
    before = len(pipelines(settings))
    with pytest.raises(RegistryError, match=r"wrong at canary: .*each larger than the one before"):
        run_retrain(settings, reason="by hand", parts=quick_parts(handbook))
    assert len(pipelines(settings)) == before


@pytest.mark.parametrize("switch", ["--next", "--if-due"])
def test_what_the_scheduler_starts_is_understood_and_may_find_nothing_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], switch: str
) -> None:
    monkeypatch.setattr("jobs.retrain.get_settings", lambda: Settings(home=tmp_path))
    _, _, *arguments = Wish("retrain", "schedule", switches=(switch,)).command()
    assert main(arguments) == 0
    assert capsys.readouterr().out.startswith("There is nothing to do")
