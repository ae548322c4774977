"""A run of `drift` killed between the commits of its two tables. `tests/soak` has every place."""

from pathlib import Path

from jobs.drift import run_drift
from lakehouse.runs import runs
from lakehouse.store import open_table
from settings import Settings
from tests.jobs.drift_requests import TABLES
from tests.jobs.killed_drift import UNTIL, check_same_as_at_once, fill, run_until_killed
from tests.jobs.killed_runs import killed


def test_a_run_killed_between_its_tables_loses_nothing_and_doubles_nothing(settings: Settings, tmp_path: Path) -> None:
    at_once = Settings(home=tmp_path / "at once")
    for workspace in (settings, at_once):
        fill(workspace)
    run_drift(at_once, now=UNTIL, until=UNTIL)
    before = [open_table(settings, name).version() for name in TABLES]
    assert killed(run_until_killed(settings, "write_request_metrics_profile_metrics:2"))
    ahead, behind = (open_table(settings, name).version() for name in TABLES)
    assert (ahead - before[0], behind - before[1]) == (2, 1)
    run_drift(settings, now=UNTIL, until=UNTIL)
    check_same_as_at_once(settings, at_once)
    assert [run["state"] for run in runs(settings, "drift")] == ["succeeded", "interrupted", "succeeded"]
