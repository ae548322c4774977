"""Sign-ins, as the ledger tells them."""

import logging

import streamlit as st

from lakehouse import ledger
from lakehouse.errors import LakehouseError
from registry.identity import Identity
from settings import get_settings

_log = logging.getLogger(__name__)
_DONE = "sign_in_recorded"


def record_sign_in(identity: Identity, role: str) -> None:
    """Write down that somebody came in, or with an empty `role` that they were turned away. Once for each sign-in.

    A ledger that cannot be written keeps nobody out who is on call: it is logged, and tried again at the next page.
    Every change still needs its own row before it is made.
    """
    if st.session_state.get(_DONE):
        return
    # A new tab is a new session of the same sign-in; the time of the sign-in, where there is one, tells that.
    key = (identity.provider, identity.subject, identity.signed_in_at)
    mine = object()
    if identity.signed_in_at and _recorded().setdefault(key, mine) is not mine:
        st.session_state[_DONE] = True
        return
    try:
        change_id = ledger.record_intent(
            get_settings(),
            action="sign_in",
            target="dashboard",
            actor=identity.name,
            role=role or "none",
            evidence={"provider": identity.provider, "subject": identity.subject},
        )
        ledger.record_outcome(get_settings(), change_id, outcome="succeeded" if role else "refused")
    except LakehouseError:
        _recorded().pop(key, None)
        _log.exception("The sign-in of %s could not be written to the ledger.", identity.name)
        return
    st.session_state[_DONE] = True


@st.cache_resource(show_spinner=False)
def _recorded() -> dict[tuple[str, str, int], object]:
    """The sign-ins that this process has written down."""
    return {}
