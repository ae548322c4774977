"""How the system itself is doing: runs of the metrics job, changes, supervised processes and the demo's building."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, newest, select_records, shown
from lakehouse import ledger, runs
from lakehouse.ledger import Change
from lakehouse.status import read_status
from settings import get_settings

METRICS_JOB = "score"
FILL_IN_JOB = "rescore"


@dataclass(frozen=True)
class Step:
    """A step of the demo's building. `state` is waiting, running, done or failed."""

    name: str
    state: str
    seconds: float | None
    detail: str


@dataclass(frozen=True)
class Demo:
    """The demo workspace. `state` is building, ready or failed."""

    state: str
    steps: tuple[Step, ...]
    error: str
    updated_at: datetime | None
    started_at: datetime | None


@dataclass(frozen=True)
class Process:
    """A process of `make run`. `state` is running, restarting, stopped or failed."""

    name: str
    state: str
    restarts: int
    since: datetime | None
    last_error: str


def metrics_runs(limit: int = 200) -> list[dict[str, Any]]:
    """Runs of the metrics job, newest first, with the columns of `job_runs`.

    Raises: LakehouseError.
    """
    found: list[dict[str, Any]] = runs.runs_in(_run_rows(newest("job_runs"), METRICS_JOB, limit))
    return found


def scored_until() -> datetime | None:
    """Up to when every request is scored, at the moment that the pages show. Raises: LakehouseError, QueryFailed."""
    return _scored_until(shown("job_runs"))


def data_time(found: Sequence[dict[str, Any]]) -> datetime | None:
    """Up to when every request is scored, as runs tell: the start of the last one that left none waiting."""
    done = [run for run in found if run["state"] == "succeeded"]
    caught_up = [run["started_at"] for run in done if not run["rows_waiting"]]
    behind = [run["newest_request_time"] for run in done if run["newest_request_time"]]
    return max(caught_up or behind, default=None)


def scoring_runs(limit: int = 200) -> list[dict[str, Any]]:
    """Runs of the metrics job and of `rescore`, which gives scores later, newest first.

    Raises: LakehouseError.
    """
    later: list[dict[str, Any]] = runs.runs_in(_run_rows(newest("job_runs"), FILL_IN_JOB, limit))
    return sorted([*metrics_runs(limit), *later], key=lambda run: run["started_at"], reverse=True)[:limit]


def waiting_wishes() -> list[dict[str, Any]]:
    """People's wishes that the metrics job runs now, which no run has taken up yet.

    Raises: LakehouseError.
    """
    wishes, taken = newest("job_requests"), newest("job_runs")
    if wishes.version < 1:
        return []
    return [wish for wish in _wishes(wishes, taken) if wish["job"] == METRICS_JOB]


def last_changes(limit: int = 5) -> list[Change]:
    """The last changes that people and jobs made, newest first; that somebody signed in changed nothing.

    Raises: LakehouseError.
    """
    return ledger.changes_in(_change_rows(shown("ledger"), limit))


def processes() -> list[Process] | None:
    """The processes that `make run` started, or None if they were not started that way."""
    status = read_status(get_settings(), "up")
    if status is None:
        return None
    return [
        Process(
            name=str(entry.get("name") or "?"),
            state=str(entry.get("state") or "?"),
            restarts=int(entry.get("restarts") or 0),
            since=parsed_time(entry.get("since")),
            last_error=str(entry.get("last_error") or ""),
        )
        for entry in status.get("processes") or []
    ]


def demo() -> Demo | None:
    """The demo workspace and how far its building is; None if this workspace is no demo."""
    status = read_status(get_settings(), "demo")
    if status is None:
        return None
    steps = tuple(
        Step(
            str(entry.get("name") or "?"),
            str(entry.get("state") or "waiting"),
            entry.get("seconds"),
            str(entry.get("detail") or ""),
        )
        for entry in status.get("steps") or []
    )
    return Demo(
        state=str(status.get("state") or "ready"),
        steps=steps,
        error=str(status.get("error") or ""),
        updated_at=parsed_time(status.get("updated_at")),
        started_at=parsed_time(status.get("started_at")),
    )


def demo_is_building() -> bool:
    """Whether the demo workspace is being built right now."""
    found = demo()
    return found is not None and found.state == "building"


def running_progress() -> dict[str, Any]:
    """What the run of the metrics job that is under way has done; empty if none is."""
    status = read_status(get_settings(), METRICS_JOB) or {}
    return status if status.get("state") == "running" else {}


def delivery_problem() -> str:
    """Why the gateway cannot bring requests into the inference table; empty if it can, or is not ours."""
    return str((read_status(get_settings(), "gateway") or {}).get("problem") or "")


def metrics_interval_seconds() -> int:
    """How often the metrics job is meant to run."""
    return get_settings().metrics_interval_seconds


def parsed_time(text: Any) -> datetime | None:
    """A time of a status file, or None if it is not one."""
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


# What is kept are the rows, not what they mean: a run whose process dies and a change that stays without an outcome are
# told without a new row.
@kept(max_entries=8)
def _run_rows(snapshot: Snapshot, job: str, limit: int) -> list[dict[str, Any]]:
    return select_records(
        snapshot,
        """SELECT * FROM this WHERE run_id IN (
             SELECT run_id FROM this WHERE job = $job GROUP BY run_id ORDER BY min(started_at) DESC LIMIT $limit)""",
        job=job,
        limit=limit,
    )


@kept(max_entries=8)
def _scored_until(snapshot: Snapshot) -> datetime | None:
    return data_time(runs.runs_in(_run_rows(snapshot, METRICS_JOB, 200)))


@kept(max_entries=8, ttl=10)
def _wishes(wishes: Snapshot, taken: Snapshot) -> list[dict[str, Any]]:
    return runs.pending_requests(get_settings())


@kept(max_entries=8)
def _change_rows(snapshot: Snapshot, limit: int) -> list[dict[str, Any]]:
    return select_records(
        snapshot,
        """SELECT * FROM this WHERE change_id IN (
             SELECT change_id FROM this WHERE phase = 'intent' AND coalesce(action, '') <> 'sign_in'
             ORDER BY time DESC, change_id LIMIT $limit)""",
        limit=limit,
    )
