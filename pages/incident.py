"""Incident: a stretch of time in one report: what changed, what moved, which requests, which decisions."""

import streamlit as st

from dashboard import time_range, widgets
from dashboard.panels import incident as panels
from dashboard.queries import incident as queries

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


def _what_moved() -> None:
    with widgets.panel(
        "What moved", "This time beside the same length before it and the same hours a week before, the clearest first."
    ):
        panels.moved(figures)


def _which_requests() -> None:
    with widgets.panel(
        "Which requests", "The ten that stand out most by each measure; one opens with its conversation."
    ):
        panels.worst(of)


def _what_changed() -> None:
    made = queries.made(of)
    with widgets.panel("What changed", "What was changed about what answers, oldest first. Open one for its effects."):
        panels.changed(made.changes, "Nothing was changed in this time.")
    with widgets.panel("Alerts", "Alerts that were open in this time."):
        panels.alerts(queries.alerts_of(of))
    with widgets.panel("Which decisions", "Decisions of people about versions and about flagged requests."):
        panels.decisions(made.decisions, queries.flags(of))


with widgets.guarded("Incident"):
    of = queries.stretch(endpoint, chosen.period)
    figures = queries.figures(of)
    with widgets.panel("In short", "Everything below, and the lines over time, in one file to keep and to send."):
        panels.summary(of, figures)
        panels.report_button(endpoint, chosen.period)
        panels.sources()
    widgets.parts(
        {"What moved": _what_moved, "Which requests": _which_requests, "What changed and was decided": _what_changed}
    )
