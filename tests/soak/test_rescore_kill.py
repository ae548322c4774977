"""A run of `rescore` killed with SIGKILL where it has just looked up, scored, appended or rolled up."""

from pathlib import Path

import pytest

from lakehouse.store import open_table
from settings import Settings
from tests.jobs.conftest import settings  # noqa: F401
from tests.jobs.killed_runs import killed, run_job
from tests.jobs.sampled_requests import differing_sums, fill, score_sample, scored_at_once

PROGRAM = "tests.jobs.rescoring_process"
PLACES = ("look_up:1", "score:2", "append:1", "append:2", "remember:1", "roll_up_metrics_minute:2")


@pytest.fixture
def at_once(tmp_path: Path) -> Settings:
    return scored_at_once(tmp_path / "at once")


@pytest.mark.soak
@pytest.mark.parametrize("place", PLACES)
def test_a_run_killed_at_any_stage_loses_nothing_and_doubles_nothing(
    settings: Settings,  # noqa: F811
    at_once: Settings,
    place: str,
) -> None:
    fill(settings)
    score_sample(settings)
    assert killed(run_job(settings, place, PROGRAM))
    assert run_job(settings, program=PROGRAM) == 0
    assert differing_sums(settings, at_once) == {}
    tables = ("request_scores", "metrics_minute", "metrics_15min", "metrics_hour", "metrics_daily_requester")
    versions = [open_table(settings, name).version() for name in tables]
    assert run_job(settings, program=PROGRAM) == 0
    assert versions == [open_table(settings, name).version() for name in tables]
