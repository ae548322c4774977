"""The conversation about an image: questions, answers as they are written, and the words that light up regions."""

from dataclasses import dataclass

import streamlit as st

from dashboard.actions import ask_image as actions
from dashboard.actions.image_answers import Answering, answers_under_way
from dashboard.auth import current_actor
from dashboard.image_markdown import Block, answer_blocks
from dashboard.panels.ask_image_picture import asset
from dashboard.queries.images import ANSWERED, FAILED, STOPPED, AskedQuestion, ImageConversation
from dashboard.queries.watch import EXPECTED
from dashboard.widgets import empty
from dashboard.wording import duration, number, plain, plural, sentence
from settings import get_settings
from vision.answer import Usage
from vision.ask import EMBEDDED, answerers
from vision.evidence import mentions, not_found
from vision.reading import Reading

MOST_TURNS = 12
"""Questions that are shown at first, the last ones."""
_HEIGHT, _CHOICE_HEIGHT = 520, 85
"""Pixels of the conversation, and those it leaves to the choice of who answers: the place for a question stays seen."""
_LOOK_SECONDS = 0.3
_AT_ONCE = 0.05
"""Seconds below which nobody wants to know how long an answer took."""
_ANSWERER, _INPUT, _WRONG = "image answerer", "image question", "image question refused"

_answer = st.components.v2.component(
    "lakehelm_answer", html=asset("answer.html"), css=asset("answer.css"), js=asset("answer.js")
)


@dataclass(frozen=True)
class LastAnswer:
    """The answer that was asked for last: while it is being written, or as it was `lost`, as it could not be written
    down."""

    writing: Answering | None = None
    lost: Answering | None = None


def last_answer(conversation_id: str) -> LastAnswer:
    """How the last answer is, to be asked before the conversation is read: one that has ended stands in the table."""
    answering = answers_under_way().of(conversation_id)
    if answering is None:
        return LastAnswer()
    if not answering.work.done:
        return LastAnswer(writing=answering)
    return LastAnswer(lost=answering if answering.unwritten else None)


def questions(conversation: ImageConversation, reading: Reading, last: LastAnswer) -> None:
    """What was asked and answered, the answer that is being written, and the place for the next question."""
    writing = last.writing
    choice = _CHOICE_HEIGHT if len(answerers(get_settings())) > 1 else 0
    with st.container(height=_HEIGHT - choice, border=True, autoscroll=False):
        if not conversation.questions and writing is None and last.lost is None:
            _suggestions(conversation, reading)
        shown = _shown(conversation)
        for asked in shown:
            _turn(conversation, reading, asked, newest=last == LastAnswer() and asked is shown[-1])
        if writing is not None:
            _question(writing.question)
            st.fragment(_being_written, run_every=_LOOK_SECONDS)(conversation, reading, writing)
        elif last.lost is not None:
            _lost(conversation, reading, last.lost)
    if wrong := st.session_state.pop(_WRONG, None):
        st.error(wrong, icon=":material/error:")
    _ask_box(conversation, reading, writing)


def ask(conversation: ImageConversation, reading: Reading, question: str) -> None:
    """Ask, of whoever is chosen to answer; why that cannot be is a sentence below the conversation."""
    try:
        actions.ask_question(conversation, reading, question, _answerer())
    except EXPECTED as error:
        st.session_state[_WRONG] = sentence(error)


def why_not_ask() -> str:
    """Why this visitor may not ask who is chosen to answer, for Markdown; empty where they may."""
    try:
        return plain(current_actor().why_not("ask_image" if _answerer() == EMBEDDED else "ask_model"))
    except EXPECTED as error:
        return sentence(error)


def _ask_box(conversation: ImageConversation, reading: Reading, writing: Answering | None) -> None:
    names = answerers(get_settings())
    if len(names) > 1:
        st.selectbox("Answered by", names, key=_ANSWERER, format_func=_called, disabled=writing is not None)
    why_not = why_not_ask()
    if why_not:
        st.caption(why_not)
    st.chat_input(
        "Ask about this image",
        key=_INPUT,
        max_chars=actions.LONGEST_QUESTION,
        disabled=bool(why_not) or writing is not None,
        on_submit=_submitted,
        args=(conversation, reading),
    )


def _submitted(conversation: ImageConversation, reading: Reading) -> None:
    ask(conversation, reading, str(st.session_state.get(_INPUT) or ""))


def _answerer() -> str:
    chosen = str(st.session_state.get(_ANSWERER) or EMBEDDED)
    return chosen if chosen in answerers(get_settings()) else EMBEDDED


def _called(answerer: str) -> str:
    return "Embedded reader (no model sees the image)" if answerer == EMBEDDED else answerer


def _suggestions(conversation: ImageConversation, reading: Reading) -> None:
    """What can be asked, for who does not know yet."""
    empty("Ask anything about this image. Every name in an answer shows where it was read.")
    offered = ["Explain this architecture"]
    if reading.steps:
        offered.append(f"What happens in step {reading.steps[0].number}?")
    if reading.containers:
        offered.append(f"What is inside {reading.containers[0].label}?")
    if reading.legend:
        offered.append("What do the colours mean?")
    offered.append("What could not be read?")
    with st.container(horizontal=True, gap="small"):
        for question in offered:
            st.button(
                plain(question), key=f"suggested {question}", on_click=ask, args=(conversation, reading, question)
            )


def _shown(conversation: ImageConversation) -> tuple[AskedQuestion, ...]:
    hidden = len(conversation.questions) - MOST_TURNS
    if hidden > 0 and not st.toggle(f"Show the {plural(hidden, 'earlier question')}, too", key="earlier questions"):
        return conversation.questions[-MOST_TURNS:]
    return conversation.questions


def _turn(conversation: ImageConversation, reading: Reading, asked: AskedQuestion, *, newest: bool) -> None:
    _question(asked.question)
    if asked.answer:
        key = f"answer {asked.question_id}"
        _words(conversation, reading, asked.answer, asked.answerer, key=key, newest=newest)
    if asked.event == STOPPED:
        unknown = "" if asked.answerer == EMBEDDED else f" {_name(asked.answerer)} · cost not known (stopped)"
        st.caption(f":material/stop_circle: Stopped here.{unknown}")
    if asked.event == FAILED:
        st.error(sentence(asked.error), icon=":material/error:")
        again = (conversation, reading, asked.question)
        st.button("Ask again", key=f"again {asked.question_id}", icon=":material/replay:", on_click=ask, args=again)
    if asked.event == ANSWERED and asked.usage is not None:
        st.caption(_took(asked.answerer, asked.usage))


def _lost(conversation: ImageConversation, reading: Reading, lost: Answering) -> None:
    """An answer that is nowhere but here, to be read and copied while it is there."""
    _question(lost.question)
    if lost.text:
        _words(conversation, reading, lost.text, lost.answerer, key="answer lost", newest=True)
    why = sentence(lost.work.error) if lost.work.error else ""
    st.error(f"This answer could not be written down and stands only here: {why}", icon=":material/error:")


def _question(question: str) -> None:
    st.markdown(f":blue[:material/person:] **{plain(question)}**")


def _being_written(conversation: ImageConversation, reading: Reading, answering: Answering) -> None:
    """The answer as far as it is; once it has ended, the whole page is drawn anew."""
    if answering.work.done:
        st.rerun()
    key = "answer under way"
    _words(conversation, reading, answering.text, answering.answerer, key=key, newest=True, writing=True)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        does = "writes" if answering.text else "has not answered yet"
        st.caption(f"{_name(answering.answerer)} {does}: {duration(answering.work.seconds)}", width="content")
        st.button("Stop", icon=":material/stop_circle:", key="stop answer", on_click=answering.stop)


def _words(
    conversation: ImageConversation,
    reading: Reading,
    answer: str,
    answerer: str,
    *,
    key: str,
    newest: bool,
    writing: bool = False,
) -> None:
    """An answer whose names light up their regions. `newest`: it is scrolled to; `writing`: more of it is to come."""
    if writing:
        # Many times a second, each time of another text: what was not read is looked for once it has ended.
        blocks = answer_blocks(answer, mentions(answer, reading))
    else:
        blocks = _blocks(answer, answerer, conversation.image_hash, reading.reader, reading)
    data = {"of": conversation.conversation_id, "blocks": blocks, "newest": newest, "writing": writing}
    _answer(key=key, data=data)


@st.cache_data(max_entries=256, show_spinner=False)
def _blocks(answer: str, answerer: str, image_hash: str, reader: str, _reading: Reading) -> list[Block]:
    """The blocks of an answer that has ended. The embedded reader names what it read; what models name is checked."""
    unread = [] if answerer == EMBEDDED else not_found(answer, _reading)
    return answer_blocks(answer, [*mentions(answer, _reading), *unread])


def _name(answerer: str) -> str:
    return "The embedded reader" if answerer == EMBEDDED else plain(answerer)


def _took(answerer: str, usage: Usage) -> str:
    """Who answered, how long it took, and what it cost."""
    parts = [_name(answerer), duration(usage.seconds) if usage.seconds >= _AT_ONCE else "at once"]
    if usage.input_tokens is not None or usage.output_tokens is not None:
        parts.append(f"{number(usage.input_tokens)} tokens in, {number(usage.output_tokens)} out")
    if answerer != EMBEDDED:
        cost = "no price known" if usage.cost_usd is None else f"US\\${usage.cost_usd:.4f}"
        parts.append(cost + (f" ({plain(usage.price_source)})" if usage.price_source else ""))
    return " · ".join(parts)
