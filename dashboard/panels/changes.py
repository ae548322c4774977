"""A change of production as a person meets it: the plan before the click, the report after it, and the way to undo it.

The same everywhere that production can be changed. What somebody clicked for is kept for their session under a
`place`, so that its report stands where the button was.
"""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from dashboard.actions import production
from dashboard.actions.running import Running
from dashboard.auth import current_actor
from dashboard.change_words import action_words
from dashboard.queries.watch import EXPECTED
from dashboard.widgets import table
from dashboard.wording import NOTHING, duration, milliseconds, number, plain, sentence, signed
from registry.errors import ChangeConflict
from registry.interrupted import Interrupted
from registry.plans import ChangePlan, ChangeReport, Expectation, ProductionState

_SCORED_BY = ", scored by "
_GOOD = ":material/check_circle:"
_RAMP_STARTED = "**The ramp has taken its first step.** The scheduler takes the others."
WAIT_SECONDS = 2.0
"""How long a click waits for its report before the page goes on and shows the progress instead."""


def plan_shown(plan: ChangePlan) -> None:
    """What a change will do, before anybody agrees to it: shares, whether the target is warm, what will differ."""
    shares(plan.before, plan.after, plan.target_version)
    st.markdown(warmth(plan))
    for warning in plan.warnings:
        st.warning(sentence(warning), icon=":material/warning:")
    expected(plan)
    if plan.steps:
        with st.expander("What will be done", icon=":material/checklist:"):
            st.markdown("\n".join(f"{place}. {plain(step)}" for place, step in enumerate(plan.steps, 1)))


def shares(before: ProductionState, after: ProductionState, target: str) -> None:
    """The share of each version now and after the change."""
    now, then = before.traffic, after.traffic
    versions = sorted({*now, *then}, key=lambda version: (-then.get(version, -1), -now.get(version, -1), version))
    table(
        {
            "Version": [_version_cell(version, target) for version in versions],
            "Traffic now": [_share(now.get(version)) for version in versions],
            "After": [_share_after(then.get(version), now.get(version)) for version in versions],
        },
        alt="Traffic of each version now and after the change",
    )


def warmth(plan: ChangePlan) -> str:
    """Whether the target answers already, and what follows from it."""
    version = f"v{plain(plan.target_version)}"
    if plan.target_version == "new":
        return ":orange-badge[:material/ac_unit: cold] The new version is started first and gets no traffic until then."
    if plan.warm is None:
        return f":gray-badge[:material/help: not known to be warm] {version} is started first if it does not run yet."
    if plan.warm:
        return f":green-badge[:material/bolt: warm] {version} answers already: the switch takes less than a second."
    return f":orange-badge[:material/ac_unit: cold] {version} does not run yet and is started first."


def expected(plan: ChangePlan) -> None:
    """The differences to expect, each with where its figures come from."""
    if not plan.expected:
        st.caption("What will differ is not known: no scores of both versions have been measured yet.")
        return
    table(
        {
            "Expected": [_figure(entry) for entry in plan.expected],
            "Live": [_value(entry.live) for entry in plan.expected],
            _target(plan): [_value(entry.target) for entry in plan.expected],
            "Difference": [_difference(entry) for entry in plan.expected],
        },
        alt="Expected differences between the live version and the target",
    )
    st.caption(f"{_evidence(plan.expected)} A difference in bold is clear: its 95 % interval leaves out zero.")


def button(
    label: str,
    plan: ChangePlan,
    place: str,
    *,
    reason: str,
    key: str,
    icon: str,
    primary: bool = True,
    wait: bool = True,
) -> None:
    """The one click that carries out `plan`, off with its reason where the role is not enough."""
    why_not = current_actor().why_not(plan.action)
    st.button(
        label,
        key=key,
        icon=f":material/{icon}:",
        type="primary" if primary else "secondary",
        disabled=bool(why_not),
        help=why_not or None,
        on_click=click,
        args=(place, lambda: production.begin(plan, reason), wait),
    )


def click(place: str, begin: Callable[[], Running[Any]], wait: bool = True) -> None:
    """Begin a change and keep it under `place`; what is quick has ended before the page is drawn again."""
    try:
        running = begin()
    except EXPECTED as error:
        st.session_state[_key(place)] = error
        return
    st.session_state[_key(place)] = running
    if wait:
        running.wait(WAIT_SECONDS)


def mine(place: str, done: str = _RAMP_STARTED) -> bool:
    """The change that this person made at `place`: its progress, its report or why it failed.

    `done` is what is said, in Markdown, of one that ends without a report.
    Returns: whether there is one, so that the next plan waits until this one has been seen.
    """
    kept = st.session_state.get(_key(place))
    if kept is None:
        return False
    undoable = None
    if isinstance(kept, Exception):
        _failed(kept)
    elif not kept.done:
        _under_way(kept)
        return True
    elif kept.error is not None:
        _failed(kept.error)
    elif isinstance(kept.value, ChangeReport):
        report(kept.value)
        undoable = kept.value.change_id
    else:
        st.success(done, icon=_GOOD)
    with st.container(horizontal=True):
        if undoable is not None:
            _undo_button(undoable, place, help="Brings back what was live before this change.")
        label, icon = "Close", ":material/close:"
        st.button(label, key=f"close {place}", type="tertiary", icon=icon, on_click=_forget, args=(place,))
    return True


def is_kept(place: str) -> bool:
    """Whether a change that this person made at `place` is still shown."""
    return _key(place) in st.session_state


def report(found: ChangeReport) -> None:
    """How a change ended: what was verified, and how long it took."""
    good = found.outcome == "succeeded"
    (st.success if good else st.warning)(
        f"**{plain(action_words(found.action).title)}: {plain(found.outcome)}.** {sentence(found.sentence)}",
        icon=_GOOD if good else ":material/warning:",
    )
    st.markdown("  \n".join(f"{_checked(check.passed)} {plain(check.sentence)}" for check in found.verified))
    st.caption(
        f"The traffic switched within {_took(found.switch_seconds)}; the whole change took {_took(found.seconds)}. It "
        f"stands in the ledger as {plain(found.change_id[:8])}."
    )


def interrupted(found: Sequence[Interrupted], place: str) -> None:
    """Changes whose process is gone, each with the clicks that end or undo it."""
    for entry in found:
        with st.container(border=True):
            st.markdown(f":orange-badge[:material/priority_high: interrupted] {sentence(entry.sentence)}")
            actor, change_id = current_actor(), entry.change.change_id
            with st.container(horizontal=True):
                st.button(
                    "Finish",
                    key=f"finish {place} {change_id}",
                    icon=":material/task_alt:",
                    type="primary",
                    disabled=not entry.can_finish or not actor.may("finish"),
                    help=actor.why_not("finish") or (None if entry.can_finish else "It cannot be finished any more."),
                    on_click=click,
                    args=(place, lambda id_=change_id: production.begin_finish(id_)),
                )
                help_ = "Brings back what was live before it." if entry.can_undo else "There is nothing to take back."
                _undo_button(change_id, place, help=help_, possible=entry.can_undo)


def _undo_button(change_id: str, place: str, *, help: str, possible: bool = True) -> None:
    why_not = current_actor().why_not("undo")
    st.button(
        "Undo",
        key=f"undo {place} {change_id}",
        icon=":material/undo:",
        disabled=bool(why_not) or not possible,
        help=why_not or help,
        on_click=click,
        args=(place, lambda: production.begin_undo(change_id)),
    )


def _under_way(running: Running[Any]) -> None:
    st.info(
        f"**{plain(running.name)} under way** for {duration(running.seconds)}. The traffic stays where it is until the "
        "new configuration answers. Closing this page does not stop it.",
        icon=":material/sync:",
    )


def _failed(error: Exception) -> None:
    if isinstance(error, ChangeConflict):
        st.warning(f"**Nothing was changed.** {sentence(error)}", icon=":material/group:")
    else:
        st.error(sentence(error), icon=":material/error:")


def _forget(place: str) -> None:
    st.session_state.pop(_key(place), None)


def _key(place: str) -> str:
    return f"change at {place}"


def _target(plan: ChangePlan) -> str:
    return "New version" if plan.target_version == "new" else f"v{plain(plan.target_version)}"


def _version_cell(version: str, target: str) -> str:
    name = "new version" if version == "new" else f"v{plain(version)}"
    return f"**{name}**" if version == target else name


def _share(share: int | None) -> str:
    return NOTHING if share is None else f"{share} %"


def _share_after(share: int | None, before: int | None) -> str:
    if share is None:
        return "taken out" if before is not None else NOTHING
    return f"**{share} %**" if share else "0 %, stays warm"


def _took(seconds: float) -> str:
    return milliseconds(seconds * 1000) if seconds < 10 else duration(seconds)


def _figure(entry: Expectation) -> str:
    return plain(entry.figure) + (f", {plain(entry.unit)}" if entry.unit else "")


def _value(value: float | None) -> str:
    return number(value, _decimals(value))


def _difference(entry: Expectation) -> str:
    if entry.live is None or entry.target is None:
        return NOTHING
    decimals = max(_decimals(entry.live), _decimals(entry.target))
    text = signed(entry.target - entry.live, decimals)
    if entry.low is None or entry.high is None:
        return text
    clear = entry.low > 0 or entry.high < 0
    interval = f"{signed(entry.low, decimals)} to {signed(entry.high, decimals)}"
    return f"{f'**{text}**' if clear else text} :small[:gray[({interval})]]"


def _evidence(entries: Sequence[Expectation]) -> str:
    """Where the figures come from: what several share is said once."""
    figures: dict[str, list[str]] = {}
    scorers: list[str] = []
    for entry in entries:
        counted, _, scorer = entry.evidence.partition(_SCORED_BY)
        figures.setdefault(counted, []).append(entry.figure)
        scorers += [scorer] if scorer and scorer not in scorers else []
    said = " ".join(f"{plain(', '.join(names))}: {plain(counted)}." for counted, names in figures.items())
    return f"{said} Scored by {plain(', '.join(scorers))}." if scorers else said


def _decimals(value: float | None) -> int:
    """As many decimals as three significant digits take."""
    if not value:
        return 0
    size = abs(value)
    for limit, decimals in ((100, 0), (10, 1), (1, 2), (0.1, 3), (0.01, 4)):
        if size >= limit:
            return decimals
    return 6


def _checked(passed: bool) -> str:
    return ":green[:material/check:]" if passed else ":orange[:material/priority_high:]"
