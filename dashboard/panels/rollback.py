"""The way back, one click away: alerts, the last known good version, and the click that brings it back."""

from collections.abc import Sequence

import streamlit as st

from dashboard.links import page_address, page_link
from dashboard.panels import changes
from dashboard.queries import production
from dashboard.queries.production import LESS_URGENT, WaysBack
from dashboard.queries.registry_ready import RegistryStarting
from dashboard.queries.watch import Seen
from dashboard.widgets import empty, local
from dashboard.wording import age, plain, sentence
from registry.alerts import Alert
from registry.interrupted import Interrupted
from registry.known_good import KnownGood
from registry.plans import ChangePlan

_MOST_ALERTS = 5


def alerts(found: Sequence[Alert], ways: Seen[WaysBack]) -> None:
    """Open alerts, each with a link to all about it and, if a version is to blame, the click that takes it back."""
    place = "alerts"
    if changes.mine(place):
        return
    # The urgent come first; among these, and among the others, the newest.
    ordered = sorted(found, key=lambda alert: alert.severity in LESS_URGENT)
    for alert in ordered[:_MOST_ALERTS]:
        version = f"v{plain(alert.entity_version)}" if alert.entity_version else ""
        who = f"acknowledged by {plain(alert.actor)}" if alert.state == "acknowledged" and alert.actor else ""
        link = f"[open it]({page_address('alerts', {'alert': alert.alert_id})})"
        about = ", ".join(part for part in (version, age(alert.opened_at), who) if part)
        color = "orange" if alert.severity in LESS_URGENT else "red"
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown(
                f":{color}-badge[:material/notifications_active: alert] {sentence(alert.sentence)} "
                f":small[:gray[{about}]] {link}",
                width="stretch",
            )
            plan = _way_out(alert, ways)
            if plan is not None:
                label = "Stop the canary" if plan.action == "abort" else f"Roll back to v{plain(plan.target_version)}"
                changes.button(
                    label,
                    plan,
                    place,
                    reason=f"alert: {alert.sentence}",
                    key=f"alert {alert.alert_id}",
                    icon="history",
                )
    if len(ordered) > _MOST_ALERTS:
        left_out = len(ordered) - _MOST_ALERTS
        page_link("alerts", f"{left_out} more on the page Alerts", "notifications")


def way_back(ways: Seen[WaysBack], place: str) -> None:
    """The plan for going back to the last known good version, and the click that does it."""
    if changes.mine(place):
        return
    if ways.value is None or ways.looking:
        _nothing_yet(ways)
        return
    found = ways.value
    if ways.error is not None:
        st.warning(f"{sentence(ways.error)} The plan below was made {age(ways.seen_at)}.", icon=":material/warning:")
    if found.abort is not None:
        _abort(found.abort, place, alone=found.rollback is None)
    if found.rollback is not None:
        _rollback(found, found.rollback, place)
    elif found.why_not:
        empty(sentence(found.why_not))


def interrupted(seen: Seen[list[Interrupted]]) -> None:
    """Changes whose process is gone, each with the clicks that end or undo it."""
    place = "interrupted"
    if changes.mine(place):
        return
    if seen.error is not None and seen.value is None and not isinstance(seen.error, RegistryStarting):
        st.caption(f":orange[:material/warning: Interrupted changes are not known: {sentence(seen.error)}]")
    elif not seen.looking:
        changes.interrupted(seen.value or [], place)


def picked(endpoint: str, versions: Seen[list[str]], place: str) -> None:
    """The way back to any version that somebody picks. Its report stands where that of the other click does."""
    if not versions.value or changes.is_kept(place):
        return
    version = st.selectbox(
        "Another version",
        versions.value,
        index=None,
        placeholder="Pick the version to go back to",
        format_func=lambda name: f"v{name}",
        key=f"pick {place}",
        width=260,
    )
    if version is None:
        return
    seen = production.rollback_plan(endpoint, str(version))
    if seen.error is not None:
        st.warning(sentence(seen.error), icon=":material/warning:")
    elif seen.value is None or seen.looking:
        empty(f"Looking at what going back to v{plain(version)} would do …")
    else:
        label = f"Roll back to v{plain(version)}"
        reason = "picked on the Endpoints page"
        changes.button(label, seen.value, place, reason=reason, key=f"roll_back_picked {place}", icon="history")
        changes.plan_shown(seen.value)


def _abort(plan: ChangePlan, place: str, *, alone: bool) -> None:
    champion = f"v{plain(plan.target_version)}"
    st.markdown(f"**The traffic is split.** One click gives all of it back to {champion}, which had all of it before.")
    label = f"Stop the canary: all traffic to {champion}"
    changes.button(label, plan, place, reason="canary stopped with one click", key=f"abort {place}", icon="block")
    if alone:
        changes.plan_shown(plan)
    else:
        changes.shares(plan.before, plan.after, plan.target_version)


def _rollback(found: WaysBack, plan: ChangePlan, place: str) -> None:
    why = _why_good(found.known_good)
    with st.container(horizontal=True, vertical_alignment="center"):
        changes.button(
            f"Roll back to v{plain(plan.target_version)}",
            plan,
            place,
            reason="rolled back with one click to the last known good version",
            key=f"roll_back {place}",
            icon="history",
            primary=found.abort is None,
        )
        st.markdown(why, width="stretch")
    changes.plan_shown(plan)


def _why_good(good: KnownGood | None) -> str:
    """Why a version is the last known good one, in the times of the page."""
    if good is None:
        return ""
    if good.since is None or good.until is None:
        return sentence(good.sentence)
    span = " to ".join(f"{local(time):%d %b %Y, %H:%M}" for time in (good.since, good.until))
    return (
        f"**The last known good version:** v{plain(good.version)} was live from {span}, without an alert in that time."
    )


def _way_out(alert: Alert, ways: Seen[WaysBack]) -> ChangePlan | None:
    """The plan that takes the traffic away from the version of an alert, if that is live and there is one."""
    if not alert.entity_version or ways.value is None or ways.looking:
        return None
    for plan in (ways.value.abort, ways.value.rollback):
        if plan is not None and plan.before.traffic.get(alert.entity_version, 0) > plan.after.traffic.get(
            alert.entity_version, 0
        ):
            return plan
    return None


def _nothing_yet(ways: Seen[WaysBack]) -> None:
    if ways.error is not None and not isinstance(ways.error, RegistryStarting):
        empty(f"A way back is not known: {sentence(ways.error)}")
    else:
        empty("Looking for the last known good version … The registry's client takes some seconds to start.")
