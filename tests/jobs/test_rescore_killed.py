"""A run of `rescore` killed with SIGKILL, before a commit and after one. `tests/soak` has every place."""

from pathlib import Path

from jobs.score import run_score
from lakehouse.runs import runs
from settings import Settings
from tests.jobs.killed_runs import killed, run_job
from tests.jobs.sampled_requests import differing_sums, fill, later, load, score_sample

PROGRAM = "tests.jobs.rescoring_process"


def test_killed_runs_lose_nothing_and_double_nothing(settings: Settings, tmp_path: Path) -> None:
    at_once = Settings(home=tmp_path / "at once")
    for workspace in (settings, at_once):
        fill(workspace)
    run_score(at_once, once=True, load=load)
    score_sample(settings)
    rows = [0]
    for place in ("score:4", "append:2"):
        assert killed(run_job(settings, place, PROGRAM))
        assert runs(settings, "rescore")[0]["state"] == "interrupted"
        rows.append(len(later(settings)))
        assert rows[-1] > rows[-2]
    assert run_job(settings, program=PROGRAM) == 0
    assert len(later(settings)) > rows[-1]
    assert differing_sums(settings, at_once) == {}
    assert [run["state"] for run in runs(settings, "rescore")] == ["succeeded", "interrupted", "interrupted"]
