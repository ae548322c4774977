"""A retraining killed with SIGKILL at every place there is, also in the middle of a change of production."""

from itertools import count
from pathlib import Path

import pytest

from jobs.retraining_triggers import under_way
from registry.changes import STEPS as CHANGE_STEPS
from tests.jobs.killed_retrainings import check_everything_was_done_once, kill_at_each, let_the_ramp_end, run_process
from tests.jobs.quick_retraining import rules_file, write_handbook
from tests.registry.echo_production import EchoProduction, echo_production
from tests.serving.gateway_process import GatewayProcess

pytestmark = pytest.mark.soak
NUMBERS = count(1)
RAMP = "[canary]\non = true\nshares = [5]\nhold_minutes = 0.0001\n"


@pytest.fixture
def production(echo_gateway: GatewayProcess, tmp_path: Path) -> EchoProduction:
    """A production with a lake of this test's own."""
    settings = echo_gateway.settings.model_copy(update={"lake_uri": str(tmp_path / "lake")})
    return echo_production(settings, f"soaked-retraining-{next(NUMBERS)}")


def places(*steps: str) -> list[str]:
    return [f"{step}{after}" for step in steps for after in ("", "_written")]


def test_it_may_be_killed_at_every_step(production: EchoProduction, tmp_path: Path) -> None:
    rules = rules_file(tmp_path / "rules.toml", f"{RAMP}[promotion]\non = true\n")
    handbook = write_handbook(tmp_path / "handbook")
    to_canary = places("features", "train", "evaluate", "challenger", "canary")
    kill_at_each(production, rules, handbook, to_canary)
    let_the_ramp_end(production)
    kill_at_each(production, rules, handbook, places("promote"))
    done = check_everything_was_done_once(production)
    assert [step.broken_off for step in done.steps] == [1] * 6


@pytest.mark.parametrize("place", CHANGE_STEPS)
def test_it_may_be_killed_in_the_middle_of_the_promotion(
    production: EchoProduction, tmp_path: Path, place: str
) -> None:
    rules = rules_file(tmp_path / "rules.toml", "[promotion]\non = true\n")
    handbook = write_handbook(tmp_path / "handbook")
    kill_at_each(production, rules, handbook, [place])
    assert run_process(production, rules, handbook) == 0
    check_everything_was_done_once(production)
    assert under_way(production.settings) is None
