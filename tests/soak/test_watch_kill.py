"""The watch as it runs for months: real processes take a ramp's steps, guard it, and are killed in the middle of it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import pytest

from lakehouse.crash_points import VARIABLE
from lakehouse.ledger import changes
from registry.canary import ramps, start_ramp
from registry.changes import STEPS
from registry.interrupted import interrupted_changes
from registry.ramp_steps import Ramp
from serving.errors import RequestRejected
from tests.registry.echo_production import ANN, EchoProduction, echo_production
from tests.serving.gateway_process import REPOSITORY, GatewayProcess

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]
NUMBERS = count(1)
MOST_MEGABYTES = 260
"""The watch runs beside everything else on a laptop; MLflow alone would take it over this."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    gateway = GatewayProcess(tmp_path_factory.mktemp("watched"))
    yield gateway
    gateway.stop()


@pytest.fixture
def production(gateway: GatewayProcess) -> EchoProduction:
    return echo_production(gateway.settings, f"watched-{next(NUMBERS)}")


def start(production: EchoProduction, *arguments: str, **more: str) -> "subprocess.Popen[bytes]":
    settings = production.settings
    told = {
        "home": str(settings.home),
        "gateway_port": str(settings.gateway_port),
        "endpoint": settings.endpoint,
        "test_model": settings.test_model,
        "prod_model": settings.prod_model,
        "watch_seconds": "0.5",
    }
    environment = {**{f"LAKEHELM_{name.upper()}": value for name, value in told.items()}, **more}
    return subprocess.Popen(
        [sys.executable, "-m", "jobs", "watch", *arguments], cwd=REPOSITORY, env={**os.environ, **environment}
    )


def ramp_of(production: EchoProduction) -> Ramp:
    return ramps(production.settings, production.settings.endpoint)[0]


def wait_for(condition: Callable[[], Any], seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)


def begin(production: EchoProduction, hold_seconds: float) -> None:
    start_ramp(
        production.settings,
        production.client,
        entity_version="1",
        hold_seconds=hold_seconds,
        actor=ANN,
        reason="a test of processes",
    )


def test_a_ramp_goes_its_way_by_itself_and_the_process_that_looks_stays_small(production: EchoProduction) -> None:
    watch = start(production)
    try:
        begin(production, 0.5)
        wait_for(lambda: not ramp_of(production).active)
        assert ramp_of(production).state == "finished", ramp_of(production).note
        assert production.traffic == {"1": 100, "2": 0}
        assert production.aliases == ("1", "2")
        made = changes(production.settings, 1000, target=production.settings.endpoint)
        assert [(one.action, one.outcome) for one in made] == [("split", "succeeded")] * 3
        assert psutil.Process(watch.pid).memory_info().rss / 1e6 < MOST_MEGABYTES
    finally:
        watch.send_signal(signal.SIGTERM)
        assert watch.wait(60) == 0


def test_the_guard_aborts_a_failing_canary_by_itself(production: EchoProduction, tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text("[guard.errors]\nleast_samples = 10\n")
    begin(production, 3600)
    watch = start(production, LAKEHELM_GUARD="true", LAKEHELM_GATE_RULES_FILE=str(rules))
    try:
        name = production.settings.endpoint
        for _ in range(15):
            with pytest.raises(RequestRejected):
                production.client.ask(name, "raise on purpose", served_entity=f"{name}-1")
        wait_for(lambda: ramp_of(production).state == "aborted")
        assert production.traffic == {"1": 0, "2": 100}
        made = changes(production.settings, 1000, target=name)
        assert [(one.action, one.actor) for one in made] == [("abort", "guard"), ("split", "ann")]
    finally:
        watch.send_signal(signal.SIGTERM)
        watch.wait(60)


@pytest.mark.parametrize("step", [step for step in STEPS if step != "copy"])
def test_a_step_that_is_killed_anywhere_is_explained_and_not_taken_twice(production: EchoProduction, step: str) -> None:
    begin(production, 0.2)
    time.sleep(0.3)
    killed = start(production, "--once", **{VARIABLE: step})
    assert killed.wait(240) == -signal.SIGKILL
    # A look that may act finds what is left, and takes no step over it.
    assert start(production, "--once").wait(240) == 0
    ramp, traffic = ramp_of(production), production.traffic
    if step == "outcome":
        assert (ramp.state, ramp.step, traffic) == ("running", 1, {"1": 25, "2": 75})
        return
    assert (ramp.state, "not carried out" in ramp.note) == ("failed", True)
    assert traffic == ({"1": 5, "2": 95} if step == "intent" else {"1": 25, "2": 75})
    name = production.settings.endpoint
    (left,) = [o for o in interrupted_changes(production.settings, production.client) if o.change.target == name]
    assert left.can_finish or left.can_undo
    made = changes(production.settings, 1000, target=name)
    assert not [one for one in made if one.action == "outside" and one.before != "no endpoint"]
