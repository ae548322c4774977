"""Panels of the Overview: the health line, the indicators, what is live, changes, runs, processes, the demo's building."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import streamlit as st

from dashboard import charts
from dashboard.colors import ACCENT, BAD, NEUTRAL, WARNING
from dashboard.health import Health
from dashboard.panels.states import state_badge
from dashboard.periods import Period
from dashboard.queries.endpoint import EndpointState
from dashboard.queries.operations import Demo, Process
from dashboard.queries.traffic import Indicator, Traffic
from dashboard.widgets import chart, empty, local, table, time_zone
from dashboard.wording import NOTHING, age, duration, milliseconds, number, percent, plain, sentence
from lakehouse.ledger import Change

_NO_CHANGE = 0.0
_ICONS = {"good": ":material/check_circle:", "warning": ":material/warning:", "bad": ":material/error:"}


def health_line(health: Health) -> None:
    """One line: healthy or what is wrong, and how old the data is."""
    scored = f"Requests are scored up to {age(health.data_time)}." if health.data_time else "Nothing is scored yet."
    sentences = [sentence(problem.sentence) for problem in health.problems]
    if health.level == "good":
        st.success(f"**Healthy.** {scored}", icon=_ICONS["good"])
    elif health.level == "unknown":
        st.info(f"**Looking around.** {scored}", icon=":material/hourglass_empty:")
    else:
        body = "\n\n".join([*sentences, scored])
        title = "Something is broken" if health.level == "bad" else "Needs a look"
        show = st.error if health.level == "bad" else st.warning
        show(body, title=title, icon=_ICONS[health.level])


def indicators(traffic: Traffic, period: Period, label: str) -> None:
    """Requests, errors, latency and flagged answers, each with its line over the period."""
    each = duration(period.bin_seconds)
    st.caption(f"The last {label}, compared with the {label} before. A point of a line covers {each}.")
    with st.grid(4, min_column_width=160):
        _card(
            "Requests", number(traffic.requests.value), _relative(traffic.requests), "off",
            "all that were logged", "Requests that the gateway logged, whatever their status.",
            charts.sparkline(traffic.times, traffic.requests.values, time_zone(), color=ACCENT, hover="%{x|%d %b %H:%M}: %{y}"),
        )  # fmt: skip
        _card(
            "Errors", percent(traffic.error_share.value, 2), _points(traffic.error_share), "inverse",
            "% of requests, 4xx and 5xx", "The share of the logged requests that ended with a status of 400 or more.",
            charts.sparkline(traffic.times, traffic.error_share.values, time_zone(), color=BAD, hover="%{x|%d %b %H:%M}: %{y:.1%}"),
        )  # fmt: skip
        _card(
            "Latency, p95", milliseconds(traffic.latency_p95.value), _relative(traffic.latency_p95),
            "inverse", "ms, 95 % are quicker", "95 % of the requests were answered at least this quickly. Within 1 %.",
            charts.sparkline(traffic.times, traffic.latency_p95.values, time_zone(), color=NEUTRAL, hover="%{x|%d %b %H:%M}: %{y:.1f} ms"),
        )  # fmt: skip
        prompts = percent(traffic.flagged_prompts.value)
        _card(
            "Toxic answers", percent(traffic.flagged_answers.value, 2), _points(traffic.flagged_answers),
            "inverse", f"% flagged; of prompts {prompts} (dotted)",
            f"The share of scored answers that reach the toxicity threshold, by {plain(traffic.toxicity_scorer) or 'no scorer yet'}.",
            charts.sparkline(
                traffic.times, traffic.flagged_answers.values, time_zone(), color=WARNING, hover="answers: %{y:.1%}",
                beside=traffic.flagged_prompts.values, beside_hover="%{x|%d %b %H:%M}<br>prompts: %{y:.1%}",
            ),
        )  # fmt: skip


def live(state: EndpointState, name: str) -> None:
    """Which versions of an endpoint answer, and with how much of the traffic."""
    if state.state == "asking":
        empty(f"Asking the gateway about {plain(name)} …")
        return
    if state.state == "missing":
        empty(f"There is no endpoint {plain(name)}.")
        return
    if state.state in ("down", "failed"):
        st.error(sentence(state.message), icon=":material/cloud_off:")
    if state.endpoint is None:
        return
    endpoint = state.endpoint
    serving = [served for served in endpoint.served if served.traffic]
    if serving:
        parts = [(f"v{served.entity_version}", served.entity_version, served.traffic) for served in serving]
        spoken = ", ".join(f"{label} {share} %" for label, _, share in parts)
        chart(charts.traffic_split(parts), key="traffic_split", alt=f"Traffic of {name}: {spoken}", still=True)
    table(
        {
            "Version": [
                f"**v{plain(served.entity_version)}** of {plain(served.entity_name)}" for served in endpoint.served
            ],
            "Traffic": [f"{served.traffic} %" for served in endpoint.served],
            "State": [state_badge("ready" if served.ready else "not ready") for served in endpoint.served],
        },
        alt=f"Versions that {name} serves",
    )
    if endpoint.updating == "IN_PROGRESS":
        st.caption(":material/sync: A new configuration is being brought up; this one serves until then.")
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
            st.markdown(f"{what} {state_badge(entry.outcome or 'running')}")
            st.caption(" · ".join(part for part in about if part))


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
            "State": [state_badge(entry.state) for entry in entries],
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
    if demo.updated_at and (datetime.now(UTC) - demo.updated_at).total_seconds() > 120:
        st.warning(f"No progress was reported since {age(demo.updated_at)}. The demo's log may say why.")


def _card(label: str, value: str, delta: str | float | None, color: Any, unit: str, about: str, line: Any) -> None:
    with st.container(border=True, gap="xsmall", height="stretch"):
        st.metric(label, value, delta, delta_color=color, help=about)
        chart(line, key=f"line {label}", alt=f"{label} over the period, now {value}", still=True)
        st.caption(unit)


def _relative(indicator: Indicator) -> str | float:
    if not (np.isfinite(indicator.value) and np.isfinite(indicator.previous) and indicator.previous):
        return _NO_CHANGE
    return _delta((indicator.value / indicator.previous - 1) * 100, 0, " %")


def _points(indicator: Indicator) -> str | float:
    if not (np.isfinite(indicator.value) and np.isfinite(indicator.previous)):
        return _NO_CHANGE
    return _delta((indicator.value - indicator.previous) * 100, 2, " points")


def _delta(change: float, decimals: int, unit: str) -> str | float:
    """A change as `st.metric` understands it: an ASCII minus sign points the arrow down, a number 0 has no arrow."""
    return f"{change:+.{decimals}f}{unit}" if round(change, decimals) else _NO_CHANGE


def _took(run: dict[str, Any]) -> str:
    return duration((run["finished_at"] - run["started_at"]).total_seconds()) if run["finished_at"] else NOTHING
