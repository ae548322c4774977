"""A run of `rescore` killed with SIGKILL at every stage boundary, and again and again until it is through."""

from pathlib import Path

import pytest

from jobs.score import run_score
from lakehouse.store import open_table
from settings import Settings
from tests.jobs.conftest import settings  # noqa: F401
from tests.jobs.killed_runs import killed, run_job
from tests.jobs.rescoring_process import STAGES
from tests.jobs.sampled_requests import differing_sums, fill, later, load, score_sample

PROGRAM = "tests.jobs.rescoring_process"
PLACES = [f"{stage}:{nth}" for stage in STAGES for nth in (1, 2, 3)]


@pytest.fixture
def at_once(tmp_path: Path) -> Settings:
    other = Settings(home=tmp_path / "at once")
    fill(other)
    run_score(other, once=True, load=load)
    return other


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
    tables = ("request_scores", "metrics_minute", "metrics_15min", "metrics_daily_requester")
    versions = [open_table(settings, name).version() for name in tables]
    assert run_job(settings, program=PROGRAM) == 0
    assert versions == [open_table(settings, name).version() for name in tables]


@pytest.mark.soak
@pytest.mark.parametrize("stage", ["append", "roll_up_metrics_minute"])
def test_a_job_that_is_killed_in_every_run_still_gets_on(
    settings: Settings,  # noqa: F811
    at_once: Settings,
    stage: str,
) -> None:
    fill(settings)
    score_sample(settings)
    rows = [0]
    # The first rollups of a run are those that the run before it did not get to.
    while killed(run_job(settings, f"{stage}:{1 if stage == 'append' else 2}", PROGRAM)):
        rows.append(len(later(settings)))
        assert rows[-1] > rows[-2]
    assert len(rows) > 3
    assert run_job(settings, program=PROGRAM) == 0
    assert differing_sums(settings, at_once) == {}
