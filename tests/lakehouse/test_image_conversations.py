"""Conversations about images: kept once, erased when deleted, and only by who began them."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jobs.compact import run_compact
from lakehouse import image_conversations
from lakehouse.appends import append
from lakehouse.errors import LakehouseError
from lakehouse.image_conversations import (
    CHANGING,
    ConversationGone,
    GivenAnswer,
    ImageToKeep,
    delete_conversation,
    erase_left_over,
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


def test_a_deleted_conversation_gets_no_words_back(settings: Settings) -> None:
    conversation = opened(settings)
    delete_conversation(settings, conversation, **ANA)
    with pytest.raises(ConversationGone, match="was deleted"):
        record_answer(settings, conversation, IMAGE.image_hash, ANSWER, **ANA)
    assert [row["event"] for row in rows(settings, "image_questions")] == ["deleted"]


def test_the_upkeep_erases_what_a_broken_off_deletion_has_left(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = opened(settings)
    record_answer(settings, conversation, IMAGE.image_hash, ANSWER, **ANA)
    with monkeypatch.context() as broken:
        broken.setattr(image_conversations, "_erase_words", lambda *given: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            delete_conversation(settings, conversation, **ANA)
    assert {row["event"] for row in rows(settings, "image_questions")} == {"opened", "answered", "deleted"}
    monkeypatch.setattr(image_conversations, "_LEFT_ALONE", timedelta(0))
    run_compact(settings)
    assert [row["event"] for row in rows(settings, "image_questions")] == ["deleted"]
    assert rows(settings, "images") == rows(settings, "image_readings") == []


def test_an_image_without_a_conversation_goes_after_a_day_and_one_with_a_conversation_never(settings: Settings) -> None:
    opened(settings)
    days_ago = datetime.now(UTC) - timedelta(days=2)
    for image_hash, uploaded_at in (("cd" * 32, days_ago), ("ef" * 32, datetime.now(UTC))):
        append(settings, "images", [{**vars(IMAGE), "image_hash": image_hash, "uploaded_at": uploaded_at}])
    old = {**vars(IMAGE), "image_hash": "12" * 32, "uploaded_at": days_ago}
    append(settings, "images", [old])
    wanted = open_conversation(settings, "12" * 32, "old.png", **ANA)
    assert erase_left_over(settings) == (0, 1)
    assert {row["image_hash"] for row in rows(settings, "images")} == {IMAGE.image_hash, "ef" * 32, "12" * 32}
    assert wanted in {row["conversation_id"] for row in rows(settings, "image_questions")}


def test_a_deletion_waits_until_who_keeps_the_same_image_has_begun_with_it(settings: Settings) -> None:
    first = opened(settings)
    deleting = threading.Thread(target=lambda: delete_conversation(settings, first, **ANA))
    with CHANGING:
        keep_image(settings, IMAGE)
        deleting.start()
        deleting.join(0.5)
        open_conversation(settings, IMAGE.image_hash, "mine.png", actor="ben@example.com", role="viewer")
    deleting.join(60)
    assert len(rows(settings, "images")) == 1
