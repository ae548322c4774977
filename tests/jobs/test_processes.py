"""Supervision with real processes: restarted with back-off, ended politely, gone with the parent."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from jobs.processes import Supervised, end_child, last_line, start_child


def wait_for(condition: Callable[[], object], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def module(folder: Path, name: str, text: str) -> dict[str, str]:
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return {"PYTHONPATH": str(folder)}


def alive(process_id: int) -> bool:
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_process_that_dies_is_started_again_and_says_why(tmp_path: Path) -> None:
    environment = module(tmp_path, "dies", "import sys; print('the disk is full'); sys.exit(3)")
    process = Supervised("dies", ["dies"], tmp_path / "dies.log", environment=environment)
    process.start()
    assert wait_for(lambda: process.watch() or process.restarts >= 1)
    assert wait_for(lambda: process.watch() or process.state == "restarting")
    assert process.last_error == "ended with status 3: the disk is full"
    process.end()
    assert process.report()["state"] == "stopped"


def test_the_pause_before_each_restart_grows(tmp_path: Path) -> None:
    environment = module(tmp_path, "dies", "raise SystemExit(1)")
    process = Supervised("dies", ["dies"], tmp_path / "dies.log", environment=environment)
    pauses = []
    process.start()
    for _ in range(3):
        assert wait_for(lambda: process.watch() or process.state == "restarting")
        pauses.append(process._pause_seconds)
        process._next_start = 0.0
    process.end()
    assert pauses == [2.0, 4.0, 8.0]


def test_a_task_that_ends_well_is_done_and_one_that_fails_stays_failed(tmp_path: Path) -> None:
    for status, state in ((0, "done"), (1, "failed")):
        # A name each: a file that changes within a second and keeps its length may be taken from Python's cache.
        environment = module(tmp_path, state, f"raise SystemExit({status})")
        process = Supervised("task", [state], tmp_path / "task.log", restart=False, environment=environment)
        process.start()
        assert wait_for(lambda process=process: process.watch() or process.state != "running")
        assert process.state == state


def test_a_process_that_ignores_the_request_to_end_is_ended(tmp_path: Path) -> None:
    text = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    process = start_child(["deaf"], log=tmp_path / "deaf.log", environment=module(tmp_path, "deaf", text))
    assert wait_for(lambda: last_line(tmp_path / "deaf.log") == "up")
    end_child(process, 0.2)
    assert process.returncode == -signal.SIGKILL


def test_children_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    environment = module(tmp_path, "sleeper", "import time; time.sleep(120)")
    supervisor = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys,time; from pathlib import Path; from jobs.processes import start_child\n"
            f"print(start_child(['sleeper'], log=Path({str(tmp_path / 'log')!r})).pid, flush=True); time.sleep(120)",
        ],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path.cwd()}"},
    )
    assert supervisor.stdout is not None
    child = int(supervisor.stdout.readline())
    assert alive(child)
    supervisor.kill()
    supervisor.wait()
    assert environment
    assert wait_for(lambda: not alive(child))
