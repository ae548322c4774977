"""`python -m jobs figures`: figures of jobs, alerts and drift for other people's monitoring.

They stand in `metrics/lakehelm.prom` in the workspace folder, in Prometheus' text format, for the textfile collector
of the node exporter, and go to the OpenTelemetry collector of the settings. The scheduler writes them every 15 seconds;
this command writes them once and prints them.
"""

import logging
import os
import threading
from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from jobs.job_figures import JobFigures
from lakehouse.errors import LakehouseError
from serving.figures import Family, prometheus_text
from serving.telemetry import EVERY_SECONDS, Collector, Sender
from serving.workspace_id import workspace_id
from settings import Settings, get_settings

SERVICE = "lakehelm-jobs"

log = logging.getLogger(__name__)


def figures_path(settings: Settings) -> Path:
    """Where the figures stand."""
    return settings.home / "metrics" / "lakehelm.prom"


def write_figures(settings: Settings, families: Sequence[Family]) -> Path:
    """Replace the file of the figures, so that nobody reads half of one. Returns where it is. Raises: OSError."""
    target = figures_path(settings)
    target.parent.mkdir(parents=True, exist_ok=True)
    # The collector takes files that end with .prom only.
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    temporary.write_text(prometheus_text(families), encoding="utf-8")
    temporary.replace(target)
    return target


class FigureExport:
    """Writes the figures every few seconds and sends them, each in a thread of its own that nothing waits for.

    What cannot be read or written is said in the log, once for as long as it is the same; the file then stays as it
    was, with the time at which it was written.
    """

    def __init__(self, settings: Settings, every_seconds: float = EVERY_SECONDS) -> None:
        self.problem = ""
        self._settings, self._every = settings, every_seconds
        self._figures = JobFigures(settings)
        self._sender = Sender(settings.telemetry_url, SERVICE, workspace_id(settings.home), every_seconds)
        self._newest: list[Family] = []
        self._stopping = threading.Event()

    def start(self) -> None:
        """Begin. The file is written at once."""
        threading.Thread(target=self._write_for_ever, name="figures", daemon=True).start()
        self._sender.start(lambda: self._newest)

    def stop(self) -> None:
        """End, without waiting for anything."""
        self._stopping.set()
        self._sender.stop()

    def _write_for_ever(self) -> None:
        while not self._stopping.is_set():
            problem = ""
            try:
                self._newest = self._figures.families(datetime.now(UTC))
                write_figures(self._settings, self._newest)
            except (LakehouseError, OSError) as error:
                problem = str(error)
            if problem and problem != self.problem:
                log.error("The figures for Prometheus could not be written: %s", problem)
            self.problem = problem
            self._stopping.wait(self._every)


def main(arguments: list[str]) -> int:
    """`python -m jobs figures`. Raises: TelemetryFailed, if there is a collector that does not take them."""
    ArgumentParser(prog="python -m jobs figures", description=__doc__).parse_args(arguments)
    settings = get_settings()
    families = JobFigures(settings).families(datetime.now(UTC))
    write_figures(settings, families)
    print(prometheus_text(families), end="")
    if settings.telemetry_url:
        collector = Collector(settings.telemetry_url, SERVICE, workspace_id(settings.home))
        collector.send(collector.payload(families))
    return 0
