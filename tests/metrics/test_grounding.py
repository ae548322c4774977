"""Grounding, refusals and expected phrases."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.grounding import grounding, is_refusal, runs_of, runs_of_sources, says_all

PASSAGE = "The gateway keeps the previous version warm, so a rollback is a switch of the route."
PHRASES = ("i don't know", "i cannot help")


def test_a_quotation_is_grounded_and_an_invention_is_not() -> None:
    sources = runs_of_sources([PASSAGE, "Nothing else is written here."])
    assert grounding("A rollback is a switch of the route.", sources) == 1.0
    assert grounding("To roll back, use the RollBack command of your chatbot.", sources) == 0.0


def test_half_a_quotation_is_grounded_by_half() -> None:
    sources = runs_of_sources(["one two three four five"])
    assert grounding("one two three four nine ten", sources) == pytest.approx(2 / 4)


def test_runs_do_not_reach_from_one_source_into_the_next() -> None:
    assert grounding("two three four", runs_of_sources(["one two", "three four"])) == 0.0


@pytest.mark.parametrize("text", ["", "…", "two words"])
def test_less_than_three_words_tell_nothing(text: str) -> None:
    assert grounding(text, runs_of_sources([PASSAGE])) is None


@given(st.text(max_size=300), st.lists(st.text(max_size=200), max_size=3))
def test_grounding_is_a_share_and_an_answer_grounds_itself(answer: str, others: list[str]) -> None:
    share = grounding(answer, runs_of_sources(others))
    assert share is None or 0.0 <= share <= 1.0
    assert grounding(answer, runs_of_sources([*others, answer])) == (1.0 if runs_of(answer) else None)


@pytest.mark.parametrize(
    ("answer", "refused"),
    [
        ("I don't know. The handbook has nothing on this.", True),
        ("I DON’T  KNOW that", True),
        ("Sorry, but I cannot help with that.", True),
        ("Paris is the capital.", False),
        (
            'Version 2 quotes only the best sentences of the handbook, and says "I don\'t know" where it has none.',
            False,
        ),
        ("", False),
    ],
)
def test_a_refusal_begins_like_one(answer: str, refused: bool) -> None:
    assert is_refusal(answer, PHRASES) is refused


@pytest.mark.parametrize(("before", "refused"), [(59, True), (60, False)])
def test_a_refusal_begins_within_sixty_characters(before: int, refused: bool) -> None:
    assert is_refusal("x" * before + "I don't know", PHRASES) is refused


def test_without_phrases_nothing_is_a_refusal() -> None:
    assert not is_refusal("I don't know.", ())


def test_every_expected_phrase_must_be_there() -> None:
    assert says_all("Run  `make run`\nand wait.", ["make RUN", "and wait"])
    assert not says_all("Run make run.", ["make run", "and wait"])
