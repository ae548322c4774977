"""Jobs: every run of the metrics job, how far it is, and why some requests have no score."""

import streamlit as st

from dashboard import widgets
from dashboard.panels import jobs
from dashboard.queries import operations

widgets.header(
    "Jobs", "The metrics job scores new requests every few minutes: its runs, its lag, and what it could not score."
)


def jobs_page() -> None:
    """How far the job is, its runs, one run in detail, and what has no score."""
    with widgets.guarded("Runs"):
        runs = operations.metrics_runs()
        jobs.summary(runs)
        jobs.run_now()
        with widgets.panel("Runs", "The last 200 runs, newest first. Choose one to see where its time went."):
            chosen = jobs.runs_table(operations.scoring_runs())
        left, right = st.columns(2)
        with left, widgets.panel("Where the time went", "Seconds in each stage of the chosen run, or of the newest."):
            jobs.run_details(chosen)
        with right, widgets.panel("Without a score", "Scores that the metrics job could not give, by reason."):
            jobs.unscored(runs)
        with widgets.panel("Duration", "How long the last 100 runs took, in seconds, by when they started."):
            jobs.history(runs)


widgets.refreshing(jobs_page, seconds=3)
