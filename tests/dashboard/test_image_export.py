"""A conversation taken along: Markdown that says what was said, and the picture beside it."""

import io
import zipfile
from datetime import UTC, datetime

from dashboard.image_export import NOT_FOUND, PICTURE, WORDS, as_markdown, exported
from dashboard.queries.images import ANSWERED, FAILED, STOPPED, AskedQuestion, ImageConversation
from tests.dashboard.image_readings import READING, drawn
from vision.answer import Turn

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def asked(
    event: str, question: str = "Explain", answer: str = "", error: str = "", answerer: str = "embedded"
) -> AskedQuestion:
    return AskedQuestion("q1", NOON, event, question, answer, answerer, None, error)


def about(*questions: AskedQuestion, name: str = "stack.png") -> ImageConversation:
    return ImageConversation("c" * 32, "ab" * 32, name, NOON, questions)


def test_the_file_has_the_words_and_the_picture() -> None:
    with zipfile.ZipFile(io.BytesIO(exported(about(asked(ANSWERED, answer="Yes.")), drawn(), READING))) as archive:
        assert archive.namelist() == [WORDS, PICTURE]
        assert archive.read(PICTURE).startswith(b"\x89PNG")
        assert f"({PICTURE})" in archive.read(WORDS).decode()


def test_questions_answers_and_the_reading_stand_in_their_order() -> None:
    text = as_markdown(about(asked(ANSWERED, "What is it?", "# Overview\n\nA **Feature table**.")), READING)
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings[:4] == ["# stack\\.png", "## What is it?", "### Overview", "## What was read"]
    assert "- Feature table (in Production environment)" in text
    assert "- Feature table → Model training (reads)" in text
    assert "Model registry (" not in text  # the arrow to it is too unsure


def test_what_a_model_names_and_nobody_read_is_marked() -> None:
    answer = "The **Feature table** feeds **Kafka**, `Redis` and Model training.\n\n```\n**Spark**\n```"
    text = as_markdown(about(asked(ANSWERED, answer=answer, answerer="server:a-model")), READING)
    assert (
        "The **Feature table** feeds **Kafka** (not found on the image), `Redis` (not found on the image) and Model "
        "training.\n\n```\n**Spark**\n```"
    ) in text
    assert NOT_FOUND not in as_markdown(about(asked(ANSWERED, answer=answer)), READING)


def test_headings_of_an_answer_are_below_its_question_and_its_code_stays_as_it_is() -> None:
    code = "```\n# a comment\n```\n\n    # indented"
    answer = f"# One\n\nTwo\n===\n\n##### Three ##\n\n{code}\n\n#no heading"
    text = as_markdown(about(asked(ANSWERED, answer=answer)), READING)
    assert f"### One\n\n### Two\n\n###### Three\n\n{code}\n\n#no heading" in text
    text = as_markdown(about(asked(ANSWERED, answer="### One\n\n#### Two")), READING)
    assert "### One\n\n#### Two\n\n*the embedded reader, " in text


def test_an_answer_that_broke_off_or_failed_says_so() -> None:
    text = as_markdown(about(asked(STOPPED, answer="Half"), asked(FAILED, error="No key.")), READING)
    assert "stopped here" in text
    assert "No answer: No key" in text


def test_a_name_of_a_file_is_no_markdown() -> None:
    assert "![x](http" not in as_markdown(about(name="![x](http://evil.example/x.png)"), READING)


def test_only_whole_answers_are_what_the_next_question_follows() -> None:
    talk = about(asked(ANSWERED, "a", "b"), asked(STOPPED, "c", "d"), asked(FAILED, "e"))
    assert talk.earlier() == (Turn("a", "b"),)
