"""Incident: a stretch of time in one report: what changed, what moved, which requests, which decisions."""

import streamlit as st

from dashboard import time_range, widgets
from dashboard.panels import incident as panels
from dashboard.queries.incident import incident

widgets.header(
    "Incident",
    "A stretch of time in one report: what changed, what moved, which requests, which decisions.",
    dated=True,
)
time_range.moment_banner()
with st.container(horizontal=True, vertical_alignment="bottom"):
    chosen = time_range.time_range_control("24h", ("1h", "6h", "24h", "7d"))
    endpoint = widgets.endpoint_control()
    time_range.moment_control()

found = None
with widgets.guarded("Incident"):
    found = incident(endpoint, chosen.period)
if found is not None:
    with widgets.panel("In short", "Everything below, and the lines over time, in one file to keep and to send."):
        panels.summary(found)
        panels.report_button(found)
        panels.sources(found)
    with widgets.panel("What changed", "What was changed about what answers, oldest first. Open one for its effects."):
        panels.changed(found.changes, "Nothing was changed in this time.")
    with widgets.panel(
        "What moved", "This time beside the same length before it and the same hours a week before, the clearest first."
    ):
        panels.moved(found.figures)
    with widgets.panel("Alerts", "Alerts that were open in this time."):
        panels.alerts(found.alerts)
    with widgets.panel(
        "Which requests", "The ten that stand out most by each measure; one opens with its conversation."
    ):
        panels.worst(found)
    with widgets.panel("Which decisions", "Decisions of people about versions and about flagged requests."):
        panels.decisions(found.decisions, found.flags)
