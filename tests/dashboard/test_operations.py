"""What pages know about runs."""

import pytest

from dashboard.queries import operations
from lakehouse.runs import finish_run, start_run
from settings import Settings


def test_runs_that_fill_in_scores_stand_among_those_of_the_metrics_job_and_do_not_count_as_such(
    empty: Settings,
) -> None:
    for job in ("score", "rescore", "compact", "score"):
        finish_run(empty, start_run(empty, job, "command"), "succeeded", rows_read=3)
    assert [run["job"] for run in operations.scoring_runs()] == ["score", "rescore", "score"]
    assert [run["job"] for run in operations.scoring_runs(limit=2)] == ["score", "rescore"]
    assert [run["job"] for run in operations.metrics_runs()] == ["score", "score"]


def test_everything_before_the_last_run_that_left_nothing_waiting_is_scored(
    empty: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.queries.lake._RECHECK_SECONDS", 0.0)
    assert operations.scored_until() is None
    finish_run(empty, start_run(empty, "score", "command"), "succeeded", rows_waiting=0)
    until = operations.metrics_runs()[0]["started_at"]
    assert operations.scored_until() == until
    finish_run(empty, start_run(empty, "score", "command"), "succeeded", rows_waiting=5)
    finish_run(empty, start_run(empty, "score", "command"), "failed")
    assert operations.scored_until() == until
