"""Conversations are told from single requests by their ids or by messages that go on; nothing is joined on a guess."""

import json
from typing import Any

import pytest

from metrics.conversations import Asked, conversations


def chat(*texts: str, **more: Any) -> str:
    """A chat body whose turns are user, assistant, user, …"""
    roles = ("user", "assistant")
    turns = [{"role": roles[place % 2], "content": text} for place, text in enumerate(texts)]
    return json.dumps({"messages": turns, **more})


def grouped(*bodies: str | None, requesters: tuple[str, ...] = ()) -> list[list[str]]:
    """The request ids ("0", "1", …) of each conversation."""
    asked = [Asked(str(place), requesters[place] if requesters else "ana", body) for place, body in enumerate(bodies)]
    return [found.request_ids for found in conversations(asked).found]


def test_messages_that_go_on_are_one_conversation() -> None:
    assert grouped(chat("a"), chat("a", "b", "c"), chat("x"), chat("a", "b", "c", "d", "e")) == [["0", "1", "3"], ["2"]]


def test_the_same_opening_of_two_people_at_one_account_stays_two_conversations() -> None:
    first, second = chat("hello"), chat("hello")
    assert grouped(first, second, chat("hello", "hi", "one"), chat("hello", "hi", "two")) == [["0", "3"], ["1", "2"]]


def test_another_requester_is_another_conversation() -> None:
    bodies = (chat("a"), chat("a", "b", "c"))
    asked = [Asked("0", "ana", bodies[0]), Asked("1", "ben", bodies[1])]
    assert [found.request_ids for found in conversations(asked).found] == [["0"], ["1"]]


def test_an_answer_that_was_asked_for_again_belongs_to_its_conversation() -> None:
    longer = chat("a", "b", "c")
    assert grouped(chat("a"), longer, longer, chat("a", "b", "c", "d", "e")) == [["0", "1", "2", "3"]]


def test_an_edited_question_branches_off_the_same_conversation() -> None:
    assert grouped(chat("a"), chat("a", "b", "c"), chat("a", "b", "other")) == [["0", "1", "2"]]


def test_a_conversation_without_its_beginning_is_not_whole() -> None:
    found = conversations([Asked("0", "ana", chat("a", "b", "c")), Asked("1", "ana", chat("a", "b", "c", "d", "e"))])
    assert [(one.request_ids, one.whole) for one in found.found] == [(["0", "1"], False)]


def test_a_system_prompt_that_all_share_joins_nothing() -> None:
    system = {"role": "system", "content": "Be kind."}
    bodies = [json.dumps({"messages": [system, {"role": "user", "content": text}]}) for text in ("a", "b")]
    found = conversations([Asked(str(place), "ana", body) for place, body in enumerate(bodies)]).found
    assert [one.request_ids for one in found] == [["0"], ["1"]]
    assert all(one.whole for one in found)


@pytest.mark.parametrize(
    "more",
    [
        {"conversation_id": "c1"},
        {"context": {"conversation_id": "c1"}},
        {"metadata": {"thread_id": "c1"}},
        {"custom_inputs": {"session_id": 7}},
        {"conversation": {"id": "c1"}},
    ],
)
def test_an_id_in_the_body_decides(more: dict[str, Any]) -> None:
    bodies = (chat("a", **more), chat("unrelated", **more), chat("a", "b", "c"))
    assert grouped(*bodies) == [["0", "1"], ["2"]]
    # Ids are those of one requester: two clients may both count from 1.
    assert len(grouped(*bodies[:2], requesters=("ana", "ben"))) == 2


@pytest.mark.parametrize("body", [None, "", "no JSON", "[]", "{}", '{"messages": 3}', "[" * 5000])
def test_a_body_without_messages_is_counted_and_harms_nothing(body: str | None) -> None:
    found = conversations([Asked("0", "ana", body), Asked("1", "ana", chat("a"))])
    assert found.unreadable == 1
    assert [one.request_ids for one in found.found] == [["1"]]


def test_a_request_of_single_texts_is_a_conversation_of_its_own() -> None:
    assert grouped('{"inputs": ["a"]}', '{"inputs": ["b"]}', '{"inputs": ["a"]}') == [["0"], ["1"], ["2"]]


def test_a_request_that_names_an_earlier_response_is_not_the_beginning() -> None:
    found = conversations([Asked("0", "ana", '{"input": "and then?", "previous_response_id": "resp_1"}')])
    assert [one.whole for one in found.found] == [False]


def test_results_of_tools_go_on_with_their_question() -> None:
    question = {"role": "user", "content": "How warm is it?"}
    result = {"role": "tool", "content": "21 degrees"}
    bodies = [json.dumps({"messages": turns}) for turns in ([question], [question, result])]
    assert grouped(*bodies) == [["0", "1"]]
