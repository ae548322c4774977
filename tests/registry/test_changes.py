import threading
from dataclasses import replace
from typing import Any

import pytest

from lakehouse.claims import claim, let_go, view
from lakehouse.ledger import Change, changes, record_outcome
from registry.actors import Actor
from registry.changes import carry_out, plan_promotion, plan_rollback, plan_split, plan_undo
from registry.errors import ChangeConflict, ChangeFailed, GateNotPassed, NotAllowed, RegistryError, VersionMissing
from registry.versions import CHAMPION, PREVIOUS, client
from serving.client import Served
from serving.errors import CreatorLeft, NotAvailable, UpdateInProgress
from tests.registry.echo_production import ANN, BOB, OVERRIDE, EchoProduction


def ledger(production: EchoProduction) -> list[Change]:
    return changes(production.settings, limit=10_000, target=production.settings.endpoint)


def rollback(production: EchoProduction, to: str = "1") -> Any:
    return plan_rollback(production.settings, production.client, to_version=to)


def test_a_rollback_moves_the_traffic_and_the_aliases_and_stands_in_the_ledger(production: EchoProduction) -> None:
    plan = rollback(production)
    assert plan.warm is True
    assert plan.warnings == ()
    report = production.do(plan, reason="answers got worse")
    assert production.traffic == {"1": 100, "2": 0}
    assert production.aliases == ("1", "2")
    assert report.outcome == "succeeded"
    assert [one.name for one in report.verified] == ["configuration", "probe", "aliases"]
    assert all(one.passed for one in report.verified)
    assert report.switch_seconds <= report.seconds < 5
    (change,) = ledger(production)
    assert (change.action, change.actor, change.role) == ("rollback", "ann", "approver")
    assert (change.reason, change.outcome) == ("answers got worse", "succeeded")
    assert (change.before, change.after) == ("version 2 100 %", "version 1 100 %")
    assert change.change_id == report.change_id
    assert change.evidence["verified"][1]["sentence"] == report.verified[1].sentence


def test_a_change_of_production_is_undone_by_one_more(production: EchoProduction) -> None:
    report = production.do(rollback(production))
    plan = plan_undo(production.settings, production.client, report.change_id)
    assert plan.warm is True
    production.do(plan, BOB, "it was not the version's fault")
    assert production.traffic == {"1": 0, "2": 100}
    assert production.aliases == ("2", "1")
    undone, first = ledger(production)
    assert (undone.action, undone.evidence["of_change"]) == ("undo", first.change_id)
    with pytest.raises(RegistryError, match=r"bob has changed .* since \(undo\)"):
        plan_undo(production.settings, production.client, report.change_id)


def test_a_promotion_copies_serves_and_moves_the_champion(production: EchoProduction) -> None:
    plan = plan_promotion(production.settings, production.client, "3")
    assert plan.steps[0].startswith(f"Copy {production.settings.test_model} version 3 into")
    report = production.do(plan)
    assert production.traffic == {"2": 0, "3": 100}, "what lost its traffic stays warm, older ones go"
    assert production.aliases == ("3", "2")
    assert report.state.traffic == {"2": 0, "3": 100}
    copied = client(production.settings).get_model_version(production.settings.prod_model, "3")
    assert copied.source == f"models:/{production.settings.test_model}/3"
    assert ledger(production)[-1].after == "version 3 100 %"


def test_a_canary_shares_the_traffic_and_the_champion_stays_who_it_was(production: EchoProduction) -> None:
    settings, endpoint = production.settings, production.client
    production.do(plan_promotion(settings, endpoint, "3", share=10))
    assert production.traffic == {"1": 0, "2": 90, "3": 10}
    assert production.aliases == ("2", "1")
    production.do(plan_split(settings, endpoint, {"2": 50, "3": 50}))
    assert production.aliases == ("2", "1")
    report = production.do(plan_split(settings, endpoint, {}, action="abort"))
    assert production.traffic == {"2": 100, "3": 0}
    assert production.aliases == ("2", "1")
    plan = plan_undo(settings, endpoint, report.change_id)
    assert plan.warm is True
    production.do(plan)
    production.do(plan_split(settings, endpoint, {"3": 100}))
    assert production.aliases == ("3", "2"), "who gets everything is the champion"


def test_the_first_promotion_makes_the_endpoint(production: EchoProduction) -> None:
    production.client.delete(production.settings.endpoint)
    for alias in (CHAMPION, PREVIOUS):
        client(production.settings).delete_registered_model_alias(production.settings.prod_model, alias)
    with pytest.raises(RegistryError, match="nobody to share with"):
        plan_promotion(production.settings, production.client, "4", share=5)
    report = production.do(plan_promotion(production.settings, production.client, "4"))
    assert production.traffic == {"3": 100}
    assert production.aliases == ("3", None)
    with pytest.raises(RegistryError, match="there is nothing to go back to"):
        plan_undo(production.settings, production.client, report.change_id)


def test_a_split_that_is_none_is_refused(production: EchoProduction) -> None:
    for traffic, told in (
        ({"1": 50, "2": 49}, "sum to 99 %"),
        ({"1": 110, "2": -10}, "whole per cent from 0 to 100"),
        ({"2": 100}, "nothing would change"),
    ):
        with pytest.raises(RegistryError, match=told):
            plan_split(production.settings, production.client, traffic)


def test_nothing_goes_to_a_version_that_is_not_there(production: EchoProduction) -> None:
    with pytest.raises(VersionMissing):
        rollback(production, "77")
    with pytest.raises(VersionMissing):
        plan_split(production.settings, production.client, {"2": 50, "77": 50})
    with pytest.raises(VersionMissing):
        plan_promotion(production.settings, production.client, "77")


def test_an_endpoint_of_another_model_is_left_alone(production: EchoProduction) -> None:
    name = production.settings.endpoint
    production.client.update(name, [Served(f"{name}-x", "echo.foreign", "1")], {f"{name}-x": 100})
    with pytest.raises(RegistryError, match=r"serves echo\.foreign version 1"):
        rollback(production)


def test_a_version_that_does_not_start_leaves_production_as_it_was(production: EchoProduction) -> None:
    registry = client(production.settings)
    for _ in range(11):
        registry.create_model_version(production.settings.prod_model, "s3://nowhere/echo")
    plan = rollback(production, "13")
    assert plan.warm is False
    assert "until it answers, the traffic stays where it is" in plan.warnings[0]
    with pytest.raises(ChangeFailed, match=r"this version is broken.* Nothing has changed: .* serves version 2 100 %"):
        production.do(plan)
    assert production.traffic == {"1": 0, "2": 100}
    assert production.aliases == ("2", "1")
    (change,) = ledger(production)
    assert change.outcome == "failed"
    assert "broken" in change.evidence["error"]
    production.do(rollback(production))
    assert production.traffic["1"] == 100, "a failed change is no obstacle"


def test_who_may_not_is_told_before_anything_is_written(production: EchoProduction) -> None:
    plan = rollback(production)
    with pytest.raises(NotAllowed, match="takes the role operator; eve is viewer"):
        production.do(plan, Actor("eve", "viewer"))
    promotion = plan_promotion(production.settings, production.client, "3")
    with pytest.raises(NotAllowed, match="takes the role approver; eve is operator"):
        production.do(promotion, Actor("eve", "operator"))
    assert ledger(production) == []


def test_the_gate_is_asked_again_when_the_promotion_is_carried_out(production: EchoProduction) -> None:
    plan = plan_promotion(production.settings, production.client, "3")
    assert plan.gate is not None
    forged = replace(plan, gate=replace(plan.gate, checks=tuple(replace(c, blocking=False) for c in plan.gate.checks)))
    assert forged.gate is not None
    assert forged.gate.passed
    with pytest.raises(GateNotPassed, match="has not been evaluated yet"):
        carry_out(production.settings, production.client, forged, actor=ANN, reason="")
    assert ledger(production) == []


def test_an_override_stands_in_the_ledger_with_its_reason_and_what_was_overridden(production: EchoProduction) -> None:
    production.do(plan_promotion(production.settings, production.client, "3"))
    override = next(change for change in ledger(production) if change.action == "override_gate")
    promotion = next(change for change in ledger(production) if change.action == "promote")
    assert (override.actor, override.reason) == ("ann", OVERRIDE)
    assert override.evidence["change_id"] == promotion.change_id
    assert promotion.evidence["override_reason"] == OVERRIDE
    assert promotion.evidence["gate"]["checks"][0]["name"] == "evaluation"


def test_of_two_who_planned_on_the_same_production_the_second_is_told(production: EchoProduction) -> None:
    first, second = rollback(production), plan_split(production.settings, production.client, {"1": 50, "2": 50})
    production.do(first)
    with pytest.raises(ChangeConflict, match="it serves version 1 100 % with @champion on version 1"):
        production.do(second, BOB)
    assert production.traffic == {"1": 100, "2": 0}
    assert len(ledger(production)) == 1


def test_who_claims_between_look_and_claim_wins_and_the_other_learns_who_it_was(production: EchoProduction) -> None:
    """The race of two clicks, step by step: both have looked at the ledger before either has written."""
    name = production.settings.endpoint
    anns, bobs = (view(production.settings, name) for _ in range(2))
    won = claim(bobs, {}, action="rollback", actor="bob")
    with pytest.raises(Exception, match="Another writer committed"):
        claim(anns, {}, action="split", actor="ann")
    assert [change.actor for change in ledger(production)] == ["bob"]
    plan = rollback(production)
    with pytest.raises(ChangeConflict, match=f"bob is changing {name}"):
        production.do(plan)
    record_outcome(production.settings, won, outcome="failed")
    let_go(won)
    production.do(plan)
    assert production.traffic["1"] == 100


def test_of_two_who_click_at_the_same_moment_exactly_one_wins(production: EchoProduction) -> None:
    plans = {"ann": rollback(production), "bob": plan_split(production.settings, production.client, {"1": 5, "2": 95})}
    together, ended = threading.Barrier(2), {}

    def click(name: str) -> None:
        together.wait()
        try:
            ended[name] = production.do(plans[name], Actor(name, "operator")).outcome
        except ChangeConflict as error:
            ended[name] = str(error)

    clicks = [threading.Thread(target=click, args=(name,)) for name in plans]
    for one in clicks:
        one.start()
    for one in clicks:
        one.join()
    (winner,) = [name for name, outcome in ended.items() if outcome == "succeeded"]
    (loser,) = set(plans) - {winner}
    assert f"{winner} " in ended[loser] or "is not as it was when this was planned" in ended[loser]
    assert production.traffic == plans[winner].after.traffic
    assert [change.actor for change in ledger(production)] == [winner]


def test_who_may_no_longer_change_the_endpoint_is_told_and_nothing_has_changed(
    production: EchoProduction, monkeypatch: pytest.MonkeyPatch
) -> None:
    def left(*_: Any, **__: Any) -> None:
        raise CreatorLeft("The creator of chatbot has left.", status_code=403, error_code="PERMISSION_DENIED")

    monkeypatch.setattr(production.client, "update", left)
    with pytest.raises(ChangeFailed, match=r"The creator of chatbot has left\. Nothing has changed"):
        production.do(rollback(production))
    (change,) = ledger(production)
    assert (change.outcome, change.evidence["error"]) == ("failed", "The creator of chatbot has left.")
    assert production.aliases == ("2", "1")


@pytest.mark.parametrize("taken", [True, False])
def test_an_answer_that_got_lost_is_settled_by_what_the_endpoint_serves(
    production: EchoProduction, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    """A time-out of the one call that changes the endpoint: it may have been taken or not."""
    update, calls = production.client.update, []

    def lost(*given: Any, **more: Any) -> Any:
        calls.append(given)
        if taken or len(calls) > 1:
            update(*given, **more)
        if len(calls) == 1:
            raise NotAvailable("It took too long.", status_code=504, error_code="DEADLINE_EXCEEDED")

    monkeypatch.setattr(production.client, "update", lost)
    assert production.do(rollback(production)).outcome == "succeeded"
    assert production.traffic["1"] == 100
    assert len(calls) == (1 if taken else 2)


def test_an_endpoint_that_refuses_twice_says_why(production: EchoProduction, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise NotAvailable("The workspace cannot be written.", status_code=503, error_code="TEMPORARILY_UNAVAILABLE")

    monkeypatch.setattr(production.client, "update", full)
    with pytest.raises(ChangeFailed, match=r"did not take .*: The workspace cannot be written\. Nothing has changed"):
        production.do(rollback(production))


def test_an_update_by_somebody_else_is_waited_for_and_not_overrun(
    production: EchoProduction, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: Any, **__: Any) -> None:
        raise UpdateInProgress("Endpoint chatbot is being updated: wait until that has ended.")

    plan = rollback(production)
    with monkeypatch.context() as patch:
        patch.setattr(production.client, "update", busy)
        with pytest.raises(ChangeConflict, match="takes one update at a time"):
            production.do(plan)
    (change,) = ledger(production)
    assert change.outcome == "failed"
    assert production.traffic == {"1": 0, "2": 100}
    production.do(plan)
    assert production.traffic["1"] == 100
