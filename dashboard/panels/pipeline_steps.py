"""Panels of the Pipeline page: each step from the handbook to a live version, as it last ran."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import streamlit as st

from dashboard.change_words import action_words
from dashboard.links import page_link
from dashboard.panels.states import state_badge
from dashboard.queries import pipeline
from dashboard.widgets import empty, guarded, local
from dashboard.wording import age, duration, number, plain, plural, sentence
from lakehouse.pipelines import Pipeline, Step
from metrics.drift_words import WORDS
from settings import get_settings

Link = tuple[str, str, str, dict[str, str]]
"""Page, label, icon and parameters."""


@dataclass(frozen=True)
class Line:
    """One thing that ran. `at` is when it ended; `seconds` how long it took, where that is known."""

    state: str
    text: str
    at: datetime | None
    seconds: float | None = None


def steps(found: list[Pipeline]) -> None:
    """The six steps, in their order."""
    with st.grid(2, min_column_width=340):
        for place, (title, about, content) in enumerate(_STEPS, start=7):
            with st.container(border=True, gap="small", height="stretch"):
                st.markdown(f"**{place} · {title}** :small[:gray[{about}]]")
                with guarded(title):
                    lines, links = content(found)
                    _shown(lines, links)


def _shown(lines: list[Line], links: list[Link]) -> None:
    for line in lines:
        when = f"{local(line.at):%d %b, %H:%M}, {age(line.at)}" if line.at else ""
        took = f"took {duration(line.seconds)}" if line.seconds is not None else ""
        facts = ", ".join(part for part in (when, took) if part)
        st.markdown(f"{state_badge(line.state)} {line.text} " + (f":small[:gray[{facts}]]" if facts else ""))
    if not lines:
        empty("It has not run yet.")
    if links:
        with st.container(horizontal=True):
            for page, label, icon, query in links:
                page_link(page, label, icon, **query)


def _features(found: list[Pipeline]) -> tuple[list[Line], list[Link]]:
    table = pipeline.features()
    if table is None:
        return [], []
    step = _last_step(found, "features")
    same = step is not None and step.details.get("chunks_version") == str(table.version)
    text = (
        f"{plural(table.passages, 'passage')} of {plural(table.pages, 'page')}, version {table.version} of "
        f"`handbook_chunks`; its rows are from {local(table.refreshed_at):%d %b, %H:%M}."
    )
    at = step.finished_at if step is not None and same else table.refreshed_at
    return [Line("succeeded", text, at, _seconds(step) if same else None)], []


def _training(found: list[Pipeline]) -> tuple[list[Line], list[Link]]:
    lines, step, version = [], _last_step(found, "train", "job"), pipeline.newest_version()
    if step is not None:
        lines.append(Line(step.state, sentence(step.sentence or step.error), step.finished_at, _seconds(step)))
    model = get_settings().test_model
    links: list[Link] = []
    if version is not None:
        if step is None or step.details.get("version") != version.version:
            kind = f" as {plain(version.tags['kind'])}" if version.tags.get("kind") else ""
            data = version.tags.get("chunks_version")
            learned = f" from version {plain(data)} of `handbook_chunks`" if data else ""
            text = f"{plain(version.name)} version {plain(version.version)} was registered{kind}{learned}."
            lines.append(Line("succeeded", text, version.created_at))
        query = {"model": model, "version": version.version}
        links.append(("models", f"v{version.version} with its run", "deployed_code", query))
    if not lines and not pipeline.registry_has_told():
        lines.append(Line("waiting", "The registry has not told yet: look again in a moment.", None))
    page = step.details.get("databricks_run_page", "") if step else ""
    if page.startswith("https://"):
        lines.append(Line("ready", f"Its page on Databricks: {plain(page)}", None))
    return lines, links


def _evaluation(found: list[Pipeline]) -> tuple[list[Line], list[Link]]:
    lines: list[Line] = []
    links: list[Link] = []
    last = pipeline.last_evaluation()
    if last is not None:
        against = f" against {plain(last.against)}" if last.against else ""
        by = f", asked for by {plain(last.requested_by)}" if last.requested_by else ""
        text = f"{plain(last.entity_name)} version {plain(last.entity_version)} was evaluated{against}{by}."
        seconds = (last.finished_at - last.started_at).total_seconds()
        lines.append(Line("succeeded", text, last.finished_at, seconds))
        links.append(("promotion", f"The gate on v{last.entity_version}", "upgrade", {"version": last.entity_version}))
    step = _last_step(found, "evaluate")
    if step is not None and step.state == "stopped":
        lines.append(Line("stopped", sentence(step.sentence), step.finished_at))
    return lines, links


def _deployment(found: list[Pipeline]) -> tuple[list[Line], list[Link]]:
    lines: list[Line] = []
    links: list[Link] = [("endpoints", "What is served", "dns", {})]
    change = pipeline.last_promotion()
    if change is not None:
        outcome = change.outcome or "running"
        text = f"Online: {action_words(change.action).title.lower()}, {plain(change.after or change.target)}."
        state = outcome if outcome in ("failed", "running", "interrupted") else "succeeded"
        lines.append(Line(state, text, change.ended_at or change.started_at, change.seconds))
        links.append(("ledger", "In the ledger", "history_edu", {"change": change.change_id}))
    run, answers = pipeline.last_run("batch-score"), pipeline.batch_answers()
    if run is not None:
        without = f", {number(answers.without_answer)} without an answer" if answers.without_answer else ""
        text = f"Batch: {plural(answers.rows, 'row')} answered in all{without}."
        lines.append(_run_line(run, text))
    return lines, links


def _monitoring(found: list[Pipeline]) -> tuple[list[Line], list[Link]]:
    run = pipeline.last_run("score")
    if run is None:
        return [], [("jobs", "Jobs", "published_with_changes", {})]
    text = f"{plural(run['rows_read'] or 0, 'request')} read, {number(run['rows_waiting'] or 0)} waiting."
    links: list[Link] = [("jobs", "Its runs", "published_with_changes", {}), ("quality", "Quality", "balance", {})]
    return [_run_line(run, text)], links


def _drift(found: list[Pipeline]) -> tuple[list[Line], list[Link]]:
    lines: list[Line] = []
    links: list[Link] = []
    run = pipeline.last_run("drift")
    if run is not None:
        seen = pipeline.drifted()
        moved = ", ".join(plain(WORDS[name].title if name in WORDS else name) for name in seen.columns)
        said = f": {moved}." if moved else "."
        lines.append(_run_line(run, f"{plural(seen.confirmed, 'confirmed finding')} in 24 hours{said}"))
        query = {"finding": seen.latest_id} if seen.latest_id else {}
        links.append(("drift", "What has drifted", "trending_up", query))
    last = next((one for one in found if not one.dry_run), None)
    if last is not None and last.started_at is not None:
        text = f"Retraining {plain(last.pipeline_id[:8])}: {plain(last.reason)}"
        seconds = (last.finished_at - last.started_at).total_seconds() if last.finished_at else None
        lines.append(Line(last.state, text, last.finished_at or last.started_at, seconds))
    return lines, links


def _run_line(run: dict[str, Any], text: str) -> Line:
    ended = run["finished_at"]
    seconds = (ended - run["started_at"]).total_seconds() if ended else None
    why = f" {sentence(run['error'])}" if run["error"] else ""
    return Line(run["state"], text + why, ended or run["started_at"], seconds)


def _last_step(found: list[Pipeline], *names: str) -> Step | None:
    """The step of one of these names that was begun last in a retraining that was no dry run."""
    return next((step for one in found if not one.dry_run for step in one.steps if step.name in names), None)


def _seconds(step: Step | None) -> float | None:
    if step is None or step.finished_at is None:
        return None
    return (step.finished_at - step.started_at).total_seconds()


_STEPS = (
    ("Feature refresh", "the handbook cut into passages", _features),
    ("Training", "a new version of the test model", _training),
    ("Evaluation and promotion", "the gate, then Staging and Production", _evaluation),
    ("Deployment", "online, in batches, and following a table", _deployment),
    ("Monitoring", "every new request gets its scores", _monitoring),
    ("Drift and retraining", "what has moved, and what came of it", _drift),
)
