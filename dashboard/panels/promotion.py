"""Panels of the Promotion page: which version, where versions stand, its evaluation, and what the gate says."""

from datetime import UTC, datetime

import streamlit as st

from dashboard.actions import registry as actions
from dashboard.auth import current_actor
from dashboard.panels import changes
from dashboard.queries import registry_ready
from dashboard.queries.promotion import EvaluationRun
from dashboard.queries.watch import EXPECTED, Seen
from dashboard.widgets import empty, local, table
from dashboard.wording import age, plain, plural, sentence
from registry.evaluations import Evaluation
from registry.gate import GateVerdict
from registry.versions import Environments, ModelVersion

_NO_VERSION = "There is no version of the test model yet. Training registers one: `python -m jobs train`."
_PATIENCE_SECONDS = 60.0
_LOOKS = {
    "passed": (":green-badge[:material/check: passed]", 2),
    "failed": (":red-badge[:material/close: failed]", 0),
    "could_not_run": (":orange-badge[:material/question_mark: could not run]", 1),
}
_STAGING = "staging"


def starting(seen: Seen[Environments]) -> str:
    """Why there is nothing to choose from yet, as a sentence; empty once there is."""
    state = registry_ready.registry_state()
    if state.state == "empty":
        return _NO_VERSION
    if state.state == "failed":
        return sentence(state.message)
    if seen.value is not None and (candidates(seen.value) or not seen.looking):
        return "" if candidates(seen.value) else _NO_VERSION
    return sentence(seen.error) if seen.error is not None else "The registry's client is starting …"


def candidates(found: Environments) -> list[ModelVersion]:
    """The versions that can be promoted: the one in Staging first, then the newest."""
    return [*([found.staging] if found.staging else []), *found.none]


def version_choice(found: Environments) -> ModelVersion:
    """The choice of a version of the test model; links keep its number as `version`."""
    by_number = {version.version: version for version in candidates(found)}
    # No label of its own: a link would hold the label instead of the number.
    chosen = st.selectbox(
        "Version of the test model",
        list(by_number),
        key="version",
        bind="query-params",
        width=240,
    )
    return by_number.get(str(chosen), candidates(found)[0])


def environments(found: Environments, chosen: ModelVersion) -> None:
    """None → Staging → Production → Archived: what stands where, and the move into Staging."""
    staging, live = found.staging, found.production
    parts = [
        f":gray-badge[None] {_listed(found.none)}",
        f":blue-badge[Staging] {_named(staging)}",
        f":green-badge[Production] {_named(live)}" + (f" {_copied(live)}" if live else ""),
        f":gray-badge[Archived] {_listed(found.archived)}",
    ]
    st.markdown(" :gray[:material/arrow_forward:] ".join(parts))
    if changes.mine(_STAGING, "**Moved to Staging.** @challenger points to it now.") or chosen.stage == "Staging":
        return
    why_not = current_actor().why_not("set_challenger")
    st.button(
        f"Move v{chosen.version} to Staging",
        key="set_challenger",
        icon=":material/science:",
        disabled=bool(why_not),
        help=why_not or "Points @challenger to this version. Nothing that answers changes.",
        on_click=changes.click,
        args=(_STAGING, lambda: actions.begin_set_challenger(chosen.version, "chosen on the Promotion page")),
    )


def evaluation(version: str, found: Evaluation | None, run: EvaluationRun | None) -> None:
    """When the version was evaluated and against what, the run that is under way, and the button for a new one."""
    if found is None:
        empty(f"v{plain(version)} has not been evaluated yet.")
    else:
        against = f"against {plain(found.live)}" if found.live else "when nothing was live"
        evidence = found.evidence
        asked = evidence.golden_answers.questions + evidence.golden_refusals.questions
        st.caption(
            f"Evaluated {age(found.finished_at)} {against}: {plural(asked, 'golden question')} and "
            f"{plural(evidence.replayed, 'logged prompt')}, asked for by {plain(found.requested_by or 'unknown')}."
        )
    busy = run is not None and run.state in ("waiting", "running")
    if run is not None:
        _run_state(run, found)
    why_not = current_actor().why_not("evaluate")
    st.button(
        f"Evaluate v{version}" if found is None else f"Evaluate v{version} again",
        key="evaluate",
        icon=":material/fact_check:",
        type="primary" if found is None else "secondary",
        disabled=bool(why_not) or busy,
        help=why_not or "Asks it golden questions and the last logged prompts, and scores its answers. Takes minutes.",
        on_click=_evaluate,
        args=(version,),
    )


def gate(seen: Seen[GateVerdict], version: str, live: ModelVersion | None = None) -> None:
    """The verdict, then every check in words: what keeps the version back first. `live`: the one in Production."""
    verdict = seen.value
    if verdict is None or verdict.entity_version != version:
        empty(sentence(seen.error) if seen.error is not None else "Asking the gate …")
        return
    if live is not None and live.copied_from is not None and live.copied_from[1] == version:
        st.info(
            f"**v{plain(version)} is in Production already**, as version {plain(live.version)}. What follows is about "
            "promoting it once more.",
            icon=":material/check_circle:",
        )
    elif verdict.passed:
        st.success(f"**v{plain(version)} passes the gate.**", icon=":material/check_circle:")
    else:
        stopped = plural(len(verdict.reasons), "reason")
        st.error(f"**The gate stops v{plain(version)}**, for {stopped}.", icon=":material/block:")
    checks = sorted(verdict.checks, key=lambda check: (not check.blocking, _LOOKS[check.status][1]))
    table(
        {
            "Check": [_LOOKS[check.status][0] + (" **stops it**" if check.blocking else "") for check in checks],
            "What was found": [f"**{plain(check.title)}.** {sentence(check.sentence)}" for check in checks],
        },
        alt=f"The checks of the gate for version {version}",
    )


def _run_state(run: EvaluationRun, found: Evaluation | None) -> None:
    if run.state == "waiting":
        waited = (datetime.now(UTC) - run.since).total_seconds() if run.since else 0.0
        late = " Nothing has taken it up yet: is the scheduler running?" if waited > _PATIENCE_SECONDS else ""
        st.info(
            f"{plain(run.requested_by)} asked for an evaluation {age(run.since)}; the scheduler will start it.{late}",
            icon=":material/schedule:",
        )
    elif run.state == "running":
        told = f"{plain(run.stage)}, {run.done} of {plural(run.questions, 'question')}" if run.questions else run.stage
        st.progress(run.done / max(run.questions, 1), text=f"{told or 'Starting'} …")
    elif run.state != "succeeded" and (found is None or (run.since and run.since > found.finished_at)):
        why = sentence(run.error) if run.error else "Its log says why."
        st.error(f"The last evaluation {plain(run.state.replace('_', ' '))}. {why}", icon=":material/error:")


def _evaluate(version: str) -> None:
    try:
        actions.evaluate(version)
    except EXPECTED as error:
        st.toast(sentence(error), icon=":material/error:")


def _named(version: ModelVersion | None) -> str:
    return f"**v{plain(version.version)}**" if version else "–"


def _listed(versions: list[ModelVersion]) -> str:
    names = [f"v{plain(version.version)}" for version in versions[:3]]
    return (", ".join(names) + (" …" if len(versions) > 3 else "")) or "–"


def _copied(version: ModelVersion) -> str:
    source = version.copied_from
    made = f"{local(version.created_at):%d %b}"
    return f":small[:gray[(copy of test v{plain(source[1])}, made {made})]]" if source else ""
