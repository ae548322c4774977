"""People's words on the Safety page: masked by default, whole after somebody with the role has asked for them."""

from collections.abc import Sequence

import streamlit as st

from dashboard.links import request_link
from dashboard.panels import revealed
from dashboard.panels.revealed import is_revealed
from dashboard.queries.safety_flags import Triage
from dashboard.queries.safety_texts import LOOKED_AT, ToxicPrompt, most_toxic_prompts
from dashboard.widgets import empty, local, table
from dashboard.wording import number, plain, plural
from metrics.masking import masked

MOST_PROMPTS = 10
_LONGEST = 600


def reveal_button(key: str, endpoint: str, request_ids: Sequence[str]) -> None:
    """The button that shows the words of these requests whole; nothing where they are shown already."""
    if not request_ids or all(is_revealed(request_id) for request_id in request_ids):
        return
    about = "Without masks: e-mail addresses, numbers and keys, too. For this session; it is recorded in the ledger."
    revealed.reveal_button(f"reveal {key}", about, _reveal, endpoint, tuple(request_ids))


def words(text: str | None, request_id: str) -> str:
    """A text as Markdown that shows it as it is, cut if it is long; masked unless it was revealed."""
    if text is None:
        return ":gray[no text was logged]"
    # Masked as a whole first: a cut could leave half of a number that no rule knows any more.
    shown = text if is_revealed(request_id) else masked(text)
    cut = shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]} …"
    return "  \n".join(plain(part) for part in cut.splitlines() if part.strip()) or ":gray[empty]"


def top_prompts(endpoint: str, found: Triage, threshold: float) -> None:
    """The most toxic prompts, each text once, with how often it came."""
    toxic = int((found.flagged.prompt >= threshold).sum())
    if not toxic:
        empty("No prompt reaches the threshold in this time.")
        return
    shown = most_toxic_prompts(found, threshold)[:MOST_PROMPTS]
    if not shown:
        empty("The inference table has no texts of these requests any more.")
        return
    reveal_button("prompts", endpoint, [prompt.request_id for prompt in shown])
    table(
        {
            "Prompt": [words(prompt.prompt, prompt.request_id) for prompt in shown],
            "Toxicity": [number(prompt.toxicity, 3) for prompt in shown],
            "Times": [number(prompt.times) for prompt in shown],
            "Last": [_last(prompt) for prompt in shown],
        },
        alt="The most toxic prompts",
    )
    looked = min(toxic, LOOKED_AT)
    st.caption(
        f"Texts of the {plural(looked, 'most toxic prompt')} of {number(toxic)}; a text that came again is one row. "
        "Masked: e-mail addresses, phone and card numbers, IBANs, keys and IP addresses; names are not found."
    )


def _last(prompt: ToxicPrompt) -> str:
    return request_link(prompt.request_id, f"{local(prompt.time):%d %b %H:%M:%S}", prompt.date)


def _reveal(endpoint: str, request_ids: tuple[str, ...]) -> None:
    what = f"words of {plural(len(request_ids), 'flagged request')}: {', '.join(request_ids)}"
    revealed.reveal(endpoint, what, request_ids)
