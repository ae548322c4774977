"""Child processes: started so that they end with their parent, restarted with back-off, ended politely."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
HEALTHY_AFTER_SECONDS = 60.0
"""A process that lived this long starts again with the first, short pause."""

_PR_SET_PDEATHSIG = 1


def _end_with_parent() -> None:
    # Runs in the child between fork and exec. Without it a killed supervisor leaves a gateway that holds the port.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def start_child(
    arguments: Sequence[str], *, log: Path, environment: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start `python -m <arguments>` in a session of its own, its output appended to `log`.

    The child gets SIGTERM when this process ends for whatever reason (on Linux).
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=Path(__file__).resolve().parent.parent,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )


def end_child(process: subprocess.Popen[bytes], patience_seconds: float) -> None:
    """Ask the child to end (SIGTERM), wait, and end it (SIGKILL) if it does not."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(patience_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def last_line(log: Path) -> str:
    """The last line that is not empty of the final 4 KiB of a log, at most 300 characters; empty if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 4096))
            lines = file.read().decode("utf-8", "replace").strip().splitlines()
    except FileNotFoundError:
        return ""
    return lines[-1].strip()[:300] if lines else ""


@dataclass
class Supervised:
    """One process of `make run`: what it runs, how it is doing, and when it may be started again."""

    name: str
    arguments: list[str]
    log: Path
    restart: bool = True
    """Whether it is started again when it ends. One that ends with status 0 and `restart` false is simply done."""
    environment: dict[str, str] = field(default_factory=dict)
    patience_seconds: float = 10.0
    state: str = "stopped"
    restarts: int = 0
    since: datetime | None = None
    last_error: str = ""
    process: subprocess.Popen[bytes] | None = None
    _pause_seconds: float = FIRST_PAUSE_SECONDS
    _next_start: float = 0.0
    _started: float = 0.0

    def start(self) -> None:
        """Start the process now."""
        self.process = start_child(self.arguments, log=self.log, environment=self.environment)
        self.state, self.since, self._started = "running", datetime.now(UTC), time.monotonic()

    def watch(self) -> None:
        """Notice an end, and start again once the back-off is over. Called about once a second."""
        if self.state == "restarting" and time.monotonic() >= self._next_start:
            self.restarts += 1
            self.start()
        if self.state != "running" or self.process is None:
            return
        if time.monotonic() - self._started > HEALTHY_AFTER_SECONDS:
            self._pause_seconds = FIRST_PAUSE_SECONDS
        status = self.process.poll()
        if status is None:
            return
        self.since = datetime.now(UTC)
        if status == 0 and not self.restart:
            self.state = "done"
            return
        self.last_error = f"ended with status {status}: {last_line(self.log)}"
        if not self.restart:
            self.state = "failed"
            return
        self.state, self._next_start = "restarting", time.monotonic() + self._pause_seconds
        self._pause_seconds = min(2 * self._pause_seconds, LONGEST_PAUSE_SECONDS)

    def end(self) -> None:
        """End the process and do not start it again."""
        if self.process is not None:
            end_child(self.process, self.patience_seconds)
        self.state = "stopped"

    def report(self) -> dict[str, Any]:
        """What the first screen shows about it."""
        return {
            "name": self.name,
            "state": self.state,
            "process_id": self.process.pid if self.process and self.state == "running" else None,
            "restarts": self.restarts,
            "since": self.since.isoformat() if self.since else None,
            "last_error": self.last_error,
        }
