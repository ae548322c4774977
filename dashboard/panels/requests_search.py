"""The search in people's words on the Requests page: a little at a time, so that no visitor waits for another's."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import streamlit as st

from dashboard.panels.requests import export_button, rows_table
from dashboard.panels.requests_filters import Wanted, ever
from dashboard.queries.requests import requests
from dashboard.queries.text_search import MOST_HITS, SearchProgress, search
from dashboard.widgets import empty, guarded
from dashboard.wording import number, plain, plural

STEP_SECONDS = 0.8
"""How long a search works at a time, and about how long it rests then."""

_KEY = "text search"
_REST_SECONDS = 0.5
_WORKING = threading.Lock()
"""One visitor's search works at a time: parsing bodies takes a whole processor."""


@dataclass
class _Search:
    """A search of this visitor, and how far it is."""

    question: tuple[str, str]
    steps: Iterator[SearchProgress]
    wanted: Wanted
    progress: SearchProgress
    ended: bool = False
    stopped: bool = False
    error: Exception | None = None


def found(wanted: Wanted) -> None:
    """The search for `wanted.text` in the requests that fit the other filters: its progress, then what it found."""
    state = _current(wanted)
    # Drawn again every moment for as long as it runs; the rest of the page is not.
    st.fragment(_panel, run_every=None if state.ended else _REST_SECONDS)(state)


def _current(wanted: Wanted) -> _Search:
    """The search that goes on, or a new one where something else is asked for."""
    question = (wanted.question, wanted.text)
    state = st.session_state.get(_KEY)
    if not isinstance(state, _Search) or state.question != question:
        asked = ever(wanted.filter) if wanted.filter.request_ids else wanted.filter
        steps = search(asked, wanted.text)
        state = _Search(question, steps, wanted, SearchProgress(0, 0, 0, ()))
        st.session_state[_KEY] = state
    return state


def _panel(state: _Search) -> None:
    with guarded("Search in texts"):
        if not state.ended:
            _work(state)
        if state.error is not None:
            # The next look at the page tries again.
            st.session_state.pop(_KEY, None)
            raise state.error
        _progress(state)
        if state.ended:
            _hits(state)


def _work(state: _Search) -> None:
    if not _WORKING.acquire(timeout=_REST_SECONDS):
        return
    until = time.monotonic() + STEP_SECONDS
    try:
        while time.monotonic() < until and not state.ended:
            step = next(state.steps, None)
            state.ended = step is None
            state.progress = step or state.progress
    # Kept, so that the failure is what is drawn: another look at what has failed would say that nothing was found.
    except Exception as error:  # noqa: BLE001
        state.error, state.ended = error, True
    finally:
        _WORKING.release()
    if state.ended:
        st.rerun()


def _progress(state: _Search) -> None:
    progress = state.progress
    said = (
        f"{number(progress.days_done)} of {plural(progress.days, 'day')}, {plural(len(progress.hits), 'hit')}, "
        f"{plural(progress.rows_read, 'request')} read"
    )
    if not state.ended:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.progress(progress.days_done / progress.days if progress.days else 0.0, text=f"Searching: {said}")
            st.button("Stop", icon=":material/stop_circle:", key="stop search", on_click=_stop, args=(state,))
        for hit in progress.hits[-3:]:
            st.text(hit.excerpt)
        return
    if state.stopped:
        st.info(f"Stopped: {said}, newest days first.", icon=":material/stop_circle:")
    elif progress.full:
        st.info(f"Ended at {number(MOST_HITS)} hits: {said}. A narrower search finds the rest.", icon=":material/info:")
    else:
        st.caption(f"Searched: {said}.")
    st.caption("Words that are masked cannot be searched for.")


def _stop(state: _Search) -> None:
    state.stopped = state.ended = True


def _hits(state: _Search) -> None:
    """What was found, newest first, with masked excerpts."""
    hits = {hit.request_id: hit for hit in state.progress.hits}
    if not hits:
        empty(f"Nobody wrote “{plain(state.wanted.text[:80])}” in the requests that fit. A longer time may help.")
        return
    asked = ever(state.wanted.filter) if state.wanted.filter.request_ids else state.wanted.filter
    # By the endpoint's ids alone: a client may give a request the id of another one as its own.
    asked = replace(asked, request_ids=tuple(hits), by_client_ids=False)
    rows = requests(asked, limit=len(hits)).rows
    export_button(asked, state.wanted.text)
    shown = ("request_time", "entity_version", "status_code", "requester")
    about = [hits[request_id] for request_id in rows["databricks_request_id"]]
    rows_table(
        rows,
        f"hits {state.question}",
        shown,
        **{"Found in": [hit.found_in for hit in about], "Excerpt, masked": [hit.excerpt for hit in about]},
    )
