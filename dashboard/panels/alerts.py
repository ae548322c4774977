"""Panels of the Alerts page: what fires, what people are at, what was resolved, and whom it was told."""

from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from dashboard.links import page_link
from dashboard.moment import time_now
from dashboard.panels import alert_details
from dashboard.queries.alerts import STATES, Delivery, Looking, state_at
from dashboard.time_range import TimeRange
from dashboard.widgets import empty, local, table
from dashboard.wording import NOTHING, age, duration, number, plain, plural, sentence
from registry.alerts import Alert

TITLES = {
    "open": "Firing",
    "acknowledged": "Acknowledged",
    "silenced": "Silenced",
    "pending": "Pending",
    "closed": "Resolved",
}
"""State → how pages call it."""
_NOTHING = {
    "open": "Nothing fires.",
    "acknowledged": "Nobody is at an alert.",
    "silenced": "No alert is silenced.",
    "pending": "No rule is about to fire.",
    "closed": "No alert was resolved in this time.",
}
_SHOWN = 20
_SEVERITIES = {
    "page": ":red-badge[:material/error: page]",
    "ticket": ":orange-badge[:material/warning: ticket]",
    "notice": ":blue-badge[:material/info: notice]",
}
"""From "somebody must look now" to "worth knowing"."""
_RULE_STATES = {
    "breached": ":red-badge[:material/close: broken]",
    "between": ":orange-badge[:material/remove: nearly]",
    "within": ":green-badge[:material/check: kept]",
    "unknown": ":gray-badge[:material/question_mark: not known]",
}
_ICONS = {
    "open": "notifications_active",
    "acknowledged": "front_hand",
    "silenced": "notifications_off",
    "pending": "hourglass_top",
    "closed": "task_alt",
}


def tiles(found: dict[str, list[Alert]], chosen: TimeRange) -> None:
    """How many alerts are in which state."""
    helps = {
        "open": "A rule is broken, and nobody has said that they are at it.",
        "acknowledged": "Somebody is at it.",
        "silenced": "Nobody wants to hear of it until a moment.",
        "pending": "A rule is broken, but not for long enough yet.",
        "closed": f"Over, in the {chosen.label}.",
    }
    with st.grid(len(STATES), min_column_width=120):
        for state in STATES:
            st.metric(TITLES[state], number(len(found[state])), help=helps[state], border=True)


def deliveries_line(waiting: Sequence[Delivery]) -> None:
    """A warning where messages could not be delivered yet."""
    if not waiting:
        return
    channels = sorted({one.channel or "a channel" for one in waiting})
    oldest = min((one.event_time for one in waiting if one.event_time), default=None)
    why = next((one.error for one in waiting if one.error), "")
    st.warning(
        f"{plural(len(waiting), 'message')} could not be delivered yet by {plain(' and '.join(channels))}"
        f"{f', the oldest from {age(oldest, time_now())}' if oldest else ''}. Each is tried again until it arrives."
        f"{f' {sentence(why)}' if why else ''}",
        icon=":material/outgoing_mail:",
    )


def look_line(found: Looking | None) -> None:
    """Whether somebody looks at the rules, and whether people are told."""
    now = datetime.now(UTC)
    if found is None:
        st.info(
            "Nobody looks at the rules of the alerts yet: the scheduler (`make run`) does. What the guard of the "
            "canaries reports stands here all the same.",
            icon=":material/notifications_paused:",
        )
        return
    if found.error:
        st.warning(f"The rules could not be looked at: {sentence(found.error)}", icon=":material/rule:")
    elif not found.running or found.late(now):
        st.warning(
            f"Nobody looks at the rules: the job of the alerts last did {age(found.looked_at, now)}. Is the scheduler "
            "running?",
            icon=":material/rule:",
        )
    told = " and ".join(sorted(found.channels))
    channels = f"People are told by {plain(told)}." if told else "Nobody is told outside of this page."
    st.caption(f"Rules are looked at every {duration(found.every_seconds)}. {channels}")


def rules(found: Looking | None) -> None:
    """What the last look saw of each rule, the broken ones first."""
    if found is None or not found.rules:
        empty("No rule has been looked at yet.")
        return
    order = list(_RULE_STATES)
    ordered = sorted(
        found.rules,
        key=lambda one: (order.index(one.status) if one.status in order else len(order), one.rule, one.subject),
    )
    table(
        {
            "Rule": [
                plain(one.rule) + (f"  \n:small[:gray[{plain(one.subject)}]]" if one.subject else "") for one in ordered
            ],
            "State": [_RULE_STATES.get(one.status, plain(one.status)) for one in ordered],
            "Last look": [plain(one.sentence) or NOTHING for one in ordered],
        },
        alt="What the last look saw of each rule",
    )
    st.caption(
        "Rules stand in one file, of which your own (`LAKEHELM_ALERT_RULES_FILE`) needs only what it changes. What a "
        "rule would have done in the past month: `python -m jobs alerts --dry-run RULE`."
    )


def lists(found: dict[str, list[Alert]]) -> None:
    """The alerts of one state at a time; each opens with its evidence and what can be done about it."""
    counts = {state: len(found[state]) for state in STATES}
    first = next((state for state in STATES if counts[state]), "open")
    state = st.segmented_control(
        "State",
        list(STATES),
        format_func=lambda name: f"{TITLES[name]} ({number(counts[name])})",
        default=first,
        required=True,
        key="state",
        wrap=True,
        label_visibility="collapsed",
    )
    shown = found[state if state in STATES else first]
    if not shown:
        empty(_NOTHING[str(state)])
    # The worst come first; of the same severity the newest, as they are given.
    ordered = sorted(shown[:_SHOWN], key=_rank)
    groups = grouped(ordered)
    for group, members in groups:
        if len(members) > 1:
            st.markdown(f":gray[{plural(len(members), 'alert')} of one group: {plain(group)}]")
        for alert in members:
            _entry(alert)
    if len(shown) > _SHOWN:
        st.caption(f"The newest {_SHOWN} of {number(len(shown))}; a shorter time has fewer.")


def one(shown: Alert | None) -> None:
    """The alert that a link asks for, with everything about it."""
    if shown is None:
        empty("This alert is not in the tables of the moment that is shown.")
    else:
        st.markdown(f":material/{_ICONS[state_at(shown, time_now())]}: {headline(shown)}")
        alert_details.details(shown, key="linked")
    page_link("alerts", "All alerts", "arrow_back")


def grouped(alerts: Sequence[Alert]) -> list[tuple[str, list[Alert]]]:
    """Alerts with the same group together, in the order of their first; those without a group stand alone."""
    found: dict[str, list[Alert]] = {}
    for alert in alerts:
        found.setdefault(alert.group_key or alert.alert_id, []).append(alert)
    return list(found.items())


def headline(alert: Alert) -> str:
    """An alert in one line of Markdown: how bad, what it says, since when, by which rule."""
    now = time_now()
    severity = _SEVERITIES.get(alert.severity, f":gray-badge[{plain(alert.severity)}]" if alert.severity else "")
    began = alert.opened_at
    if alert.closed_at is not None:
        when = f"{local(began):%d %b %H:%M}, for {duration((alert.closed_at - began).total_seconds())}"
    else:
        when = f"since {local(began):%d %b %H:%M}, {age(began, now)}"
    about = [plain(alert.rule), f"v{plain(alert.entity_version)}" if alert.entity_version else "", when]
    who = {"acknowledged": "acknowledged by", "silenced": "silenced by"}.get(state_at(alert, now), "")
    about += [f"{who} {plain(alert.actor)}"] if who and alert.actor else []
    return f"{severity} {plain(alert.sentence)} :gray[:small[{' · '.join(part for part in about if part)}]]".strip()


def _entry(alert: Alert) -> None:
    state = state_at(alert, time_now())
    step = st.expander(
        headline(alert),
        type="step",
        icon=f":material/{_ICONS[state]}:",
        key=f"alert {alert.alert_id}",
        on_change="rerun",
    )
    with step:
        # A step with nothing in it cannot be opened; what is long is drawn only then.
        st.markdown(alert_details.facts(alert))
        if step.open:
            alert_details.details(alert, key=alert.alert_id, with_facts=False)


def _rank(alert: Alert) -> int:
    severities = list(_SEVERITIES)
    return severities.index(alert.severity) if alert.severity in severities else len(severities)
