"""Answers under way: who may have how many, what is stopped or deleted meanwhile, and what cannot be written down."""

import getpass
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.actions import ask_image as actions
from dashboard.actions import image_answers, running
from dashboard.actions.image_answers import Answering, AnswersUnderWay, CannotAsk, answers_under_way
from dashboard.actions.image_reader import ImageJob, ReaderBroke, ReadImage
from dashboard.actions.running import Running, TooMuchAtOnce
from dashboard.queries import images
from dashboard.queries.lake import look_again
from lakehouse import image_conversations
from lakehouse.errors import CommitConflict, LakehouseError
from lakehouse.image_conversations import GivenAnswer, delete_conversation, record_answer
from lakehouse.store import open_table, read_rows
from settings import Settings
from tests.dashboard.image_readings import READING, drawn, opened
from tests.dashboard.test_pages import texts
from vision.answer import Turn, Usage

Opener = Callable[..., AppTest]
Pieces = Callable[[Callable[[], bool]], Iterator[str | Usage]]
ME = getpass.getuser()


def rows(settings: Settings, name: str = "image_questions") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read_rows(open_table(settings, name)).to_pylist()
    return found


def endless(stopped: Callable[[], bool]) -> Iterator[str | Usage]:
    """An answer that goes on until it is stopped."""
    while not stopped():
        yield "confidential "
        time.sleep(0.01)


@pytest.fixture
def ask(empty: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answering]:
    """Ask in a conversation of mine, to be answered by these pieces."""

    def asked(conversation_id: str, pieces: Pieces) -> Answering:
        monkeypatch.setattr(actions, "ask", lambda *given: pieces(given[-1]))
        conversation = images.conversation(ME, conversation_id)
        assert conversation is not None
        answering = actions.ask_question(conversation, READING, "What?", "embedded")
        while not answering.text and not answering.work.done:
            time.sleep(0.01)
        return answering

    return asked


def begin(answers: AnswersUnderWay, conversation: str, actor: str, pieces: Pieces = endless) -> Answering:
    return answers.begin(conversation, actor, lambda: Answering(actor, "What?", "m", pieces, lambda answering: None))


def test_deleting_while_an_answer_is_written_leaves_no_word_of_it(
    empty: Settings, ask: Callable[..., Answering]
) -> None:
    conversation_id, _ = opened(empty, ME)
    answering = ask(conversation_id, endless)
    actions.delete_conversation(conversation_id)
    assert answering.work.done
    assert [row["event"] for row in rows(empty)] == ["deleted"]
    assert rows(empty, "images") == []


def test_an_answer_that_ends_long_after_the_deletion_is_not_written_down(
    empty: Settings, ask: Callable[..., Answering], monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation_id, _ = opened(empty, ME)
    go_on = threading.Event()

    def deaf(stopped: Callable[[], bool]) -> Iterator[str | Usage]:
        yield "confidential"
        go_on.wait(60)

    answering = ask(conversation_id, deaf)
    monkeypatch.setattr(image_answers, "_END_SECONDS", 0.01)
    actions.delete_conversation(conversation_id)
    go_on.set()
    assert answering.work.wait(60)
    assert answering.work.error is None
    assert [row["event"] for row in rows(empty)] == ["deleted"]


def test_nobody_ends_the_answer_of_somebody_else(empty: Settings) -> None:
    conversation_id, _ = opened(empty, "ben")
    answering = begin(answers_under_way(), conversation_id, "ben")
    with pytest.raises(LakehouseError, match="no such conversation of yours"):
        actions.delete_conversation(conversation_id)
    assert not answering.stopped
    assert answers_under_way().of(conversation_id) is answering
    answering.stop()


def test_a_deleted_conversation_is_asked_no_more(empty: Settings) -> None:
    conversation_id, _ = opened(empty, ME)
    before = images.conversation(ME, conversation_id)
    assert before is not None
    # Another conversation keeps the image there.
    opened(empty, ME)
    actions.delete_conversation(conversation_id)
    with pytest.raises(CannotAsk, match="it was deleted"):
        actions.ask_question(before, READING, "What?", "embedded")


def test_a_question_follows_what_another_tab_asked_meanwhile(empty: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    conversation_id, image_hash = opened(empty, ME)
    before = images.conversation(ME, conversation_id)
    assert before is not None
    given = GivenAnswer("answered", "What is step 1?", "A table.", "embedded", 0.1)
    record_answer(empty, conversation_id, image_hash, given, actor=ME, role="admin")
    look_again("image_questions")
    seen: list[Any] = []

    def answer(*given: Any) -> Iterator[str]:
        seen.append(given[5])
        yield "It trains."

    monkeypatch.setattr(actions, "ask", answer)
    assert actions.ask_question(before, READING, "And then?", "embedded").work.wait(60)
    assert seen == [(Turn("What is step 1?", "A table."),)]


def test_a_second_question_is_refused_while_one_is_answered() -> None:
    answers = AnswersUnderWay()
    first = begin(answers, "a", "ana")
    with pytest.raises(CannotAsk, match="still being written"):
        begin(answers, "a", "ana")
    first.stop()
    assert first.work.wait(60)
    second = begin(answers, "a", "ana")
    assert answers.of("a") is second is not first
    second.stop()


def test_answers_are_few_for_one_and_for_all_and_take_no_place_of_a_rollback(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = AnswersUnderWay()
    monkeypatch.setattr(running, "_places", threading.BoundedSemaphore(1))
    begun = [begin(answers, str(number), "ana") for number in range(image_answers.MOST_OF_ONE)]
    with pytest.raises(TooMuchAtOnce, match="of yours"):
        begin(answers, "one more", "ana")
    while len(begun) < image_answers.MOST_ANSWERS:
        begun.append(begin(answers, str(len(begun)), str(len(begun))))
    with pytest.raises(TooMuchAtOnce, match=f"{image_answers.MOST_ANSWERS} answers"):
        begin(answers, "one more", "zoe")
    assert Running("A rollback", lambda: True).result()
    begun[0].stop()
    assert begun[0].work.wait(60)
    begun.append(begin(answers, "one more", "ana"))
    for one in begun:
        one.stop()


def test_an_answer_that_cannot_be_written_down_is_shown(
    empty: Settings, ask: Callable[..., Answering], page: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation_id, _ = opened(empty, ME)
    with monkeypatch.context() as broken:

        def refuses(*given: Any, **who: str) -> None:
            raise CommitConflict("The disk is full.")

        broken.setattr(image_conversations, "record_answer", refuses)
        answering = ask(conversation_id, lambda stopped: iter(["**Model registry**.", Usage("embedded", 0.1)]))
        assert answering.work.wait(60)
    other, _ = opened(empty, ME)
    look_again("image_questions")
    assert ask(other, lambda stopped: iter(["Yes.", Usage("embedded", 0.1)])).work.wait(60)
    app = page("ask_image", conversation=conversation_id)
    assert not app.exception
    assert "**What?**" in texts(app)
    assert [error.value for error in app.error] == [
        "This answer could not be written down and stands only here: The disk is full\\."
    ]
    assert answers_under_way().of(conversation_id) is answering
    assert ask(conversation_id, lambda stopped: iter(["Yes.", Usage("embedded", 0.1)])).work.wait(60)
    app = app.run()
    assert not app.error


def test_a_failure_that_was_written_down_is_no_lost_answer(
    empty: Settings, ask: Callable[..., Answering], page: Opener
) -> None:
    conversation_id, _ = opened(empty, ME)

    def broken(stopped: Callable[[], bool]) -> Iterator[str | Usage]:
        yield "half"
        raise RuntimeError("key sk-secret")

    assert ask(conversation_id, broken).work.wait(60)
    app = page("ask_image", conversation=conversation_id)
    assert len(app.error) == 1
    assert "written down" not in app.error[0].value


def test_an_answer_that_is_whole_is_answered_also_if_it_was_stopped_a_moment_later(
    empty: Settings, ask: Callable[..., Answering]
) -> None:
    conversation_id, _ = opened(empty, ME)

    def stopped_too_late(stopped: Callable[[], bool]) -> Iterator[str | Usage]:
        yield "All of it."
        while not stopped():
            time.sleep(0.01)
        yield Usage("m", 2.0, 100, 20, 0.01, "prices")

    answering = ask(conversation_id, stopped_too_late)
    answering.stop()
    assert answering.work.wait(60)
    (row,) = [row for row in rows(empty) if row["event"] != "opened"]
    assert (row["event"], row["prompt_tokens"], row["cost_usd"]) == ("answered", 100, 0.01)


def test_a_stopped_answer_of_a_model_says_that_its_cost_is_not_known(empty: Settings, page: Opener) -> None:
    conversation_id, image_hash = opened(empty, ME)
    for answerer in ("embedded", "openai:gpt"):
        given = GivenAnswer("stopped", "What?", "Half", answerer, 0.1)
        record_answer(empty, conversation_id, image_hash, given, actor=ME, role="admin")
    look_again("image_questions")
    captions = [caption.value for caption in page("ask_image", conversation=conversation_id).caption]
    stopped = [caption for caption in captions if "Stopped here" in caption]
    assert len(stopped) == 2
    assert ["cost not known" in caption for caption in stopped] == [False, True]


def test_a_failure_to_read_one_image_anew_is_not_shown_with_another(empty: Settings, page: Opener) -> None:
    conversation_id, _ = opened(empty, ME, reading=replace(READING, reader="earlier"))
    app = page("ask_image", conversation=conversation_id)
    app.session_state["image read again"][1].drop()
    failed = ImageJob(b"", ME, lambda: True, lambda read: None)
    failed.error = ReaderBroke("Too large.")
    failed.end()
    app.session_state["image read again"] = ("another image", failed)
    app = app.run()
    assert not app.exception
    assert not app.error
    again = app.session_state["image read again"][1]
    assert again is not failed
    again.drop()


def test_reading_anew_can_be_cancelled_and_tried_again(empty: Settings, page: Opener) -> None:
    conversation_id, _ = opened(empty, ME, reading=replace(READING, reader="earlier"))
    app = page("ask_image", conversation=conversation_id)
    job = app.session_state["image read again"][1]
    app.button(key="cancel image").click().run()
    assert job.dropped
    assert "was not read anew" in texts(app)
    app.button(key="read again").click().run()
    again = app.session_state["image read again"][1]
    assert again is not job
    assert "is read anew" in texts(app)
    again.drop()


def test_a_reading_that_came_while_the_page_was_drawn_is_shown_and_no_error(
    empty: Settings, page: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation_id, image_hash = opened(empty, ME)
    done = ImageJob(b"", ME, lambda: True, lambda read: None)
    done.end()
    app = page("ask_image", conversation=conversation_id)
    app.session_state["image read again"] = (image_hash, done)
    real, looks = images.reading, iter([None])
    monkeypatch.setattr(images, "reading", lambda wanted: next(looks, real(wanted)))
    app = app.run()
    assert not app.exception
    assert not app.error
    assert "stack\\.png" in texts(app)


def test_an_image_that_two_tabs_want_read_anew_is_read_once(empty: Settings) -> None:
    conversation_id, image_hash = opened(empty, ME, reading=replace(READING, reader="earlier"))
    conversation = images.conversation(ME, conversation_id)
    assert conversation is not None
    assert images.reading(image_hash) is None
    # Two tabs want it: it is read once.
    jobs = [actions.read_again(conversation) for _ in range(2)]
    assert all(job.wait(250) for job in jobs)
    assert [job.error for job in jobs] == [None, None]
    assert len(rows(empty, "image_readings")) == 2
    assert images.reading(image_hash) is not None


def test_a_reading_is_found_as_soon_as_it_is_kept(empty: Settings) -> None:
    _, image_hash = opened(empty, ME, reading=replace(READING, reader="earlier"))
    assert images.reading(image_hash) is None
    actions._keep(image_hash, ReadImage(drawn(), "image/png", READING.as_dict()))
    assert images.reading(image_hash) == READING


def test_a_conversation_deleted_while_its_image_is_read_anew_does_not_bring_the_image_back(empty: Settings) -> None:
    conversation_id, _ = opened(empty, ME, reading=replace(READING, reader="earlier"))
    conversation = images.conversation(ME, conversation_id)
    assert conversation is not None
    job = actions.read_again(conversation)
    actions.delete_conversation(conversation_id)
    assert job.wait(250)
    assert rows(empty, "images") == rows(empty, "image_readings") == []


def test_an_image_whose_last_conversation_goes_meanwhile_is_kept_for_the_new_one(
    empty: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, image_hash = opened(empty, "ana")
    deleting = threading.Thread(target=lambda: delete_conversation(empty, first, actor="ana", role="admin"))
    real = actions._begin

    def slow(*given: Any) -> str:
        deleting.start()
        deleting.join(0.5)
        return real(*given)

    monkeypatch.setattr(actions, "_begin", slow)
    assert actions.open_image(drawn(), "again.png").done
    deleting.join(60)
    assert [row["image_hash"] for row in rows(empty, "images")] == [image_hash]
