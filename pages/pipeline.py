"""Pipeline: from the handbook to a live version, as each step last ran, and retraining with its rules."""

import streamlit as st

from dashboard import time_range, widgets
from dashboard.panels import pipeline as panels
from dashboard.panels import pipeline_steps
from dashboard.queries import pipeline

widgets.header(
    "Pipeline", "From the handbook to a live version: how each step last ran, and training the chatbot anew."
)
time_range.moment_banner("What is under way, and the rules, are those of now.")


def now() -> None:
    """The retraining that is under way, and the buttons that ask for one."""
    with widgets.panel("Retraining", "What is under way. It goes a step at a time, so that scoring gets its turn."):
        under_way = pipeline.under_way()
        panels.run_now(under_way)
        panels.progress(under_way)


def last_runs() -> None:
    """Steps 7 to 12 of the architecture, and every retraining."""
    with widgets.guarded("Steps"):
        found = pipeline.retrainings()
        with widgets.panel("Steps as they last ran", "Steps 7 to 12 of the MLOps architecture.", border=False):
            pipeline_steps.steps(found)
        with widgets.panel("Retrainings", "Each with its steps, what they found, and the data that they took."):
            panels.history(found)


widgets.refreshing(now, seconds=3)
widgets.refreshing(last_runs, seconds=5)
with widgets.panel("Rules", "What starts a retraining, and how far it may go by itself."):
    panels.rules(pipeline.rules_now())
with st.expander("Log of the last runs", icon=":material/terminal:"), widgets.guarded("Log"):
    panels.log()
