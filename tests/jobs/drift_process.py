"""`python -m tests.jobs.drift_process HOME UNTIL`: a real run of `drift` in its own process, two commits a table."""

import sys
from datetime import datetime, timedelta
from pathlib import Path

from jobs import drift
from settings import Settings

STAGES = (
    "find",
    "plan",
    "read",
    "compute",
    "write_request_metrics_profile_metrics",
    "write_request_metrics_drift_metrics",
)
"""The boundaries of a run, each named by the stage that was just done."""

if __name__ == "__main__":
    # Few windows a commit, so that a small table has a second and a third of everything.
    drift.WINDOWS_AT_ONCE = 20
    until = datetime.fromisoformat(sys.argv[2])
    drift.run_drift(Settings(home=Path(sys.argv[1])), now=until + timedelta(seconds=1), until=until)
