import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.bodies import parse_exchange
from metrics.reported_usage import merged_usage, reported_usage

CHAT = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
RESPONSES = {"input_tokens": 9, "output_tokens": 4, "total_tokens": 13}
REQUEST = {"messages": [{"role": "user", "content": "How do I start?"}]}
ANSWER = {"choices": [{"message": {"content": "Type make run."}}]}


def of_usage(usage: object) -> tuple[int | None, int | None]:
    read = parse_exchange(json.dumps(REQUEST), json.dumps({**ANSWER, "usage": usage}))
    assert read.response == "Type make run."
    return read.prompt_tokens, read.completion_tokens


@pytest.mark.parametrize(
    "body",
    [
        {**ANSWER, "usage": CHAT},
        {"output": [{"content": [{"text": "Type make run."}]}], "usage": RESPONSES},
        {"messages": [{"role": "assistant", "content": "Type make run."}], "usage": CHAT},
        {"predictions": [{**ANSWER, "usage": CHAT}]},
        {"predictions": {"output": [{"content": [{"text": "Type make run."}]}], "usage": RESPONSES}},
        [{"result": {**ANSWER, "usage": CHAT}}],
        {"result": "Type make run.", "usage": CHAT},
        {"response": {"message": {"content": "Type make run."}, "usage": CHAT}},
    ],
)
def test_usage_is_found_in_every_response_shape(body: object) -> None:
    read = parse_exchange(json.dumps(REQUEST), json.dumps(body))
    assert (read.response, read.prompt_tokens, read.completion_tokens) == ("Type make run.", 9, 4)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 12, "completion_tokens": 3}, (12, 3)),
        ({"prompt_tokens": 12.0, "completion_tokens": 3.0}, (12, 3)),
        ({"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 99}, (12, 3)),
        ({"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 0}, (12, 3)),
        ({"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": "15"}, (12, 3)),
        ({"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 14}, (None, None)),
        ({"prompt_tokens": 12, "total_tokens": 11}, (None, None)),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, (None, None)),
        ({"prompt_tokens": 12, "completion_tokens": 0}, (12, None)),
        ({"prompt_tokens": "12", "completion_tokens": 3}, (None, 3)),
        ({"prompt_tokens": -1, "completion_tokens": True}, (None, None)),
        ({"prompt_tokens": 100_000_001, "completion_tokens": 100_000_000}, (None, 100_000_000)),
        ({"prompt_tokens": 10**400, "completion_tokens": 2.5}, (None, None)),
        ({"prompt_tokens": float("nan"), "completion_tokens": float("inf")}, (None, None)),
        ({"prompt_tokens": [12], "completion_tokens": {"text": 3}}, (None, None)),
        ({"prompt_tokens": None, "input_tokens": 12, "output_tokens": 3}, (12, 3)),
        ([], (None, None)),
        (None, (None, None)),
        ("12", (None, None)),
    ],
)
def test_usage_is_taken_only_where_it_can_be_true(usage: object, expected: tuple[int | None, int | None]) -> None:
    assert of_usage(usage) == expected


def test_no_tokens_for_no_text_is_the_truth() -> None:
    nothing = {"choices": [{"message": {"content": ""}}], "usage": {"prompt_tokens": 12, "completion_tokens": 0}}
    read = parse_exchange(json.dumps(REQUEST), json.dumps(nothing))
    assert (read.response, read.prompt_tokens, read.completion_tokens) == ("", 12, 0)


def test_a_tool_call_and_a_picture_have_the_tokens_that_usage_reports() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    call = {"choices": [{"message": {"content": None, "tool_calls": [{"id": "1"}]}}], "usage": CHAT}
    read = parse_exchange(json.dumps({"messages": [{"role": "user", "content": [picture]}]}), json.dumps(call))
    assert (read.prompt, read.response, read.prompt_tokens, read.completion_tokens) == (None, None, 9, 4)


def chunk(text: str, **more: object) -> dict[str, Any]:
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": text}}], **more}


STREAMS = {
    "usage in a last chunk without choices (include_usage)": [
        chunk("Type ", usage=None),
        chunk("make run.", usage=None),
        {"object": "chat.completion.chunk", "choices": [], "usage": CHAT},
    ],
    "usage that grows with every chunk": [
        chunk("Type ", usage={"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}),
        chunk("make run.", usage=CHAT),
    ],
    "usage in two parts": [
        chunk("Type ", usage={"prompt_tokens": 9, "completion_tokens": None}),
        chunk("make run.", usage={"completion_tokens": 4}),
    ],
    "the completed event of Responses": [
        {"type": "response.created", "response": {"output": [], "usage": None}},
        {"type": "response.output_text.delta", "delta": "Type make run."},
        {
            "type": "response.completed",
            "response": {"output": [{"content": [{"text": "Type make run."}]}], "usage": RESPONSES},
        },
    ],
    "the incomplete event of Responses": [
        {"type": "response.output_text.delta", "delta": "Type make run."},
        {"type": "response.incomplete", "response": {"output": [], "usage": RESPONSES}},
    ],
    "usage beside an agent's chunk": [
        {"delta": {"role": "assistant", "content": "Type "}},
        {"delta": {"role": "assistant", "content": "make run."}, "usage": CHAT},
    ],
}


@pytest.mark.parametrize("events", STREAMS.values(), ids=STREAMS)
@pytest.mark.parametrize("layout", ["server-sent events", "JSON lines", "list", "gateway"])
def test_a_streamed_answer_has_the_usage_of_its_stream(events: list[dict[str, Any]], layout: str) -> None:
    body = {
        "server-sent events": "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n",
        "JSON lines": "\n".join(map(json.dumps, events)),
        "list": json.dumps(events),
        "gateway": json.dumps({"events": events}),
    }[layout]
    read = parse_exchange(json.dumps(REQUEST), body)
    assert (read.response, read.prompt_tokens, read.completion_tokens) == ("Type make run.", 9, 4)


def test_a_stream_cut_off_before_its_usage_is_counted_otherwise() -> None:
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in [chunk("Type "), chunk("make run.")])
    read = parse_exchange(json.dumps({**REQUEST, "stream": True}), body + 'data: {"choices": [], "usage": {"prompt_to')
    assert (read.response, read.prompt_tokens, read.completion_tokens) == ("Type make run.", None, None)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*CHAT, *RESPONSES, "usage", "predictions", "result"]), inner, max_size=4)
    ),
    max_leaves=15,
)


@given(JSON_VALUES, st.booleans(), st.booleans())
def test_any_usage_gives_a_plausible_count_or_none(body: object, has_prompt: bool, has_answer: bool) -> None:
    for holder in (body, {"usage": body}, {"usage": merged_usage([body, {"usage": body}])}):
        counts = reported_usage(holder, has_prompt, has_answer)
        for count, has_text in zip(counts, (has_prompt, has_answer), strict=True):
            assert count is None or (type(count) is int and has_text <= count <= 100_000_000)
