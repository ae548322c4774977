"""Questions that lean on the ones before them."""

from collections.abc import Sequence

import pytest

from tests.vision.example_diagrams import example
from tests.vision.test_questions import said, says, without_background
from vision.answer import Turn
from vision.follow_ups import standing_alone
from vision.graph import diagram_of
from vision.reading import Reading


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
