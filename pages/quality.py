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
    quality_sides.sides_line(*sides)
    with widgets.guarded("Comparison"):
        found = quality_comparison.findings(endpoint, *sides)
        panels.pies(found, *sides, medians=medians)
        with widgets.panel("What differs", "Every score of both sides, by the test that fits it."):
            panels.scores(found, *sides, endpoint)
        with widgets.panel("Same prompts", "Only prompts that both sides answered: there nothing else differs."):
            quality_pairs.paired(found, *sides, endpoint)
        with widgets.panel("Spread", "The values behind the averages: how many answers score how."):
            panels.spread(found, *sides, endpoint)
    with widgets.panel("Every minute", f"Averages of each minute, {chosen.label}."):
        quality_minutes.minutes(endpoint, *sides)
