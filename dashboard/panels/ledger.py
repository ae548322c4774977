"""Panels of the Ledger page: what to show, where changes lie in time, and each change with its evidence."""

from datetime import UTC, datetime
from typing import Any

import streamlit as st

from dashboard import charts
from dashboard.actions import ledger as actions
from dashboard.change_words import action_words
from dashboard.moment import time_now
from dashboard.panels import change_effects
from dashboard.panels.recorded_export import recorded_export
from dashboard.panels.states import state_badge
from dashboard.periods import SPANS, period
from dashboard.queries import changes
from dashboard.queries.changes import LedgerFilter
from dashboard.time_range import moment_control
from dashboard.widgets import chart, choice, empty, local, time_zone
from dashboard.wording import duration, plain, plural
from lakehouse.ledger import Change

PAGE_SIZE = 25
_ALL = "all"
_TIMES = {name: SPANS[name].label for name in ("24h", "7d", "30d")} | {_ALL: "All"}
_LONGEST_REASON = 160
_NEW = "Nothing has been changed yet. Promotions, splits, rollbacks and sign-ins will stand here."


def filters() -> LedgerFilter:
    """The controls: time, action, person, thing, or one change by its id. Links keep them."""
    choices = changes.ledger_choices()
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        chosen = choice("Time", _TIMES, "30d", key="time")
        place = st.container(width="content", horizontal=True, vertical_alignment="bottom")
    with st.grid(4, min_column_width=200):
        picked = st.multiselect(
            "What was done",
            choices.actions,
            format_func=lambda action: action_words(action).title,
            key="action",
            bind="query-params",
            placeholder="Everything",
        )
        actors = st.multiselect("Who", choices.actors, key="actor", bind="query-params", placeholder="Everybody")
        targets = st.multiselect("To what", choices.targets, key="target", bind="query-params", placeholder="Anything")
        change_id = st.text_input("Change id", key="change", bind="query-params", placeholder="One change by its id")
    since = None if chosen not in SPANS or change_id else period(str(chosen), time_now()).start
    wanted = LedgerFilter(tuple(picked), tuple(actors), tuple(targets), since, change_id.strip())
    with place:
        moment_control(refreshed=False)
        _export_button(wanted)
    return wanted


def strip(wanted: LedgerFilter) -> None:
    """Where the changes lie in time, one row for each kind."""
    points = changes.strip(wanted)
    if points.empty:
        empty("Nothing to show in this time.")
        return
    figure = charts.change_strip(points, time_zone())
    chart(figure, key="strip", alt="When things were changed, one row for each kind of change", still=True)


def timeline(wanted: LedgerFilter) -> None:
    """The changes, newest first, a page at a time; each opens with its evidence."""
    number_of = int(st.session_state.get("page") or 1)
    found = changes.ledger_page(wanted, number_of, PAGE_SIZE)
    pages = max(-(-found.total // PAGE_SIZE), 1)
    if number_of > pages:
        found = changes.ledger_page(wanted, 1, PAGE_SIZE)
    if not found.total:
        empty("No change fits. A longer time or fewer filters may help." if changes.ledger_choices().actions else _NEW)
        return
    # An id is ours and stands once; a table that somebody else wrote into may say it twice.
    for change in {change.change_id: change for change in found.changes}.values():
        entry(change, opened=bool(wanted.change_id))
    if pages > 1:
        st.pagination(pages, key="page", bind="query-params")
    st.caption(f"{plural(found.total, 'change')} in all.")


def entry(change: Change, *, opened: bool = False) -> None:
    """One change: a line that says it all, and the rest when it is opened."""
    words = action_words(change.action)
    step = st.expander(
        headline(change),
        type="step",
        icon=f":material/{words.icon}:",
        key=f"change {change.change_id}",
        expanded=opened,
        on_change="rerun",
    )
    with step:
        # A step with nothing in it cannot be opened; what is long is drawn only then.
        st.markdown(_facts(change))
        if step.open:
            change_effects.before_and_after(change)
        if step.open and change.evidence:
            st.markdown("**Evidence**")
            st.json(change.evidence, expanded=1)


def headline(change: Change) -> str:
    """A change in one line of Markdown: when, what, from what to what, how it ended, who, why."""
    moved = " → ".join(f"{plain(value)}" for value in (change.before, change.after) if value)
    what = f"**{action_words(change.action).title}** {plain(change.target)}" + (f": {moved}" if moved else "")
    badge = "" if change.outcome == "succeeded" else f" {state_badge(_ending(change))}"
    about = plain(change.actor or "unknown") + (f" · {plain(_cut(change.reason))}" if change.reason else "")
    old = (datetime.now(UTC) - change.started_at).days > 300
    day = f"{local(change.started_at):%d %b %Y}" if old else f"{local(change.started_at):%d %b %H:%M}"
    return f":gray[{day}] {what}{badge} :gray[:small[{about}]]"


def _export_button(wanted: LedgerFilter) -> None:
    """Everything that fits the filters as CSV; that it was taken stands in the ledger."""
    why_not, data = recorded_export(lambda: actions.export(wanted))
    st.download_button(
        "Download as CSV",
        data,
        file_name=f"ledger-{datetime.now(UTC):%Y%m%d-%H%M}.csv",
        mime="text/csv",
        icon=":material/download:",
        disabled=bool(why_not),
        help=why_not or "Every change that fits the filters. The export itself is recorded.",
        on_click="ignore",
        key="export",
    )


def _facts(change: Change) -> str:
    """The change in full, a line each, in Markdown."""
    took = f" after {duration(change.seconds)}" if change.seconds else ""
    facts = {
        "Begun": f"{local(change.started_at):%A, %d %B %Y, %H:%M:%S} ({plain(time_zone())})",
        "Who": plain(change.actor or "unknown") + (f", {plain(change.role)}" if change.role else ""),
        "Outcome": state_badge(_ending(change)) + took,
        "Before": plain(change.before),
        "After": plain(change.after),
        "Reason": plain(change.reason),
        "Why not": plain(change.evidence.get("error") or ""),
        **_told(change.evidence),
        "Change id": plain(change.change_id),
    }
    return "  \n".join(f":gray[{name}:] {value}" for name, value in facts.items() if value)


def _told(evidence: dict[str, Any]) -> dict[str, str]:
    """What of the evidence people ask for first, in words: evidence of others may have any shape."""
    gate = evidence.get("gate")
    passed = gate.get("passed") if isinstance(gate, dict) else None
    return {
        "Gate": {True: "passed", False: ":orange[stopped it]"}.get(passed, "") if isinstance(passed, bool) else "",
        "Overridden because": plain(evidence.get("override_reason") or ""),
        "Asked for by": plain(evidence.get("requested_by") or ""),
        "Verified": " ".join(plain(sentence) for sentence in _sentences(evidence.get("verified"))),
    }


def _sentences(entries: object) -> list[str]:
    found = [entry.get("sentence") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return [str(sentence) for sentence in found if sentence]


def _ending(change: Change) -> str:
    """How a change ended, in a word. A request is no change under way: it waits for somebody, or its time is over."""
    if change.action == "request_promotion":
        return {None: "waiting", "interrupted": "lapsed"}.get(change.outcome, change.outcome or "")
    return change.outcome or "running"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}…"
