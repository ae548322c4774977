"""Quality: two model versions side by side, and how easy their answers were to read over time."""

import streamlit as st

from dashboard import widgets
from dashboard.panels import quality as panels
from dashboard.queries import quality

widgets.header(
    "Quality", "Two model versions side by side: how fluent, how readable and how toxic their answers are.", dated=True
)

chosen: object = None
with widgets.guarded("Versions"), st.container(horizontal=True, vertical_alignment="top"):
    label, period = widgets.span_control("30d", ("24h", "7d", "30d"))
    endpoint = widgets.endpoint_control()
    chosen = panels.version_controls(endpoint)

if isinstance(chosen, str):
    widgets.empty(chosen)
elif isinstance(chosen, tuple):
    with widgets.guarded("Comparison"), st.grid(3, min_column_width=270):
        for compared in quality.comparisons(endpoint, *chosen, period):
            about = f"{compared.score.meaning} Average, {compared.score.unit}."
            with widgets.panel(compared.score.title, about):
                panels.comparison(compared, *chosen)
    with widgets.panel("Readability per minute", f"How easy the answers were to read over the last {label}."):
        panels.readability(endpoint, *chosen, period)
