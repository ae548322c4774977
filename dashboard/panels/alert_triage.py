"""What a person does about an alert: acknowledge, silence, resolve it, or let it fire again."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import streamlit as st

from dashboard.actions import alerts as actions
from dashboard.auth import current_actor
from dashboard.moment import chosen_moment, time_now
from dashboard.queries.alerts import state_at
from dashboard.queries.watch import EXPECTED
from dashboard.widgets import local
from dashboard.wording import sentence
from registry.alert_triage import LONGEST_NOTE
from registry.alerts import Alert

_SILENCES = {
    "1 hour": timedelta(hours=1),
    "4 hours": timedelta(hours=4),
    "1 day": timedelta(days=1),
    "7 days": timedelta(days=7),
}
_POSSIBLE = {
    "open": ("acknowledge", "silence", "resolve"),
    "acknowledged": ("silence", "resolve", "reopen"),
    "silenced": ("acknowledge", "resolve", "reopen"),
    "pending": ("resolve",),
    "closed": (),
}
"""State → what can be done about it."""
_BUTTONS = {
    "acknowledge": (
        "Acknowledge",
        "front_hand",
        "Say that you are at it: nobody is told again until it is over.",
    ),
    "silence": ("Silence", "notifications_off", "Be told nothing of it for the chosen time; it fires again after it."),
    "resolve": ("Resolve", "task_alt", "Close it by hand."),
    "reopen": (
        "Let it fire again",
        "notifications_active",
        "Take back that somebody is at it, or its silence.",
    ),
}
_DONE = {
    "acknowledge": "You are at it now.",
    "silence": "Silenced until {until}.",
    "resolve": "Resolved.",
    "reopen": "It fires again.",
}


def buttons(alert: Alert, key: str) -> None:
    """A note, how long a silence lasts, and what can be done in this state; off, with the reason, for a viewer."""
    possible = _POSSIBLE.get(state_at(alert, time_now()), ())
    if not possible:
        return
    actor = current_actor()
    with st.form(f"triage {key}", border=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.text_input("Note", max_chars=LONGEST_NOTE, key=f"note {key}", width=320)
            if "silence" in possible:
                st.selectbox("Silence for", list(_SILENCES), key=f"silence for {key}", width=130)
        with st.container(horizontal=True):
            for act in possible:
                title, icon, about = _BUTTONS[act]
                why_not = actor.why_not(f"{act}_alert")
                if chosen_moment() is not None:
                    why_not = why_not or "You look back at an earlier moment: go back to now to decide."
                st.form_submit_button(
                    title,
                    key=f"{act} {key}",
                    icon=f":material/{icon}:",
                    disabled=bool(why_not),
                    help=why_not or about,
                    on_click=_act,
                    args=(act, alert.alert_id, key),
                )


def _act(act: str, alert_id: str, key: str) -> None:
    if chosen_moment() is not None:
        st.toast("Decisions are of now: go back to now first.", icon=":material/history:")
        return
    state = st.session_state
    note = str(state.get(f"note {key}") or "")
    until = datetime.now(UTC) + _SILENCES.get(str(state.get(f"silence for {key}")), _SILENCES["1 hour"])
    does: dict[str, Callable[[], None]] = {
        "acknowledge": lambda: actions.acknowledge(alert_id, note),
        "silence": lambda: actions.silence(alert_id, until, note),
        "resolve": lambda: actions.resolve(alert_id, note),
        "reopen": lambda: actions.reopen(alert_id, note),
    }
    try:
        does[act]()
    except EXPECTED as error:
        st.toast(sentence(error), icon=":material/error:")
        return
    state[f"note {key}"] = ""
    st.toast(_DONE[act].format(until=f"{local(until):%d %b %H:%M}"), icon=":material/task_alt:")
