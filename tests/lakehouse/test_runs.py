import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from lakehouse.appends import append
from lakehouse.errors import LakehouseError, SchemaMismatch
from lakehouse.runs import finish_run, pending_requests, request_run, runs, start_run
from lakehouse.store import open_table, read_rows
from settings import Settings
from tests.lakehouse.processes import REPOSITORY


def test_a_run_is_one_entry_that_runs_and_then_has_ended(settings: Settings) -> None:
    run_id = start_run(settings, "score", "schedule", from_version=3)
    (run,) = runs(settings)
    assert (run["run_id"], run["job"], run["state"], run["from_version"]) == (run_id, "score", "running", 3)
    finish_run(settings, run_id, "succeeded", rows_read=7, stage_seconds={"read": 0.5}, unscored_reasons={"empty": 2})
    (run,) = runs(settings)
    assert (run["state"], run["rows_read"], run["from_version"]) == ("succeeded", 7, 3)
    assert (run["stage_seconds"], run["unscored_reasons"]) == ({"read": 0.5}, {"empty": 2})
    assert run["started_at"] <= run["finished_at"] <= datetime.now(UTC)
    assert read_rows(open_table(settings, "job_runs")).num_rows == 2


def test_runs_come_newest_first_of_one_job_or_of_all(settings: Settings) -> None:
    ids = [start_run(settings, job, "command") for job in ("score", "compact", "score")]
    finish_run(settings, ids[0], "failed", error="The table is gone.")
    assert [run["run_id"] for run in runs(settings)] == ids[::-1]
    assert [run["run_id"] for run in runs(settings, "score")] == [ids[2], ids[0]]
    assert [run["run_id"] for run in runs(settings, limit=1)] == [ids[2]]
    assert runs(settings, "train") == []


def test_a_run_whose_process_is_gone_reads_interrupted(settings: Settings) -> None:
    script = (
        "from pathlib import Path; from settings import Settings; from lakehouse.runs import start_run; "
        f"start_run(Settings(home=Path({str(settings.home)!r})), 'score', 'schedule')"
    )
    subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, check=True, timeout=120)
    alive = start_run(settings, "score", "command")
    assert [(run["run_id"] == alive, run["state"]) for run in runs(settings)] == [
        (True, "running"),
        (False, "interrupted"),
    ]


def test_a_process_number_that_was_given_away_again_is_not_taken_for_the_run(settings: Settings) -> None:
    start_run(settings, "score", "schedule", started_at=datetime.now(UTC) - timedelta(days=30))
    assert [run["state"] for run in runs(settings)] == ["interrupted"], "this very process began after that run"


def test_a_run_of_another_machine_is_left_running(settings: Settings) -> None:
    start_run(settings, "score", "schedule", process_id=2**22 + 1, host="elsewhere")
    assert [run["state"] for run in runs(settings)] == ["running"]


def test_another_process_may_end_a_run_that_it_had_to_stop(settings: Settings) -> None:
    run_id = start_run(settings, "score", "schedule", process_id=2**22 + 1)
    assert [run["state"] for run in runs(settings)] == ["interrupted"]
    finish_run(settings, run_id, "timed_out")
    assert [run["state"] for run in runs(settings)] == ["timed_out"]


def test_a_run_that_never_began_cannot_end(settings: Settings) -> None:
    with pytest.raises(LakehouseError, match="There is no job run nothing"):
        finish_run(settings, "nothing", "succeeded")


def test_a_misspelt_column_of_a_run_is_refused(settings: Settings) -> None:
    run_id = start_run(settings, "score", "schedule")
    with pytest.raises(SchemaMismatch, match="row_read"):
        finish_run(settings, run_id, "succeeded", row_read=1)


def test_a_wish_waits_until_a_run_carries_it(settings: Settings) -> None:
    assert pending_requests(settings) == []
    first = request_run(settings, "score", {"once": True}, "ada")
    second = request_run(settings, "compact", {}, "bob")
    assert [(wish["request_id"], wish["job"], wish["arguments"]) for wish in pending_requests(settings)] == [
        (first, "score", {"once": True}),
        (second, "compact", {}),
    ]
    start_run(settings, "score", "request", first)
    start_run(settings, "score", "schedule")
    assert [wish["request_id"] for wish in pending_requests(settings)] == [second]


def test_a_wish_that_cannot_be_read_hides_no_other_and_one_without_an_id_is_none(settings: Settings) -> None:
    row = {"job": "score", "requested_by": "ada", "requested_at": datetime.now(UTC)}
    broken = [{**row, "request_id": text, "arguments": text} for text in ("{", "[1]", "1" * 5000)]
    append(settings, "job_requests", [*broken, {**row, "arguments": "{}"}])
    readable = request_run(settings, "score", {}, "bob")
    wishes = {wish["request_id"]: wish["arguments"] for wish in pending_requests(settings)}
    assert wishes == {"{": None, "[1]": None, "1" * 5000: None, readable: {}}


def test_a_wish_lapses_after_a_day(settings: Settings) -> None:
    old = datetime.now(UTC) - timedelta(hours=25)
    row = {"request_id": "old", "job": "score", "arguments": json.dumps({}), "requested_by": "ada", "requested_at": old}
    append(settings, "job_requests", [row])
    assert pending_requests(settings) == []
