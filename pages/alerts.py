"""Alerts: what fires, who is at it, what was resolved, and what to do about it."""

import streamlit as st

from dashboard import time_range, widgets
from dashboard.panels import alerts as panels
from dashboard.queries import alerts

widgets.header("Alerts", "What fires, who is at it, what was resolved, and what to do about it.")
time_range.moment_banner()
with st.container(horizontal=True, vertical_alignment="bottom"):
    chosen = time_range.time_range_control("7d")
    time_range.moment_control(refreshed=False)

asked = st.query_params.get("alert", "")


def opened() -> None:
    """The alert that a link asks for."""
    with widgets.panel("One alert", "What a link asked for: what it says, what was measured, and what to do."):
        panels.one(alerts.alert(asked))


def listed() -> None:
    """How many alerts are in which state, and each of them."""
    with widgets.guarded("Alerts"):
        found = alerts.alerts_by_state(chosen.period.start, chosen.period.end)
        panels.tiles(found, chosen)
        with widgets.guarded("Rules"):
            panels.look_line(alerts.looking())
        with widgets.guarded("Deliveries"):
            panels.deliveries_line(alerts.waiting_deliveries())
        with widgets.panel("Alerts", "The most urgent first. Open one for its evidence and what can be done."):
            panels.lists(found)
        with widgets.panel("Rules", "What the last look saw of each rule. Of now, also where you look back."):
            panels.rules(alerts.looking())


if asked:
    widgets.refreshing(opened, seconds=5)
widgets.refreshing(listed, seconds=5)
