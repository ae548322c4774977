"""Panels of the Jobs page: how far the metrics job is, its runs, and requests without a score."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from dashboard import charts
from dashboard.actions import jobs as actions
from dashboard.auth import current_actor
from dashboard.colors import ACCENT, WARNING
from dashboard.panels.marked import marked_line
from dashboard.panels.states import state_badge
from dashboard.queries import changes, operations
from dashboard.widgets import chart, empty, local, time_zone
from dashboard.wording import NOTHING, age, duration, number, plain, plural, random_sample, sentence
from lakehouse.errors import LakehouseError
from metrics.sampling import LEFT_OUT
from registry.errors import RegistryError

_WISH = "metrics_job_wish"


def summary(runs: Sequence[dict[str, Any]]) -> None:
    """How far the job is: up to when requests are scored, what waits, how the last runs went."""
    ended = [run for run in runs if run["finished_at"]]
    day = [run for run in ended if (datetime.now(UTC) - run["started_at"]).total_seconds() < 86400]
    bad = sum(run["state"] != "succeeded" for run in day)
    lag = run_lag(ended[0]) if ended else None
    with st.grid(4, min_column_width=160):
        _figure("Age of the scores", _age(operations.data_time(runs)), "every older request has its scores")
        _figure("Waiting", number(ended[0]["rows_waiting"]) if ended else NOTHING, "requests that the last run left")
        _figure("Lag", duration(lag), "age of the newest request when its run ended")
        _figure("Runs, 24 hours", number(len(day)), _outcome(len(day), bad))


def run_now() -> None:
    """Ask for a run, and follow it."""
    waiting = operations.waiting_wishes()
    runs = operations.metrics_runs()
    running = next((run for run in runs if run["state"] == "running"), None)
    every = duration(operations.metrics_interval_seconds())
    why_not = current_actor().why_not("run_job")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Run now",
            icon=":material/play_arrow:",
            key="run_now",
            disabled=bool(waiting or running or why_not),
            on_click=_ask,
            help=sentence(why_not) or f"The scheduler takes it up within seconds. It runs by itself every {every}.",
        )
        st.markdown(_whereabouts(waiting, running, runs))


def history(runs: Sequence[dict[str, Any]]) -> None:
    """How long the runs took."""
    shown = [run for run in runs if run["finished_at"]][:100]
    if not shown:
        empty("No run has ended yet.")
        return
    marked = changes.marked_since(shown[-1]["started_at"])
    figure = charts.run_history(shown[::-1], time_zone(), marked)
    chart(figure, key="history", alt="How long the last runs took, by state")
    marked_line(marked)


def runs_table(runs: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Every run that scores requests; returns the one that is chosen, the newest at first."""
    import pandas as pd

    if not runs:
        empty("The metrics job has not run yet. It starts by itself with the scheduler, or with the button above.")
        return None
    rows = [
        {
            "State": run["state"].replace("_", " "),
            "Job": run["job"],
            "Started": local(run["started_at"]),
            "Took (s)": (run["finished_at"] - run["started_at"]).total_seconds() if run["finished_at"] else None,
            "Lag (s)": run_lag(run),
            "Read": run["rows_read"],
            "Scored": run["rows_scored"],
            "Without score": run["rows_unscored"],
            "Left out": run["rows_left_out"],
            "Duplicate": run["rows_duplicate"],
            "Waiting": run["rows_waiting"],
            "Why": run["trigger"],
            "Error": run["error"] or "",
        }
        for run in runs
    ]
    found = st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key="runs",
        alt="Runs that score requests, newest first",
        column_config={
            "State": st.column_config.TextColumn(pinned=True),
            "Job": st.column_config.TextColumn(help="score: new requests; rescore: scores that were left out before"),
            "Started": st.column_config.DatetimeColumn(format="DD MMM, HH:mm:ss"),
            "Took (s)": st.column_config.NumberColumn(format="%.1f"),
            "Lag (s)": st.column_config.NumberColumn(format="%.0f"),
            "Left out": st.column_config.NumberColumn(help="Requests that are not in the random sample of the models"),
        },
    )
    chosen = found.selection.rows
    return runs[chosen[0]] if chosen and chosen[0] < len(runs) else runs[0]


def run_details(run: dict[str, Any] | None) -> None:
    """One run: its state, its error and where its time went."""
    if run is None:
        empty("Nothing to show yet.")
        return
    started = local(run["started_at"])
    st.markdown(f"{state_badge(run['state'])} started {started:%d %b, %H:%M:%S}, {plain(run['trigger'])}")
    if run["error"]:
        st.error(sentence(run["error"]), icon=":material/error:")
    new = (run["rows_read"] or 0) - (run["rows_duplicate"] or 0)
    if run["rows_left_out"]:
        st.caption(random_sample("Scores of models", new - run["rows_left_out"], new, "requests"))
    stages = {plain_name(name): seconds for name, seconds in run["stage_seconds"].items()}
    if not stages:
        empty("This run has not reported where its time went.")
        return
    chart(
        charts.amounts(stages, "seconds", ACCENT, 2), key="stages", alt="Seconds of each stage of the run", still=True
    )


def unscored(runs: Sequence[dict[str, Any]]) -> None:
    """Why scores are missing, summed over the runs that are listed. What a sample leaves out is no failure."""
    missing: Counter[str] = Counter()
    metrics: dict[str, Counter[str]] = defaultdict(Counter)
    left_out = sum(run["rows_left_out"] or 0 for run in runs)
    if left_out:
        st.caption(f"Not counted here: {plural(left_out, 'request')} that a random sample left out.")
    for run in runs:
        for name, count in run["unscored_reasons"].items():
            metric, _, reason = name.partition(": ")
            if reason == LEFT_OUT:
                continue
            missing[reason or metric] += count
            metrics[reason or metric][plain_name(metric)] += count
    if not missing:
        others = " other" if left_out else ""
        count = plural(len(runs), "run")
        empty(f"Every{others} request of the last {count} has all its scores." if runs else "No run yet.")
        return
    top = dict(missing.most_common(12))
    details = {reason: ", ".join(f"{n} {metric}" for metric, n in metrics[reason].items()) for reason in top}
    figure = charts.amounts(top, "missing scores", WARNING, details=details)
    chart(figure, key="reasons", alt="Reasons why scores are missing", still=True)
    if len(missing) > len(top):
        st.caption(f"The 12 most frequent of {len(missing)} reasons.")


def run_lag(run: dict[str, Any]) -> float | None:
    """Seconds between the newest request of a run and the run's end: how soon a score can be seen."""
    if not (run["finished_at"] and run["newest_request_time"]):
        return None
    return float((run["finished_at"] - run["newest_request_time"]).total_seconds())


def plain_name(name: str) -> str:
    """A name of ours (a stage, a metric) as words."""
    return name.replace("_", " ")


def _outcome(count: int, bad: int) -> str:
    if not count:
        return "none yet"
    return f"{bad} not successful" if bad else "all successful"


def _age(time: datetime | None) -> str:
    return duration((datetime.now(UTC) - time).total_seconds()) if time else NOTHING


def _ask() -> None:
    try:
        st.session_state[_WISH] = actions.run_metrics_job_now()
    except (LakehouseError, RegistryError) as error:
        st.toast(sentence(error), icon=":material/error:")


def _whereabouts(
    waiting: Sequence[dict[str, Any]], running: dict[str, Any] | None, runs: Sequence[dict[str, Any]]
) -> str:
    """Where the run that somebody asked for is."""
    if running is not None:
        progress = operations.running_progress()
        done, total = progress.get("texts_done"), progress.get("texts_total")
        far = f", {number(done)} of {number(total)} texts scored" if total else ""
        return f"{state_badge('running')} since {age(running['started_at'])}{far}"
    if waiting:
        wish = waiting[0]
        asked = f"asked for by {plain(wish['requested_by'])} {age(wish['requested_at'])}"
        return f"{state_badge('waiting')} {asked}; the scheduler will start it."
    mine = next((run for run in runs if run["request_id"] and run["request_id"] == st.session_state.get(_WISH)), None)
    if mine is not None:
        return f"{state_badge(mine['state'])} your run read {plural(mine['rows_read'] or 0, 'row')}."
    return ""


def _figure(label: str, value: str, about: str) -> None:
    with st.container(border=True, gap="xsmall", height="stretch"):
        st.metric(label, value)
        st.caption(about)
