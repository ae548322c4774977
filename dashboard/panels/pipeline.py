"""Panels of the Pipeline page: the retraining that is under way, its rules, and every retraining with its steps."""

from collections.abc import Sequence

import streamlit as st

from dashboard.actions import retraining as actions
from dashboard.auth import current_actor
from dashboard.links import page_link
from dashboard.panels.states import state_badge
from dashboard.queries import pipeline
from dashboard.queries.pipeline import RulesNow
from dashboard.queries.watch import EXPECTED
from dashboard.widgets import empty, local, table
from dashboard.wording import NOTHING, age, duration, plain, plural, sentence
from lakehouse.pipelines import Pipeline, Step
from settings import get_settings

RETRAINING = "retraining"
"""Links keep the id of a retraining under this name."""

_WISH = "retraining_wish"
_MOST_LISTED = 50
TITLES = {
    "features": "Feature refresh",
    "train": "Training",
    "job": "Databricks job",
    "evaluate": "Evaluation",
    "challenger": "Challenger",
    "canary": "Canary",
    "promote": "Promotion",
}


def run_now(under_way: Pipeline | None) -> None:
    """Ask for a retraining, or a dry run, and where the wish is."""
    waiting = pipeline.wishes()
    why_not = current_actor().why_not("run_job")
    busy = bool(waiting) or under_way is not None
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Retrain now",
            icon=":material/model_training:",
            key="retrain_now",
            disabled=busy or bool(why_not),
            on_click=_ask,
            help=sentence(why_not) or "Features, training, evaluation; then as far as the rules below let it go.",
        )
        st.button(
            "Dry run",
            icon=":material/visibility:",
            key="retrain_dry_run",
            disabled=bool(waiting) or bool(why_not),
            on_click=_ask,
            kwargs={"dry_run": True},
            help=sentence(why_not) or "Only writes down what each step would do.",
        )
        if waiting:
            asked = f"asked for by {plain(waiting[0]['requested_by'])} {age(waiting[0]['requested_at'])}"
            st.markdown(f"{state_badge('waiting')} {asked}; the scheduler will start it.")
    # What ends before its first step stands in no retraining: wrong rules, or nobody knows what to train.
    run = pipeline.last_run(pipeline.JOB)
    if run is not None and run["request_id"] == st.session_state.get(_WISH) and run["error"]:
        st.error(sentence(run["error"]), icon=":material/error:")


def progress(found: Pipeline | None) -> None:
    """The retraining that is under way: how far it is, and what it waits for."""
    if found is None:
        empty("No retraining is under way.")
        return
    done = sum(step.state == "succeeded" for step in found.steps)
    last = found.last
    name = TITLES.get(found.next_step or "", found.next_step or "")
    st.progress(done / len(found.plan), text=f"Step {done + 1} of {len(found.plan)}: {name}")
    st.markdown(f"{state_badge(found.state)} {_why(found)}")
    if last is not None and last.state in ("waiting", "interrupted"):
        again = "" if last.state == "waiting" else " The scheduler does it again within a minute."
        st.caption(sentence(last.sentence) + again if last.sentence else again.strip())
    why_not = current_actor().why_not("run_job")
    if last is None or last.state == "running":
        return
    st.button(
        "Take no further step",
        icon=":material/stop_circle:",
        key=f"end {found.pipeline_id}",
        disabled=bool(why_not),
        on_click=_end,
        args=(found.pipeline_id,),
        help=sentence(why_not)
        or "The canary's ramp is stopped, too. What is done stays: a canary its share, a challenger its alias.",
    )


def rules(now: RulesNow) -> None:
    """What starts a retraining and how far it may go, in words."""
    held = now.rules
    starts = []
    if held.triggers.by_alert:
        names = ", ".join(plain(name) for name in held.triggers.alert_rules)
        starts.append(f"an alert of a rule like {names} that is open")
    if held.triggers.every_days:
        starts.append(f"{held.triggers.every_days:g} days since the last one")
    began = " or ".join(starts) or "nobody but a person"
    dry = " It is only a dry run." if held.triggers.dry_run and starts else ""
    steps = " → ".join(f"{share} %" for share in held.shares)
    lines = {
        "Started by": f"{began}.{dry}",
        "At most": f"{plural(held.limits.most_per_week, 'retraining')} in seven days, "
        f"{held.limits.cooldown_hours:g} hours apart; a person is not kept from it.",
        "Nothing new to learn": "a trigger's retraining stops, a person's goes on."
        if held.training.if_nothing_is_new == "stop"
        else "it is trained all the same.",
        "After the gate": f"@challenger, then {steps} of the traffic, {held.canary.hold_minutes:g} minutes each."
        if held.canary.on
        else "@challenger.",
        "Promotion": "by itself." if held.promotion.on else "by a person, on the Promotion page.",
    }
    if get_settings().on_databricks:
        lines["Trained by"] = (
            f"job {held.databricks.job_id} on Databricks." if held.databricks.job_id else "no job yet."
        )
    table({"Rule": list(lines), "What holds": list(lines.values())}, alt="The rules of retraining")
    if now.why_not_now and starts:
        st.caption(f":material/hourglass_top: {sentence(now.why_not_now)}")
    st.caption(
        "They stand in registry/retraining\\_rules.toml; LAKEHELM\\_RETRAINING\\_RULES\\_FILE lays your own over it."
    )


def history(found: Sequence[Pipeline]) -> None:
    """Every retraining; one of them with its steps."""
    if not found:
        empty("There was no retraining yet. Start one above, or let an alert about drift start it.")
        return
    listed = {one.pipeline_id: one for one in found[:_MOST_LISTED]}
    # Not bound to the address, which would hold the title instead of the id: the link below opens it again.
    linked = str(st.query_params.get(RETRAINING, ""))
    chosen = st.selectbox(
        "Retraining",
        list(listed),
        index=list(listed).index(linked) if linked in listed else 0,
        format_func=lambda name: _title(listed[name]),
        key=f"{RETRAINING} {linked[:32]}",
        width=420,
    )
    _details(listed.get(str(chosen), found[0]))
    if len(found) > _MOST_LISTED:
        st.caption(f"The newest {_MOST_LISTED} of {len(found)}.")


def log() -> None:
    """What its runs said last. For those who may start one."""
    why_not = current_actor().why_not("run_job")
    if why_not:
        empty(sentence(why_not))
        return
    lines = pipeline.log_tail()
    if not lines:
        empty("No run of the scheduler's has written anything yet.")
        return
    st.code("\n".join(lines), language=None, height=260)


def _details(found: Pipeline) -> None:
    st.markdown(f"{state_badge(found.state)} {_why(found)}")
    begun = {step.name: step for step in found.steps}
    for name in found.plan:
        st.markdown(_line(name, begun.get(name)))
    _data(found)
    _links(found)


def _data(found: Pipeline) -> None:
    """Which data, run and versions it was about."""
    known = {
        "version of handbook_chunks": found.found("chunks_version"),
        "recipe": found.found("kind"),
        "training run": found.found("run_id"),
        "version of the test model": found.found("version"),
        "version in production": found.found("production_version"),
        "run on Databricks": found.found("databricks_run_id"),
    }
    said = [f"{name.replace('_', chr(92) + '_')} **{plain(value)}**" for name, value in known.items() if value]
    if said:
        st.caption(" · ".join(said))


def _links(found: Pipeline) -> None:
    version, alert, change = found.found("version"), found.found("alert_id"), found.found("change_id")
    with st.container(horizontal=True):
        if version and not found.dry_run:
            query = {"model": get_settings().test_model, "version": version}
            page_link("models", f"v{version} with its run", "deployed_code", **query)
            page_link("promotion", f"The gate on v{version}", "upgrade", version=version)
        if found.found("ramp_id"):
            page_link("endpoints", "Its canary", "dns")
        if alert:
            page_link("alerts", "The alert that started it", "notifications", alert=alert)
        if change:
            page_link("ledger", "In the ledger", "history_edu", change=change)
        page_link("pipeline", "Link to this retraining", "link", **{RETRAINING: found.pipeline_id})


def _title(found: Pipeline) -> str:
    began = f"{local(found.started_at):%d %b, %H:%M}" if found.started_at else NOTHING
    dry = "dry run, " if found.dry_run else ""
    return f"{began}: {dry}{found.state}"


def _why(found: Pipeline) -> str:
    by = f"{plain(found.requested_by)}, " if found.requested_by else ""
    dry = ":violet-badge[dry run] " if found.dry_run else ""
    return f"{dry}{plain(found.reason)} :small[:gray[{by}{age(found.started_at)}]]"


def _line(name: str, step: Step | None) -> str:
    """A step in one paragraph, which also fits a phone."""
    title = f"**{TITLES.get(name, plain(name))}**"
    if step is None:
        return f":gray-badge[not begun] {title}"
    facts = f"began {local(step.started_at):%H:%M:%S}"
    if step.finished_at is not None:
        facts += f", took {duration((step.finished_at - step.started_at).total_seconds())}"
    if step.broken_off:
        facts += f", broken off {plural(step.broken_off, 'time')} before"
    return f"{state_badge(step.state)} {title} {sentence(step.error or step.sentence)} :small[:gray[{facts}]]"


def _ask(dry_run: bool = False) -> None:
    try:
        st.session_state[_WISH] = actions.retrain_now(dry_run)
    except EXPECTED as error:
        st.toast(sentence(error), icon=":material/error:")


def _end(pipeline_id: str) -> None:
    try:
        actions.end_retraining(pipeline_id)
    except EXPECTED as error:
        st.toast(sentence(error), icon=":material/error:")
