"""Is the system healthy? Rules over facts, without any reading: the first line of the Overview."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dashboard.queries.endpoint import EndpointState
from dashboard.queries.operations import Demo, Process, data_time
from dashboard.queries.traffic import Failures
from dashboard.wording import age, duration, percent

LATE_AFTER_INTERVALS = 3
"""The metrics job is late when it has not succeeded for this many of its intervals: one slow run is no alarm."""
MANY_ERRORS = 0.05
"""A share of failed requests that wants a person's look. Alerts with thresholds of your own replace it."""
ENOUGH_REQUESTS = 20
"""Below this many requests a share of failures says little."""


@dataclass(frozen=True)
class Problem:
    """Something that is wrong: one sentence, and whether people who use the chatbot notice it."""

    sentence: str
    serious: bool


@dataclass(frozen=True)
class Health:
    """The verdict. `level` is good, warning, bad or unknown."""

    level: str
    problems: tuple[Problem, ...]
    data_time: datetime | None
    """Up to when requests are scored."""


def assess(
    endpoint: EndpointState,
    processes: Sequence[Process] | None,
    demo: Demo | None,
    runs: Sequence[dict[str, Any]],
    last_hour: Failures | None,
    delivery_problem: str,
    interval_seconds: float,
    now: datetime,
    open_alerts: int = 0,
    urgent_alerts: int | None = None,
) -> Health:
    """The verdict on the facts that are known.

    open_alerts: how many the page shows below this line; urgent_alerts: how many of them want somebody now, all of them
    unless told.
    """
    problems = [
        *_alert_problems(open_alerts, open_alerts if urgent_alerts is None else urgent_alerts),
        *_endpoint_problems(endpoint),
        *_process_problems(processes or []),
        *_demo_problems(demo),
        *_job_problems(runs, interval_seconds, now),
        *_traffic_problems(last_hour),
        *_delivery_problems(delivery_problem),
    ]
    if any(problem.serious for problem in problems):
        level = "bad"
    elif problems:
        level = "warning"
    else:
        level = "unknown" if endpoint.state == "asking" or not runs else "good"
    return Health(level, tuple(sorted(problems, key=lambda p: not p.serious)), data_time(runs))


def _alert_problems(count: int, urgent: int) -> list[Problem]:
    if not count:
        return []
    said = "An alert is open, see below." if count == 1 else f"{count} alerts are open, see below."
    return [Problem(said, urgent > 0)]


def _endpoint_problems(state: EndpointState) -> list[Problem]:
    if state.state == "down":
        seen = f" It was last seen {age(state.seen_at)}." if state.seen_at else ""
        return [Problem(f"The gateway does not answer.{seen}", True)]
    if state.state == "failed":
        return [Problem(f"The state of the endpoint cannot be read: {state.message}", True)]
    if state.state == "missing":
        return [Problem("The endpoint does not exist.", True)]
    endpoint = state.endpoint
    if endpoint is None:
        return []
    problems = []
    if not endpoint.ready:
        problems.append(Problem(f"The endpoint {endpoint.name} is not ready.", True))
    for served in endpoint.served:
        if served.traffic and not served.ready:
            why = f": {served.message}" if served.message else "."
            problems.append(Problem(f"{served.name} has {served.traffic} % of the traffic and is not ready{why}", True))
    if endpoint.updating == "UPDATE_FAILED":
        problems.append(
            Problem(f"The last update of {endpoint.name} failed; the configuration before it serves.", False)
        )
    return problems


def _process_problems(processes: Sequence[Process]) -> list[Problem]:
    problems = []
    for process in processes:
        if process.state in ("failed", "restarting"):
            why = f": {process.last_error}" if process.last_error else "."
            doing = "is being restarted" if process.state == "restarting" else "has failed"
            problems.append(Problem(f"The process {process.name} {doing}{why}", process.name == "gateway"))
    return problems


def _demo_problems(demo: Demo | None) -> list[Problem]:
    if demo is None or demo.state != "failed":
        return []
    return [Problem(f"The demo workspace could not be built: {demo.error or 'its log says why.'}", True)]


def _job_problems(runs: Sequence[dict[str, Any]], interval_seconds: float, now: datetime) -> list[Problem]:
    ended = [run for run in runs if run["state"] != "running"]
    if not ended:
        return []
    problems = []
    last = ended[0]
    if last["state"] != "succeeded":
        words = {"timed_out": "took too long and was ended", "interrupted": "was interrupted"}
        why = f": {last['error']}" if last["error"] else "."
        problems.append(Problem(f"The last run of the metrics job {words.get(last['state'], 'failed')}{why}", False))
    succeeded = [run["finished_at"] or run["started_at"] for run in ended if run["state"] == "succeeded"]
    newest = max(succeeded, default=None)
    late = timedelta(seconds=LATE_AFTER_INTERVALS * interval_seconds)
    running = bool(runs) and runs[0]["state"] == "running"
    if newest is not None and now - newest > late and not running:
        every = duration(interval_seconds)
        problems.append(
            Problem(f"The metrics job last succeeded {age(newest, now)}; it should run every {every}.", False)
        )
    return problems


def _traffic_problems(found: Failures | None) -> list[Problem]:
    if found is None or found.requests < ENOUGH_REQUESTS:
        return []
    if found.share >= MANY_ERRORS:
        return [Problem(f"{percent(found.share)} of the requests of the last hour failed.", True)]
    return []


def _delivery_problems(why: str) -> list[Problem]:
    """Nobody who asks the chatbot notices, but every number on the pages lacks these requests."""
    if not why:
        return []
    return [Problem(f"Requests wait in the gateway's spool instead of the inference table: {why}", False)]
