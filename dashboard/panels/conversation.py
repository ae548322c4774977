"""What was said in one request: every turn and the answer, masked until somebody may and wants to see all of it."""

import streamlit as st

from dashboard.panels.revealed import is_revealed, reveal, reveal_button
from dashboard.queries.request_details import RequestDetails
from dashboard.queries.request_texts import Conversation, conversation
from dashboard.widgets import empty
from dashboard.wording import plain, plural
from metrics.masking import masked

FIRST_SHOWN = 3_000
"""Characters of a text that are shown at first."""
MOST_SHOWN = 100_000
"""Characters of a text that are shown at all: a browser has to draw them."""
MOST_TURNS = 40

_LONGEST_MASKED = 20_000
"""Characters that a key may have, and be known as one, where a text is cut before it is masked."""

_ROLES = {
    "system": ("System", "settings"),
    "developer": ("Developer", "settings"),
    "user": ("User", "person"),
    "human": ("User", "person"),
    "assistant": ("Assistant", "smart_toy"),
    "ai": ("Assistant", "smart_toy"),
    "tool": ("Tool", "build"),
    "function": ("Tool", "build"),
}


def words(about: RequestDetails) -> None:
    """The conversation of a request with its answer; an error as it was logged."""
    found = conversation(about.request_id, about.time)
    if found is None:
        empty("The inference table does not have the texts of this request any more. Its numbers stay.")
        return
    revealed = _revealed(about)
    turns = found.turns
    hidden = len(turns) - MOST_TURNS
    if hidden > 0 and not st.toggle(f"Show the {plural(hidden, 'earlier turn')}, too", key=f"turns {about.request_id}"):
        turns = turns[-MOST_TURNS:]
    for place, (role, text) in enumerate(turns):
        _turn(role, text, revealed, f"{about.request_id} {place - len(turns)}")
    if not found.turns:
        _unread("request", found, revealed, about)
    if found.answer is None:
        _unread("response", found, revealed, about)
    else:
        _turn("assistant", found.answer, revealed, f"{about.request_id} answer", "Answer")


def _revealed(about: RequestDetails) -> bool:
    """Whether this visitor sees the words of this request as they are; the button for it where not."""
    if is_revealed(about.request_id):
        st.caption(":material/visibility: Shown as they are, for this session. It is recorded in the ledger.")
        return True
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(
            ":material/visibility_off: E-mail addresses, phone and card numbers and keys are masked.", width="content"
        )
        said = "The words of this request as they are, for this session. It is recorded in the ledger."
        reveal_button("reveal", said, _reveal, about)
    return False


def _reveal(about: RequestDetails) -> None:
    values = about.values
    target = (
        f"{values['entity_name'] or values['endpoint_name'] or 'unknown'} version {values['entity_version'] or '?'}"
    )
    reveal(target, f"prompt and answer of request {about.request_id}", [about.request_id])


def _turn(role: str, text: str, revealed: bool, key: str, title: str = "") -> None:
    """One turn. Its text is drawn letter by letter: no Markdown, HTML or formula of others is obeyed."""
    name, icon = _ROLES.get(role.casefold(), (role[:40] or "Unknown", "chat"))
    with st.container(border=True, gap="xsmall"):
        st.markdown(f":gray[:material/{icon}: **{plain(title or name)}**]")
        _text(text, revealed, key)


def _unread(side: str, found: Conversation, revealed: bool, about: RequestDetails) -> None:
    """Why no words could be read out of a body, and the body itself where there is one."""
    reason = found.problems.get("prompt" if side == "request" else "response", f"the {side} holds no text")
    body = found.request_body if side == "request" else found.response_body
    failed = side == "response" and (about.values["status_code"] or 0) >= 400
    with st.container(border=True, gap="xsmall"):
        icon = "error" if failed else "help"
        st.markdown(f":gray[:material/{icon}: **{'Error' if failed else side.capitalize()}**]")
        st.caption(f"{plain(reason[:1].upper() + reason[1:])}." + (" As it was logged:" if body else ""))
        if body:
            _text(body, revealed, f"{about.request_id} {side}", code=True)


def _text(text: str, revealed: bool, key: str, *, code: bool = False) -> None:
    """A text, cut where it is long. It is masked before it is cut: half of a number is not known as one."""
    if not text.strip():
        st.caption("No text.")
        return
    shown = text if revealed else _masked_beginning(text)
    place = st.container()
    if len(shown) > FIRST_SHOWN and not st.toggle(
        f"Show all of its {plural(len(text), 'character')}", key=f"all {key}"
    ):
        shown = shown[:FIRST_SHOWN]
    shown = shown[:MOST_SHOWN]
    more = len(text) - len(shown)
    with place:
        if code:
            st.code(shown, language=None, wrap_lines=True)
        else:
            st.text(shown)
        if more > 0 and (len(shown) == FIRST_SHOWN or len(text) > MOST_SHOWN):
            st.caption(f"… and about {plural(more, 'more character', 'more characters')}.")


def _masked_beginning(text: str) -> str:
    """As much of a text as can be shown, masked; what stands near the cut of a longer one is left out, too."""
    if len(text) <= MOST_SHOWN + _LONGEST_MASKED:
        return masked(text)
    beginning = masked(text[: MOST_SHOWN + _LONGEST_MASKED])
    return beginning[:-_LONGEST_MASKED]
