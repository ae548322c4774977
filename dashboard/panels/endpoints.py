"""Panels of the Endpoints page: what is served and how it does, an update under way, workers' logs, and a question."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import charts
from dashboard.actions import production
from dashboard.actions.running import Running
from dashboard.auth import current_actor
from dashboard.panels.states import state_badge
from dashboard.queries.endpoint import EndpointState, served_metrics, worker_log
from dashboard.queries.watch import EXPECTED
from dashboard.widgets import chart, empty, table
from dashboard.wording import NOTHING, age, duration, milliseconds, number, plain, plural, sentence
from serving.endpoints import Answer, Endpoint, ServedState

if TYPE_CHECKING:
    from serving.endpoint_metrics import ServedEntityMetrics

_QUESTIONS = "questions to the endpoint"
_MOST_QUESTIONS = 5
_LOG_LINES = 200
_LOG_HEIGHT = 240
_ANY = "the version that is due"
_STATES = {
    "DEPLOYMENT_CREATING": "starting",
    "DEPLOYMENT_RECOVERING": "restarting",
    "DEPLOYMENT_FAILED": "failed",
    "DEPLOYMENT_ABORTED": "stopped",
}


def known(state: EndpointState, name: str) -> Endpoint | None:
    """The endpoint as it was seen last; says what there is to say where it is not known, or not any more."""
    if state.state == "asking" and state.endpoint is None:
        empty(f"Asking about {plain(name)} …")
    elif state.state == "missing":
        empty(f"There is no endpoint {plain(name)}. Promoting a version makes it.")
    elif state.state in ("down", "failed"):
        seen = f" It was last seen {age(state.seen_at)}." if state.seen_at else ""
        st.error(f"{sentence(state.message)}{seen}", icon=":material/cloud_off:")
    return state.endpoint


def update_state(endpoint: Endpoint | None) -> None:
    """An update that is under way, with how far it is, or that failed, with why."""
    if endpoint is None:
        return
    message = sentence(endpoint.update_message) if endpoint.update_message else ""
    pending = endpoint.pending or []
    if endpoint.updating == "IN_PROGRESS":
        ready = sum(served.ready for served in pending)
        since = (datetime.now(UTC) - endpoint.pending_since).total_seconds() if endpoint.pending_since else None
        shares = ", ".join(f"v{plain(served.entity_version)} {served.traffic} %" for served in pending)
        st.info(
            f"**A new configuration is being brought up**{f' for {duration(since)}' if since else ''}: {shares}. "
            f"The one below answers until then. {message}",
            icon=":material/sync:",
        )
        if pending:
            st.progress(ready / len(pending), text=f"{ready} of {len(pending)} versions are ready")
    elif endpoint.updating in ("UPDATE_FAILED", "UPDATE_CANCELED"):
        word = "failed" if endpoint.updating == "UPDATE_FAILED" else "was interrupted"
        reasons = message or " ".join(sentence(served.message) for served in pending if served.message)
        st.warning(
            f"**The last update {word}**; the configuration below goes on serving. {reasons}", icon=":material/warning:"
        )


def serving(endpoint: Endpoint, seen_at: datetime | None) -> None:
    """The split of the traffic, and a card for each version with its state and its last minute."""
    split_bar(endpoint)
    seen = served_metrics(endpoint.name)
    of = {entity.name: entity for entity in seen.value or []}
    cards = [(served, False) for served in sorted(endpoint.served, key=lambda served: -served.traffic)]
    if endpoint.warm is not None:
        cards.append((endpoint.warm, True))
    if cards:
        with st.grid(min(max(len(cards), 2), 4), min_column_width=230):
            for served, standby in cards:
                _version_card(served, of.get(served.name), standby)
    if seen.error is not None:
        st.caption(f":orange[:material/warning: {sentence(seen.error)}]")
    st.caption(
        f"Configuration {endpoint.config_version}, seen {age(seen_at)}. Figures are those of the last minute; latency "
        "is measured at the endpoint."
    )


def split_bar(endpoint: Endpoint) -> None:
    """How the traffic is split, as a bar in the versions' colours."""
    parts = [(f"v{served.entity_version}", served.entity_version, served.traffic) for served in endpoint.served]
    shown = [part for part in parts if part[2]]
    if shown:
        spoken = ", ".join(f"{label} {share} %" for label, _, share in shown)
        chart(charts.traffic_split(shown), key="traffic_split", alt=f"Traffic of {endpoint.name}: {spoken}", still=True)


def worker_logs(endpoint: Endpoint | None) -> None:
    """The last lines of one version's worker."""
    if endpoint is None:
        empty("The endpoint is not known yet.")
        return
    served = sorted(endpoint.served, key=lambda served: -served.traffic)
    names = [entity.name for entity in [*served, *([endpoint.warm] if endpoint.warm else [])]]
    if not names:
        empty("No version is served, so no worker has written anything.")
        return
    chosen = st.selectbox("Served entity", names, key="log_of", width=230)
    seen = worker_log(endpoint.name, str(chosen))
    if seen.error is not None:
        st.warning(sentence(seen.error), icon=":material/warning:")
    if seen.value:
        lines = seen.value.splitlines()
        st.code("\n".join(lines[-_LOG_LINES:]), language=None, height=_LOG_HEIGHT, wrap_lines=True)
        left_out = f", the last {_LOG_LINES} of those that the endpoint keeps" if len(lines) > _LOG_LINES else ""
        st.caption(f"{plural(min(len(lines), _LOG_LINES), 'line')}{left_out}, seen {age(seen.seen_at)}.")
    elif seen.error is None:
        empty("Asking for the log …" if seen.looking else "This worker has written nothing.")


def questions(endpoint: Endpoint | None) -> None:
    """A box to ask the live endpoint, and which version answered."""
    if endpoint is None:
        empty("The endpoint is not known yet.")
        return
    actor = current_actor()
    why_not = actor.why_not("ask_endpoint")
    with st.form("ask", border=False):
        st.text_input("Question", key="question", max_chars=production.LONGEST_QUESTION, disabled=bool(why_not))
        with st.container(horizontal=True, vertical_alignment="bottom"):
            names = [_ANY, *(served.name for served in endpoint.served)]
            st.selectbox("Who answers", names, key="asked", width=230)
            st.form_submit_button(
                "Ask",
                icon=":material/send:",
                disabled=bool(why_not),
                help=why_not or None,
                on_click=_ask,
                args=(endpoint.name,),
            )
    for asked, running in st.session_state.get(_QUESTIONS, []):
        _answer(asked, running)
    st.caption(f"Asked as {plain(actor.name)}: the question counts as traffic and is logged and scored like any other.")


def _version_card(served: ServedState, metrics: "ServedEntityMetrics | None", standby: bool) -> None:
    with st.container(border=True, gap="small", height="stretch"):
        share = "warm standby" if standby else f"{served.traffic} % of the traffic"
        st.markdown(f"**v{plain(served.entity_version)}** · {share}")
        st.markdown(state_badge(_word(served)))
        if served.message:
            st.caption(sentence(served.message))
        st.caption(f"{plain(served.entity_name)}, served as {plain(served.name)}")
        if metrics is not None:
            figures = _figures(metrics)
            table({"Last minute": list(figures), " ": list(figures.values())}, alt=f"Last minute of {served.name}")


def _figures(metrics: "ServedEntityMetrics") -> dict[str, str]:
    errors = [metrics.errors_4xx, metrics.errors_5xx]
    found = {
        "Requests": number(metrics.requests_per_minute),
        "Errors 4xx, 5xx": ", ".join(number(count) for count in errors),
        "Latency p50": milliseconds(metrics.p50_ms),
        "Latency p95": milliseconds(metrics.p95_ms),
        "CPU": NOTHING if metrics.cpu is None else f"{number(metrics.cpu, 0)} %",
        "Memory": NOTHING if metrics.memory is None else f"{number(metrics.memory, 1)} %",
    }
    if metrics.in_flight is not None:
        found["Being answered"] = number(metrics.in_flight)
    return found


def _word(served: ServedState) -> str:
    """Databricks' word for a deployment's state as people say it."""
    return "ready" if served.ready else _STATES.get(served.state, "not ready")


def _ask(endpoint: str) -> None:
    question = str(st.session_state.get("question") or "").strip()
    if not question:
        st.toast("There is nothing to ask: write a question first.", icon=":material/chat:")
        return
    chosen = st.session_state.get("asked")
    try:
        running = production.begin_question(endpoint, question, None if chosen == _ANY else str(chosen))
    except EXPECTED as error:
        st.toast(sentence(error), icon=":material/error:")
        return
    kept: Sequence[tuple[str, Running[Answer]]] = st.session_state.get(_QUESTIONS, [])
    st.session_state[_QUESTIONS] = [(question, running), *kept][:_MOST_QUESTIONS]
    running.wait(3.0)


def _answer(question: str, running: Running[Answer]) -> None:
    with st.container(border=True, gap="small"):
        st.markdown(f":gray[{plain(question)}]")
        if not running.done:
            st.markdown(f"{state_badge('running')} asked {duration(running.seconds)} ago")
        elif running.error is not None:
            st.error(sentence(running.error), icon=":material/error:")
        elif running.value is not None:
            answer = running.value
            said = "  \n".join(plain(line) for line in answer.text.splitlines()) or ":gray[an answer without text]"
            st.markdown(said)
            st.caption(
                f":material/deployed_code: **{plain(answer.served_model_name or 'unknown')}** answered in "
                f"{duration(answer.seconds) if answer.seconds >= 1 else milliseconds(answer.seconds * 1000)}, request "
                f"{plain(answer.request_id)}"
            )
