"""Many questions, in the words of many people, about diagrams whose contents are known."""

import re
from functools import cache

import pytest

from tests.vision.example_diagrams import EXAMPLES, example
from tests.vision.example_questions import QUESTIONS
from vision.answer import Turn, Usage
from vision.answers.embedded import answer
from vision.reading import Reading

READINGS = {name: example(name) for name in EXAMPLES}
LONGEST = 90


@cache
def said(reading: Reading, question: str, *earlier: Turn) -> str:
    return "".join(piece for piece in answer(reading, question, earlier) if isinstance(piece, str))


def without_background(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("> Background:"))


def says(text: str, phrase: str) -> bool:
    """Whether a phrase stands in a text on word borders, but for case and signs."""
    flat, wanted = (" ".join(re.findall(r"[a-z0-9]+", one.lower())) for one in (text, phrase))
    return f" {wanted} " in f" {flat} "


@pytest.mark.parametrize(("diagram", "question", "must", "must_not"), QUESTIONS)
def test_an_answer_says_what_was_read_and_nothing_else(
    diagram: str, question: str, must: tuple[str, ...], must_not: tuple[str, ...]
) -> None:
    text = without_background(said(READINGS[diagram], question))

    assert [phrase for phrase in must if not says(text, phrase)] == [], text
    assert [phrase for phrase in must_not if says(text, phrase)] == [], text


@pytest.mark.parametrize(("diagram", "question"), [(diagram, question) for diagram, question, _, _ in QUESTIONS])
def test_only_an_explanation_is_long(diagram: str, question: str) -> None:
    text = without_background(said(READINGS[diagram], question))

    is_explanation = re.search(r"\bexplain\b(?!.* step \d)|\bwalk me\b", question.lower())
    assert is_explanation or len(text.split()) <= LONGEST, text


@pytest.mark.parametrize(("diagram", "question"), [(diagram, question) for diagram, question, _, _ in QUESTIONS])
def test_every_bold_name_is_text_that_was_read(diagram: str, question: str) -> None:
    reading = READINGS[diagram]
    read = {component.label for component in reading.components} | {box.label for box in reading.containers}
    read |= {line.text for line in reading.text}
    read |= {step.label for step in reading.steps} | {entry.label for entry in reading.legend}
    read |= {arrow.label for arrow in reading.connections if arrow.label}

    bold = re.findall(r"\*\*(.+?)\*\*", said(reading, question))

    assert [name for name in bold if name.replace("\\", "") not in read] == []


def test_the_last_piece_is_the_usage_of_the_embedded_reader() -> None:
    *pieces, usage = answer(READINGS["stream"], "explain this architecture", ())

    assert isinstance(usage, Usage)
    assert usage.model == "embedded"
    assert usage.cost_usd is None
    assert len(pieces) > 5
    assert all(isinstance(piece, str) for piece in pieces)


@pytest.mark.parametrize("question", ["", "   ", "?", "ü", "a" * 5000, "what " * 600, "@ # **", "\x00\x01", "🤖?", "1"])
def test_any_text_gets_an_answer(question: str) -> None:
    assert said(READINGS["models"], question).strip()


@pytest.mark.parametrize(
    "question",
    [
        "explain this architecture", "What is in step 1?", "What do blue lines mean?", "How many boxes are there?",
        "Which steps are there?", "Is it used?",
        "What is missing?", "Where does it start?", "What is in the centre?", "List all components", "Is there a DB?",
        "Summarise this", "Which component has the most connections?", "How does A reach B?",
    ],
)  # fmt: skip
def test_an_image_without_text_names_nothing(question: str) -> None:
    text = said(Reading(width=100, height=100), question)

    assert text.strip()
    assert "**" not in text
