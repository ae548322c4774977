"""What production could be next: the way back, a new split, changes without an end, alerts and ramps.

Plans ask the endpoint and the registry, so they are made in the background and looked at again every few seconds.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import streamlit as st

from dashboard.queries import registry_ready
from dashboard.queries.client import watching_client
from dashboard.queries.endpoint import endpoint_state
from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, newest, snapshot_key
from dashboard.queries.watch import Seen, Watch
from registry import alerts as alert_table
from registry.alerts import Alert
from registry.errors import RegistryError
from registry.plans import ChangePlan
from settings import get_settings

if TYPE_CHECKING:
    from registry.interrupted import Interrupted
    from registry.known_good import KnownGood
    from registry.ramp_steps import Ramp
    from serving.client import EndpointClient

T = TypeVar("T")

_LOOK_EVERY_SECONDS = 3.0
_KEEP_PLANS_SECONDS = 15.0
_PLAN_AGAIN_SECONDS = 30.0
"""A plan is made anew at least this often: nobody tells us of an alias that was moved outside of Lakehelm."""
_MOST_VERSIONS = 20
_TABLES = ("ledger", "alert_events", "metrics_15min")


@dataclass(frozen=True)
class WaysBack:
    """How production can be brought back with one click."""

    known_good: "KnownGood | None"
    """The version that a rollback goes to unless another is picked, and why it is the last known good one."""
    rollback: ChangePlan | None
    why_not: str
    """Why there is no plan for a rollback; empty if there is one, or if `abort` does the same."""
    abort: ChangePlan | None
    """While the traffic is split: all of it back to the champion."""


def ways_back(endpoint: str) -> Seen[WaysBack]:
    """The plans that are one click away. Never waits; the first look imports MLflow and takes seconds."""
    watch: Watch[WaysBack] = _ways_back_watch(*_where(), endpoint)
    return watch.seen()


def rollback_plan(endpoint: str, version: str) -> Seen[ChangePlan]:
    """The plan for going back to a picked version. Never waits."""
    watch: Watch[ChangePlan] = _rollback_watch(*_where(), endpoint, version)
    return watch.seen()


def split_plan(endpoint: str, traffic: dict[str, int]) -> Seen[ChangePlan]:
    """The plan for a split: version number of the production model → whole per cent. Never waits."""
    watch: Watch[ChangePlan] = _split_watch(*_where(), endpoint, tuple(sorted(traffic.items())))
    return watch.seen()


def production_versions() -> Seen[list[str]]:
    """The latest versions of the production model, newest first, by number. Never waits."""
    watch: Watch[list[str]] = _versions_watch(*_where())
    return watch.seen()


def interrupted_changes() -> "Seen[list[Interrupted]]":
    """Changes that were begun by a process that is gone, and what can be done about each. Never waits."""
    watch: Watch[list[Interrupted]] = _interrupted_watch(*_where())
    return watch.seen()


LESS_URGENT = ("ticket", "notice")
"""Severities of alerts for which somebody need not come at once. Those of the guard have none, and are urgent."""


def open_alerts(endpoint: str) -> list[Alert]:
    """The open alerts of an endpoint and those of none (a job that is late), newest first; without silenced ones.

    Raises: LakehouseError.
    """
    found, now = _alerts(newest("alert_events")), datetime.now(UTC)
    return [alert for alert in found if alert.endpoint_name in ("", endpoint) and not alert.quiet(now)]


def live_alerts(endpoint: str) -> list[Alert]:
    """The open alerts about versions that have traffic now, and those about no version.

    All of them where the endpoint is not known.

    Raises: LakehouseError.
    """
    found, known = open_alerts(endpoint), endpoint_state(endpoint).endpoint
    if known is None:
        return found
    live = {(served.entity_name, served.entity_version) for served in known.served if served.traffic}
    return [alert for alert in found if not alert.entity_version or (alert.entity_name, alert.entity_version) in live]


def active_ramp(endpoint: str) -> "Ramp | None":
    """The canary ramp that is under way on an endpoint.

    Raises: LakehouseError, RegistryError.
    """
    found: Ramp | None = _ramp(newest("ramps"), endpoint)
    return found


def _where() -> tuple[str, str]:
    settings = get_settings()
    return settings.endpoint_host, str(settings.home)


@st.cache_resource(max_entries=8, show_spinner=False)
def _ways_back_watch(host: str, home: str, endpoint: str) -> Watch[WaysBack]:
    client, settings = watching_client(), get_settings()

    def make() -> WaysBack:
        from registry import changes
        from registry.known_good import last_known_good
        from registry.production import production_state

        if not registry_ready.registry_exists(settings):
            return WaysBack(None, None, "There is no model registry in this workspace yet.", None)
        registry_ready.wait_until_ready()
        if client.get(endpoint) is None:
            return WaysBack(None, None, f"There is no endpoint {endpoint}.", None)
        state = production_state(settings, client, endpoint)
        abort = None
        if state.champion is not None and state.traffic.get(state.champion) != 100:
            abort = changes.plan_split(settings, client, {}, endpoint=endpoint, action="abort")
        try:
            good = last_known_good(settings, client, endpoint)
            # The version that the sentence is about, also if somebody changes production in between.
            plan = changes.plan_rollback(settings, client, to_version=good.version if good else None, endpoint=endpoint)
            if abort is not None and abort.after == plan.after:
                return WaysBack(good, None, "", abort)
        except RegistryError as error:
            return WaysBack(None, None, str(error), abort)
        return WaysBack(good, plan, "", abort)

    return Watch(f"ways-back-{endpoint}", _when_changed(client, endpoint, make), _LOOK_EVERY_SECONDS)


@st.cache_resource(max_entries=8, show_spinner=False)
def _rollback_watch(host: str, home: str, endpoint: str, version: str) -> Watch[ChangePlan]:
    client, settings = watching_client(), get_settings()

    def make() -> ChangePlan:
        from registry import changes

        registry_ready.wait_until_ready()
        return changes.plan_rollback(settings, client, to_version=version, endpoint=endpoint)

    look = _when_changed(client, endpoint, make)
    return Watch(f"rollback-{endpoint}-{version}", look, _LOOK_EVERY_SECONDS, _KEEP_PLANS_SECONDS)


@st.cache_resource(max_entries=16, show_spinner=False)
def _split_watch(host: str, home: str, endpoint: str, traffic: tuple[tuple[str, int], ...]) -> Watch[ChangePlan]:
    client, settings = watching_client(), get_settings()

    def make() -> ChangePlan:
        from registry import changes

        registry_ready.wait_until_ready()
        return changes.plan_split(settings, client, dict(traffic), endpoint=endpoint)

    look = _when_changed(client, endpoint, make)
    return Watch(f"split-{endpoint}", look, _LOOK_EVERY_SECONDS, _KEEP_PLANS_SECONDS)


@st.cache_resource(max_entries=4, show_spinner=False)
def _versions_watch(host: str, home: str) -> Watch[list[str]]:
    settings = get_settings()

    def look() -> list[str]:
        from registry.versions import versions

        # Looking must not be what makes a registry.
        if not registry_ready.registry_exists(settings):
            return []
        registry_ready.wait_until_ready()
        return [version.version for version in versions(settings, settings.prod_model, _MOST_VERSIONS)]

    return Watch("production-versions", look, 4 * _LOOK_EVERY_SECONDS)


@st.cache_resource(max_entries=4, show_spinner=False)
def _interrupted_watch(host: str, home: str) -> "Watch[list[Interrupted]]":
    client, settings = watching_client(), get_settings()

    def look() -> "list[Interrupted]":
        from registry.interrupted import interrupted_changes

        # A workspace without a ledger or a registry is left as it is: looking must not make them.
        if newest("ledger").version < 0 or not registry_ready.registry_exists(settings):
            return []
        registry_ready.wait_until_ready()
        return interrupted_changes(settings, client)

    return Watch("interrupted", look, _LOOK_EVERY_SECONDS)


def _when_changed(client: "EndpointClient", endpoint: str, make: Callable[[], T]) -> Callable[[], T]:
    """`make`, but what it returned before while nothing that it looks at has changed: plans read several tables."""
    last: list[tuple[object, float, T]] = []

    def look() -> T:
        basis = (client.get(endpoint), *(snapshot_key(newest(name)) for name in _TABLES))
        if last and last[0][0] == basis and time.monotonic() - last[0][1] < _PLAN_AGAIN_SECONDS:
            return last[0][2]
        made = make()
        last[:] = [(basis, time.monotonic(), made)]
        return made

    return look


@kept(max_entries=8)
def _alerts(snapshot: Snapshot) -> list[Alert]:
    return [] if snapshot.version < 0 else alert_table.alerts(get_settings())


@kept(max_entries=8)
def _ramp(snapshot: Snapshot, endpoint: str) -> "Ramp | None":
    from registry import canary

    return None if snapshot.version < 0 else canary.active_ramp(get_settings(), endpoint)
