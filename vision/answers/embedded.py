"""The embedded reader's answers: no model, no key, no network; only what was read on the image."""

import re
import time
from collections.abc import Callable, Iterator, Sequence

from vision.answer import Turn, Usage
from vision.answers.answers import answer_to
from vision.answers.follow_ups import standing_alone
from vision.answers.graph import diagram_of
from vision.answers.questions import MOST_WORDS, understanding
from vision.reading import Reading

MODEL = "embedded"
_PIECE = re.compile(r"\S*\s+|\S+$")
_WORDS_A_PIECE = 12


def answer(
    reading: Reading, question: str, earlier: Sequence[Turn] = (), cancelled: Callable[[], bool] = lambda: False
) -> Iterator[str | Usage]:
    """The answer in Markdown, piece by piece, and last what it took. `earlier` are the turns about the same image.

    Ends early, without a usage, once `cancelled()` is true.
    """
    started = time.monotonic()
    diagram = diagram_of(reading)
    if not question.strip():
        yield "Ask something about the image, for example “explain this architecture”."
    else:
        understood = understanding(diagram)
        alone = standing_alone(question, earlier, diagram, understood, cancelled)
        if cancelled():
            return
        for text in answer_to(understood(alone), diagram):
            for piece in _pieces(text):
                if cancelled():
                    return
                yield piece
        if len(question.split()) > MOST_WORDS:
            yield f"\n\n> Only the first {MOST_WORDS} words of the question were looked at."
    yield Usage(model=MODEL, seconds=round(time.monotonic() - started, 3))


def _pieces(text: str) -> Iterator[str]:
    """A text in pieces of some words, so that a page shows it as it comes."""
    words = _PIECE.findall(text)
    for start in range(0, len(words), _WORDS_A_PIECE):
        yield "".join(words[start : start + _WORDS_A_PIECE])
