"""The watch as a process of its own, kept by the scheduler, and how it starts the child that acts."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from jobs.schedule import Scheduler
from jobs.watch import Watch
from jobs.watch_look import Look
from lakehouse.status import read_status
from settings import Settings

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE_SECONDS = 60.0


def wait_for(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return found


def test_it_looks_tells_what_it_cannot_see_and_never_imports_mlflow(settings: Settings) -> None:
    environment = {"LAKEHELM_HOME": str(settings.home), "LAKEHELM_GATEWAY_PORT": "1", "LAKEHELM_WATCH_SECONDS": "0.1"}
    watch = subprocess.Popen(
        [sys.executable, "-m", "jobs", "watch"],
        cwd=ROOT,
        env={**os.environ, **environment},
        stderr=subprocess.DEVNULL,
    )
    try:
        first = wait_for(lambda: read_status(settings, "watch"))
        assert first["state"] == "looking"
        assert "Nothing answers at http://127.0.0.1:1" in first["errors"][0]
        assert (first["guard_acts"], first["due"], first["guard"]) == (False, [], [])
        wait_for(lambda: (read_status(settings, "watch") or {}).get("updated_at") != first["updated_at"])
        opened = " ".join(entry.path for entry in psutil.Process(watch.pid).memory_maps())
        assert "numpy" in opened or "pyarrow" in opened
        assert "pandas" not in opened, "mlflow would have brought it"
    finally:
        watch.send_signal(signal.SIGTERM)
        assert watch.wait(PATIENCE_SECONDS) == 0
    assert (read_status(settings, "watch") or {})["state"] == "stopped"


class _Due:
    """A look that always finds the same thing due."""

    def look(self, *, act: bool) -> Look:
        return Look(due=["Version 3 gets 25 %."])


def test_what_stays_due_is_tried_again_after_longer_and_longer_pauses(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[float] = []

    def failing_child(arguments: list[str], *, log: Path, environment: dict[str, str]) -> "subprocess.Popen[bytes]":
        assert arguments == ["jobs", "watch", "--once"]
        started.append(now[0])
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("It could not be done.\n")
        process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(1)"])
        process.wait()
        return process

    now = [0.0]
    monkeypatch.setattr("jobs.watch.start_child", failing_child)
    monkeypatch.setattr("jobs.watch.time.monotonic", lambda: now[0])
    watch = Watch(settings.model_copy(update={"watch_seconds": 10.0}))
    monkeypatch.setattr(watch, "_looker", _Due())
    while now[0] <= 150:
        watch._turn()
        now[0] += 10
    pauses = [later - earlier for earlier, later in pairwise(started)]
    assert pauses == sorted(pauses)
    assert pauses[0] <= 20 < 80 <= pauses[-1]
    assert (read_status(settings, "watch") or {})["errors"] == ["It could not be done."]


def test_the_scheduler_starts_it_again_and_ends_it(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler = Scheduler(settings)
    lane = scheduler.lanes["watch"]
    lane.arguments = ["http.server", "--bind", "127.0.0.1", "0"]  # Any process that stays.
    lane._pause_seconds = 0.1
    lane.start()
    first = lane.process
    assert first is not None
    first.kill()
    wait_for(lambda: scheduler._tend() or lane.restarts == 1)
    scheduler._write_status(at_once=True)
    told = (read_status(settings, "scheduler") or {})["watch"]
    assert (told["name"], told["state"], told["restarts"]) == ("watch", "running", 1)
    lane.end()
    ended = lane.process
    scheduler.stopping = True
    scheduler.run_until_stopped()
    assert lane.process is not ended, "it was started"
    assert lane.process.poll() is not None, "and does not outlive its scheduler"
