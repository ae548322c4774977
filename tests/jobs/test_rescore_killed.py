"""A run of `rescore` killed with SIGKILL: once before its commit, once after it. `tests/soak` has every place."""

from pathlib import Path

import pytest

from jobs.score import run_score
from lakehouse.runs import runs
from settings import Settings
from tests.jobs.killed_runs import killed, run_job
from tests.jobs.sampled_requests import differing_sums, fill, later, load, score_sample

PROGRAM = "tests.jobs.rescoring_process"


@pytest.mark.parametrize("place", ["score:3", "append:2"])
def test_a_killed_run_loses_nothing_and_doubles_nothing(settings: Settings, tmp_path: Path, place: str) -> None:
    at_once = Settings(home=tmp_path / "at once")
    for workspace in (settings, at_once):
        fill(workspace)
    run_score(at_once, once=True, load=load)
    score_sample(settings)
    assert killed(run_job(settings, place, PROGRAM))
    assert runs(settings, "rescore")[0]["state"] == "interrupted"
    committed = len(later(settings))
    assert run_job(settings, program=PROGRAM) == 0
    assert len(later(settings)) > committed > 0
    assert differing_sums(settings, at_once) == {}
    assert [run["state"] for run in runs(settings, "rescore")] == ["succeeded", "interrupted"]
