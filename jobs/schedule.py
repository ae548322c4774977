"""`python -m jobs schedule`: the metrics job every few minutes, what people ask for within seconds, upkeep once a day.

APScheduler says when something is due; this process then runs one child after the other, so two runs never overlap.
A child ends with the scheduler, however the scheduler ends. Runs that were missed are caught up by the next one: a
run takes everything that is new. After each run of the metrics job it brings the drift tables up to date, and once a
minute it looks whether a retraining is due. Beside that it keeps two lanes running that no run makes wait:
`python -m jobs watch`, which looks after canary ramps and the guard, and `python -m jobs alerts`.
"""

import logging
import os
import signal
import sys
import time
from argparse import ArgumentParser
from collections import deque
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Any

from jobs import retraining_triggers
from jobs.child_runs import Wish, refuse, run_child, wish_of_request
from jobs.errors import JobError
from jobs.figures import FigureExport
from jobs.one_at_a_time import one_at_a_time
from jobs.processes import Supervised
from lakehouse.errors import LakehouseError
from lakehouse.runs import pending_requests, runs
from lakehouse.status import write_status
from registry.errors import RegistryError
from settings import Settings, get_settings

REQUEST_LOOK_SECONDS = 2.0
STATUS_SECONDS = 5.0
FIRST_UPKEEP = timedelta(minutes=10)
UPKEEP_EVERY = timedelta(hours=24)
RETRAINING_LOOK_SECONDS = 60
LANES = ("watch", "alerts")
"""Jobs that run beside all others for as long as the scheduler does."""
_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 60.0

log = logging.getLogger(__name__)


class Scheduler:
    """The runs that are due, and the loop that runs them one after the other."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.due: deque[Wish] = deque()
        self.stopping = False
        self.running: Wish | None = None
        self.error = ""
        self.retraining_error = ""
        self.lanes = {
            name: Supervised(
                name,
                ["jobs", name],
                settings.home / "logs" / f"{name}.log",
                environment={"LAKEHELM_HOME": str(settings.home)},
            )
            for name in LANES
        }
        self.figures = FigureExport(settings)
        self._looked = self._status_written = 0.0
        self._clock = self._start_clock()

    def run_until_stopped(self) -> None:
        """Run what is due until `stopping` is set. An unreadable lake is reported and tried again."""
        pause = _PAUSE_SECONDS
        for lane in self.lanes.values():
            lane.start()
        self.figures.start()
        while not self.stopping:
            try:
                self.error = ""
                wish = self._next_wish()
                if wish is not None:
                    self._run(wish)
                pause = _PAUSE_SECONDS
            except (LakehouseError, OSError) as error:
                self.error = str(error)
                log.error("%s", error)
                pause = min(max(2 * pause, 1.0), _LONGEST_PAUSE_SECONDS)
            self._tend()
            self._sleep(pause)
        self._clock.shutdown(wait=False)
        for lane in self.lanes.values():
            lane.end()
        self.figures.stop()
        self._write_status(at_once=True)

    def _start_clock(self) -> Any:
        from apscheduler.schedulers.background import BackgroundScheduler

        now = datetime.now(UTC)
        # coalesce and no misfire limit: after a laptop's sleep there is one run, at once, instead of many or none.
        clock = BackgroundScheduler(
            timezone="UTC", job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1}
        )
        every = self.settings.metrics_interval_seconds
        clock.add_job(self._score_is_due, "interval", seconds=every, next_run_time=now, id="score")
        clock.add_job(self._upkeep_is_due, "interval", hours=1, next_run_time=now + FIRST_UPKEEP, id="compact")
        clock.add_job(
            self._retraining_is_due,
            "interval",
            seconds=RETRAINING_LOOK_SECONDS,
            next_run_time=now + timedelta(seconds=RETRAINING_LOOK_SECONDS),
            id="retrain",
        )
        clock.start()
        return clock

    def _score_is_due(self) -> None:
        self._is_due(Wish("score", "schedule"))

    def _upkeep_is_due(self) -> None:
        # By the time of the last one instead of by the clock on the wall: a laptop is seldom on at night.
        last = runs(self.settings, "compact", limit=1)
        old = not last or datetime.now(UTC) - last[0]["started_at"] >= UPKEEP_EVERY
        if old:
            self._is_due(Wish("compact", "schedule"))

    def _retraining_is_due(self) -> None:
        try:
            wish = retraining_triggers.due(self.settings, datetime.now(UTC))
        except (LakehouseError, RegistryError, OSError) as error:
            self.retraining_error = str(error)
            log.error("%s", error)
            return
        self.retraining_error = ""
        if wish is not None:
            self._is_due(wish)

    def _is_due(self, wish: Wish) -> None:
        # Runs in the clock's thread: a copy cannot change while it is looked at.
        if not any(waiting.job == wish.job for waiting in self.due.copy()):
            self.due.append(wish)

    def _next_wish(self) -> Wish | None:
        wish = None
        if time.monotonic() - self._looked >= REQUEST_LOOK_SECONDS:
            self._looked = time.monotonic()
            wish = self._next_request()
        # The next step of a retraining gives way: scoring gets its turn between two of them. Its wish is seen again.
        if self.due and (wish is None or (wish.job == "retrain" and "--next" in wish.switches)):
            return self.due.popleft()
        return wish

    def _next_request(self) -> Wish | None:
        for request in pending_requests(self.settings):
            try:
                return wish_of_request(request)
            except JobError as error:
                refuse(self.settings, request, error)
        return None

    def _run(self, wish: Wish) -> None:
        self.running = wish
        self._write_status(at_once=True)
        try:
            run_child(self.settings, wish, lambda: self.stopping, self._tend)
            if wish.job == "score":
                self._is_due(Wish("drift", "schedule"))
        finally:
            self.running = None
            self._looked = 0.0

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self.stopping and time.monotonic() < end:
            time.sleep(min(_PAUSE_SECONDS, seconds))
            self._tend()

    def _tend(self) -> None:
        """What is done a few times a second, whatever else runs: the lanes are kept alive, the status is told."""
        for lane in self.lanes.values():
            lane.watch()
        self._write_status()

    def _write_status(self, at_once: bool = False) -> None:
        if not at_once and time.monotonic() - self._status_written < STATUS_SECONDS:
            return
        self._status_written = time.monotonic()
        next_run = None if self.stopping else self._clock.get_job("score").next_run_time
        write_status(
            self.settings,
            "scheduler",
            {
                "state": "stopped" if self.stopping else "running" if self.running else "waiting",
                "process_id": os.getpid(),
                "job": self.running.job if self.running else None,
                "trigger": self.running.trigger if self.running else None,
                "since": self.running.since.isoformat() if self.running else None,
                "next_run_at": next_run.isoformat() if next_run else None,
                "error": self.error or self.retraining_error,
                **{name: lane.report() for name, lane in self.lanes.items()},
            },
        )


def main(arguments: list[str]) -> int:
    """`python -m jobs schedule`. Runs until it gets SIGTERM or Ctrl-C."""
    ArgumentParser(prog="python -m jobs schedule", description=__doc__).parse_args(arguments)
    settings = get_settings()
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(message)s")
    with one_at_a_time(settings, "schedule", 0):
        scheduler = Scheduler(settings)

        def stop(number: int, frame: FrameType | None) -> None:
            scheduler.stopping = True

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        every = settings.metrics_interval_seconds
        print(f"The metrics job runs every {every} seconds in {settings.home}.", flush=True)
        scheduler.run_until_stopped()
    return 0
