"""Canary ramps and the guard on a real gateway with a real registry, looked at as `python -m jobs watch` does."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.watch_look import Look, Looker
from lakehouse.ledger import Change, changes
from registry.actors import Actor
from registry.alerts import alerts
from registry.canary import active_ramp, advance, ramps, start_ramp, stop_ramp
from registry.changes import plan_promotion, plan_rollback, plan_split, plan_undo
from registry.errors import ChangeConflict, GateNotPassed, NotAllowed, RegistryError
from registry.ramp_steps import Ramp
from serving.client import EndpointClient
from serving.errors import RequestRejected
from tests.registry.broken_off import broken_off
from tests.registry.echo_production import ANN, OVERRIDE, EchoProduction

RULES = "[guard]\nwatch_minutes = 60.0\n[guard.errors]\nleast_samples = 10\n"
HOLD = 3600.0


@pytest.fixture
def watched(production: EchoProduction, tmp_path: Path) -> EchoProduction:
    """The production with a guard that is content with few answers, and may act."""
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES)
    told = {"gate_rules_file": str(rules), "guard": True}
    return EchoProduction(production.settings.model_copy(update=told), production.client)


def start(production: EchoProduction, shares: tuple[int, ...] = (5, 25, 100), **more: Any) -> Ramp:
    given: dict[str, Any] = {"entity_version": "1", "hold_seconds": HOLD, "actor": ANN, "reason": "tried out", **more}
    start_ramp(production.settings, production.client, shares=shares, **given)
    ramp = active_ramp(production.settings)
    assert ramp is not None
    return ramp


def look(production: EchoProduction, act: bool = True) -> Look:
    found = Looker(production.settings, production.client).look(act=act)
    assert found.errors == []
    return found


def let_the_hold_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    due = property(lambda ramp: ramp.since if ramp.state == "running" and ramp.next_share is not None else None)
    monkeypatch.setattr(Ramp, "next_at", due)


def ledger(production: EchoProduction) -> list[Change]:
    return changes(production.settings, limit=1000, target=production.settings.endpoint)


def fail(production: EchoProduction, version: str, times: int = 12) -> None:
    name = production.settings.endpoint
    for _ in range(times):
        with pytest.raises(RequestRejected):
            production.client.ask(name, "raise on purpose", served_entity=f"{name}-{version}")


def until(production: EchoProduction, condition: Callable[[Look], bool], act: bool = True) -> Look:
    """Look until the failed requests have been delivered."""
    looker = Looker(production.settings, production.client)
    deadline = time.monotonic() + 30
    while not condition(found := looker.look(act=act)):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


def test_a_ramp_takes_its_steps_and_ends_with_a_new_champion(
    production: EchoProduction, monkeypatch: pytest.MonkeyPatch
) -> None:
    ramp = start(production)
    assert production.traffic == {"1": 5, "2": 95}
    assert (ramp.state, ramp.step, ramp.entity_version) == ("running", 0, "1")
    assert look(production).done == [], "the first step is held"
    let_the_hold_pass(monkeypatch)
    assert look(production, act=False).due == [f"Version 1 gets 25 % ({ramp.mark} of ann)."]
    assert production.traffic == {"1": 5, "2": 95}, "who may only look changes nothing"
    look(production)
    assert production.traffic == {"1": 25, "2": 75}
    assert production.aliases == ("2", "1")
    look(production)
    assert production.traffic == {"1": 100, "2": 0}
    assert production.aliases == ("1", "2")
    (done,) = ramps(production.settings, production.settings.endpoint)
    assert (done.state, done.step, active_ramp(production.settings)) == ("finished", 2, None)
    assert look(production).done == []
    steps = ledger(production)
    assert [(one.action, one.actor, one.outcome) for one in steps] == [("split", "ann", "succeeded")] * 3
    assert steps[0].reason == f"Step 3 of 3 (100 %) of {ramp.mark}: tried out"


def test_a_version_is_promoted_as_a_canary_through_the_gate(production: EchoProduction) -> None:
    with pytest.raises(GateNotPassed):
        start(production, entity_version=None, source_version="3")
    assert [one.state for one in ramps(production.settings, production.settings.endpoint)] == ["failed"]
    ramp = start(production, entity_version=None, source_version="3", override_reason=OVERRIDE)
    assert (ramp.entity_version, production.traffic["3"], production.aliases) == ("3", 5, ("2", "1"))


def test_what_makes_no_sense_or_is_not_allowed_is_refused_before_anything_is_written(
    production: EchoProduction,
) -> None:
    for refused, more in (
        (NotAllowed, {"actor": Actor("eve", "viewer")}),
        (RegistryError, {"shares": (25, 5)}),
        (RegistryError, {"source_version": "3"}),
        (RegistryError, {"entity_version": "2"}),
        (RegistryError, {"entity_version": "77"}),
    ):
        with pytest.raises(refused):
            start(production, **more)  # type: ignore[arg-type]
    assert ramps(production.settings, production.settings.endpoint) == []
    assert ledger(production) == []


def test_there_is_one_ramp_at_a_time_and_it_can_be_stopped(
    production: EchoProduction, monkeypatch: pytest.MonkeyPatch
) -> None:
    ramp = start(production)
    with pytest.raises(ChangeConflict, match="ann has a ramp of version 1"):
        start(production)
    stopped = stop_ramp(production.settings, ramp.ramp_id, actor=ANN, reason="seen enough")
    assert (stopped.state, active_ramp(production.settings)) == ("stopped", None)
    with pytest.raises(RegistryError, match="has ended already"):
        stop_ramp(production.settings, ramp.ramp_id, actor=ANN, reason="again")
    let_the_hold_pass(monkeypatch)
    look(production)
    assert production.traffic == {"1": 5, "2": 95}, "the traffic stays as it is"
    assert ledger(production)[0].action == "stop_ramp"
    assert start(production, shares=(50, 100)).share == 50, "another may begin where that one stopped"


def test_a_person_who_decides_otherwise_ends_it(production: EchoProduction, monkeypatch: pytest.MonkeyPatch) -> None:
    ramp = start(production)
    production.do(plan_split(production.settings, production.client, {}, action="abort"))
    let_the_hold_pass(monkeypatch)
    look(production)
    ended = next(one for one in ramps(production.settings) if one.ramp_id == ramp.ramp_id)
    assert (ended.state, ended.note) == ("aborted", "It was aborted: abort by ann.")
    assert production.traffic == {"1": 0, "2": 100}


def test_a_step_that_was_taken_but_not_written_down_is_found_again(
    production: EchoProduction, monkeypatch: pytest.MonkeyPatch
) -> None:
    ramp = start(production)
    monkeypatch.setattr("registry.canary._write", lambda *_: None)
    let_the_hold_pass(monkeypatch)
    look(production)
    monkeypatch.undo()
    assert production.traffic == {"1": 25, "2": 75}
    assert active_ramp(production.settings) == ramp, "its rows still say the first step"
    look(production)
    found = active_ramp(production.settings)
    assert found is not None
    assert (found.step, found.state, found.change_id) == (1, "running", ledger(production)[0].change_id)


# ------------------------------------------------------------------ the guard


def test_the_guard_aborts_a_failing_canary_once_and_never_overrides_the_person_after_it(
    watched: EchoProduction, monkeypatch: pytest.MonkeyPatch
) -> None:
    ramp = start(watched)
    fail(watched, "1")
    until(watched, lambda found: bool(found.done))
    assert watched.traffic == {"1": 0, "2": 100}
    change = ledger(watched)[0]
    assert (change.action, change.actor, change.outcome) == ("abort", "guard", "succeeded")
    assert change.evidence["acts_on"] == ramp.change_id
    assert change.evidence["findings"][0]["value"] == 1.0
    assert "The share of failed requests of version 1 is 100.0 %" in change.reason
    (alert,) = alerts(watched.settings, watched.settings.endpoint)
    assert change.evidence["alerts"] == [alert.alert_id]
    assert (alert.rule, alert.entity_version, alert.evidence["n"] >= 12) == ("guard.errors", "1", True)
    look(watched)
    ended = next(one for one in ramps(watched.settings) if one.ramp_id == ramp.ramp_id)
    assert (ended.state, ended.note) == ("aborted", "It was aborted: abort by guard.")
    assert alerts(watched.settings, watched.settings.endpoint) == [], "without traffic there is nothing to warn of"
    watched.do(plan_undo(watched.settings, watched.client, change.change_id))
    fail(watched, "1")
    found = until(watched, lambda found: bool(alerts(watched.settings, watched.settings.endpoint)))
    assert "never overrides such a decision" in found.guard[0]["sentence"]
    assert (found.done, watched.traffic) == ([], {"1": 5, "2": 95})


def test_the_guard_goes_back_to_the_last_known_good_version(watched: EchoProduction) -> None:
    watched.do(plan_promotion(watched.settings, watched.client, "3"))
    fail(watched, "3")
    until(watched, lambda found: bool(found.done))
    assert watched.traffic == {"2": 100, "3": 0}
    assert watched.aliases == ("2", "3")
    change = ledger(watched)[0]
    assert (change.action, change.actor, change.after) == ("rollback", "guard", "version 2 100 %")
    fail(watched, "2")
    found = until(watched, lambda found: bool(alerts(watched.settings, watched.settings.endpoint)))
    assert "rollback by guard" in found.guard[0]["sentence"], "it does not go on to the version before"
    assert watched.traffic == {"2": 100, "3": 0}


def test_while_it_is_off_it_opens_an_alert_and_holds_the_ramp(
    watched: EchoProduction, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = EchoProduction(watched.settings.model_copy(update={"guard": False}), watched.client)
    start(quiet)
    fail(quiet, "1")
    found = until(quiet, lambda found: bool(found.guard) and found.guard[0]["sentence"] != "")
    assert "only opens alerts" in found.guard[0]["sentence"]
    let_the_hold_pass(monkeypatch)
    look(quiet)
    held = active_ramp(quiet.settings)
    assert held is not None
    assert (held.state, quiet.traffic) == ("held", {"1": 5, "2": 95})
    assert "Held at 5 % while an alert is open" in held.note
    assert len(alerts(quiet.settings, quiet.settings.endpoint)) == 1, "one alert, however often it is looked at"


def test_too_few_requests_and_none_at_all_do_nothing(watched: EchoProduction) -> None:
    start(watched)
    fail(watched, "1", 5)
    enough = until(watched, lambda found: any(f["n"] >= 5 for f in found.guard[0]["findings"]))
    assert (enough.done, alerts(watched.settings, watched.settings.endpoint)) == ([], [])
    assert {f["status"] for f in enough.guard[0]["findings"]} <= {"not enough data", "within"}


def test_a_gateway_that_is_down_changes_nothing(watched: EchoProduction) -> None:
    ramp = start(watched)
    down = watched.settings.model_copy(update={"gateway_port": 1})
    found = Looker(down, EndpointClient(down)).look(act=True)
    assert "Nothing answers" in found.errors[0]
    assert active_ramp(watched.settings) == ramp


def test_an_old_change_is_not_watched(watched: EchoProduction) -> None:
    report = watched.do(plan_rollback(watched.settings, watched.client, to_version="1"))
    assert look(watched).guard[0]["watching"]
    rules = Path(watched.settings.gate_rules_file)
    rules.write_text(RULES.replace("60.0", "0.0000001"))
    assert not look(watched).guard[0]["watching"]
    assert report.outcome == "succeeded"


def test_a_step_that_was_due_is_not_taken_after_the_ramp_was_stopped(production: EchoProduction) -> None:
    ramp = start(production)
    stop_ramp(production.settings, ramp.ramp_id, actor=ANN, reason="not today")
    with pytest.raises(ChangeConflict, match="Stopped by ann: not today"):
        advance(production.settings, production.client, ramp, 1)
    assert production.traffic == {"1": 5, "2": 95}


def test_a_ramp_knows_its_version_also_where_an_older_copy_is_taken(
    production: EchoProduction, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, client = production.settings, production.client
    broken_off(monkeypatch, production, plan_promotion(settings, client, "3"), "copy")
    production.do(plan_promotion(settings, client, "4"))
    ramp = start(production, entity_version=None, source_version="3", override_reason=OVERRIDE)
    assert (ramp.entity_version, production.traffic["3"]) == ("3", 5)
