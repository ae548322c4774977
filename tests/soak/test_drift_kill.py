"""A run of `drift` killed with SIGKILL wherever it has just read, computed or written."""

from pathlib import Path

import pytest

from jobs.drift import run_drift
from lakehouse.store import open_table
from settings import Settings
from tests.jobs.conftest import settings  # noqa: F401
from tests.jobs.drift_process import STAGES
from tests.jobs.drift_requests import TABLES
from tests.jobs.killed_drift import UNTIL, check_same_as_at_once, fill, run_until_killed
from tests.jobs.killed_runs import killed

PLACES = [f"{stage}:1" for stage in STAGES] + [f"{stage}:2" for stage in STAGES[2:]] + [f"{STAGES[-2]}:3"]


@pytest.mark.soak
@pytest.mark.parametrize("place", PLACES)
def test_a_run_killed_at_any_stage_loses_nothing_and_doubles_nothing(
    settings: Settings,  # noqa: F811
    tmp_path: Path,
    place: str,
) -> None:
    at_once = Settings(home=tmp_path / "at once")
    for workspace in (settings, at_once):
        fill(workspace)
    run_drift(at_once, now=UNTIL, until=UNTIL)
    assert killed(run_until_killed(settings, place))
    assert run_until_killed(settings) == 0
    check_same_as_at_once(settings, at_once)
    versions = [open_table(settings, name).version() for name in TABLES]
    assert run_until_killed(settings) == 0
    assert versions == [open_table(settings, name).version() for name in TABLES]
