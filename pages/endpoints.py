"""Endpoints: what an endpoint serves and how it does, the way back, sharing the traffic, and a question to it."""

import streamlit as st

from dashboard import widgets
from dashboard.panels import canary, endpoints, rollback
from dashboard.queries import endpoint, production

widgets.header(
    "Endpoints", "What an endpoint serves and how it does, and one click back to the last known good version."
)

name = widgets.endpoint_control()


def live() -> None:
    """What needs a person, and what is served."""
    state = endpoint.endpoint_state(name)
    with widgets.guarded("Alerts"):
        rollback.alerts(production.live_alerts(name), production.ways_back(name))
    with widgets.guarded("Interrupted changes"):
        rollback.interrupted(production.interrupted_changes())
    with widgets.panel("Live now", "The share of the traffic of each version, and how it did in the last minute."):
        known = endpoints.known(state, name)
        endpoints.update_state(known)
        if known is not None:
            endpoints.serving(known, state.seen_at)


def way_back() -> None:
    """One click to the last known good version, and any other to pick."""
    with widgets.panel("Roll back", "What one click brings back, what will differ, and whether it answers already."):
        # What is above a control must not move it while somebody uses it.
        with st.container():
            rollback.way_back(production.ways_back(name), "rollback")
        rollback.picked(name, production.production_versions(), "rollback")


def shares() -> None:
    """A canary: by hand, or as a ramp."""
    with widgets.panel("Share the traffic", "A second version gets part of the traffic: at once, or in steps."):
        known = endpoint.endpoint_state(name).endpoint
        ramp = production.active_ramp(name)
        with st.container():
            canary.ramp_under_way(ramp)
        canary.share_control(known, production.production_versions(), ramp)


def worker_logs() -> None:
    """What a version's process wrote."""
    with widgets.panel("Worker log", "The last lines that the process of a version wrote."):
        endpoints.worker_logs(endpoint.endpoint_state(name).endpoint)


def questions() -> None:
    """A question to the live endpoint."""
    with widgets.panel("Try it", "Ask the live endpoint, and see which version answered."):
        endpoints.questions(endpoint.endpoint_state(name).endpoint)


widgets.refreshing(live, seconds=2)
left, right = st.columns(2)
with left:
    widgets.refreshing(way_back, seconds=2)
with right:
    widgets.refreshing(shares, seconds=2)
    widgets.refreshing(questions, seconds=2)
widgets.refreshing(worker_logs, seconds=3)
