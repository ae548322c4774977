"""What the markers of charts are: the line under a chart, and the change that a chosen marker stands for."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import streamlit as st

from dashboard.change_words import action_words
from dashboard.chart_markers import ALERT_POINT, CHANGE
from dashboard.links import page_link
from dashboard.panels import change_effects
from dashboard.panels.states import state_badge
from dashboard.queries import alerts, changes
from dashboard.queries.changes import Marker
from dashboard.widgets import empty, guarded, local
from dashboard.wording import plain, plural
from lakehouse.ledger import Change
from registry.alerts import Alert

LEDGER_TIMES = ("24 hours", "7 days", "30 days")


def marked_line(marked: Sequence[Marker], ledger_range: str = "") -> None:
    """How many changes and alerts are marked, of which kinds, and a link to the ledger; nothing where there are none.

    ledger_range: the label of the time, as `last 7 days`; the ledger opens with all of it where it has no such choice.
    """
    if not marked:
        return
    kinds = Counter(action_words(marker.action).title for marker in marked)
    listed = ", ".join(f"{plain(kind)} ×\u202f{count}" if count > 1 else plain(kind) for kind, count in kinds.items())
    changed = sum(marker.is_change for marker in marked)
    counts = [plural(count, noun) for count, noun in ((changed, "change"), (len(marked) - changed, "alert")) if count]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(f"{' and '.join(counts)} marked with lines: {listed}.", width="content")
        called = ledger_range.removeprefix("last ")
        time = called if called in LEDGER_TIMES else "All"
        page_link("ledger", "Open the ledger", "history_edu", time=time)


def opened_change(points: Sequence[dict[str, Any]]) -> None:
    """The change or alert that a chosen marker stands for: who, what, why, and the figures before and after it.

    points: the chosen points of a clickable chart; nothing is drawn where none of them is a marker.
    """
    chosen = [point.get("customdata") for point in points]
    opened = next((data for data in chosen if isinstance(data, list | tuple) and _is_marker(data)), None)
    if opened is None:
        return
    with st.container(border=True), guarded("The chosen marker"):
        kind, *ids = [str(part) for part in opened]
        if kind == ALERT_POINT:
            for found in [alerts.alert(one) for one in ids]:
                alert(found)
            return
        found_changes = [found for found in [changes.change(one) for one in ids] if found is not None]
        if not found_changes:
            empty("This change is not in the ledger of the moment that is shown.")
            return
        shown = found_changes[0]
        if len(found_changes) > 1:
            shown = st.selectbox(
                "Changes of this marker", found_changes, format_func=_named, key=f"marked {' '.join(ids)}", width=420
            )
        change(shown)


def change(shown: Change) -> None:
    """One change in short, with a link to all of it and what moved with it."""
    moved = " → ".join(plain(value) for value in (shown.before, shown.after) if value)
    about = [f"{local(shown.started_at):%d %b %Y, %H:%M:%S}", plain(shown.actor or "unknown"), plain(shown.reason)]
    with st.container(horizontal=True, vertical_alignment="top", horizontal_alignment="distribute"):
        with st.container(gap=None, width="stretch"):
            title = action_words(shown.action).title
            st.markdown(f"**{title}** {plain(shown.target)}{f': {moved}' if moved else ''}")
            badge = state_badge(shown.outcome or "running")
            st.markdown(f"{badge} :small[:gray[{' · '.join(part for part in about if part)}]]")
        page_link("ledger", "Open in the ledger", "history_edu", change=shown.change_id)
    change_effects.before_and_after(shown)


def alert(shown: Alert | None) -> None:
    """One alert: what it says, and from when to when it was open."""
    if shown is None:
        empty("This alert is not in the tables of the moment that is shown.")
        return
    until = f"closed {local(shown.closed_at):%d %b, %H:%M}" if shown.closed_at else "still open"
    st.markdown(f":material/notifications_active: **Alert**: {plain(shown.sentence)}")
    closed = plain(shown.evidence.get("closed") or "")
    st.caption(f"Opened {local(shown.opened_at):%d %b %Y, %H:%M:%S}, {until}. {closed}")
    page_link("alerts", "Open the alert", "notifications", alert=shown.alert_id)


def _is_marker(data: Sequence[Any]) -> bool:
    return len(data) > 1 and data[0] in (CHANGE, ALERT_POINT)


def _named(found: Change) -> str:
    return f"{local(found.started_at):%d %b %H:%M} {action_words(found.action).title}, {found.target}"
