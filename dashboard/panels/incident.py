"""Panels of the Incident page: the parts of the report as one can read them before taking it along."""

from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from dashboard.actions.incident_report import export_report
from dashboard.links import request_link
from dashboard.panels import ledger, marked
from dashboard.panels.change_effects import difference, value, verdict
from dashboard.panels.recorded_export import recorded_export
from dashboard.periods import Period
from dashboard.queries import incident as queries
from dashboard.queries.incident import WORST_BY, FlagDecided, IncidentFigure, Stretch
from dashboard.queries.window_figures import FigureMoved
from dashboard.widgets import empty, guarded, local, table, time_zone
from dashboard.wording import NOTHING, number, plain, plural
from lakehouse.ledger import Change
from registry.alerts import Alert

_MOST_OPENED = 40


def report_button(endpoint: str, period: Period) -> None:
    """The whole as one HTML file; that it was taken stands in the ledger."""
    why_not, data = recorded_export(lambda: export_report(endpoint, period, time_zone()))
    st.download_button(
        "Download the report",
        data,
        file_name=f"incident-{period.start:%Y%m%d-%H%M}-{datetime.now(UTC):%Y%m%d-%H%M}.html",
        mime="text/html",
        icon=":material/download:",
        type="primary",
        disabled=bool(why_not),
        help=why_not or "One HTML file that stands alone. That you took it stands in the ledger.",
        on_click="ignore",
        key="report",
    )


def summary(of: Stretch, figures: Sequence[IncidentFigure]) -> None:
    """The time in one line, and how far it is scored."""
    clear = sum(one.clearness > 1 for one in figures)
    counts = [
        plural(len(queries.made(of).changes), "change"),
        plural(len(queries.alerts_of(of)), "alert"),
        f"{clear} of {plural(len(figures), 'figure')} clearly moved",
        plural(queries.failed(of), "failed request"),
    ]
    st.markdown(
        f"**{local(of.start):%d %b %Y, %H:%M}** to **{local(of.asked_end):%d %b %Y, %H:%M}** on "
        f"{plain(of.endpoint)}: {', '.join(counts)}."
    )
    if of.end < of.asked_end:
        st.caption(
            f"Figures are compared up to {local(of.end):%d %b, %H:%M}, as far as requests are scored, with "
            "stretches of the same length."
        )


def changed(entries: Sequence[Change], nothing: str) -> None:
    """Changes or decisions, oldest first; each opens with its before and after."""
    if not entries:
        empty(nothing)
    for change in entries[:_MOST_OPENED]:
        ledger.entry(change)
    if len(entries) > _MOST_OPENED:
        st.caption(f"The first {_MOST_OPENED} of {len(entries)}; the report has all of them.")


def moved(figures: Sequence[IncidentFigure]) -> None:
    """Every figure beside the time before and beside the same hours a week before, the clearest first."""
    if not any(one.before.moved.n_after for one in figures):
        empty("No request of this time is scored. Another range may have some.")
        return
    columns = {
        "Figure": [f"**{one.figure.title}**  \n:small[:gray[{plain(one.figure.unit)}]]" for one in figures],
        "This time": [value(one.before, "after") for one in figures],
        "Against before": [_against(one.before) for one in figures],
    }
    if any(one.week is not None for one in figures):
        columns["Against a week before"] = [_against(one.week) if one.week else NOTHING for one in figures]
    table(columns, alt="Figures of this time beside those of the time before")
    scorers = sorted({one.before.scorer for one in figures if one.before.scorer})
    st.caption(
        "With 95 % intervals; of twenty comparisons about one is clear by chance alone."
        + (f" Scored by {plain(', '.join(scorers))}." if scorers else "")
    )


def alerts(found: Sequence[Alert]) -> None:
    """Alerts that were open in this time."""
    if not found:
        empty("No alert was open in this time.")
    for one in found:
        with st.container(gap=None):
            marked.alert(one)


def worst(of: Stretch) -> None:
    """The requests that stand out most, by each measure; each links to itself."""
    titles = [title for title, _ in WORST_BY.values()]
    for place, key in zip(st.tabs(titles, key="worst", on_change="rerun"), WORST_BY, strict=True):
        if not place.open:
            continue
        with place, guarded(WORST_BY[key][0]):
            found = queries.worst(of, key)
            rows = found.rows
            if not rows:
                empty("No such request in this time.")
                continue
            st.caption(f"{number(len(rows))} of {plural(found.total, 'request')}.")
            table(
                {
                    "Time": [
                        request_link(
                            row["databricks_request_id"],
                            f"{local(row['request_time']):%d %b %H:%M:%S}",
                            row["request_time"],
                        )
                        for row in rows
                    ],
                    "Version": [
                        f"v{plain(row['entity_version'])}" if row["entity_version"] else NOTHING for row in rows
                    ],
                    "Status": [number(row["status_code"]) for row in rows],
                    "Latency, ms": [number(row["execution_duration_ms"]) for row in rows],
                    "Toxicity, 0 to 1": [number(row["response_toxicity"], 3) for row in rows],
                },
                alt=f"Requests that stand out most by {WORST_BY[key][0]}",
            )


def decisions(entries: Sequence[Change], flags: Sequence[FlagDecided]) -> None:
    """What people decided: about versions, by the ledger, and about flagged requests."""
    if entries or not flags:
        changed(entries, "No decision stands in the ledger or the triage for this time.")
    if flags:
        table(
            {
                "Time": [f"{local(flag.time):%d %b %H:%M}" for flag in flags],
                "Request": [request_link(flag.request_id, plain(flag.request_id[:12]), "") for flag in flags],
                "Decision": [plain(flag.decision) for flag in flags],
                "Label": [plain(flag.label) or NOTHING for flag in flags],
                "Who": [plain(flag.actor) for flag in flags],
            },
            alt="Decisions about flagged requests",
        )


def sources() -> None:
    """The versions of the tables that all of this is read from."""
    opened = st.expander(
        "Versions of the tables that are read", icon=":material/table:", key="tables read", on_change="rerun"
    )
    if not opened.open:
        return
    with opened:
        read = queries.tables_read()
        table(
            {
                "Table": [plain(one.name) for one in read],
                "Version": [str(one.version) if one.version >= 0 else "not there" for one in read],
            },
            alt="Versions of the tables that are read",
        )


def _against(found: FigureMoved) -> str:
    """A plain word, the difference with its interval, and what it was then."""
    if not found.moved.n_before:
        return f"{verdict(found)}"
    was = f":small[:gray[was {number(found.moved.before, found.figure.decimals)}, n {number(found.moved.n_before)}]]"
    return f"{verdict(found)}  \n{difference(found)}  \n{was}"
