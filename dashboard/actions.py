"""Every write that a person makes from a page."""

from lakehouse.runs import request_run
from settings import get_settings


def run_metrics_job_now(requested_by: str) -> str:
    """Ask the scheduler for a run of the metrics job. Returns the request id, which the run will carry.

    Raises: LakehouseError.
    """
    return request_run(get_settings(), "score", {}, requested_by)
