"""Drift: what has changed in questions and answers, how sure that is, and what it looked like before."""

import streamlit as st

from dashboard import time_range, widgets
from dashboard.downloads import download
from dashboard.panels import drift as panels
from dashboard.panels import drift_statistics
from dashboard.queries import drift
from dashboard.queries import drift_statistics as statistics

widgets.header("Drift", "What has changed in questions and answers, how sure that is, and what it was like before.")
time_range.moment_banner()
with st.container(horizontal=True, vertical_alignment="bottom"):
    chosen = time_range.time_range_control("24h")
    endpoint = widgets.endpoint_control()
    time_range.moment_control()

asked = st.query_params.get("finding", "")
found = judged = None
with widgets.guarded("Drift"):
    judged = drift.judged_until()
    panels.state_line(judged)
    found = drift.findings(endpoint, chosen.period)
if asked:
    with widgets.panel("One finding", "What a link asked for: both distributions, figures and example requests."):
        panels.one(drift.finding(asked), chosen.period)
if found is not None and judged is not None:
    together = drift.drifts(found, judged)
    if not found:
        panels.nothing(judged)
    else:
        panels.tiles(together, found)
        with widgets.panel("What drifted", "What goes on comes first. Open one for both distributions and examples."):
            panels.listed(together, asked, chosen.period)
        with widgets.panel("When", "Findings by the start of their window, a row a column."):
            panels.timeline(found, chosen, endpoint)
            download(panels.as_frame(found), "drift-findings")
with widgets.panel("Statistics over time", "Profile and drift of one column, window by window."):
    shown = drift_statistics.controls(statistics.choices(chosen.period))
    if shown is not None:
        drift_statistics.over_time(shown, chosen, endpoint)
