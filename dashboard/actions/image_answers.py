"""Answers under way: each in a thread of its own, so that a page that is closed loses nothing."""

import threading
from collections.abc import Callable, Iterator

import streamlit as st

from dashboard.actions.running import Running
from vision.answer import Usage


class Answering:
    """A question that is being answered. Safe to read from any thread.

    Args:
        question: as it was asked.
        answerer: who answers.
        pieces: gives the answer's pieces in Markdown, and last what it took; may take long and may fail.
        then: called with this when the answer has ended, whole or not; writes it down.
    """

    def __init__(
        self,
        question: str,
        answerer: str,
        pieces: Callable[[Callable[[], bool]], Iterator[str | Usage]],
        then: Callable[["Answering"], None],
    ) -> None:
        self.question = question
        self.answerer = answerer
        self.usage: Usage | None = None
        self.failure: Exception | None = None
        self._pieces = pieces
        self._then = then
        self._text = ""
        self._stop = threading.Event()
        self.work = Running(f"The answer of {answerer}", self._answer)

    @property
    def text(self) -> str:
        """The answer as far as it is written, in Markdown."""
        return self._text

    @property
    def stopped(self) -> bool:
        """Whether somebody wanted no more of it."""
        return self._stop.is_set()

    def stop(self) -> None:
        """End the answer where it is."""
        self._stop.set()

    def _answer(self) -> bool:
        try:
            for piece in self._pieces(self._stop.is_set):
                if isinstance(piece, Usage):
                    self.usage = piece
                else:
                    self._text += piece
                if self.stopped:
                    break
        # Whatever it is, what was written so far is kept with it before the failure goes on.
        except Exception as error:
            self.failure = error
            raise
        finally:
            self._then(self)
        return True


class AnswersUnderWay:
    """The answer that each conversation waits for, by the conversation's id."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: dict[str, Answering] = {}

    def of(self, conversation_id: str) -> Answering | None:
        """The last answer that was asked for, also once it has ended; None where none was since the start."""
        with self._lock:
            return self._answers.get(conversation_id)

    def begin(self, conversation_id: str, begin: Callable[[], Answering]) -> Answering:
        """Begin an answer, unless one is under way: then it is that one."""
        with self._lock:
            self._answers = {known: one for known, one in self._answers.items() if not one.work.done}
            if conversation_id not in self._answers:
                self._answers[conversation_id] = begin()
            return self._answers[conversation_id]

    def forget(self, conversation_id: str) -> None:
        """End the answer of a conversation that is no more."""
        with self._lock:
            answering = self._answers.pop(conversation_id, None)
        if answering is not None:
            answering.stop()


def answers_under_way() -> AnswersUnderWay:
    """Those of this dashboard."""
    found: AnswersUnderWay = _answers_under_way()
    return found


@st.cache_resource(show_spinner=False)
def _answers_under_way() -> AnswersUnderWay:
    return AnswersUnderWay()
