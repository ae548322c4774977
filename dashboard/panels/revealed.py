"""Which requests' words this visitor has asked to see whole: for this session, and on every page."""

from collections.abc import Sequence

import streamlit as st

from dashboard.actions import ledger as actions
from dashboard.auth import current_actor
from dashboard.queries.watch import EXPECTED
from dashboard.wording import plain, sentence

_KEY = "revealed requests"


def why_not_reveal() -> str:
    """Why this visitor may not see people's words whole, as a sentence for Markdown; empty where they may."""
    try:
        return plain(current_actor().why_not("reveal"))
    except EXPECTED as error:
        return sentence(error)


def is_revealed(request_id: str) -> bool:
    """Whether this visitor has asked for the words of a request, and may still see them."""
    return request_id in st.session_state.get(_KEY, ()) and not why_not_reveal()


def reveal(target: str, what: str, request_ids: Sequence[str]) -> None:
    """Write down that somebody sees these words, and show them from now on; where they may not, a toast says why."""
    try:
        actions.reveal(target, what)
    except EXPECTED as error:
        st.toast(sentence(error), icon=":material/error:")
        return
    st.session_state[_KEY] = {*st.session_state.get(_KEY, ()), *request_ids}
