"""A run of `drift` that finds late rows and windows that have closed, killed, and what must hold after the next one."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from jobs.crash_points import VARIABLE
from jobs.drift import run_drift
from settings import Settings
from tests.jobs.drift_requests import TABLES, deliver, figures, requests

ROOT = Path(__file__).resolve().parent.parent.parent
MIDNIGHT = datetime(2026, 5, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)
FIRST, UNTIL = MIDNIGHT + 20 * HOUR, MIDNIGHT + 30 * HOUR


def fill(settings: Settings) -> None:
    """Tables that are up to date at `FIRST`, and then rows that came late and rows of the next ten hours."""
    deliver(settings, requests(60, MIDNIGHT - 24 * HOUR, 44 * HOUR, 1))
    run_drift(settings, now=FIRST + timedelta(seconds=1), until=FIRST)
    deliver(settings, requests(30, MIDNIGHT + 15 * HOUR, 5 * HOUR, 2))
    deliver(settings, requests(50, FIRST, 10 * HOUR, 3))


def run_until_killed(settings: Settings, kill_at: str = "") -> int:
    """A run in a process of its own; its exit status (negative: the signal that ended it)."""
    environment = {**os.environ, VARIABLE: kill_at} if kill_at else dict(os.environ)
    command = [sys.executable, "-m", "tests.jobs.drift_process", str(settings.home), UNTIL.isoformat()]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False, timeout=240).returncode


def check_same_as_at_once(settings: Settings, at_once: Settings) -> None:
    """Nothing lost, nothing twice: the tables equal those of a workspace that was filled alike and never killed."""
    for name in TABLES:
        got, wanted = figures(settings, name), figures(at_once, name)
        assert len(got) == len(wanted) > 100
        assert got == wanted
