import os
import socket
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from lakehouse.ledger import Change, changes, record_intent
from registry.changes import STEPS, plan_finish, plan_promotion, plan_rollback, plan_split, plan_undo
from registry.errors import ChangeFailed, RegistryError
from registry.interrupted import Interrupted, interrupted_changes
from serving.errors import GatewayDown
from tests.registry.broken_off import broken_off
from tests.registry.echo_production import BOB, EchoProduction

BEGUN = STEPS[:-1]
TOLD = {
    "intent": "Nothing of it has reached production",
    "copy": "Nothing of it has reached production",
    "endpoint": "The traffic has moved, the aliases have not",
    "probe": "The traffic has moved, the aliases have not",
    "aliases": "All of it is done, only its end is not recorded",
}


def interrupted(production: EchoProduction) -> list[Interrupted]:
    found = interrupted_changes(production.settings, production.client)
    return [one for one in found if one.change.target == production.settings.endpoint]


def outcomes(production: EchoProduction) -> list[tuple[str, str | None]]:
    found: list[Change] = changes(production.settings, 10_000, target=production.settings.endpoint)
    return [(change.action, change.outcome) for change in found if change.action != "override_gate"]


@pytest.mark.parametrize("step", BEGUN)
def test_a_promotion_that_was_killed_is_explained_and_finished_with_one_copy(
    production: EchoProduction, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    settings, endpoint = production.settings, production.client
    broken_off(monkeypatch, production, plan_promotion(settings, endpoint, "3"), step)
    (left,) = interrupted(production)
    assert f"The promotion of {settings.endpoint} by ann" in left.sentence
    assert TOLD[step] in left.sentence
    assert left.can_finish
    production.do(plan_finish(settings, endpoint, left.change.change_id), BOB)
    assert production.traffic == {"2": 0, "3": 100}
    assert production.aliases == ("3", "2")
    assert production.copies == ["3", "2", "1"], "the copy that was left is taken, not made anew"
    assert interrupted(production) == []
    assert outcomes(production) == [("finish", "succeeded"), ("promote", "interrupted, finished")]


@pytest.mark.parametrize("step", ["copy", "endpoint"])
def test_a_promotion_that_was_killed_can_be_undone_where_something_moved(
    production: EchoProduction, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    settings, endpoint = production.settings, production.client
    broken_off(monkeypatch, production, plan_promotion(settings, endpoint, "3"), step)
    (left,) = interrupted(production)
    assert left.can_undo is (step != "copy")
    if left.can_undo:
        production.do(plan_undo(settings, endpoint, left.change.change_id))
        assert outcomes(production) == [("undo", "succeeded"), ("promote", "interrupted, undone")]
    assert production.traffic["2"] == 100
    assert production.aliases == ("2", "1")


def test_a_rollback_does_not_wait_for_what_was_interrupted_and_takes_its_place(
    production: EchoProduction, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, endpoint = production.settings, production.client
    broken_off(monkeypatch, production, plan_promotion(settings, endpoint, "3"), "endpoint")
    (left,) = interrupted(production)
    production.do(plan_rollback(settings, endpoint, to_version="2"))
    assert production.traffic == {"2": 100, "3": 0}
    assert production.aliases == ("2", "1")
    assert interrupted(production) == []
    assert outcomes(production) == [("rollback", "succeeded"), ("promote", "interrupted, superseded")]
    for plan in (plan_finish, plan_undo):
        with pytest.raises(RegistryError):
            plan(settings, endpoint, left.change.change_id)


def test_finishing_may_be_killed_too(production: EchoProduction, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, endpoint = production.settings, production.client
    broken_off(monkeypatch, production, plan_promotion(settings, endpoint, "3", share=10), "copy")
    (first,) = interrupted(production)
    broken_off(monkeypatch, production, plan_finish(settings, endpoint, first.change.change_id), "endpoint")
    (second,) = interrupted(production)
    assert second.change.action == "finish"
    assert second.can_undo
    plan = plan_undo(settings, endpoint, second.change.change_id)
    assert plan.after.traffic["2"] == 100, "to undo what finishes a change is to undo that change"
    production.do(plan_finish(settings, endpoint, second.change.change_id))
    assert production.traffic == {"1": 0, "2": 90, "3": 10}
    assert production.copies == ["3", "2", "1"]
    assert outcomes(production) == [
        ("finish", "succeeded"),
        ("finish", "interrupted, finished"),
        ("promote", "interrupted, finished"),
    ]


def test_a_new_promotion_takes_the_copy_that_an_interrupted_one_left(
    production: EchoProduction, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, endpoint = production.settings, production.client
    broken_off(monkeypatch, production, plan_promotion(settings, endpoint, "3"), "copy")
    production.do(plan_promotion(settings, endpoint, "3"))
    assert production.copies == ["3", "2", "1"]
    production.do(plan_promotion(settings, endpoint, "2"))
    assert production.copies == ["4", "3", "2", "1"], "a copy that was live is never taken for a new one"


def test_a_change_that_could_not_go_on_says_what_production_is_now(
    production: EchoProduction, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise RegistryError("The aliases are locked.")

    settings, endpoint = production.settings, production.client
    with monkeypatch.context() as patch:
        patch.setattr("registry.changes.set_aliases", refuse)
        with pytest.raises(ChangeFailed, match=r"aliases are locked\. .* serves version 1 100 %\. Finish or undo"):
            production.do(plan_rollback(settings, endpoint, to_version="1"))
    assert outcomes(production) == [("rollback", "unfinished")]
    (left,) = interrupted(production)
    assert "could not go on (The aliases are locked.)" in left.sentence
    production.do(plan_finish(settings, endpoint, left.change.change_id))
    assert production.aliases == ("1", "2")
    assert interrupted(production) == []


def test_a_gateway_that_is_down_is_said_and_nothing_is_offered(
    production: EchoProduction, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: Any) -> None:
        raise GatewayDown("Nothing answers at http://127.0.0.1:1.")

    broken_off(monkeypatch, production, plan_split(production.settings, production.client, {"1": 50, "2": 50}), "probe")
    with monkeypatch.context() as patch:
        patch.setattr(production.client, "get", down)
        (left,) = interrupted(production)
    assert "How far it came cannot be told now: Nothing answers" in left.sentence
    assert not left.can_finish
    assert not left.can_undo


def test_an_intent_of_a_process_that_is_gone_reads_interrupted_at_once(production: EchoProduction) -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    for process_id, expected in ((child.pid, "interrupted"), (os.getpid(), None)):
        evidence = {"process_id": process_id, "host": socket.gethostname()}
        record_intent(
            production.settings,
            action="rollback",
            target=f"process {process_id}",
            actor="ann",
            evidence=evidence,
            time=datetime.now(UTC),
        )
        (change,) = changes(production.settings, 10_000, target=f"process {process_id}")
        assert change.outcome == expected


def test_a_change_that_is_given_up_while_the_endpoint_goes_on_is_not_said_to_have_changed_nothing(
    production: EchoProduction, monkeypatch: pytest.MonkeyPatch
) -> None:
    def give_up(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("registry.production._awaited", give_up)
        with pytest.raises(KeyboardInterrupt):
            production.do(plan_promotion(production.settings, production.client, "3"))
    assert outcomes(production) == [("promote", "unfinished")]
    (left,) = interrupted(production)
    production.do(plan_finish(production.settings, production.client, left.change.change_id))
    assert production.aliases == ("3", "2")


def test_a_promotion_without_a_share_is_refused(production: EchoProduction) -> None:
    with pytest.raises(RegistryError, match="is 1 to 100 % of the traffic, not 0 %"):
        plan_promotion(production.settings, production.client, "3", share=0)
