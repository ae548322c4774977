"""Panels of the Incident page: the parts of the report as one can read them before taking it along."""

from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from dashboard.actions.incident_report import export_report
from dashboard.links import request_link
from dashboard.panels import ledger, marked
from dashboard.panels.change_effects import difference, value, verdict
from dashboard.panels.recorded_export import recorded_export
from dashboard.queries.incident import WORST_BY, FlagDecided, Incident, IncidentFigure
from dashboard.queries.window_figures import FigureMoved
from dashboard.widgets import empty, local, table, time_zone
from dashboard.wording import NOTHING, number, plain, plural
from lakehouse.ledger import Change
from registry.alerts import Alert

_MOST_OPENED = 40


def report_button(incident: Incident) -> None:
    """The whole as one HTML file; that it was taken stands in the ledger."""
    why_not, data = recorded_export(lambda: export_report(incident, time_zone()))
    st.download_button(
        "Download the report",
        data,
        file_name=f"incident-{incident.start:%Y%m%d-%H%M}-{datetime.now(UTC):%Y%m%d-%H%M}.html",
        mime="text/html",
        icon=":material/download:",
        type="primary",
        disabled=bool(why_not),
        help=why_not or "One HTML file that stands alone. That you took it stands in the ledger.",
        on_click="ignore",
        key="report",
    )


def summary(incident: Incident) -> None:
    """The time in one line, and how far it is scored."""
    clear = sum(one.clearness > 1 for one in incident.figures)
    counts = [
        plural(len(incident.changes), "change"),
        plural(len(incident.alerts), "alert"),
        f"{clear} of {plural(len(incident.figures), 'figure')} clearly moved",
        plural(incident.totals["errors"], "failed request"),
    ]
    st.markdown(
        f"**{local(incident.start):%d %b %Y, %H:%M}** to **{local(incident.asked_end):%d %b %Y, %H:%M}** on "
        f"{plain(incident.endpoint)}: {', '.join(counts)}."
    )
    if incident.end < incident.asked_end:
        st.caption(
            f"Figures are compared up to {local(incident.end):%d %b, %H:%M}, as far as requests are scored, with "
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


def worst(incident: Incident) -> None:
    """The requests that stand out most, by each measure; each links to itself."""
    titles = {key: f"{title} ({number(incident.totals[key])})" for key, (title, _) in WORST_BY.items()}
    for place, key in zip(st.tabs(list(titles.values())), WORST_BY, strict=True):
        rows = incident.worst[key]
        with place:
            if not rows:
                empty("No such request in this time.")
                continue
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
                alt=f"Requests that stand out most by {titles[key]}",
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


def sources(incident: Incident) -> None:
    """The versions of the tables that all of this was read from."""
    with st.expander("Versions of the tables that were read", icon=":material/table:"):
        table(
            {
                "Table": [plain(read.name) for read in incident.tables],
                "Version": [str(read.version) if read.version >= 0 else "not there" for read in incident.tables],
            },
            alt="Versions of the tables that were read",
        )


def _against(found: FigureMoved) -> str:
    """A plain word, the difference with its interval, and what it was then."""
    if not found.moved.n_before:
        return f"{verdict(found)}"
    was = f":small[:gray[was {number(found.moved.before, found.figure.decimals)}, n {number(found.moved.n_before)}]]"
    return f"{verdict(found)}  \n{difference(found)}  \n{was}"
