"""What the monitoring itself costs: how long its jobs ran, and for how many requests."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dashboard.periods import Period
from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, select, shown
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


@kept(max_entries=8)
def _runs(snapshot: Snapshot, period: Period) -> tuple["pd.DataFrame", "pd.DataFrame"]:
    # A run has a row for its beginning and one for its end, which holds; the end may be told twice. A row without a
    # stage is a job's own.
    rows = select(
        snapshot,
        """SELECT job, NULL AS stage, count(*) AS runs,
                  sum(epoch_ms(finished) - epoch_ms(started_at)) / 1000.0 AS seconds,
                  coalesce(sum(rows_scored), 0)::BIGINT AS rows_scored
           FROM (SELECT run_id, any_value(job) AS job, any_value(started_at) AS started_at,
                        max(finished_at) AS finished, arg_max(rows_scored, finished_at) AS rows_scored
                 FROM this
                 WHERE job = ANY($jobs) AND started_at >= $start AND started_at < $end AND finished_at IS NOT NULL
                 GROUP BY run_id)
           GROUP BY job
           UNION ALL
           SELECT job, entry.key AS stage, 0 AS runs, sum(entry.value) AS seconds, 0 AS rows_scored
           FROM (SELECT any_value(job) AS job, unnest(map_entries(arg_max(stage_seconds, finished_at))) AS entry
                 FROM this
                 WHERE job = ANY($jobs) AND started_at >= $start AND started_at < $end AND finished_at IS NOT NULL
                 GROUP BY run_id)
           GROUP BY job, entry.key
           ORDER BY seconds DESC, job, stage""",
        span=(period.start, period.end),
        jobs=list(JOBS),
        start=period.start,
        end=period.end,
    )
    jobs = rows[rows["stage"].isna()].drop(columns="stage").reset_index(drop=True)
    return jobs, rows.loc[rows["stage"].notna(), ["job", "stage", "seconds"]].reset_index(drop=True)
