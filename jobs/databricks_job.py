"""The job that trains on Databricks: started once, and looked at until it ends (`jobs.run_now`, Jobs API 2.2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jobs.errors import JobError
from lakehouse.store import first_line
from settings import Settings

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

ANSWER_SECONDS = 30.0
RETRY_SECONDS = 20


class DatabricksDown(JobError):
    """Databricks could not be reached or is out of order, which says nothing about the job: ask again later."""


@dataclass(frozen=True)
class DatabricksRun:
    """A run of a job, as Databricks tells it. `page` is its address in the workspace; `message` may be empty."""

    run_id: int
    page: str
    life_cycle_state: str
    """PENDING, RUNNING, TERMINATED, INTERNAL_ERROR, SKIPPED, …"""
    result_state: str
    """SUCCESS, FAILED, CANCELED, TIMEDOUT, …; empty while it runs."""
    message: str
    started_at: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether it has come to an end, whichever."""
        return self.life_cycle_state in {"TERMINATED", "INTERNAL_ERROR", "SKIPPED"}

    @property
    def succeeded(self) -> bool:
        """Whether it did what it should."""
        return self.life_cycle_state == "TERMINATED" and self.result_state == "SUCCESS"


def run_now(settings: Settings, job_id: int, token: str, parameters: Mapping[str, str]) -> int:
    """Start a job, or find the run that was started with the same `token` (at most 64 characters).

    `parameters`: values for parameters of the job.
    Returns: the run's id. Raises: DatabricksDown (to ask again with the same token is safe); JobError.
    """
    from databricks.sdk.errors import DatabricksError

    try:
        jobs = _workspace(settings).jobs
        # A job that has no parameters is sent none at all.
        return int(jobs.run_now(job_id, idempotency_token=token, job_parameters=dict(parameters) or None).run_id)
    except (DatabricksError, OSError, ValueError, TimeoutError) as error:
        raise _kind_of(error)(
            f"Databricks did not start job {job_id} (job_id in the rules of retraining): {first_line(error)}"
        ) from error


def look(settings: Settings, run_id: int) -> DatabricksRun:
    """How a run is doing. Raises: DatabricksDown, JobError."""
    from databricks.sdk.errors import DatabricksError

    try:
        found = _workspace(settings).jobs.get_run(run_id)
    except (DatabricksError, OSError, ValueError, TimeoutError) as error:
        raise _kind_of(error)(f"Databricks did not tell how run {run_id} is doing: {first_line(error)}") from error
    state = found.state
    return DatabricksRun(
        run_id=run_id,
        page=found.run_page_url or "",
        life_cycle_state=state.life_cycle_state.value if state and state.life_cycle_state else "PENDING",
        result_state=state.result_state.value if state and state.result_state else "",
        message=(state.state_message or "") if state else "",
        started_at=datetime.fromtimestamp(found.start_time / 1000, UTC) if found.start_time else None,
    )


def _kind_of(error: Exception) -> type[JobError]:
    """Whether an error of the SDK's passes by itself."""
    from databricks.sdk.errors import DatabricksError, platform

    if not isinstance(error, DatabricksError):
        # A wrong address is a ValueError; whatever happens on the way to the right one is not.
        return JobError if isinstance(error, ValueError) else DatabricksDown
    passing = (
        platform.InternalError,
        platform.TemporarilyUnavailable,
        platform.DeadlineExceeded,
        platform.TooManyRequests,
    )
    # The SDK has no name for what proxies say, such as 502.
    return DatabricksDown if isinstance(error, passing) or type(error) is DatabricksError else JobError


def _workspace(settings: Settings) -> "WorkspaceClient":
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.config import Config

    Config.attributes()  # A subclass has none of its own, and finds its parent's only once they were asked for.

    class HostAsGiven(Config):
        """Without the SDK's probe of the host: a token needs none."""

        def _resolve_host_metadata(self) -> None:
            pass

    config = HostAsGiven(
        host=settings.host,
        token=settings.token.get_secret_value(),
        auth_type="pat",
        http_timeout_seconds=ANSWER_SECONDS,
        retry_timeout_seconds=RETRY_SECONDS,
    )
    return WorkspaceClient(config=config)
