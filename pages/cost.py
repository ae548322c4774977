"""Cost: what the answers cost: by version, requester and day, and what the month will come to."""

import streamlit as st

from dashboard import widgets
from dashboard.panels import cost, cost_details, cost_difference, cost_forecast, cost_over_time
from dashboard.time_range import moment_banner, moment_control, time_range_control

widgets.header(
    "Cost", "What the answers cost: by version, requester and day, and what the month will come to.", dated=True
)
moment_banner()

with st.container(horizontal=True, vertical_alignment="bottom"):
    chosen = time_range_control("30d")
    endpoint = widgets.endpoint_control()
    moment_control()
period = chosen.period

with widgets.guarded("Figures"):
    cost.tiles(endpoint, chosen)


def over_time() -> None:
    """What was spent when, and the hours far above the usual."""
    with widgets.panel("Spend over time", "What was spent in US dollars, by model version or by requester."):
        cost_over_time.over_time(endpoint, period)


def this_month() -> None:
    """What the month will come to."""
    with widgets.panel("This month", "What the calendar month has cost and will come to, whatever the range above."):
        cost_forecast.month(endpoint)


def versions() -> None:
    """What one version costs more than another."""
    with widgets.panel("Between two versions", "What a request of one costs more, how sure that is, and why."):
        cost_difference.difference(endpoint, period)


widgets.parts(
    {
        "Over time": over_time,
        "Forecast": this_month,
        "Versions": versions,
        "Conversations and prices": lambda: cost_details.details(endpoint, period),
    }
)
