"""Panels of the Drift page: what has drifted, when, and each of it with its evidence."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from dashboard import drift_charts
from dashboard.drift_findings import Drift, Finding
from dashboard.drift_words import JUDGED_AGAINST, column_title, slice_words
from dashboard.health import LATE_AFTER_INTERVALS
from dashboard.links import page_link
from dashboard.moment import time_now
from dashboard.panels import drift_details
from dashboard.panels.marked import marked_line, opened_change
from dashboard.periods import Period
from dashboard.queries import changes, operations
from dashboard.queries.drift import MOST_FINDINGS, Judged
from dashboard.time_range import TimeRange
from dashboard.widgets import chosen_point, clickable_chart, empty, local, time_zone
from dashboard.wording import age, number, plain, plural, sentence

_SHOWN = 12
"""Drifts that are listed before somebody asks for the rest."""
_OF_PEOPLE = "requester"
_TAKEN_ALONG = (
    "window_start",
    "window_end",
    "granularity",
    "slice_key",
    "slice_value",
    "column_name",
    "drift_type",
    "n",
    "n_compared",
    "value",
    "value_compared",
    "effect",
    "effect_name",
    "p_value",
    "q_value",
    "windows_in_a_row",
    "confirmed",
)
_KINDS = {"all": "All", "confirmed": "Confirmed", "suspected": "Suspected"}


def state_line(judged: Judged) -> None:
    """Up to when drift was judged, and what is wrong with that."""
    until, run, now = judged.until, judged.last_run, time_now()
    if run is not None and run["state"] not in ("succeeded", "running"):
        st.warning(
            f"The last run of the drift job, {age(run['started_at'], now)}, did not end well: "
            f"{sentence(run['error'] or 'its log says why.')} What is below is from before.",
            icon=":material/warning:",
        )
    if until is None:
        return
    said = f"Windows are judged up to {local(until):%d %b, %H:%M}"
    late = LATE_AFTER_INTERVALS * operations.metrics_interval_seconds()
    if run is not None and (now - run["started_at"]).total_seconds() > late:
        st.caption(f":orange[:material/schedule: {said}; the drift job last ran {age(run['started_at'], now)}.]")
    else:
        st.caption(f"{said}.")


def tiles(found: Sequence[Drift], findings: Sequence[Finding]) -> None:
    """How many things drift now, were confirmed, and were only suspected."""
    now = sum(drift.ongoing and drift.confirmed for drift in found)
    confirmed = sum(drift.confirmed for drift in found)
    with st.grid(3, min_column_width=150):
        st.metric("Drifting now", number(now), border=True, help="Confirmed, and found in one of the last two windows.")
        st.metric("Confirmed", number(confirmed), border=True, help="In this time: large, certain and lasting enough.")
        st.metric(
            "Suspected",
            number(len(found) - confirmed),
            border=True,
            help="Seen in a window, and not lasting or certain enough to tell somebody.",
        )
    if len(findings) >= MOST_FINDINGS:
        st.caption(f"The newest {number(MOST_FINDINGS)} findings of this time; a shorter one shows the rest.")


def nothing(judged: Judged) -> None:
    """Why there is no finding."""
    if judged.until is None and judged.last_run is None:
        empty(
            "Nothing has been judged yet. The drift job runs after the metrics job; from a shell: "
            "`python -m jobs drift`."
        )
    elif judged.until is None:
        empty("No window has enough requests to be judged yet.")
    else:
        st.markdown(":green[:material/check_circle:] **Nothing has drifted in this time.**")


def listed(found: Sequence[Drift], opened: str, period: Period) -> None:
    """Every drift in a line; it opens with both distributions, examples and figures. opened: id of a finding."""
    confirmed = sum(drift.confirmed for drift in found)
    counts = {"all": len(found), "confirmed": confirmed, "suspected": len(found) - confirmed}
    kind = st.segmented_control(
        "Which",
        list(_KINDS),
        format_func=lambda name: f"{_KINDS[name]} ({number(counts[name])})",
        default="all",
        required=True,
        key="kind",
        label_visibility="collapsed",
    )
    wanted = [drift for drift in found if kind == "all" or drift.confirmed == (kind == "confirmed")]
    if not wanted:
        empty("There is none of this kind in this time.")
        return
    whole = len(wanted) <= _SHOWN or st.session_state.get("all drifts", False)
    for drift in wanted if whole else wanted[:_SHOWN]:
        _entry(drift, drift.newest.finding_id == opened, period)
    if not whole:
        st.button(
            f"Show all {number(len(wanted))}",
            icon=":material/expand_more:",
            key="more drifts",
            on_click=lambda: st.session_state.update({"all drifts": True}),
        )


def one(shown: Finding | None, period: Period) -> None:
    """The finding that a link asks for, with everything about it."""
    if shown is None:
        empty("This finding is not in the tables of the moment that is shown.")
    else:
        st.markdown(headline(shown))
        drift_details.details(shown, period, key="linked")
    page_link("drift", "All findings", "arrow_back", range=str(st.query_params.get("range", "")))


def timeline(found: Sequence[Finding], chosen: TimeRange, endpoint: str) -> None:
    """When which column was found to differ; a point opens its finding."""
    marked = changes.markers(chosen.period, endpoint)
    titles = {one.column_name: column_title(one.column_name) for one in found}
    figure = drift_charts.timeline(found, titles, chosen.period, time_zone(), marked)
    confirmed = sum(one.confirmed for one in found)
    points = clickable_chart(
        figure,
        key="findings",
        alt=f"{plural(len(found), 'finding')} over time by column, {number(confirmed)} of them confirmed",
    )
    st.caption(
        f"Each point is one window of time and slice: {plural(len(found), 'finding')}, {number(confirmed)} confirmed. "
        "Choose one to open it."
    )
    marked_line(marked, chosen.label)
    opened_change(points)
    picked = chosen_point(points, drift_charts.FINDING_POINT)
    shown = None if picked is None else next((one for one in found if one.finding_id == picked[1]), None)
    if shown is not None:
        with st.container(border=True):
            st.markdown(headline(shown))
            drift_details.details(shown, chosen.period, key="point")


def headline(found: Finding) -> str:
    """A finding in one line of Markdown: when, how sure, what it says, of which requests."""
    day = f"{local(found.window_start):%d %b %H:%M}"
    badge = ":red-badge[:material/trending_up: confirmed]" if found.confirmed else ":gray-badge[suspected]"
    return f":gray[{day}] {badge} {plain(found.sentence or _said(found))}"


def _entry(drift: Drift, opened: bool, period: Period) -> None:
    newest = drift.newest
    now = " :orange-badge[now]" if drift.ongoing else ""
    about = f"{plural(len(drift.findings), 'window')} of {plain(newest.granularity)}"
    if newest.slice_key:
        about += f", {plain(slice_words(newest.slice_key, newest.slice_value))}"
    step = st.expander(
        f"{headline(newest)}{now} :gray[:small[{about}]]",
        type="step",
        icon=":material/trending_up:" if drift.confirmed else ":material/help:",
        key=f"drift {newest.finding_id}",
        expanded=opened,
        on_change="rerun",
    )
    with step:
        # A step with nothing in it cannot be opened; what is long is drawn only then.
        st.markdown(drift_details.facts(newest))
        if step.open:
            drift_details.details(newest, period, key=newest.finding_id, with_facts=False)


def _said(found: Finding) -> str:
    against = JUDGED_AGAINST.get(found.drift_type, "before")
    return f"{column_title(found.column_name)} differs from {against}."


def as_frame(found: Sequence[Finding]) -> Any:
    """Findings as rows to take along: figures only. Sentences may hold words of prompts, and slices names of people."""
    import pandas as pd

    rows = [{name: getattr(one, name) for name in _TAKEN_ALONG} for one in found]
    for row in rows:
        if row["slice_key"] == _OF_PEOPLE:
            row["slice_value"] = "left out"
    return pd.DataFrame(rows, columns=list(_TAKEN_ALONG))
