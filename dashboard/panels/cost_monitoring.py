"""What the monitoring itself costs."""

from typing import TYPE_CHECKING

import streamlit as st

from dashboard.downloads import download
from dashboard.periods import Period
from dashboard.queries import cost_monitoring
from dashboard.queries.cost_monitoring import JOBS
from dashboard.widgets import empty, table
from dashboard.wording import NOTHING, duration, number, plain

if TYPE_CHECKING:
    import pandas as pd


def monitoring(period: Period) -> None:
    """How long the jobs that watch ran, for 1,000 requests and in hours of a processor at most."""
    found = cost_monitoring.monitoring_runs(period)
    if found.jobs.empty:
        empty("No job that watches ran in this time.")
        return
    rows = found.jobs.to_dict("records")
    seconds = float(found.jobs["seconds"].sum())
    scored = int(found.jobs.loc[found.jobs["job"] == "score", "rows_scored"].sum())
    each = f", **{duration(seconds / scored * 1000)} for 1,000 scored requests**" if scored else ""
    st.markdown(
        f"The jobs that watch ran for {duration(seconds)}{each}: at most {number(seconds / 3600 * found.cores, 2)} "
        f"processor hours on {number(found.cores)} cores."
    )
    table(
        {
            "Job": [plain(JOBS[row["job"]]) for row in rows],
            "Runs": [number(row["runs"]) for row in rows],
            "Ran for": [duration(row["seconds"]) for row in rows],
            "A run": [duration(row["seconds"] / row["runs"]) for row in rows],
            "Requests": [number(row["rows_scored"]) if row["rows_scored"] else NOTHING for row in rows],
            "Most of it": [_longest(found.stages, row["job"]) for row in rows],
        },
        alt="How long the jobs that watch ran",
    )
    download(found.stages, "time of the monitoring")
    st.caption(
        "Runs of all endpoints that began in the range, from their beginning to their end. In money it is not told: "
        "what an hour of this machine costs is not set anywhere."
    )


def _longest(stages: "pd.DataFrame", job: str) -> str:
    part = stages[stages["job"] == job]
    if part.empty or not part["seconds"].sum():
        return NOTHING
    first = part.iloc[0]
    return f"{plain(first['stage'])} {number(first['seconds'] / part['seconds'].sum() * 100)} %"
