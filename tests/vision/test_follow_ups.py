"""Questions that lean on the ones before them."""

import cProfile
import pstats
import random
from collections.abc import Iterator, Sequence

import pytest

from tests.vision.example_diagrams import example
from tests.vision.test_questions import said, says, without_background
from vision.answer import Turn
from vision.answers.embedded import answer
from vision.answers.follow_ups import standing_alone
from vision.answers.graph import diagram_of
from vision.answers.questions import MOST_WORDS, Question, understand, understanding
from vision.reading import Component, Reading


def conversation(reading: Reading, questions: Sequence[str]) -> str:
    """The last answer of a conversation."""
    turns: list[Turn] = []
    for question in questions:
        turns.append(Turn(question, said(reading, question, *turns)))
    return without_background(turns[-1].answer)


@pytest.mark.parametrize(
    ("diagram", "questions", "must", "must_not"),
    [
        ("models", ["What happens in step 2?", "And the next step?"], ["Step 3", "Evaluation"], ["Step 4"]),
        ("models", ["What happens in step 2?", "and then?", "And the next one?"], ["Step 4"], ["Step 3"]),
        ("models", ["What happens in step 5?", "what comes next?"], ["5.a", "Batch scoring"], []),
        ("models", ["What happens in step 3?", "And the one before that?"], ["Step 2"], ["Step 3"]),
        ("models", ["What happens in step 3?", "and step 6?"], ["Online endpoint"], ["Evaluation"]),
        ("models", ["What is the first step?", "And the next?"], ["Step 2"], []),
        ("models", ["What does step 3 do?", "What about 7?"], ["Drift monitor"], []),
        ("bookshop", ["What feeds RabbitMQ?", "And what does it feed?"], ["Mail sender", "Invoice service"], []),
        ("bookshop", ["What feeds RabbitMQ?", "What about Redis?"], ["Stock service"], ["Order service"]),
        ("bookshop", ["What does the API Gateway call?", "And the Order service?"], ["Orders DB"], ["Web app"]),
        ("bookshop", ["Where is Redis?", "What else is in there?"], ["User DB"], []),
        ("bookshop", ["What is in the Data layer?", "Who writes to them?"], ["Order service"], ["Mail sender"]),
        ("bookshop", ["Tell me about the Order service", "What calls it?"], ["API Gateway"], ["Orders DB"]),
        ("bookshop", ["Tell me about the Order service", "Where is it?"], ["Backend"], ["Data layer"]),
        ("bookshop", ["What does the Order service call?", "and who calls that?"], ["API Gateway"], []),
        ("stream", ["What does Kafka feed?", "How many components are in Ingestion?"], ["2"], []),
        ("stream", ["What feeds the dashboard?", "What feeds that?", ], ["Data warehouse"], []),
        ("stream", ["What feeds the dashboard?", "explain this architecture"], ["Sensors", "Alert service"], []),
        ("stream", ["What feeds the dashboard?", "Is there a CDN in this diagram?"], ["no"], []),
        ("cluster", ["What is in the build account?", "And in the web namespace?"], ["svc", "pod"], ["GitLab"]),
        ("website", ["Is there a CDN?", "What does it connect to?"], ["Object Store", "Browser"], []),
    ],
)  # fmt: skip
def test_a_follow_up_is_about_what_was_spoken_of(
    diagram: str, questions: list[str], must: list[str], must_not: list[str]
) -> None:
    text = conversation(example(diagram), questions)

    assert [phrase for phrase in must if not says(text, phrase)] == [], text
    assert [phrase for phrase in must_not if says(text, phrase)] == [], text


def test_a_question_that_names_its_subject_is_left_as_it_is() -> None:
    diagram = diagram_of(example("bookshop"))
    before = [Turn("What feeds RabbitMQ?", "An arrow leads from **Order service** to **RabbitMQ**.")]

    assert standing_alone("What calls the Stock service?", before, diagram) == "What calls the Stock service?"


def test_the_first_question_has_nothing_to_lean_on() -> None:
    reading = example("bookshop")

    assert without_background(said(reading, "What feeds it?"))
    assert standing_alone("What feeds it?", [], diagram_of(reading)) == "What feeds it?"


def test_a_walk_through_the_steps_ends_at_the_last_one() -> None:
    questions = ["What happens in step 1?", *["And the next step?"] * 7]

    assert "Drift monitor" in conversation(example("models"), questions)
    assert (
        conversation(example("models"), [*questions, *["And the next step?"] * 5])
        == "Step 7 is the last that was read."
    )


@pytest.mark.parametrize("label", ["C:\\data", "\\\\server\\group", "\\1 store", "\\g<0>", "\\"])
@pytest.mark.parametrize("follow_up", ["What feeds it?", "Who writes to them?"])
def test_a_backslash_that_was_read_is_taken_over_as_it_is(label: str, follow_up: str) -> None:
    parts = (Component("c1", f"{label} lake", (0, 0, 50, 20)), Component("c2", "Parser", (80, 0, 130, 20)))
    diagram = diagram_of(Reading(200, 100, components=parts))
    before = [Turn(f"Where is the {label} lake?", f"**{label} lake** stands at the top left.")]

    assert f'"{label} lake"' in standing_alone(follow_up, before, diagram)


def large_diagram() -> tuple[Reading, list[str]]:
    """Eighty components with names of two words, and these names."""
    firsts = ["order", "stock", "price", "parcel", "invoice", "customer", "payment", "search", "report", "audit"]
    seconds = ["store", "queue", "worker", "database", "broker", "cache", "router", "monitor"]
    names = [f"{first.capitalize()} {second}" for first in firsts for second in seconds]
    boxes = [(150 * (at % 10), 100 * (at // 10), 150 * (at % 10) + 90, 100 * (at // 10) + 50) for at in range(80)]
    parts = [Component(f"c{at}", name, box) for at, (name, box) in enumerate(zip(names, boxes, strict=True))]
    return Reading(1500, 800, components=tuple(parts)), names


def long_question(names: Sequence[str], seed: int) -> str:
    """2,000 characters of names, of some with a mistake, and of words between them."""
    choose = random.Random(seed)

    def words() -> Iterator[str]:
        while True:
            name = choose.choice(names)
            at = choose.randrange(len(name))
            yield choose.choice(["and it", "what reads", "which of the", name, name[:at] + "x" + name[at + 1 :]])

    said = words()
    text = ""
    while len(text) < 2000:
        text += next(said) + " "
    return text[:2000]


def test_long_questions_about_a_large_diagram_take_little_work() -> None:
    reading, names = large_diagram()
    turns = [Turn(long_question(names, seed), f"It is **{names[seed]}**.") for seed in range(6)]

    profile = cProfile.Profile()
    profile.runcall(list, answer(reading, long_question(names, 9), turns))

    # Calls of functions, which unlike seconds are the same on every machine: a million are about half a second.
    assert pstats.Stats(profile).total_calls < 1_000_000  # type: ignore[attr-defined]


def test_a_question_is_understood_once_and_by_its_first_words() -> None:
    diagram = diagram_of(example("bookshop"))
    understood = understanding(diagram)

    assert understood("What feeds Redis?") is understood("What feeds Redis?")
    assert understood("What feeds Redis?") == understand("What feeds Redis?", diagram)
    assert len(understood("what is it " * 200).words) == MOST_WORDS == 60


def test_an_answer_says_that_a_question_was_too_long() -> None:
    reading = example("bookshop")
    short, long = said(reading, "What feeds Redis?"), said(reading, "What feeds Redis? " + "Thank you " * 30)

    assert "Only the first" not in short
    assert long.endswith("> Only the first 60 words of the question were looked at.")


def test_a_cancelled_question_is_given_up_between_the_turns() -> None:
    diagram = diagram_of(example("bookshop"))
    asked: list[str] = []
    known = understanding(diagram)
    turns = [Turn(f"What about the {name}?", "") for name in ("Web app", "Order service", "Stock service", "User DB")]

    def understood(text: str) -> Question:
        asked.append(text)
        return known(text)

    standing_alone("And what feeds it?", turns, diagram, understood, cancelled=lambda: bool(asked))

    assert set(asked) <= {turn.question for turn in turns[:2]}
    assert list(answer(example("bookshop"), "explain", turns, cancelled=lambda: True)) == []
