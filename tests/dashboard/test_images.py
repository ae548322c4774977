"""Conversations as the page finds them: everybody's own, by any word, and gone when deleted."""

import pytest

from dashboard.queries import images, live_inventory
from dashboard.queries.lake import look_again
from lakehouse.image_conversations import GivenAnswer, delete_conversation, record_answer
from settings import Settings
from tests.dashboard.conftest import Month
from tests.dashboard.image_readings import READING, drawn, keep, opened
from vision.reading_cache import hash_of

ANA = "ana@example.com"


def ask(settings: Settings, conversation: tuple[str, str], question: str, answer: str, actor: str = ANA) -> None:
    given = GivenAnswer("answered", question, answer, "a-model", 1.5, prompt_tokens=10, cost_usd=0.002)
    record_answer(settings, *conversation, given, actor=actor, role="viewer")


def test_nothing_is_there_in_a_new_workspace_and_looking_creates_nothing(empty: Settings) -> None:
    assert images.history(ANA) == []
    assert images.conversation(ANA, "a" * 32) is None
    assert images.image("b" * 64) is None
    assert images.reading("b" * 64) is None
    assert not (empty.home / "lake").exists()


def test_a_conversation_has_its_image_its_reading_and_its_questions_in_order(empty: Settings) -> None:
    conversation = opened(empty, ANA)
    ask(empty, conversation, "What is step 1?", "**Feature table**.")
    ask(empty, conversation, "And then?", "**Model training**.")
    found = images.conversation(ANA, conversation[0])
    assert found is not None
    assert [asked.question for asked in found.questions] == ["What is step 1?", "And then?"]
    usage = found.questions[0].usage
    assert usage is not None
    assert (usage.model, usage.seconds, usage.input_tokens, usage.output_tokens) == ("a-model", 1.5, 10, None)
    kept = images.image(found.image_hash)
    assert kept is not None
    assert kept.image == drawn()
    assert images.reading(found.image_hash) == READING


def test_the_history_is_ones_own(empty: Settings) -> None:
    conversation = opened(empty, ANA)
    assert [one.conversation_id for one in images.history(ANA)] == [conversation[0]]
    assert images.history("ben@example.com") == []
    assert images.conversation("ben@example.com", conversation[0]) is None


def test_one_more_than_the_most_says_that_there_are_earlier_ones(
    empty: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "MOST_LISTED", 2)
    for name in ("a.png", "b.png"):
        opened(empty, ANA, name=name)
    assert len(images.history(ANA)) == 2
    for name in ("c.png", "d.png"):
        opened(empty, ANA, name=name)
    look_again("image_questions")
    assert [one.image_name for one in images.history(ANA)] == ["d.png", "c.png", "b.png"]


@pytest.mark.parametrize("wanted", ["STACK", "step 1", "model TRAINING", ""])
def test_a_conversation_is_found_by_any_of_its_words(empty: Settings, wanted: str) -> None:
    conversation = opened(empty, ANA)
    ask(empty, conversation, "What is step 1?", "It is **Model training**.")
    opened(empty, ANA, name="other.png")
    found = images.history(ANA, wanted)
    assert conversation[0] in {one.conversation_id for one in found}
    assert len(found) == (2 if not wanted else 1)
    (ours,) = [one for one in found if one.conversation_id == conversation[0]]
    assert (ours.questions, ours.first_question, ours.image_name) == (1, "What is step 1?", "stack.png")


@pytest.mark.parametrize("wanted", ["%", "_", "' OR 1=1 --", "\\"])
def test_a_search_takes_signs_as_they_are(empty: Settings, wanted: str) -> None:
    opened(empty, ANA)
    assert images.history(ANA, wanted) == []


def test_what_is_deleted_is_nowhere(empty: Settings) -> None:
    conversation = opened(empty, ANA)
    ask(empty, conversation, "What is step 1?", "…")
    assert images.image(conversation[1]) is not None
    delete_conversation(empty, conversation[0], actor=ANA, role="viewer")
    for name in ("images", "image_questions", "image_readings"):
        look_again(name)
    assert images.history(ANA) == []
    assert images.conversation(ANA, conversation[0]) is None
    assert images.image(conversation[1]) is None


def test_an_image_that_comes_later_is_found(empty: Settings) -> None:
    keep(empty, image=drawn() + b"more")
    from dashboard.queries.lake import look_again

    assert images.image(hash_of(drawn())) is None
    keep(empty)
    look_again("images")
    assert images.image(hash_of(drawn())) is not None


def test_the_inventory_names_what_is_here_and_says_what_cannot_be_told(month: Month) -> None:
    found = live_inventory.inventory()
    assert found.names["endpoints"] == ("chatbot",)
    assert {"request_metrics", "metrics_15min", "job_runs"} <= set(found.names["tables"])
    assert "images" not in found.names["tables"]
    assert "score" in found.names["jobs"]
    assert set(found.names) | set(found.unknown) == {"registered models", "endpoints", "tables", "jobs", "processes"}
