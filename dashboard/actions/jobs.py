"""Wishes for jobs."""

from dashboard.auth import current_actor
from lakehouse.runs import request_run
from settings import get_settings


def run_metrics_job_now() -> str:
    """Ask the scheduler for a run of the metrics job. Returns the request id, which the run will carry.

    Raises: NotAllowed, LakehouseError.
    """
    actor = current_actor()
    actor.require("run_job")
    return request_run(get_settings(), "score", {}, actor.name)
