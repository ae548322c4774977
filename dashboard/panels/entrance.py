"""The way in: who is let in, the sign-in page, and what the sidebar says about who is there."""

import streamlit as st

from dashboard import oidc
from dashboard.actions.sign_in import record_sign_in
from dashboard.auth import current_actor, current_identity
from dashboard.wording import plain, sentence
from registry.actors import Actor
from registry.errors import NotAllowed
from registry.identity import Closed, NoRole, NotSignedIn
from settings import get_settings

_LOOK_AGAIN_SECONDS = 60.0


def who_comes() -> Actor | NotAllowed:
    """Who is there, or why they may not come in."""
    try:
        return current_actor()
    except NotAllowed as refusal:
        return refusal


def let_in(comer: Actor | NotAllowed) -> bool:
    """Say in the sidebar who is there. Whoever may not come in gets a way to sign in or a sentence, and no page.

    Returns whether a page may be drawn. The script has to end by itself then: after `st.stop()` Streamlit keeps the
    parts of the page before alive, and they would go on refreshing.
    """
    if isinstance(comer, NotAllowed):
        _turned_away(comer)
        return False
    _welcome(comer)
    return True


def _welcome(actor: Actor) -> None:
    identity = get_settings().identity
    if identity != "none":
        record_sign_in(current_identity(), actor.role)
    with st.sidebar:
        st.caption(f":material/person: {plain(actor.name)} · {actor.role}")
        if identity == "oidc":
            _sign_out()
        if identity != "none":
            st.fragment(_still_there, run_every=_LOOK_AGAIN_SECONDS)()


def _still_there() -> None:
    try:
        current_actor()
    except NotAllowed:
        # What refreshes by itself would go on showing numbers after the sign-in is over.
        st.rerun()


def _turned_away(refusal: NotAllowed) -> None:
    with st.container(horizontal_alignment="center"), st.container(width=460, gap="medium"):
        st.title("Lakehelm", anchor=False)
        if isinstance(refusal, Closed):
            st.error(sentence(refusal), title="Nobody can come in", icon=":material/lock:")
        elif isinstance(refusal, NoRole):
            _without_role(refusal)
        elif isinstance(refusal, NotSignedIn):
            _sign_in(refusal)
        else:
            st.error(sentence(refusal), icon=":material/lock:")


def _without_role(refusal: NoRole) -> None:
    st.warning(sentence(refusal), title="You are signed in", icon=":material/person_off:")
    record_sign_in(current_identity(), "")
    if get_settings().identity == "oidc":
        _sign_out()


def _sign_in(refusal: NotSignedIn) -> None:
    st.markdown(sentence(refusal))
    if get_settings().identity != "oidc":
        return
    if oidc.is_elsewhere(st.context.url):
        st.info(f"People sign in at {plain(oidc.home_address())} only.", icon=":material/link:")
        st.link_button("Open Lakehelm there", oidc.home_address(), type="primary", width="stretch")
        return
    st.button("Sign in", type="primary", icon=":material/login:", width="stretch", key="sign_in", on_click=st.login)


def _sign_out() -> None:
    st.button("Sign out", icon=":material/logout:", key="sign_out", on_click=st.logout)
