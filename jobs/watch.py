"""`python -m jobs watch`: takes the steps of canary ramps, lets the guard judge, and notices changes from outside.

It looks every `LAKEHELM_WATCH_SECONDS` for as long as the scheduler runs, in a lane of its own: no other job makes it
wait. Looking takes little memory. What changes production is done by a child, `python -m jobs watch --once`, which
looks again, does what is due, and ends: the registry's client takes seconds to import and much memory to keep.
"""

import logging
import os
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser
from dataclasses import asdict
from types import FrameType
from typing import Any

from jobs.errors import StillAtWork
from jobs.one_at_a_time import one_at_a_time
from jobs.processes import end_child, last_line, start_child
from jobs.watch_look import Look, Looker
from lakehouse.status import write_status
from serving.client import EndpointClient
from settings import Settings, get_settings

LOOK_SECONDS = 30.0
"""How long one answer of an endpoint may take: a look that hangs is given up, and the next one tries again."""

_LONGEST_PAUSE_SECONDS = 300.0
_LAST_WORDS_SECONDS = 8.0
_LOCK_SECONDS = 1.0
_STEP_SECONDS = 0.2

log = logging.getLogger(__name__)


class Watch:
    """The loop: look, tell, and start the child that acts when something is due."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.stopping = False
        self._looker = Looker(settings, EndpointClient(settings, timeout_seconds=LOOK_SECONDS))
        self._child: subprocess.Popen[bytes] | None = None
        self._log = settings.home / "logs" / "watch_once.log"
        self._tried: list[str] = []
        self._pause = settings.watch_seconds
        self._not_before = 0.0
        self._last_error = ""

    def run_until_stopped(self) -> None:
        """Look every `watch_seconds` until `stopping` is set; a child that is at work is left to finish."""
        while not self.stopping:
            started = time.monotonic()
            self._turn()
            while not self.stopping and time.monotonic() < started + self.settings.watch_seconds:
                time.sleep(_STEP_SECONDS)
                if self._child is not None and self._child.poll() is not None:
                    break  # What it did is worth a look at once.
        if self._child is not None:
            end_child_kindly(self._child)
        write_status(self.settings, "watch", {"state": "stopped", "process_id": os.getpid()})

    def _turn(self) -> None:
        if self._child is not None:
            if self._child.poll() is None:
                self._tell("acting", Look(due=self._tried))
                return
            self._last_error = "" if self._child.returncode == 0 else last_line(self._log)
            self._child = None
        try:
            with one_at_a_time(self.settings, "watch-look", _LOCK_SECONDS):
                found = self._looker.look(act=False)
        except StillAtWork:
            return  # Somebody's `watch --once`.
        self._tell("looking", found)
        if not found.due:
            self._tried, self._pause = [], self.settings.watch_seconds
        elif found.due != self._tried or time.monotonic() >= self._not_before:
            self._act(found.due)

    def _act(self, due: list[str]) -> None:
        """Start the child; the same thing that stays due is tried again after longer and longer pauses."""
        again = due == self._tried
        self._pause = min(2 * self._pause, _LONGEST_PAUSE_SECONDS) if again else self.settings.watch_seconds
        self._tried, self._not_before = due, time.monotonic() + self._pause
        home = {"LAKEHELM_HOME": str(self.settings.home)}
        self._child = start_child(["jobs", "watch", "--once"], log=self._log, environment=home)

    def _tell(self, state: str, found: Look) -> None:
        for error in found.errors:
            log.warning("%s", error)
        for sentence in found.noticed:
            log.warning("Changed outside of Lakehelm: %s", sentence)
        write_status(self.settings, "watch", report(self.settings, state, found, self._last_error))


def report(settings: Settings, state: str, found: Look, last_error: str = "") -> dict[str, Any]:
    """The status of the watch: what it sees, what is due, what it could not do. `guard_acts`: whether it may."""
    errors = [*found.errors, *([last_error] if last_error else [])]
    return {
        "state": state,
        "process_id": os.getpid(),
        "every_seconds": settings.watch_seconds,
        "guard_acts": settings.guard,
        **asdict(found),
        "errors": errors,
    }


def end_child_kindly(process: "subprocess.Popen[bytes]") -> None:
    """Let a child that is at work finish its change; end it only if that takes too long."""
    try:
        process.wait(_LAST_WORDS_SECONDS)
    except subprocess.TimeoutExpired:
        end_child(process, 0)


def once(settings: Settings) -> Look:
    """Look once and do what is due. Raises: StillAtWork, if another process does so right now."""
    with one_at_a_time(settings, "watch-look", settings.watch_seconds + LOOK_SECONDS):
        return Looker(settings, EndpointClient(settings)).look(act=True)


def main(arguments: list[str]) -> int:
    """`python -m jobs watch [--once]`. Without the switch it runs until SIGTERM or Ctrl-C."""
    parser = ArgumentParser(prog="python -m jobs watch", description=__doc__)
    parser.add_argument("--once", action="store_true", help="look once, do what is due, and end")
    given = parser.parse_args(arguments)
    settings = get_settings()
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(message)s")
    if given.once:
        # A change that has begun is carried to its end, also while everything else is being stopped.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        found = once(settings)
        for sentence in (*found.done, *found.errors):
            print(sentence, flush=True)
        return 1 if found.errors else 0
    with one_at_a_time(settings, "watch", 0):
        watch = Watch(settings)

        def stop(number: int, frame: FrameType | None) -> None:
            watch.stopping = True

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        watch.run_until_stopped()
    return 0
