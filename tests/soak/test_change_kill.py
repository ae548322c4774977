"""SIGKILL at every step of a promotion and of a rollback: to who carries it out, and to the gateway."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from lakehouse.crash_points import VARIABLE
from lakehouse.ledger import Change, changes
from registry import changes as carrying_out
from registry.changes import STEPS, plan_finish, plan_promotion, plan_rollback, plan_undo
from registry.errors import ChangeConflict, RegistryError
from registry.interrupted import Interrupted, interrupted_changes
from registry.plans import ChangePlan, ProductionState
from registry.production import NEW, production_state, with_version
from serving.errors import ServingError
from tests.registry.echo_production import EchoProduction, echo_production
from tests.serving.gateway_process import REPOSITORY, GatewayProcess
from tests.serving.kill_under_load import Askers, assert_nothing_lost_and_nothing_twice

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]

PLANS: dict[str, Callable[[EchoProduction], ChangePlan]] = {
    "promote": lambda one: plan_promotion(one.settings, one.client, "3"),
    "canary": lambda one: plan_promotion(one.settings, one.client, "3", share=10),
    "rollback": lambda one: plan_rollback(one.settings, one.client, to_version="1"),
}
ARGUMENTS = {"promote": "3", "canary": "3", "rollback": "1"}
NUMBERS = count(1)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """One gateway for all that only kills others; at its end nothing is lost and every answer is of its version."""
    gateway = GatewayProcess(tmp_path_factory.mktemp("changes"))
    yield gateway
    assert gateway.stop() == 0
    assert_nothing_lost_and_nothing_twice(gateway, {})
    assert_answers_are_those_of_their_versions(gateway)


@pytest.fixture
def production(gateway: GatewayProcess) -> EchoProduction:
    return echo_production(gateway.settings, f"killed-{next(NUMBERS)}")


def ledger(production: EchoProduction) -> list[Change]:
    found = changes(production.settings, 1000, target=production.settings.endpoint)
    return [change for change in found if change.action != "override_gate"]


def left_over(production: EchoProduction) -> list[Interrupted]:
    found = interrupted_changes(production.settings, production.client)
    return [one for one in found if one.change.target == production.settings.endpoint]


def reached(plan: ChangePlan, version: str = "3") -> ProductionState:
    return with_version(plan.after, version) if NEW in plan.after.traffic else plan.after


def started_elsewhere(production: EchoProduction, plan: str, kill_at: str = "") -> "subprocess.Popen[bytes]":
    """The change in a process of its own, which ends itself at a step."""
    settings = production.settings
    kind, name = settings.prod_model.split(".")
    command = [sys.executable, "-m", "tests.registry.change_process", str(settings.home), str(settings.gateway_port)]
    environment = {**os.environ, **({VARIABLE: kill_at} if kill_at else {})}
    return subprocess.Popen([*command, name, kind, plan, ARGUMENTS[plan]], cwd=REPOSITORY, env=environment)


def assert_answers_are_those_of_their_versions(gateway: GatewayProcess) -> None:
    served = {row["served_entity_id"]: row for row in gateway.rows("served_entities")}
    for row in gateway.rows():
        if row["status_code"] == 200:
            entity = served[row["served_entity_id"]]
            assert f"models:/{entity['entity_name']}/{entity['entity_version']} heard" in row["response"]


@pytest.mark.parametrize("way_out", ["finish", "undo"])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("what", ["promote", "rollback"])
def test_who_is_killed_while_changing_leaves_what_the_next_one_explains(
    production: EchoProduction, gateway: GatewayProcess, what: str, step: str, way_out: str
) -> None:
    plan = PLANS[what](production)
    askers = Askers(gateway, production.settings.endpoint, 2)
    try:
        assert started_elsewhere(production, what, step).wait(180) == -signal.SIGKILL
        left = left_over(production)
        assert len(left) == (step != "outcome")
        for one in left:
            assert one.change.outcome == "interrupted"
            assert one.can_finish
            if way_out == "finish":
                production.do(plan_finish(production.settings, production.client, one.change.change_id))
            elif one.can_undo:
                production.do(plan_undo(production.settings, production.client, one.change.change_id))
    finally:
        askers.stop()
    assert askers.statuses == {200}, "a change that broke off costs no request"
    state = production_state(production.settings, production.client)
    if way_out == "finish" or step == "outcome":
        assert state == reached(plan)
        assert left_over(production) == []
        assert ledger(production)[0].outcome == "succeeded"
    else:
        assert {version: share for version, share in state.traffic.items() if share} == {"2": 100}
        assert (state.champion, state.previous) == ("2", "1")
    assert len(production.copies) <= 3


def test_who_is_killed_while_the_endpoint_brings_a_version_up_is_finished_without_a_second_update(
    gateway: GatewayProcess,
) -> None:
    production = echo_production(gateway.settings, f"killed-{next(NUMBERS)}", "slow")
    before = production_state(production.settings, production.client).config_version
    child = started_elsewhere(production, "promote")
    name = production.settings.endpoint
    while (endpoint := production.client.get(name)) is not None and endpoint.updating != "IN_PROGRESS":
        assert child.poll() is None, "it was done before it could be killed"
        time.sleep(0.01)
    child.kill()
    child.wait()
    (left,) = left_over(production)
    assert "The endpoint still brings the new configuration up" in left.sentence
    report = None
    while report is None:
        try:
            report = production.do(plan_finish(production.settings, production.client, left.change.change_id))
        except ChangeConflict:
            time.sleep(0.1)  # until the endpoint has what it was asked for
    assert report.state.traffic == {"2": 0, "3": 100}
    assert report.state.config_version == before + 1
    assert production.copies == ["3", "2", "1"]


KILLS = [
    # A canary is a promotion with another share: its slow start below is enough.
    *(("echo", what, step, 0.0) for what in ("promote", "rollback") for step in STEPS),
    *(("slow", what, "copy", delay) for what in ("promote", "canary") for delay in (0.05, 0.5)),
]
"""Kind of the models, change, step, and seconds from the end of the step to the kill: in the middle of the next one."""


@pytest.mark.parametrize(("kind", "what", "step", "delay"), KILLS)
def test_a_gateway_killed_at_any_step_comes_back_and_the_ledger_is_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, what: str, step: str, delay: float
) -> None:
    gateway = GatewayProcess(tmp_path)
    production = echo_production(gateway.settings, "killed", kind)
    plan = PLANS[what](production)
    restarts: list[threading.Thread] = []

    def kill_and_restart() -> None:
        time.sleep(delay)
        gateway.kill()
        time.sleep(0.3)
        gateway.start()

    def at(name: str) -> None:
        if name == step and not restarts:
            restarts.append(threading.Thread(target=kill_and_restart))
            restarts[0].start()
            if not delay:
                time.sleep(0.1)

    askers = Askers(gateway, "killed", 2)
    monkeypatch.setattr(carrying_out, "crash_point", at)
    outcome = "succeeded"
    try:
        outcome = production.do(plan).outcome
    except (RegistryError, ServingError) as error:
        outcome = f"{type(error).__name__}: {error}"
    finally:
        restarts[0].join()
        monkeypatch.undo()
        gateway.wait_until_ready("killed")
        askers.stop()
    state = production_state(production.settings, production.client)
    newest = ledger(production)[0]
    told = (newest.outcome or "", outcome)
    if told[0].startswith("succeeded"):
        assert state == reached(plan), told
    elif told[0] == "failed":
        assert state == plan.before, told
    else:
        (left,) = left_over(production)
        assert left.can_finish, told
        production.do(plan_finish(production.settings, production.client, left.change.change_id))
        assert production_state(production.settings, production.client) == reached(plan), told
    assert told[0].startswith("succeeded"), f"a gateway that is back within a second is waited for: {told}"
    assert gateway.stop() == 0
    assert_nothing_lost_and_nothing_twice(gateway, askers.acknowledged)
    assert_answers_are_those_of_their_versions(gateway)
