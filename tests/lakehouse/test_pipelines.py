"""Steps of a retraining: who may begin one, and when one counts as broken off."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jobs.retraining_triggers import due
from lakehouse.appends import append
from lakehouse.errors import CommitConflict
from lakehouse.pipelines import Pipeline, begin_step, end_step, find_pipeline, new_pipeline, pipelines
from settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def begun(settings: Settings) -> Pipeline:
    made = new_pipeline(trigger="command", reason="a test", requested_by="ann", plan=("features", "train"))
    begin_step(settings, made, "features")
    return pipelines(settings)[0]


def test_a_step_that_is_being_done_is_not_begun_by_who_sees_it_running(settings: Settings) -> None:
    seen = begun(settings)
    assert (seen.next_step, seen.state) == ("features", "running")
    with pytest.raises(CommitConflict, match=r"The step features of retraining .* is being done"):
        begin_step(settings, seen, "features")
    assert pipelines(settings)[0].steps[0].attempts == 1
    end_step(settings, seen, "features", datetime.now(UTC), "waiting", sentence="Not yet.")
    begin_step(settings, pipelines(settings)[0], "features")
    assert pipelines(settings)[0].steps[0].attempts == 2


@pytest.mark.parametrize(("runs", "state"), [(0.5, "running"), (1.9, "running"), (2.1, "interrupted")])
def test_a_step_of_another_machine_counts_as_broken_off_after_twice_the_limit_of_a_run(
    settings: Settings, runs: float, state: str
) -> None:
    now = datetime.now(UTC)
    row = {
        "pipeline_id": "of-a-container",
        "pipeline_step": "train",
        "state": "running",
        "process_id": 1,
        "host": "a-container-that-has-another-name-now",
        "started_at": now - timedelta(seconds=runs * settings.job_timeout_seconds),
    }
    append(settings, "pipeline_steps", [row])
    found = find_pipeline(settings, "of-a-container")
    assert found is not None
    assert found.state == state
    assert (due(settings, now) is not None) == (state == "interrupted")
    if state == "interrupted":
        begin_step(settings, found, "train")
        assert [(step.attempts, step.broken_off, step.state) for step in pipelines(settings)[0].steps] == [
            (2, 1, "running")
        ]
