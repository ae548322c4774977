import json

from hypothesis import given
from hypothesis import strategies as st

from serving.streams import EventCutter, data_of, joined


def _event(body) -> bytes:
    return b"data: " + json.dumps(body).encode() + b"\n\n"


@given(st.lists(st.integers(1, 7), max_size=40))
def test_events_come_out_whole_whatever_pieces_they_arrive_in(sizes):
    events = [_event({"number": number}) for number in range(5)]
    stream, cutter, found = b"".join(events), EventCutter(), []
    for size in [*sizes, len(stream)]:
        piece, stream = stream[:size], stream[size:]
        found += cutter.feed(piece)
    assert found == events


def test_the_lines_of_an_event_with_several_data_lines_are_joined():
    assert data_of(b"event: x\ndata: one\ndata:two\n\n") == b"one\ntwo"


def test_a_streamed_responses_answer_becomes_its_output_items():
    item = {"type": "message", "content": [{"type": "output_text", "text": "Hello you"}]}
    events = [
        _event({"type": "response.output_text.delta", "delta": "Hello "}),
        _event({"type": "response.output_text.delta", "delta": "you"}),
        _event({"type": "response.output_item.done", "item": item}),
        _event({"type": "response.completed", "response": {"usage": {"output_tokens": 2}}}),
        b"data: [DONE]\n\n",
    ]
    assert json.loads(joined(events)) == {"output": [item], "usage": {"output_tokens": 2}}


def test_a_stream_that_broke_off_is_joined_as_far_as_it_came():
    events = [_event({"type": "response.output_text.delta", "delta": word}) for word in ("Half ", "an ans")]
    assert json.loads(joined(events))["output"][0]["content"][0]["text"] == "Half an ans"


def test_streamed_chat_completions_and_chat_agents_are_joined():
    completion = [_event({"choices": [{"delta": {"content": word}}]}) for word in ("a", "b")]
    assert json.loads(joined(completion))["choices"][0]["message"]["content"] == "ab"
    agent = [_event({"delta": {"role": "assistant", "content": word}}) for word in ("a", "b")]
    assert json.loads(joined(agent))["messages"][0]["content"] == "ab"


def test_events_of_an_unknown_kind_are_kept():
    assert json.loads(joined([_event({"x": 1}), b"data: not json\n\n"])) == {"events": [{"x": 1}, "not json"]}
