"""Overview: are things healthy, what is live, how it went, and what changed last."""

import streamlit as st

from dashboard import time_range, widgets
from dashboard.panels import rollback, status
from dashboard.queries import changes, endpoint, operations, production, traffic
from dashboard.queries.health import current_health
from dashboard.wording import plain

widgets.header("Overview", "Is the chatbot healthy, what is live, the way back, and what changed last.")


def being_built() -> None:
    """The first screen while the demo workspace is made."""
    if not operations.demo_is_building():
        st.rerun()
    status.building(operations.demo())


def health_line() -> None:
    """One line: healthy, or what is wrong."""
    with widgets.guarded("Health"):
        status.health_line(current_health(name))


def alerts() -> None:
    """What is wrong with a version, beside the click that takes it away."""
    with widgets.guarded("Alerts"):
        rollback.alerts(production.live_alerts(name), production.ways_back(name))
    with widgets.guarded("Interrupted changes"):
        rollback.interrupted(production.interrupted_changes())


def figures() -> None:
    """How much was asked, and how that went."""
    with widgets.guarded("Indicators"):
        period = chosen.period
        status.indicators(traffic.traffic(name, period), period, chosen.label, changes.markers(period, name))


def operation() -> None:
    """What is live and the way back, what changed, and what runs."""
    left, right = st.columns(2)
    with left:
        with widgets.panel("Live now", f"What the endpoint {plain(name)} serves; traffic in %."):
            status.live(endpoint.endpoint_state(name), name)
        with widgets.panel("Last changes", "Who changed what, when and why; the five newest."):
            status.changes(operations.last_changes(5))
    with right, widgets.panel("Roll back", "What one click brings back, and what will differ then."):
        rollback.way_back(production.ways_back(name), "rollback")
    left, right = st.columns(2)
    with left, widgets.panel("Metrics job", "The last five runs that scored new requests. Rows are requests."):
        status.last_runs(operations.metrics_runs()[:5])
    with right, widgets.panel("Processes", "What make run started and keeps running."):
        status.processes(operations.processes())


if operations.demo_is_building():
    widgets.refreshing(being_built, seconds=2)
else:
    time_range.moment_banner("What is live, its alerts and the way back are of now.")
    first_line = st.container()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = time_range.time_range_control("24h")
        name = widgets.endpoint_control()
        time_range.moment_control()
    with first_line:
        widgets.refreshing(health_line, seconds=2)
        widgets.refreshing(alerts, seconds=2)
    widgets.refreshing(figures, seconds=10)
    widgets.refreshing(operation, seconds=3)
