"""Whose words this visitor has asked to see whole, of requests and evaluations: for this session, on every page."""

from collections.abc import Callable, Sequence

import streamlit as st

from dashboard.actions import ledger as actions
from dashboard.auth import current_actor
from dashboard.queries.watch import EXPECTED
from dashboard.wording import plain, sentence

_KEY = "revealed"


def why_not_reveal() -> str:
    """Why this visitor may not see people's words whole, as a sentence for Markdown; empty where they may."""
    try:
        return plain(current_actor().why_not("reveal"))
    except EXPECTED as error:
        return sentence(error)


def is_revealed(of: str) -> bool:
    """Whether this visitor has asked for the words of a request or an evaluation (its id), and may still see them."""
    return of in st.session_state.get(_KEY, ()) and not why_not_reveal()


def reveal_button(key: str, about: str, on_click: Callable[..., None], *args: object) -> None:
    """The button that shows words whole; it is off, with the reason, for who may not see them. about: its help."""
    why_not = why_not_reveal()
    st.button(
        "Show people's words",
        key=key,
        icon=":material/visibility:",
        disabled=bool(why_not),
        help=why_not or about,
        on_click=on_click,
        args=args,
    )


def reveal(target: str, what: str, ids: Sequence[str]) -> None:
    """Write down that somebody sees these words, and show them from now on; where they may not, a toast says why."""
    try:
        actions.reveal(target, what)
    except EXPECTED as error:
        st.toast(sentence(error), icon=":material/error:")
        return
    st.session_state[_KEY] = {*st.session_state.get(_KEY, ()), *ids}
