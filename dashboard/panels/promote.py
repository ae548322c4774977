"""The promotion itself: the plan, at once or as a canary, with a second person where it takes two."""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboard.actions import registry as actions
from dashboard.actions.running import Running
from dashboard.auth import current_actor
from dashboard.panels import changes
from dashboard.queries import promotion
from dashboard.queries.watch import EXPECTED, Seen
from dashboard.widgets import empty
from dashboard.wording import age, duration, plain, sentence
from registry.approvals import PromotionRequest
from registry.canary import USUAL_SHARES
from registry.errors import RegistryError
from registry.gate import GateVerdict
from registry.plans import ChangePlan
from registry.ramp_steps import check_plan

_PLACE, _ASKED, _APPROVED = "promotion", "promotion request", "approval"
_WAITS = "**Asked for.** Another person approves or declines it, here on this page."
_NO_REASON = "promoted on the Promotion page"
_REASON_NEEDED = "The gate stops this version: to override it, give a reason above."
_AT_ONCE, _CANARY = "All at once", "As a canary"


@dataclass(frozen=True)
class Steps:
    """How a promotion is carried out: the shares (whole per cent) and how long each is held."""

    shares: tuple[int, ...]
    hold_seconds: float = 0.0

    @property
    def first(self) -> int:
        """The share that the version gets first."""
        return self.shares[0]


def promote(endpoint: str, version: str, verdict: GateVerdict | None) -> None:
    """The plan for the version, and the click that carries it out, or asks somebody else to."""
    if changes.mine(_PLACE) or changes.mine(_ASKED, _WAITS):
        return
    steps = _steps()
    if steps is None:
        return
    seen = promotion.plan(endpoint, version, steps.first)
    plan = _planned(seen)
    if plan is None:
        return
    reason_key = f"promotion reason {version}"
    st.text_input("Reason, for the ledger", key=reason_key, placeholder="Why this version")
    if promotion.four_eyes():
        _ask(endpoint, version, reason_key)
        return
    if verdict is None:
        empty("The gate has not been asked yet.")
        return
    override_key = f"override {version}"
    _override(verdict, override_key)
    why_not = _stale(seen)
    if not verdict.passed and not _typed(override_key):
        why_not = why_not or current_actor().why_not("override_gate") or _REASON_NEEDED
    _button(plan, version, steps, reason_key, override_key if not verdict.passed else "", why_not)


def waiting(requests: list[PromotionRequest]) -> None:
    """Promotions that somebody asked for: the plan of each, for another person to approve or decline."""
    if changes.mine(_APPROVED):
        return
    for request in requests:
        with st.container(border=True):
            st.markdown(
                f":blue-badge[:material/how_to_reg: waits for approval] **v{plain(request.source_version)}** of the "
                f"test model to {plain(request.endpoint)} :small[:gray[{plain(request.actor)}, "
                f"{age(request.asked_at)}. {plain(request.reason)}]]"
            )
            _approval(request)


def _approval(request: PromotionRequest) -> None:
    seen = promotion.plan(request.endpoint, request.source_version, 100, request.change_id)
    plan = _planned(seen)
    if plan is None:
        return
    override_key = f"override {request.change_id}"
    if plan.gate is not None:
        _override(plan.gate, override_key)
    stopped = (plan.gate is None or not plan.gate.passed) and not _typed(override_key)
    actor = current_actor()
    own = actor.name.casefold() == request.actor.casefold()
    why_not = actor.why_not("promote") or ("Somebody else must approve what you asked for." if own else _stale(seen))
    why_not = why_not or (_REASON_NEEDED if stopped else "")
    with st.container(horizontal=True):
        st.button(
            "Approve and promote",
            key=f"approve {request.change_id}",
            icon=":material/check:",
            type="primary",
            disabled=bool(why_not),
            help=why_not or None,
            on_click=changes.click,
            args=(_APPROVED, lambda: actions.begin_promotion(plan, request.reason, _typed(override_key))),
        )
        may = actor.why_not("request_promotion" if own else "promote")
        st.button(
            "Take it back" if own else "Decline",
            key=f"decline {request.change_id}",
            icon=":material/close:",
            disabled=bool(may),
            help=may or None,
            on_click=_decline,
            args=(request.change_id,),
        )


def _steps() -> Steps | None:
    """How to promote; None while the steps of a canary make no sense."""
    how = st.segmented_control("How", [_AT_ONCE, _CANARY], default=_AT_ONCE, required=True, key="promote_how")
    if how != _CANARY:
        return Steps((100,))
    usual = ", ".join(str(share) for share in USUAL_SHARES)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = str(st.text_input("Steps, % of the traffic", usual, key="canary_steps", width=180))
        minutes = float(st.number_input("Hold each for, minutes", 0.1, 1440.0, 30.0, 5.0, key="canary_hold", width=180))
    try:
        shares = tuple(int(step) for step in text.replace("%", "").split(","))
        check_plan(shares, minutes * 60)
    except ValueError:
        st.warning("The steps are whole numbers with commas between, as 5, 25, 100.", icon=":material/warning:")
        return None
    except RegistryError as error:
        st.warning(sentence(error), icon=":material/warning:")
        return None
    st.caption(
        f"{' → '.join(f'{share} %' for share in shares)}, each for {duration(minutes * 60)} before the next; the "
        "scheduler takes the later steps and holds while an alert about the version is open. This is the first one:"
    )
    return Steps(shares, minutes * 60)


def _planned(seen: Seen[ChangePlan]) -> ChangePlan | None:
    """Show a plan, or why there is none yet."""
    if seen.value is None:
        empty(sentence(seen.error) if seen.error is not None else "Looking at what this would do …")
        return None
    if seen.error is not None:
        st.warning(sentence(seen.error), icon=":material/warning:")
    # Also while it is looked at again: what somebody is typing below must stay.
    changes.plan_shown(seen.value)
    return seen.value


def _stale(seen: Seen[ChangePlan]) -> str:
    """Why a plan that is shown may not be carried out now; empty if it may."""
    if seen.error is not None:
        return "What this would do could not be looked at again."
    return "Looking again at what this would do …" if seen.looking else ""


def _typed(key: str) -> str:
    """What stands in a text field. Asked for at the click: the field's last words come with the click itself."""
    return str(st.session_state.get(key) or "").strip()


def _override(verdict: GateVerdict, key: str) -> None:
    """Why a version should pass although the gate stops it; nothing where it does not."""
    if verdict.passed:
        return
    why_not = current_actor().why_not("override_gate")
    st.text_input(
        "The gate stops this version. Why should it pass nevertheless?",
        key=key,
        disabled=bool(why_not),
        help=why_not or "It is kept in the ledger, beside what the gate said.",
        placeholder="A reason is needed to override the gate",
    )


def _button(plan: ChangePlan, version: str, steps: Steps, reason_key: str, override_key: str, why_not: str) -> None:
    """The click. `override_key` is the field of the reason to override the gate; empty where none is needed."""
    actor = current_actor()
    canary = steps.first < 100
    why_not = actor.why_not("promote") or (actor.why_not("start_ramp") if canary else "") or why_not

    def begin() -> Running[Any]:
        reason, override = _typed(reason_key) or _NO_REASON, _typed(override_key) if override_key else ""
        if not canary:
            return actions.begin_promotion(plan, reason, override)
        return actions.begin_canary(
            version,
            endpoint=plan.before.endpoint,
            shares=steps.shares,
            hold_seconds=steps.hold_seconds,
            reason=reason,
            override_reason=override,
        )

    what = f"Start v{version} as a canary with {steps.first} %" if canary else f"Promote v{version} now"
    st.button(
        f"Override the gate and {what[0].lower()}{what[1:]}" if override_key else what,
        key="promote",
        icon=":material/trending_up:" if canary else ":material/upgrade:",
        type="primary",
        disabled=bool(why_not),
        help=why_not or None,
        on_click=changes.click,
        args=(_PLACE, begin),
    )


def _ask(endpoint: str, version: str, reason_key: str) -> None:
    why_not = current_actor().why_not("request_promotion") or (
        "" if _typed(reason_key) else "Say why, for the other person."
    )
    st.button(
        f"Ask for the promotion of v{version}",
        key="request_promotion",
        icon=":material/how_to_reg:",
        type="primary",
        disabled=bool(why_not),
        help=why_not or "Another person approves it here: a promotion takes two (LAKEHELM_FOUR_EYES).",
        on_click=changes.click,
        args=(_ASKED, lambda: actions.begin_request(version, endpoint=endpoint, reason=_typed(reason_key))),
    )


def _decline(change_id: str) -> None:
    try:
        actions.decline(change_id, "declined on the Promotion page")
    except EXPECTED as error:
        st.toast(sentence(error), icon=":material/error:")
