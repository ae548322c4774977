"""The promotion itself: the plan, at once or as a canary, with a second person where it takes two."""

from collections.abc import Callable
from dataclasses import dataclass

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

_PLACE, _ASKED = "promotion", "promotion request"
_WAITS = "**Asked for.** Another person approves or declines it, here on this page."
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
    plan = _planned(promotion.plan(endpoint, version, steps.first))
    if plan is None:
        return
    reason = str(st.text_input("Reason, for the ledger", key="promotion_reason", placeholder="Why this version"))
    if promotion.four_eyes():
        _ask(endpoint, version, reason)
        return
    if verdict is None:
        empty("The gate has not been asked yet.")
        return
    _button(plan, version, steps, reason or "promoted on the Promotion page", _override(verdict))


def waiting(requests: list[PromotionRequest]) -> None:
    """Promotions that somebody asked for: the plan of each, for another person to approve or decline."""
    for request in requests:
        place = f"approval {request.change_id}"
        with st.container(border=True):
            st.markdown(
                f":blue-badge[:material/how_to_reg: waits for approval] **v{plain(request.source_version)}** of the "
                f"test model to {plain(request.endpoint)} :small[:gray[{plain(request.actor)}, "
                f"{age(request.asked_at)}. {plain(request.reason)}]]"
            )
            if not changes.mine(place):
                _approval(request, place)


def _approval(request: PromotionRequest, place: str) -> None:
    plan = _planned(promotion.plan(request.endpoint, request.source_version, 100, request.change_id))
    if plan is None:
        return
    override = _override(plan.gate, key=request.change_id) if plan.gate else None
    actor = current_actor()
    own = actor.name.casefold() == request.actor.casefold()
    why_not = actor.why_not("promote") or ("Somebody else must approve what you asked for." if own else "")
    with st.container(horizontal=True):
        st.button(
            "Approve and promote",
            key=f"approve {request.change_id}",
            icon=":material/check:",
            type="primary",
            disabled=bool(why_not) or override is None,
            help=why_not or (_REASON_NEEDED if override is None else None),
            on_click=changes.click,
            args=(place, lambda: actions.begin_promotion(plan, request.reason, override or "")),
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
    if seen.value is None or seen.looking:
        empty(sentence(seen.error) if seen.error is not None else "Looking at what this would do …")
        return None
    if seen.error is not None:
        st.warning(sentence(seen.error), icon=":material/warning:")
        return None
    changes.plan_shown(seen.value)
    return seen.value


def _override(verdict: GateVerdict, key: str = "") -> str | None:
    """Why a version passes although the gate stops it: empty where it does not, None while there is no reason."""
    if verdict.passed:
        return ""
    why_not = current_actor().why_not("override_gate")
    given = st.text_input(
        "The gate stops this version. Why should it pass nevertheless?",
        key=f"override {key}",
        disabled=bool(why_not),
        help=why_not or "It is kept in the ledger, beside what the gate said.",
        placeholder="A reason is needed to override the gate",
    )
    return str(given).strip() or None


def _button(plan: ChangePlan, version: str, steps: Steps, reason: str, override: str | None) -> None:
    actor = current_actor()
    canary = steps.first < 100
    why_not = actor.why_not("promote") or (actor.why_not("start_ramp") if canary else "")
    if override is None:
        why_not = why_not or actor.why_not("override_gate") or _REASON_NEEDED

    def begin_canary() -> Running[str]:
        return actions.begin_canary(
            version,
            endpoint=plan.before.endpoint,
            shares=steps.shares,
            hold_seconds=steps.hold_seconds,
            reason=reason,
            override_reason=override or "",
        )

    def begin_promotion() -> Running[object]:
        return actions.begin_promotion(plan, reason, override or "")  # type: ignore[return-value]

    begin: Callable[[], Running[object]] = begin_canary if canary else begin_promotion  # type: ignore[assignment]
    what = f"Start v{version} as a canary with {steps.first} %" if canary else f"Promote v{version} now"
    st.button(
        what if override == "" else f"Override the gate and {what[0].lower()}{what[1:]}",
        key="promote",
        icon=":material/trending_up:" if canary else ":material/upgrade:",
        type="primary",
        disabled=bool(why_not),
        help=why_not or None,
        on_click=changes.click,
        args=(_PLACE, begin),
    )


def _ask(endpoint: str, version: str, reason: str) -> None:
    why_not = current_actor().why_not("request_promotion") or (
        "" if reason.strip() else "Say why, for the other person."
    )
    st.button(
        f"Ask for the promotion of v{version}",
        key="request_promotion",
        icon=":material/how_to_reg:",
        type="primary",
        disabled=bool(why_not),
        help=why_not or "Another person approves it here: a promotion takes two (LAKEHELM_FOUR_EYES).",
        on_click=changes.click,
        args=(_ASKED, lambda: actions.begin_request(version, endpoint=endpoint, reason=reason)),
    )


def _decline(change_id: str) -> None:
    try:
        actions.decline(change_id, "declined on the Promotion page")
    except EXPECTED as error:
        st.toast(sentence(error), icon=":material/error:")
