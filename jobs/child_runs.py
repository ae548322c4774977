"""One run of a job as a child process of the scheduler: started, watched, ended when it hangs, and accounted for."""

import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jobs.errors import JobError
from jobs.processes import end_child, last_line, start_child
from lakehouse.runs import finish_run, runs, start_run
from settings import Settings

REQUESTABLE: dict[str, frozenset[str]] = {
    "score": frozenset({"once"}),
    "compact": frozenset(),
    "rescore": frozenset(),
    "evaluate": frozenset(),
    "drift": frozenset(),
    "retrain": frozenset({"dry-run", "next"}),
}
"""Jobs that a row of `job_requests` may start, with the switches that it may set. All take --trigger, --request-id."""


@dataclass(frozen=True)
class Needed:
    """An argument that a job cannot do without: its name, what its value must be, and that in words."""

    name: str
    pattern: re.Pattern[str]
    words: str


NEEDED: dict[str, Needed] = {
    "evaluate": Needed("version", re.compile(r"[1-9][0-9]{0,8}"), "the number of a version of the test model"),
}
"""Jobs whose request must hold one argument more. It goes to the job without a name, before all switches."""

PATIENCE_SECONDS = 10.0
_LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class Wish:
    """A run that should happen, and why."""

    job: str
    trigger: str
    request_id: str = ""
    switches: tuple[str, ...] = ()
    since: datetime = field(default_factory=lambda: datetime.now(UTC))

    def command(self) -> list[str]:
        """The arguments after `python -m`. Nothing of a request but what the lists above allow gets here."""
        identity = [f"--request-id={self.request_id}"] if self.request_id else []
        return ["jobs", self.job, *self.switches, f"--trigger={self.trigger}", *identity]


def wish_of_request(request: dict[str, Any]) -> Wish:
    """The run that a row of `job_requests` asks for.

    Raises: JobError, if it asks for a job or a switch that may not be asked for.
    """
    job, arguments = request["job"], request["arguments"]
    if job not in REQUESTABLE:
        raise JobError(f"The job {job!r} cannot be asked for; these can: {', '.join(REQUESTABLE)}.")
    allowed, needed = REQUESTABLE[job], NEEDED.get(job)
    given = set(arguments) - {needed.name if needed else None} if isinstance(arguments, dict) else {"no object"}
    if not given <= allowed:
        raise JobError(f"The job {job} takes only the switches {', '.join(sorted(allowed)) or '(none)'} in a request.")
    value = arguments.get(needed.name) if needed else None
    if needed and not (isinstance(value, str) and needed.pattern.fullmatch(value)):
        raise JobError(f"The job {job} needs {needed.name!r} in a request: {needed.words}, as a text of digits.")
    switches = tuple(f"--{name}" for name in sorted(given) if arguments[name])
    return Wish(job, "request", request["request_id"], ((value, *switches) if value else switches))


def refuse(settings: Settings, request: dict[str, Any], error: JobError) -> None:
    """Write down that a request will not be fulfilled, so that the person who asked sees why."""
    run_id = start_run(settings, str(request["job"]), "request", str(request["request_id"]))
    finish_run(settings, run_id, "failed", error=str(error))


def run_child(settings: Settings, wish: Wish, stopping: Callable[[], bool], on_wait: Callable[[], None]) -> None:
    """Run a wish to its end, or end it: after `settings.job_timeout_seconds`, or when the scheduler is stopping.

    Whatever happens to the child, `job_runs` says it. `on_wait` is called a few times a second.
    """
    log = settings.home / "logs" / f"{wish.job}.log"
    process = start_child(wish.command(), log=log, environment={"LAKEHELM_HOME": str(settings.home)})
    deadline = time.monotonic() + settings.job_timeout_seconds
    state, error = None, None
    for _ in _while_running(process):
        if stopping():
            state, error = "interrupted", "The scheduler was stopped while this ran; the next run goes on from here."
        elif time.monotonic() > deadline:
            state = "timed_out"
            error = (
                f"The run did not end within {settings.job_timeout_seconds:.0f} seconds "
                "(LAKEHELM_JOB_TIMEOUT_SECONDS), so the scheduler ended it; the next run goes on from the last commit."
            )
        if state:
            end_child(process, PATIENCE_SECONDS)
            break
        on_wait()
    if state is None and process.returncode == 0:
        return
    _account_for(settings, wish, process, state or "failed", error or _why(process, log))


def _while_running(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    while process.poll() is None:
        yield
        time.sleep(_LOOK_SECONDS)


def _why(process: "subprocess.Popen[bytes]", log: Path) -> str:
    if process.returncode < 0:
        return (
            f"The run's process was ended by signal {-process.returncode}; the next run goes on from the last commit."
        )
    return last_line(log) or f"The run ended with status {process.returncode} and said nothing."


def _account_for(settings: Settings, wish: Wish, process: "subprocess.Popen[bytes]", state: str, error: str) -> None:
    """Give the child's run its last row, unless it wrote one itself; write both rows if it never got that far."""
    for run in runs(settings, wish.job, limit=10):
        mine = run["process_id"] == process.pid and run["host"] == socket.gethostname()
        if mine and run["started_at"] >= wish.since:
            if run["state"] in {"running", "interrupted"}:
                finish_run(settings, run["run_id"], state, error=error)
            return
    run_id = start_run(settings, wish.job, wish.trigger, wish.request_id, process_id=process.pid)
    finish_run(settings, run_id, state, error=error)
