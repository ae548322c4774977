"""Answers under way: each in a thread of its own, so that a page that is closed loses nothing."""

import threading
from collections.abc import Callable, Iterator

import streamlit as st

from dashboard.actions.running import Running, TooMuchAtOnce
from dashboard.errors import DashboardError
from vision.answer import Usage

MOST_ANSWERS = 8
"""Answers that may be under way at once; places of their own, so that a rollback never waits for an answer."""
MOST_OF_ONE = 2
"""Of these, those that one person asked for."""
_MOST_LOST = 16
"""Answers that could not be written down and are still shown where they were asked for."""
_END_SECONDS = 5.0
"""How long a deletion waits for the end of an answer; one that ends later is not written down either."""


class CannotAsk(DashboardError):
    """A question cannot be asked: it is empty, its image or conversation is gone, or another is being answered."""


class Answering:
    """A question that is being answered. Safe to read from any thread.

    Args:
        actor: the name of who asked.
        question: as it was asked.
        answerer: who answers.
        pieces: gives the answer's pieces in Markdown, and last what it took; may take long and may fail. It gets what
            tells whether somebody wants no more, and then ends early.
        then: called with this when the answer has ended, whole or not; writes it down.
    """

    def __init__(
        self,
        actor: str,
        question: str,
        answerer: str,
        pieces: Callable[[Callable[[], bool]], Iterator[str | Usage]],
        then: Callable[["Answering"], None],
    ) -> None:
        self.actor = actor
        self.question = question
        self.answerer = answerer
        self.usage: Usage | None = None
        self.failure: Exception | None = None
        self.unwritten = False
        self._text = ""
        self._stop = threading.Event()
        self._forgotten = threading.Event()
        # Pieces and then are held by the work alone, which lets go of them, and of the image in them, when it ends.
        self.work = Running(f"The answer of {answerer}", lambda: self._answer(pieces, then), counted=False)

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

    def forget(self) -> None:
        """End the answer and write nothing down, as its conversation is deleted."""
        self._forgotten.set()
        self.stop()
        self.work.wait(_END_SECONDS)

    def _answer(
        self, pieces: Callable[[Callable[[], bool]], Iterator[str | Usage]], then: Callable[["Answering"], None]
    ) -> bool:
        try:
            # Not broken off from here: pieces that ended meanwhile still tell what the answer took.
            for piece in pieces(self._stop.is_set):
                if isinstance(piece, Usage):
                    self.usage = piece
                else:
                    self._text += piece
        # Whatever it is, what was written so far is kept with it before the failure goes on.
        except Exception as error:
            self.failure = error
            raise
        finally:
            if not self._forgotten.is_set():
                self.unwritten = True
                then(self)
                self.unwritten = False
        return True


class AnswersUnderWay:
    """The answer that each conversation waits for, by the conversation's id."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: dict[str, Answering] = {}
        self._under_way: list[Answering] = []

    def of(self, conversation_id: str) -> Answering | None:
        """The last answer that was asked for, also once it has ended; None where none was since the start."""
        with self._lock:
            return self._answers.get(conversation_id)

    def begin(self, conversation_id: str, actor: str, begin: Callable[[], Answering]) -> Answering:
        """Begin an answer for somebody. Raises: CannotAsk, if one is under way in the conversation; TooMuchAtOnce."""
        with self._lock:
            self._tidy()
            last = self._answers.get(conversation_id)
            if last is not None and not last.work.done:
                raise CannotAsk("The last answer is still being written: wait for its end or stop it.")
            if len(self._under_way) >= MOST_ANSWERS:
                raise TooMuchAtOnce(f"{MOST_ANSWERS} answers are being written: ask again when one is done.")
            if sum(one.actor == actor for one in self._under_way) >= MOST_OF_ONE:
                raise TooMuchAtOnce(
                    f"{MOST_OF_ONE} answers to questions of yours are being written: wait until one is done or stop it."
                )
            begun = self._answers[conversation_id] = begin()
            self._under_way.append(begun)
            return begun

    def forget(self, conversation_id: str) -> None:
        """End the answer of a conversation that is being deleted; nothing more of it is written down."""
        with self._lock:
            answering = self._answers.pop(conversation_id, None)
        if answering is not None:
            answering.forget()

    def _tidy(self) -> None:
        """Leave out what has ended and stands in the table; what could not be written there is shown from here."""
        self._under_way = [one for one in self._under_way if not one.work.done]
        lost = [known for known, one in self._answers.items() if one.work.done and one.unwritten][-_MOST_LOST:]
        self._answers = {known: one for known, one in self._answers.items() if not one.work.done or known in lost}


def answers_under_way() -> AnswersUnderWay:
    """Those of this dashboard."""
    found: AnswersUnderWay = _answers_under_way()
    return found


@st.cache_resource(show_spinner=False)
def _answers_under_way() -> AnswersUnderWay:
    return AnswersUnderWay()
