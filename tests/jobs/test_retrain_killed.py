"""A retraining killed with SIGKILL, quickly: between a step's work and its row. `tests/soak` has every place."""

from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from jobs.retrain import run_retrain
from jobs.retraining_triggers import due
from tests.jobs.killed_retrainings import check_everything_was_done_once, kill_at_each
from tests.jobs.quick_retraining import quick_parts, rules_file, write_handbook
from tests.registry.echo_production import EchoProduction, echo_production
from tests.serving.gateway_process import GatewayProcess

NUMBERS = count(1)


@pytest.fixture
def production(echo_gateway: GatewayProcess, tmp_path: Path) -> EchoProduction:
    """A production with a lake of this test's own."""
    settings = echo_gateway.settings.model_copy(update={"lake_uri": str(tmp_path / "lake")})
    return echo_production(settings, f"killed-retraining-{next(NUMBERS)}")


def test_a_killed_retraining_goes_on_and_does_nothing_twice(production: EchoProduction, tmp_path: Path) -> None:
    rules = rules_file(tmp_path / "rules.toml", "[promotion]\non = true\n")
    handbook = write_handbook(tmp_path / "handbook")
    kill_at_each(production, rules, handbook, ["train"])
    settings = production.settings.model_copy(update={"retraining_rules_file": rules})
    assert due(settings, datetime.now(UTC)) is not None, "the scheduler goes on with it"
    run_retrain(settings, next_only=True, parts=quick_parts(handbook))
    done = check_everything_was_done_once(production)
    assert [step.broken_off for step in done.steps] == [0, 1, 0, 0, 0]
