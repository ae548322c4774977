"""Quality: two versions, times or parts of the traffic side by side, and every minute of a score."""

import streamlit as st

from dashboard import time_range, widgets
from dashboard.panels import quality as panels
from dashboard.panels import quality_minutes, quality_pairs, quality_sides
from dashboard.queries import quality_comparison

widgets.header(
    "Quality", "Two model versions side by side: how fluent, how readable and how toxic their answers are.", dated=True
)
time_range.moment_banner()

sides: object = None
with widgets.guarded("Versions"):
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = time_range.time_range_control("30d", ("24h", "7d", "30d"))
        endpoint = widgets.endpoint_control()
        time_range.moment_control()
    with st.container(horizontal=True, vertical_alignment="top"):
        mode = quality_sides.mode_control()
        sides = quality_sides.sides_control(endpoint, chosen.period, mode)
        medians = panels.pies_control()

if isinstance(sides, str):
    widgets.empty(sides)
elif isinstance(sides, tuple):
    a, b = sides
    quality_sides.sides_line(a, b)
    with widgets.guarded("Comparison"):
        found = quality_comparison.findings(endpoint, a, b)
        panels.pies(found, a, b, medians=medians)
        widgets.parts(
            {
                "What differs": lambda: panels.scores(found, a, b, endpoint),
                "Same prompts": lambda: quality_pairs.paired(found, a, b, endpoint),
                "Spread": lambda: panels.spread(found, a, b, endpoint),
                "Every minute": lambda: quality_minutes.minutes(endpoint, a, b, chosen.label),
            }
        )
