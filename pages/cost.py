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

with widgets.panel("Spend over time", "What was spent in US dollars, by model version or by requester."):
    cost_over_time.over_time(endpoint, period)

left, right = st.columns(2)
with left, widgets.panel("This month", "What the calendar month has cost and will come to, whatever the range above."):
    cost_forecast.month(endpoint)
with right, widgets.panel("Between two versions", "What a request of one costs more, how sure that is, and why."):
    cost_difference.difference(endpoint, period)

cost_details.details(endpoint, period)
