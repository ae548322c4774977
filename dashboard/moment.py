"""The moment whose tables the pages show: now, or an earlier one that somebody looks back at.

Looking back is for reading only. What is live, and every command, is always of now.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

_KEY = "as_of"
"""In the address and in the session, so that it stays from page to page."""


_GIVEN: ContextVar[datetime | None] = ContextVar("the moment of a page that work goes on for", default=None)


def chosen_moment() -> datetime | None:
    """The moment (UTC) that this visitor looks back at; None for now, as also outside of a page."""
    given = _GIVEN.get()
    if given is not None:
        return given
    if get_script_run_ctx(suppress_warning=True) is None:
        return None
    # What has not been yet cannot be looked back at: it reads as now.
    return _past(st.query_params.get(_KEY, "")) or _past(st.session_state.get(_KEY, ""))


@contextmanager
def at_moment(moment: datetime | None) -> Iterator[None]:
    """Look back at a moment in a thread that is no page's, for what goes on after the page was drawn. None: at now."""
    before = _GIVEN.set(moment)
    try:
        yield
    finally:
        _GIVEN.reset(before)


def unusable_moment() -> str:
    """A sentence about a moment in the address that no page can look back at; empty where there is none."""
    asked = st.query_params.get(_KEY, "")
    if not asked or _past(asked):
        return ""
    return "The address asks for a moment that cannot be looked back at, so this is of now."


def look_back(moment: datetime | None) -> None:
    """Show the tables as they were at `moment` (a time with a zone) from now on; None: as they are."""
    text = "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    st.session_state[_KEY] = text
    if text:
        st.query_params[_KEY] = text
    elif _KEY in st.query_params:
        del st.query_params[_KEY]


def keep_moment() -> None:
    """Take the moment over into this page's address, so that a copied link shows the same."""
    moment = chosen_moment()
    if moment is not None and not _past(st.query_params.get(_KEY, "")):
        look_back(moment)
    elif moment is not None:
        st.session_state[_KEY] = st.query_params[_KEY]


def time_now() -> datetime:
    """The moment that the pages show, as the end of every relative time range."""
    return chosen_moment() or datetime.now(UTC)


def _past(text: object) -> datetime | None:
    """The moment that an address names, if it is one, has a time zone and is over."""
    try:
        moment = datetime.fromisoformat(str(text))
        return moment.astimezone(UTC) if moment.tzinfo is not None and moment < datetime.now(UTC) else None
    except (ValueError, OverflowError):
        return None
