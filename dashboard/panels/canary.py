"""Sharing the traffic between two versions: by hand with a slider, or as a ramp that grows by itself."""

import streamlit as st

from dashboard.actions import production as actions
from dashboard.auth import current_actor
from dashboard.panels import changes
from dashboard.queries import production
from dashboard.queries.watch import EXPECTED, Seen
from dashboard.widgets import empty, local
from dashboard.wording import age, duration, plain, sentence
from registry.canary import USUAL_SHARES
from registry.errors import RegistryError
from registry.ramp_steps import Ramp, check_plan
from serving.endpoints import Endpoint

_PLACE = "split"
_BY_HAND, _RAMP = "By hand", "As a ramp"
_HOLD_MINUTES = 30.0


def ramp_under_way(ramp: Ramp | None) -> None:
    """A ramp: how far it is, when its next step is due, and the click that stops it."""
    if ramp is None:
        return
    steps = " → ".join(
        f"**{share} %**" if step == ramp.step else f"{share} %" for step, share in enumerate(ramp.shares)
    )
    due = f"next step at {local(ramp.next_at):%H:%M:%S}" if ramp.next_at else "no step is due"
    with st.container(border=True):
        st.markdown(
            f":blue-badge[:material/trending_up: ramp] v{plain(ramp.entity_version or '…')}: {steps}, {due}. "
            f":small[:gray[{plain(ramp.actor)}, {age(ramp.started_at)}. {plain(ramp.reason)}]]"
        )
        st.progress(
            (ramp.step + 1) / len(ramp.shares), text=f"Step {ramp.step + 1} of {len(ramp.shares)}: {ramp.state}"
        )
        if ramp.note:
            st.caption(sentence(ramp.note))
        why_not = current_actor().why_not("start_ramp")
        st.button(
            "Take no further step",
            key=f"stop {ramp.ramp_id}",
            icon=":material/stop_circle:",
            disabled=bool(why_not),
            help=why_not or "The traffic stays as it is. To take it back as well, stop the canary.",
            on_click=_stop,
            args=(ramp.ramp_id,),
        )


def share_control(endpoint: Endpoint | None, versions: Seen[list[str]], ramp: Ramp | None) -> None:
    """Choose a version and its share, see the plan, and set it: at once, or in steps."""
    if changes.mine(_PLACE):
        return
    if ramp is not None:
        empty("A ramp is under way: it sets the shares. Stop it first to set them by hand.")
        return
    if endpoint is None:
        empty("The endpoint is not known yet.")
        return
    champion = endpoint.live.entity_version if endpoint.live is not None else ""
    others = _others(endpoint, versions, champion)
    if not champion or not others:
        empty("There is no second version of the production model to share the traffic with: promote one first.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        version = str(
            st.selectbox("Version", others, format_func=lambda name: f"v{name}", key="split_version", width=140)
        )
        how = st.segmented_control("How", [_BY_HAND, _RAMP], default=_BY_HAND, required=True, key="split_how")
    if how == _RAMP:
        _ramp_form(endpoint.name, version)
    else:
        _by_hand(endpoint, version, champion)


def _by_hand(endpoint: Endpoint, version: str, champion: str) -> None:
    has = next((served.traffic for served in endpoint.served if served.entity_version == version), 0)
    share = int(
        st.slider(f"Share of v{version}, the rest to v{champion}", 0, 100, has, format="%d %%", key=f"share_{version}")
    )
    if share == has:
        empty(f"v{plain(version)} has {has} % now: move the slider to see what would change.")
        return
    traffic = {name: part for name, part in {version: share, champion: 100 - share}.items() if part}
    seen = production.split_plan(endpoint.name, traffic)
    if seen.error is not None:
        st.warning(sentence(seen.error), icon=":material/warning:")
    elif seen.value is None or seen.looking:
        empty("Looking at what this would do …")
    else:
        changes.plan_shown(seen.value)
        changes.button(
            f"Give v{version} {share} %",
            seen.value,
            _PLACE,
            reason="split with the slider",
            key="set_split",
            icon="call_split",
        )


def _ramp_form(endpoint: str, version: str) -> None:
    usual = ", ".join(str(share) for share in USUAL_SHARES)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        steps = str(st.text_input("Steps, % of the traffic", usual, key="ramp_steps", width=180))
        minutes = float(
            st.number_input("Hold each for, minutes", 0.1, 1440.0, _HOLD_MINUTES, 5.0, key="ramp_hold", width=180)
        )
    try:
        shares = [int(step) for step in steps.replace("%", "").split(",")]
        check_plan(shares, minutes * 60)
    except ValueError:
        st.warning("The steps are whole numbers with commas between, as 5, 25, 100.", icon=":material/warning:")
        return
    except RegistryError as error:
        st.warning(sentence(error), icon=":material/warning:")
        return
    st.markdown(
        f"v{plain(version)} gets {' → '.join(f'**{share} %**' for share in shares)}, each for "
        f"{duration(minutes * 60)} before the next. It holds while an alert about v{plain(version)} is open, and ends "
        "when anybody changes the traffic. The scheduler takes the steps."
    )
    why_not = current_actor().why_not("start_ramp")
    st.button(
        f"Start the ramp with {shares[0]} %",
        key="start_ramp",
        type="primary",
        icon=":material/trending_up:",
        disabled=bool(why_not),
        help=why_not or None,
        on_click=changes.click,
        args=(
            _PLACE,
            lambda: actions.begin_ramp(version, endpoint=endpoint, shares=shares, hold_seconds=minutes * 60),
        ),
    )


def _others(endpoint: Endpoint, versions: Seen[list[str]], champion: str) -> list[str]:
    """Versions that could get a share: those that run first, then the registry's, newest first."""
    running = [*endpoint.served, *([endpoint.warm] if endpoint.warm is not None else [])]
    names = [served.entity_version for served in running] + (versions.value or [])
    return [name for name in dict.fromkeys(names) if name != champion]


def _stop(ramp_id: str) -> None:
    try:
        actions.stop_ramp(ramp_id)
    except EXPECTED as error:
        st.toast(sentence(error), icon=":material/error:")
