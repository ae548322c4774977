"""The answers of an evaluation beside those of the live version: figures always, people's words only when revealed."""

import streamlit as st

from dashboard.panels.revealed import is_revealed, reveal, reveal_button
from dashboard.queries import promotion
from dashboard.widgets import choice, empty, table
from dashboard.wording import NOTHING, number, plain, plural
from registry.evaluations import EvaluatedAnswer, Evaluation

_KINDS = {"replay": "Logged prompts", "golden": "Golden", "off_topic": "Unanswerable"}
_SIZE = 5
_SCORES = (
    ("response_perplexity", "Perplexity", 1),
    ("response_fk_grade", "Grade", 1),
    ("response_toxicity", "Toxicity", 3),
)
_LONGEST = 1500


def side_by_side(found: Evaluation | None) -> None:
    """Each question with the live answer and the candidate's: a page at a time, words masked until revealed."""
    if found is None:
        empty("An evaluation will bring the answers of this version, beside those of the live one.")
        return
    answers = promotion.answers(found.evaluation_id)
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        kind = choice("Questions", _KINDS, "replay", key="questions")
        _reveal_button(found)
    shown = [answer for answer in answers if answer.kind == kind]
    if not shown:
        empty("This evaluation has none of these.")
        return
    pages = -(-len(shown) // _SIZE)
    place = min(int(st.session_state.get("answers_page") or 1), pages)
    part = shown[(place - 1) * _SIZE : place * _SIZE]
    revealed = is_revealed(found.evaluation_id)
    for answer in part:
        _answer(answer, found, revealed)
    if pages > 1:
        st.pagination(pages, key="answers_page")
    st.caption(f"{plural(len(shown), 'question')}. Live figures are those of the stored answers.")


def _reveal_button(found: Evaluation) -> None:
    if not is_revealed(found.evaluation_id):
        about = "Prompts and answers of this evaluation, for this session. It is recorded in the ledger."
        reveal_button("reveal", about, _reveal, found)


def _reveal(found: Evaluation) -> None:
    target = f"{found.entity_name} version {found.entity_version}"
    reveal(target, f"prompts and answers of evaluation {found.evaluation_id}", [found.evaluation_id])


def _answer(answer: EvaluatedAnswer, found: Evaluation, revealed: bool) -> None:
    with st.container(border=True, gap="small"):
        st.markdown(f"**{answer.position + 1}.** {_words(answer.prompt, revealed)}")
        candidate, live = f"v{plain(found.entity_version)} of test", f"v{plain(found.live_entity_version or '')}, live"
        sides = [(candidate, answer.answer, answer.scores)]
        if answer.kind == "replay":
            sides.insert(0, (live, answer.live_answer, answer.live_scores))
        if revealed:
            for column, (name, text, _) in zip(st.columns(len(sides)), sides, strict=True):
                with column:
                    st.caption(name)
                    st.markdown(_words(text, revealed) if text else f":orange[{_failure(answer)}]")
        table(
            {
                "Answer": [f"{name} {_remarks(answer, scores, text)}" for name, text, scores in sides],
                "Characters": [NOTHING if text is None else number(len(text)) for _, text, _ in sides],
                **{
                    title: [number(scores.get(column), decimals) for _, _, scores in sides]
                    for column, title, decimals in _SCORES
                },
            },
            alt=f"Scores of the answers to question {answer.position + 1}",
        )


def _words(text: str | None, revealed: bool) -> str:
    """A text as it is, cut if it is long; masked it tells its length only."""
    if text is None:
        return NOTHING
    if not revealed:
        return f":gray[:material/visibility_off: {plural(len(text), 'character')}, masked]"
    cut = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
    return "\n\n".join(plain(part) for part in cut.splitlines() if part.strip())


def _remarks(answer: EvaluatedAnswer, scores: dict[str, float], text: str | None) -> str:
    if text is None:
        return f":orange-badge[{_failure(answer)}]" if scores is answer.scores else NOTHING
    found = []
    if scores.get("refused"):
        found.append(":gray-badge[declined]")
    if "right" in scores:
        found.append(
            ":green-badge[:material/check: right]" if scores["right"] else ":red-badge[:material/close: wrong]"
        )
    if (grounding := scores.get("grounding")) is not None:
        found.append(f":small[:gray[{number(grounding * 100)} % from its sources]]")
    if answer.seconds is not None and scores is answer.scores:
        found.append(f":small[:gray[{number(answer.seconds, 2)} s]]")
    return " ".join(found)


def _failure(answer: EvaluatedAnswer) -> str:
    return plain(answer.notes.get("failure") or "no answer")
