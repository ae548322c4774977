"""The scheduler as a process of its own, and the runs that it starts."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from jobs.child_runs import Wish, run_child, wish_of_request
from jobs.errors import JobError
from jobs.one_at_a_time import one_at_a_time
from jobs.schedule import Scheduler
from lakehouse.appends import append
from lakehouse.runs import request_run, runs, start_run
from lakehouse.status import read_status
from settings import Settings

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE_SECONDS = 60.0


def wait_for(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
    return found


def start_scheduler(settings: Settings) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "jobs", "schedule"],
        cwd=ROOT,
        env={**os.environ, "LAKEHELM_HOME": str(settings.home), "LAKEHELM_METRICS_INTERVAL_SECONDS": "3600"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def scheduler(settings: Settings) -> Iterator["subprocess.Popen[str]"]:
    process = start_scheduler(settings)
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


def ended(settings: Settings) -> dict[tuple[str, str], dict[str, Any]]:
    return {(run["job"], run["request_id"]): run for run in runs(settings) if run["state"] != "running"}


def test_scheduled_and_requested_runs_happen_and_what_may_not_be_asked_for_is_refused(
    settings: Settings, scheduler: "subprocess.Popen[str]"
) -> None:
    wanted = request_run(settings, "score", {"once": True}, "ann")
    refused = request_run(settings, "up; reboot", {}, "mallory")
    expected = {("score", ""), ("score", wanted), ("up; reboot", refused), ("drift", "")}
    wait_for(lambda: expected <= set(ended(settings)))
    found = ended(settings)
    # What was scored is looked at for drift at once.
    assert (found["drift", ""]["trigger"], found["drift", ""]["state"]) == ("schedule", "succeeded")
    assert (found["score", ""]["trigger"], found["score", ""]["state"]) == ("schedule", "succeeded")
    assert (found["score", wanted]["trigger"], found["score", wanted]["state"]) == ("request", "succeeded")
    assert found["up; reboot", refused]["state"] == "failed"
    assert "cannot be asked for" in found["up; reboot", refused]["error"]

    second = start_scheduler(settings)
    _, said = second.communicate(timeout=PATIENCE_SECONDS)
    assert second.returncode == 1
    assert said.splitlines() == [
        f"Another process of the workspace {settings.home} is running schedule; wait until it ends, or end it."
    ]

    scheduler.send_signal(signal.SIGTERM)
    assert scheduler.wait(PATIENCE_SECONDS) == 0
    status = read_status(settings, "scheduler")
    assert status is not None
    assert status["state"] == "stopped"
    assert {name: status[name]["state"] for name in ("watch", "alerts")} == {"watch": "stopped", "alerts": "stopped"}
    # One run of drift for each of the metrics job, unless they followed so soon that one did for both.
    assert len(ended(settings)) == len(runs(settings)) in (4, 5)


def test_a_run_ends_with_its_scheduler_however_that_ends(
    settings: Settings, scheduler: "subprocess.Popen[str]"
) -> None:
    with one_at_a_time(settings, "score", 0):  # The run waits for this and would go on doing so.
        request_run(settings, "score", {}, "ann")
        watched = psutil.Process(scheduler.pid)
        child = wait_for(lambda: [one for one in watched.children() if "--trigger=request" in one.cmdline()])[0]
        scheduler.kill()
        wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_a_run_that_hangs_is_ended_and_reported(settings: Settings) -> None:
    hurried = settings.model_copy(update={"job_timeout_seconds": 1.0})
    with one_at_a_time(settings, "score", 0):
        run_child(hurried, Wish("score", "request", "wish-1"), lambda: False, lambda: None)
    (run,) = runs(settings)
    assert (run["state"], run["request_id"]) == ("timed_out", "wish-1")
    assert "did not end within 1 seconds" in run["error"]


def test_a_run_that_had_begun_is_reported_in_its_own_row(settings: Settings) -> None:
    begun: list[str] = []

    def begin_in_its_name() -> None:
        if not begun:
            (child,) = (one for one in psutil.Process().children() if "--request-id=wish-2" in one.cmdline())
            begun.append(start_run(settings, "score", "request", "wish-2", process_id=child.pid))

    hurried = settings.model_copy(update={"job_timeout_seconds": 2.0})
    with one_at_a_time(settings, "score", 0):
        run_child(hurried, Wish("score", "request", "wish-2"), lambda: False, begin_in_its_name)
    assert [(run["run_id"], run["state"]) for run in runs(settings)] == [(begun[0], "timed_out")]


def test_a_run_is_interrupted_when_the_scheduler_stops(settings: Settings) -> None:
    waited: list[None] = []
    with one_at_a_time(settings, "score", 0):
        run_child(settings, Wish("score", "request"), lambda: bool(waited), lambda: waited.append(None))
    (run,) = runs(settings)
    assert run["state"] == "interrupted"
    assert "scheduler was stopped" in run["error"]


def test_a_run_that_fails_before_it_can_write_is_reported_with_its_last_words(settings: Settings) -> None:
    run_child(settings, Wish("score", "request", "wish-3", ("--no-such-switch",)), lambda: False, lambda: None)
    (run,) = runs(settings)
    assert (run["state"], run["request_id"]) == ("failed", "wish-3")
    assert "--no-such-switch" in run["error"]


def test_a_row_that_is_no_request_is_refused_and_keeps_no_other_from_happening(settings: Settings) -> None:
    row = {"request_id": "r", "job": "score", "arguments": "{", "requested_by": "x", "requested_at": datetime.now(UTC)}
    append(settings, "job_requests", [row])
    wish = request_run(settings, "score", {}, "ada")
    scheduler = Scheduler(settings)
    thread = threading.Thread(target=scheduler.run_until_stopped)
    thread.start()
    wait_for(lambda: {("score", ""), ("score", wish)} <= set(ended(settings)))
    scheduler.stopping = True
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
    (refused,) = [run for run in runs(settings) if run["request_id"] == "r"]
    assert refused["state"] == "failed"
    assert "takes only the switches" in refused["error"]


def test_scoring_gets_its_turn_between_two_steps_of_a_retraining(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_run(settings, "retrain", {"next": True}, "retraining")
    scheduler = Scheduler(settings)
    scheduler._clock.shutdown(wait=True)
    scheduler.due = deque([Wish("score", "schedule"), Wish("drift", "schedule")])
    monkeypatch.setattr(scheduler, "_looked", 0.0)

    def following() -> str:
        scheduler._looked = 0.0
        wish = scheduler._next_wish()
        return wish.job if wish else ""

    assert [following() for _ in range(3)] == ["score", "drift", "retrain"]


@pytest.mark.parametrize(
    "request_row",
    [
        {"job": "up", "arguments": {}},
        {"job": "score", "arguments": {"trigger": "x"}},
        {"job": "score", "arguments": {"once; reboot": True}},
        {"job": "score", "arguments": ["--once"]},
        {"job": "compact", "arguments": {"once": True}},
    ],
)
def test_only_listed_jobs_and_switches_can_be_asked_for(request_row: dict[str, Any]) -> None:
    with pytest.raises(JobError):
        wish_of_request({"request_id": "r", **request_row})


def test_a_wish_becomes_arguments_and_nothing_else() -> None:
    wish = wish_of_request({"request_id": "--evil", "job": "score", "arguments": {"once": True}})
    assert wish.command() == ["jobs", "score", "--once", "--trigger=request", "--request-id=--evil"]
    quiet = wish_of_request({"request_id": "r", "job": "score", "arguments": {"once": False}})
    assert "--once" not in quiet.command()
