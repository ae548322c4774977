"""Conversations about images: kept once, erased when deleted, and only by who began them."""

from pathlib import Path

import pytest

from lakehouse.appends import append
from lakehouse.errors import LakehouseError
from lakehouse.image_conversations import (
    GivenAnswer,
    ImageToKeep,
    delete_conversation,
    keep_image,
    open_conversation,
    record_answer,
)
from lakehouse.store import open_table, read_rows
from settings import Settings

IMAGE = ImageToKeep("ab" * 32, "image/png", 640, 480, b"\x89PNG and more")
ANA = {"actor": "ana@example.com", "role": "viewer"}
ANSWER = GivenAnswer("answered", "What is step 3?", "Step 3 is **Commit**.", "embedded", 0.1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def rows(settings: Settings, name: str) -> list[dict[str, object]]:
    return read_rows(open_table(settings, name)).to_pylist()


def opened(settings: Settings, **who: str) -> str:
    keep_image(settings, IMAGE)
    append(settings, "image_readings", [{"image_hash": IMAGE.image_hash, "reader_version": "1", "reading": "{}"}])
    return open_conversation(settings, IMAGE.image_hash, " stack.png ", **{**ANA, **who})


def test_an_image_is_kept_once_however_often_it_is_given(settings: Settings) -> None:
    for _ in range(3):
        keep_image(settings, IMAGE)
    (row,) = rows(settings, "images")
    assert (row["image"], row["width"], row["media_type"]) == (IMAGE.image, 640, "image/png")


def test_a_question_and_its_answer_are_a_row(settings: Settings) -> None:
    conversation = opened(settings)
    record_answer(settings, conversation, IMAGE.image_hash, ANSWER, **ANA)
    first, second = sorted(rows(settings, "image_questions"), key=lambda row: row["time"])
    assert (first["event"], first["image_name"]) == ("opened", "stack.png")
    assert (second["event"], second["question"], second["answer"]) == ("answered", ANSWER.question, ANSWER.answer)
    assert first["conversation_id"] == second["conversation_id"] == conversation
    assert second["error"] is None


def test_what_is_deleted_is_erased_with_its_image(settings: Settings) -> None:
    conversation = opened(settings)
    record_answer(settings, conversation, IMAGE.image_hash, ANSWER, **ANA)
    delete_conversation(settings, conversation, **ANA)
    (left,) = rows(settings, "image_questions")
    assert (left["event"], left["question"], left["answer"], left["image_name"]) == ("deleted", None, None, None)
    assert rows(settings, "images") == rows(settings, "image_readings") == []


def test_an_image_stays_while_another_conversation_is_about_it(settings: Settings) -> None:
    first, second = opened(settings), opened(settings, actor="ben@example.com")
    delete_conversation(settings, first, **ANA)
    assert len(rows(settings, "images")) == 1
    delete_conversation(settings, second, actor="ben@example.com", role="viewer")
    assert rows(settings, "images") == []


def test_nobody_deletes_what_somebody_else_asked(settings: Settings) -> None:
    conversation = opened(settings)
    before = rows(settings, "image_questions")
    for wrong in (conversation, "0" * 32, "x' OR '1' = '1"):
        with pytest.raises(LakehouseError, match="no such conversation of yours"):
            delete_conversation(settings, wrong, actor="ben@example.com", role="admin")
    assert rows(settings, "image_questions") == before


def test_only_an_id_is_ever_part_of_a_condition(settings: Settings) -> None:
    wild = "x' OR '1' = '1"
    append(
        settings,
        "image_questions",
        [
            {"conversation_id": wild, "event": "opened", "image_hash": "ab", **ANA},
            {"conversation_id": "ab" * 16, "event": "opened", **ANA},
        ],
    )
    with pytest.raises(LakehouseError, match="no id"):
        delete_conversation(settings, wild, **ANA)
    assert {row["conversation_id"] for row in rows(settings, "image_questions")} == {wild, "ab" * 16}
