"""Panels of the Overview: health, indicators, what is live, changes, runs, processes, the demo's building."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import numpy as np
import streamlit as st

from dashboard import charts
from dashboard.colors import ACCENT, BAD, NEUTRAL, WARNING
from dashboard.health import Health
from dashboard.panels import endpoints
from dashboard.panels.marked import marked_line
from dashboard.panels.states import state_badge
from dashboard.periods import Period
from dashboard.queries.changes import Marker
from dashboard.queries.endpoint import EndpointState
from dashboard.queries.operations import Demo, Process
from dashboard.queries.traffic import Indicator, Traffic
from dashboard.widgets import chart, empty, local, table, time_zone
from dashboard.wording import NOTHING, age, duration, milliseconds, number, percent, plain, random_sample, sentence
from lakehouse.ledger import Change

_NO_CHANGE, _NOTHING_BEFORE = _WITHOUT_ARROW = ("no change", "nothing before")
_ICONS = {"good": ":material/check_circle:", "warning": ":material/warning:", "bad": ":material/error:"}


def health_line(health: Health) -> None:
    """One line: healthy or what is wrong, and how old the data is."""
    scored = f"Requests are scored up to {age(health.data_time)}." if health.data_time else "Nothing is scored yet."
    sentences = [sentence(problem.sentence) for problem in health.problems]
    if health.level == "good":
        st.success(f"**Healthy.** {scored}", icon=_ICONS["good"])
    elif health.level == "unknown":
        st.info(f"**Asking the endpoint.** {scored}", icon=":material/hourglass_empty:")
    else:
        verdict = "Something is broken." if health.level == "bad" else "Needs a look."
        show = st.error if health.level == "bad" else st.warning
        if len(sentences) == 1:
            show(f"**{verdict}** {sentences[0]} {scored}", icon=_ICONS[health.level])
        else:
            listed = "\n".join(f"- {problem}" for problem in sentences)
            show(f"**{verdict}** {scored}\n{listed}", icon=_ICONS[health.level])


def indicators(traffic: Traffic, period: Period, label: str, marked: Sequence[Marker] = ()) -> None:
    """Requests, errors, latency and flagged answers, each with its line over the period and its changes marked."""
    each = duration(period.bin_seconds)
    said = f"The {label}" if label.startswith("last ") else plain(label)
    st.caption(f"{said}, compared with the same length before. A point of a line covers {each}.")
    with st.grid(4, min_column_width=160):
        _requests(traffic, marked)
        _errors(traffic, marked)
        _latency(traffic, marked)
        _flagged(traffic, marked)
    marked_line(marked, label)
    if traffic.toxicity_sample is not None:
        sample = traffic.toxicity_sample
        st.caption(random_sample("Toxicity", sample.scored, sample.answers))


def live(state: EndpointState, name: str) -> None:
    """Which versions of an endpoint answer, and with how much of the traffic; which one is warm beside them."""
    endpoint = endpoints.known(state, name)
    if endpoint is None:
        return
    endpoints.update_state(endpoint)
    endpoints.split_bar(endpoint)
    shown = [*endpoint.served, *([endpoint.warm] if endpoint.warm is not None else [])]
    table(
        {
            "Version": [f"**v{plain(served.entity_version)}** of {plain(served.entity_name)}" for served in shown],
            "Traffic": [f"{s.traffic} %" if s is not endpoint.warm else "warm standby" for s in shown],
            "State": [state_badge("ready" if served.ready else "not ready") for served in shown],
        },
        alt=f"Versions that {name} serves",
    )
    st.caption(f"Configuration {endpoint.config_version}, seen {age(state.seen_at)}.")


def changes(entries: Sequence[Change]) -> None:
    """The last changes: what, who, when and why."""
    if not entries:
        empty("Nothing has been changed yet. Promotions, deployments and rollbacks will be listed here.")
    for entry in entries:
        moved = " → ".join(plain(value) for value in (entry.before, entry.after) if value)
        what = f"**{plain(entry.action).capitalize()}** {plain(entry.target)}" + (f": {moved}" if moved else "")
        about = [age(entry.started_at), plain(entry.actor), plain(entry.reason)]
        with st.container(gap=None):
            st.markdown(what)
            st.markdown(
                f"{state_badge(entry.outcome or 'running')} :small[:gray[{' · '.join(part for part in about if part)}]]"
            )


def last_runs(runs: Sequence[dict[str, Any]]) -> None:
    """The last runs of the metrics job in a few words each."""
    if not runs:
        empty("The metrics job has not run yet.")
        return
    table(
        {
            "State": [state_badge(run["state"]) for run in runs],
            "Started": [age(run["started_at"]) for run in runs],
            "Took": [_took(run) for run in runs],
            "Rows": [number(run["rows_read"]) for run in runs],
        },
        alt="The last runs of the metrics job",
    )


def processes(entries: Sequence[Process] | None) -> None:
    """What `make run` started, and how it is doing."""
    if not entries:
        empty("These processes were not started by `make run`, so nothing watches over them here.")
        return
    table(
        {
            "Process": [plain(entry.name) for entry in entries],
            "State": [state_badge("up" if entry.state == "running" else entry.state) for entry in entries],
            "Since": [age(entry.since) if entry.since else NOTHING for entry in entries],
            "Restarts": [number(entry.restarts) for entry in entries],
        },
        alt="Processes that make run started",
    )


def building(demo: Demo | None) -> None:
    """The demo workspace while it is being built: its steps, and how far they are."""
    if demo is None:
        return
    done = sum(step.state == "done" for step in demo.steps)
    st.info(
        "A real chatbot is trained, served and asked; its answers are scored. It takes a few minutes, once.",
        title="The demo workspace is being built",
        icon=":material/construction:",
    )
    started = f"Started at {local(demo.started_at):%H:%M}. " if demo.started_at else ""
    st.progress(done / max(len(demo.steps), 1), text=f"{started}{done} of {len(demo.steps)} steps done")
    table(
        {
            "Step": [f"**{plain(step.name)}**" if step.state == "running" else plain(step.name) for step in demo.steps],
            "State": [state_badge(step.state) for step in demo.steps],
            "Took": [duration(step.seconds) if step.seconds else NOTHING for step in demo.steps],
            "So far": [plain(step.detail) for step in demo.steps],
        },
        alt="Steps of the demo's building",
    )
    if demo.updated_at and (datetime.now(UTC) - demo.updated_at).total_seconds() > 300:
        st.warning(f"No progress was reported since {age(demo.updated_at)}. The demo's log may say why.")


def _requests(traffic: Traffic, marked: Sequence[Marker]) -> None:
    shown = traffic.requests
    about = "Requests that the gateway logged, whatever their status."
    with _card("Requests", number(shown.value), _relative(shown), "off", "all that were logged", about):
        _line(traffic, marked, shown, "Requests", ACCENT, "%{y}")


def _errors(traffic: Traffic, marked: Sequence[Marker]) -> None:
    shown = traffic.error_share
    about = "The share of the logged requests that ended with a status of 400 or more."
    with _card("Errors", percent(shown.value, 2), _points(shown), "inverse", "% of requests, 4xx and 5xx", about):
        _line(traffic, marked, shown, "Errors", BAD, "%{y:.1%}")


def _latency(traffic: Traffic, marked: Sequence[Marker]) -> None:
    shown = traffic.latency_p95
    about = "95 % of the requests were answered at least this quickly. Within 1 %."
    with _card("Latency, p95", milliseconds(shown.value), _relative(shown), "inverse", "ms, 95 % are quicker", about):
        _line(traffic, marked, shown, "Latency", NEUTRAL, "%{y:.1f} ms")


def _flagged(traffic: Traffic, marked: Sequence[Marker]) -> None:
    shown, prompts = traffic.flagged_answers, traffic.flagged_prompts
    scorer = plain(traffic.toxicity_scorer) or "no scorer yet"
    about = f"The share of answers, and (dotted) of prompts, that reach the toxicity threshold. Scored by {scorer}."
    unit = f"% of answers; {percent(prompts.value)} of prompts (dotted)"
    with _card("Toxicity flags", percent(shown.value, 2), _points(shown), "inverse", unit, about):
        hover, beside = "answers %{y:.1%}", "prompts %{y:.1%}"
        _line(traffic, marked, shown, "Toxicity flags", WARNING, hover, prompts, beside)


@contextmanager
def _card(label: str, value: str, delta: str, color: Any, unit: str, about: str) -> Iterator[None]:
    arrow = delta not in _WITHOUT_ARROW
    with st.container(border=True, gap="xsmall", height="stretch"):
        st.metric(
            label,
            value,
            delta,
            delta_color=color if arrow else "off",
            delta_arrow="auto" if arrow else "off",
            help=about,
        )
        yield
        st.caption(unit)


def _line(
    traffic: Traffic,
    marked: Sequence[Marker],
    shown: Indicator,
    name: str,
    color: str,
    hover: str,
    beside: Indicator | None = None,
    beside_hover: str = "",
) -> None:
    figure = charts.sparkline(
        traffic.times,
        shown.values,
        time_zone(),
        color=color,
        hover="%{x|%d %b %H:%M}<br>" + hover,
        beside=None if beside is None else beside.values,
        beside_hover=beside_hover,
        markers=marked,
    )
    chart(figure, key=f"line {name}", alt=f"{name} over the chosen time", still=True)


def _relative(indicator: Indicator) -> str:
    if not (np.isfinite(indicator.value) and np.isfinite(indicator.previous) and indicator.previous):
        return _NOTHING_BEFORE
    return _delta((indicator.value / indicator.previous - 1) * 100, 0, " %")


def _points(indicator: Indicator) -> str:
    if not (np.isfinite(indicator.value) and np.isfinite(indicator.previous)):
        return _NOTHING_BEFORE
    return _delta((indicator.value - indicator.previous) * 100, 2, " points")


def _delta(change: float, decimals: int, unit: str) -> str:
    """A change as `st.metric` understands it: an ASCII minus sign points the arrow down."""
    return f"{change:+.{decimals}f}{unit}" if round(change, decimals) else _NO_CHANGE


def _took(run: dict[str, Any]) -> str:
    return duration((run["finished_at"] - run["started_at"]).total_seconds()) if run["finished_at"] else NOTHING
