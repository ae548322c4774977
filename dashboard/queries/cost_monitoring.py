"""What the monitoring itself costs: how long its jobs ran, and for how many requests."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.periods import Period
from dashboard.queries.lake import HASH_FUNCS, Snapshot, select, shown
from settings import get_settings

if TYPE_CHECKING:
    import pandas as pd

JOBS = {
    "score": "Metrics job",
    "rescore": "Later scores",
    "compact": "Upkeep of the tables",
}
"""The jobs that exist only to watch: as `job_runs` names them, and as people call them."""


@dataclass(frozen=True)
class MonitoringRuns:
    """How long the jobs that watch ran in a period.

    jobs: columns job, runs, seconds, rows_scored; those that ran. stages: columns job, stage, seconds, longest first.
    cores: what the settings let a run use at most.
    """

    jobs: "pd.DataFrame"
    stages: "pd.DataFrame"
    cores: int


def monitoring_runs(period: Period) -> MonitoringRuns:
    """The ended runs that began in a period, of all endpoints together.

    Raises: QueryFailed, LakehouseError.
    """
    jobs, stages = _runs(shown("job_runs"), period)
    return MonitoringRuns(jobs, stages, get_settings().cores)


@st.cache_data(max_entries=8, show_spinner=False, hash_funcs=HASH_FUNCS)
def _runs(snapshot: Snapshot, period: Period) -> tuple["pd.DataFrame", "pd.DataFrame"]:
    # A run has a row for its beginning and one for its end, which holds; the end may be told twice.
    ended = """(SELECT DISTINCT ON (run_id) * FROM this
                WHERE job = ANY($jobs) AND started_at >= $start AND started_at < $end AND finished_at IS NOT NULL
                ORDER BY run_id, finished_at DESC)"""
    parameters: dict[str, Any] = {"jobs": list(JOBS), "start": period.start, "end": period.end}
    jobs = select(
        snapshot,
        f"""SELECT job, count(*) AS runs, sum(epoch_ms(finished_at) - epoch_ms(started_at)) / 1000.0 AS seconds,
                   coalesce(sum(rows_scored), 0)::BIGINT AS rows_scored
            FROM {ended} GROUP BY job ORDER BY seconds DESC""",  # noqa: S608
        span=(period.start, period.end),
        **parameters,
    )
    stages = select(
        snapshot,
        f"""SELECT job, entry.key AS stage, sum(entry.value) AS seconds
            FROM (SELECT job, unnest(map_entries(stage_seconds)) AS entry FROM {ended})
            GROUP BY ALL ORDER BY seconds DESC, job, stage""",  # noqa: S608
        span=(period.start, period.end),
        **parameters,
    )
    return jobs, stages
