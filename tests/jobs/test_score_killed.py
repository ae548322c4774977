"""A run killed with SIGKILL, quickly: one place before its commit, one after it. `tests/soak` has every place."""

import pytest

from lakehouse.runs import runs
from settings import Settings
from tests.jobs.killed_runs import check_nothing_lost_nothing_twice, fill, killed, run_job


@pytest.mark.parametrize("place", ["score:3", "append:2"])
def test_a_killed_run_loses_nothing_and_doubles_nothing(settings: Settings, place: str) -> None:
    fill(settings)
    assert killed(run_job(settings, place))
    assert runs(settings)[0]["state"] == "interrupted"
    assert run_job(settings) == 0
    check_nothing_lost_nothing_twice(settings)
    assert [run["state"] for run in runs(settings)] == ["succeeded", "interrupted"]
