"""The metrics job killed with SIGKILL at every stage boundary, and again and again at every second one."""

import pytest

from jobs.crash_points import STAGES
from lakehouse.store import open_table, read_rows
from settings import Settings
from tests.jobs.conftest import settings  # noqa: F401
from tests.jobs.killed_runs import IDS, check_nothing_lost_nothing_twice, fill, killed, run_job

ONCE_A_RUN = {"start", "find", "load_models", "finish"}
PLACES = [f"{stage}:{nth}" for stage in STAGES for nth in ((1,) if stage in ONCE_A_RUN else (1, 2, 4))]


@pytest.mark.soak
@pytest.mark.parametrize("place", PLACES)
def test_a_run_killed_at_any_stage_loses_nothing_and_doubles_nothing(settings: Settings, place: str) -> None:  # noqa: F811
    fill(settings)
    assert killed(run_job(settings, place))
    assert run_job(settings) == 0
    check_nothing_lost_nothing_twice(settings)
    versions = [open_table(settings, name).version() for name in ("request_metrics", "metrics_minute")]
    assert run_job(settings) == 0
    assert versions == [open_table(settings, name).version() for name in ("request_metrics", "metrics_minute")]


@pytest.mark.soak
@pytest.mark.parametrize("stage", ["append", "roll_up_metrics_minute", "roll_up_metrics_15min"])
def test_a_job_that_is_killed_in_every_run_still_gets_on(settings: Settings, stage: str) -> None:  # noqa: F811
    fill(settings)
    rows = [0]
    while rows[-1] < len(IDS):
        assert killed(run_job(settings, f"{stage}:1"))
        rows.append(read_rows(open_table(settings, "request_metrics")).num_rows)
        assert rows[-1] > rows[-2] or rows[-1] == len(IDS), rows
    assert len(rows) > 3
    assert run_job(settings) == 0
    check_nothing_lost_nothing_twice(settings)
