"""Who asked for a run of a job."""

import getpass

import pyarrow.compute as pc

from lakehouse.store import open_table, read_rows
from settings import Settings


def who_asked(settings: Settings, request_id: str) -> str:
    """Who asked for a run: the row of `job_requests` says it, else it is who runs the command; empty if unknown."""
    if request_id:
        rows = read_rows(open_table(settings, "job_requests"), ["requested_by"], pc.field("request_id") == request_id)
        if rows.num_rows:
            return str(rows["requested_by"][0].as_py() or "")
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""  # A container's user may have no name.
