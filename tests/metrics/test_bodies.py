import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.bodies import Exchange, parse_exchange
from serving.streams import joined

CHAT_REQUEST = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello?"},
        {"role": "assistant", "content": "Hi."},
        {"role": "user", "content": "How do I start?"},
    ]
}


def exchange(request: object, response: object) -> Exchange:
    return parse_exchange(json.dumps(request), json.dumps(response))


@pytest.mark.parametrize(
    "request_body",
    [
        CHAT_REQUEST,
        {"input": [{"role": "user", "content": "How do I start?"}]},
        {
            "input": [
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "How do I start?"}]}
            ]
        },
        {"input": "How do I start?"},
        {"prompt": "How do I start?", "max_tokens": 5},
        {"dataframe_split": {"columns": ["question"], "index": [0], "data": [["How do I start?"]]}},
        {"dataframe_split": {"columns": ["id", "prompt"], "data": [["a7", "How do I start?"]]}},
        {"dataframe_split": {"columns": ["messages"], "data": [[CHAT_REQUEST["messages"]]]}},
        {"dataframe_records": [{"query": "How do I start?"}]},
        {"dataframe_records": [{"anything": "How do I start?"}]},
        {"inputs": ["How do I start?"]},
        {"inputs": "How do I start?"},
        {"inputs": {"question": ["How do I start?"]}},
        {"inputs": {"messages": CHAT_REQUEST["messages"]}},
        {"instances": [{"prompt": "How do I start?"}]},
        [{"role": "user", "content": "How do I start?"}],
        "How do I start?",
        json.dumps(CHAT_REQUEST),
        {"messages": [{"role": "user", "content": "How do I start?"}, {"role": "tool", "content": "42"}]},
    ],
)
def test_the_prompt_is_the_last_user_turn_of_every_request_shape(request_body: object) -> None:
    read = exchange(request_body, {"predictions": ["x"]})
    assert read.prompt == "How do I start?"
    assert "prompt" not in read.problems


@pytest.mark.parametrize(
    "response_body",
    [
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Type make run."}}]},
        {
            "choices": [
                {
                    "message": {
                        "content": [{"type": "reasoning", "text": "hm"}, {"type": "text", "text": "Type make run."}]
                    }
                }
            ]
        },
        {"choices": [{"text": "Type make run."}, {"text": "Another choice."}]},
        {"choices": [{"message": {"content": None, "refusal": "Type make run."}}]},
        {"output": [{"type": "message", "content": [{"type": "output_text", "text": "Type make run."}]}]},
        {"output": [{"content": [{"text": "Type "}, {"text": "make run."}]}], "error": None},
        {
            "output": [
                {"type": "reasoning", "summary": [{"text": "hm"}]},
                {"type": "function_call", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "output": "7"},
                {"type": "message", "content": [{"type": "output_text", "text": "Type make run."}]},
            ]
        },
        {
            "messages": [
                {"role": "assistant", "content": "", "tool_calls": [{}]},
                {"role": "assistant", "content": "Type make run."},
            ]
        },
        {"predictions": ["Type make run."]},
        {"predictions": "Type make run."},
        {"predictions": [{"0": "Type make run."}]},
        {"predictions": [{"candidates": ["Type make run."]}]},
        {"predictions": {"choices": [{"message": {"content": "Type make run."}}]}},
        {"predictions": [{"messages": [{"role": "assistant", "content": "Type make run."}]}]},
        [{"result": "Type make run."}],
        {"result": "Type make run."},
        {"content": "Type make run."},
        [{"generated_text": "Type make run."}],
        {"message": {"role": "assistant", "content": "Type make run."}, "model": "m"},
        "Type make run.",
    ],
)
def test_the_answer_of_every_response_shape_is_read(response_body: object) -> None:
    read = exchange(CHAT_REQUEST, response_body)
    assert read.response == "Type make run."
    assert read.problems == {}


CHAT_CHUNKS = [
    {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]},
    {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "Type "}}]},
    {"object": "chat.completion.chunk", "choices": [{"index": 1, "delta": {"content": "not me"}}]},
    {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "make run."}}]},
    {"object": "chat.completion.chunk", "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4}},
]
RESPONSES_EVENTS = [
    {"type": "response.created", "response": {"output": []}},
    {"type": "response.output_text.delta", "delta": "Type "},
    {"type": "response.output_text.delta", "delta": "make run."},
    {
        "type": "response.output_item.done",
        "item": {"type": "message", "content": [{"type": "output_text", "text": "Type make run."}]},
    },
]
COMPLETED = {
    "type": "response.completed",
    "response": {
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "Type make run."}]}],
        "usage": {"input_tokens": 9, "output_tokens": 4},
    },
}
AGENT_CHUNKS = [
    {"delta": {"role": "assistant", "content": "Type "}},
    {"delta": {"role": "assistant", "content": "make run."}},
]


@pytest.mark.parametrize(
    "events", [CHAT_CHUNKS, RESPONSES_EVENTS, RESPONSES_EVENTS[:3], [*RESPONSES_EVENTS, COMPLETED], AGENT_CHUNKS]
)
@pytest.mark.parametrize("layout", ["server-sent events", "JSON lines", "list"])
def test_a_streamed_answer_is_joined_once(events: list[dict[str, object]], layout: str) -> None:
    if layout == "server-sent events":
        body = "".join(f"event: e\ndata: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    elif layout == "JSON lines":
        body = "\n".join(json.dumps(event) for event in events)
    else:
        body = json.dumps(events)
    read = parse_exchange(json.dumps(CHAT_REQUEST), body)
    assert read.response == "Type make run."
    has_usage = events is CHAT_CHUNKS or COMPLETED in events
    assert (read.prompt_tokens, read.completion_tokens) == ((9, 4) if has_usage else (None, None))


def test_a_streamed_answer_that_the_gateway_joined_is_read() -> None:
    for events in (
        CHAT_CHUNKS[:2] + CHAT_CHUNKS[3:],
        RESPONSES_EVENTS,
        [*RESPONSES_EVENTS, COMPLETED],
        AGENT_CHUNKS,
        ["Type ", "make run."],
    ):
        body = joined([f"data: {json.dumps(event)}\n\n".encode() for event in events])
        assert parse_exchange(json.dumps(CHAT_REQUEST), body.decode()).response == "Type make run."


def test_the_model_is_the_one_that_answered() -> None:
    read = exchange({**CHAT_REQUEST, "model": "asked"}, {"choices": [{"message": {"content": "a"}}], "model": "m-1"})
    assert read.model == "m-1"
    assert exchange({**CHAT_REQUEST, "model": "asked"}, {"predictions": ["a"]}).model == "asked"


def test_the_conversation_keeps_every_turn_with_its_role() -> None:
    assert exchange(CHAT_REQUEST, "a").conversation == (
        ("system", "Be brief."),
        ("user", "Hello?"),
        ("assistant", "Hi."),
        ("user", "How do I start?"),
    )


def test_the_conversation_of_responses_has_instructions_and_results_of_tools() -> None:
    turns = [
        {"role": "user", "content": [{"type": "input_text", "text": "What is up?"}]},
        {"type": "function_call", "name": "status", "arguments": "{}", "call_id": "1"},
        {"type": "function_call_output", "call_id": "1", "output": "all up"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "All."}]},
        {"role": "user", "content": "Since when?"},
    ]
    read = exchange({"instructions": "Be brief.", "input": turns, "tools": [{"name": "status"}]}, "a")
    assert read.conversation == (
        ("system", "Be brief."),
        ("user", "What is up?"),
        ("tool", "all up"),
        ("assistant", "All."),
        ("user", "Since when?"),
    )
    assert read.prompt == "Since when?"
    assert exchange({"instructions": "Be brief.", "input": turns[:3]}, "a").prompt == "What is up?"
    assert exchange({"instructions": "Be brief.", "input": []}, "a").prompt is None


def test_the_text_parts_of_a_multimodal_turn_are_the_prompt() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    content = [{"type": "text", "text": "What is"}, picture, {"type": "text", "text": "on this picture?"}]
    assert exchange({"messages": [{"role": "user", "content": content}]}, "a").prompt == "What is\non this picture?"
    alone = [{"role": "user", "content": "Look."}, {"role": "user", "content": [picture]}]
    assert exchange({"messages": alone}, "a").problems == {"prompt": "the last user turn holds no text"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (None, "was not logged"),
        ("", "is empty"),
        ("  \n", "is empty"),
        ("{", "is not JSON"),
        ('{"messages": [{"role": "user"', "is not JSON"),
        ("null", "is null"),
        ("12", "has no shape that holds"),
        ("{}", "has no shape that holds"),
        ("[]", "is empty"),
        ("1" * 5000, "is not JSON"),
        ("[" * 100_000, "is nested too deeply"),
        ('{"predictions":' * 200 + "1" + "}" * 200, "nested too deeply"),
        ('["a", "b"]', "several"),
    ],
)
def test_what_cannot_be_read_has_a_reason_on_both_sides(body: str | None, reason: str) -> None:
    if body is None or "predictions" not in body:
        assert reason in parse_exchange(body, '"a"').problems["prompt"]
    read = parse_exchange('"q"', body)
    assert reason in read.problems["response"]
    assert (read.prompt, read.response) == ("q", None)


@pytest.mark.parametrize(
    ("response_body", "reason"),
    [
        ({"error_code": "BAD_REQUEST", "message": "secret words"}, "the response is an error (BAD_REQUEST)"),
        ({"error": {"message": "secret words"}}, "the response is an error"),
        ({"error_code": "secret words", "message": "x"}, "the response is an error"),
        ({"choices": [{"message": {"content": None, "tool_calls": [{}]}}]}, "the answer is a tool call without text"),
        ({"output": [{"type": "function_call", "name": "f"}]}, "the answer is a tool call without text"),
        ({"choices": []}, "the response has no choices"),
        ({"messages": [{"role": "user", "content": "q"}]}, "the response holds no text"),
        ({"predictions": [1.5]}, "the response has no shape that holds an answer"),
    ],
)
def test_a_response_without_an_answer_says_why_in_words_of_ours(response_body: object, reason: str) -> None:
    assert exchange(CHAT_REQUEST, response_body).problems == {"response": reason}


def test_a_payload_too_large_to_log_names_the_code_of_its_own_side() -> None:
    read = parse_exchange('"q"', None, ["MAX_REQUEST_SIZE_EXCEEDED", "MAX_RESPONSE_SIZE_EXCEEDED", None])
    assert read.problems == {"response": "the response was not logged (MAX_RESPONSE_SIZE_EXCEEDED)"}
    assert parse_exchange(None, '"a"', ["MAX_RESPONSE_SIZE_EXCEEDED"]).problems == {
        "prompt": "the request was not logged"
    }
    assert parse_exchange(None, None, None).problems.keys() == {"prompt", "response"}


def test_nothing_is_stripped_and_odd_characters_stay() -> None:
    text = "  \x00\x1b[31m tab\t🙂 e\u0301 \u202e "
    read = exchange({"input": text}, {"predictions": [text]})
    assert (read.prompt, read.response) == (text, text)


def test_half_characters_become_replacement_characters() -> None:
    read = parse_exchange('{"input": "a\\ud83d b 🙂"}', '["\\udc00"]')
    assert (read.prompt, read.response) == ("a\ufffd b 🙂", "\ufffd")


def test_a_text_of_ten_megabytes_is_read_whole() -> None:
    text = "word " * 2_000_000
    assert exchange({"input": text}, {"predictions": [text]}).response == text


BODY_KEYS = [
    "messages",
    "role",
    "content",
    "type",
    "text",
    "input",
    "inputs",
    "output",
    "choices",
    "message",
    "delta",
    "usage",
    "model",
    "predictions",
    "dataframe_split",
    "columns",
    "data",
    "dataframe_records",
    "item",
    "response",
    "error",
    "error_code",
    "tool_calls",
    "prompt_tokens",
    "result",
    "index",
    "events",
]
EVENT_KEYS = ["type", "choices", "response", "item", "usage", "output", "error", "model"]
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(BODY_KEYS),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@given(JSON_VALUES, JSON_VALUES)
def test_any_json_gives_a_text_or_a_reason_and_never_an_error(request_body: object, response_body: object) -> None:
    read = exchange(request_body, response_body)
    assert (read.prompt is None) == ("prompt" in read.problems)
    assert (read.response is None) == ("response" in read.problems)
    for text in (read.prompt, read.response, read.model, *(part for turn in read.conversation for part in turn)):
        assert text is None or text.encode("utf-8") is not None


@settings(max_examples=40)
@given(
    st.lists(
        st.fixed_dictionaries({"delta": JSON_VALUES}, optional={key: JSON_VALUES for key in EVENT_KEYS}), min_size=1
    )
)
def test_any_stream_gives_a_text_or_a_reason_and_never_an_error(events: list[object]) -> None:
    for body in (events, {"events": events}, events[0]):
        read = exchange(CHAT_REQUEST, body)
        assert (read.response is None) == ("response" in read.problems)


@given(st.text(), st.text())
def test_any_text_gives_a_text_or_a_reason_and_never_an_error(request_body: str, response_body: str) -> None:
    read = parse_exchange(request_body, response_body)
    assert (read.prompt is None) == ("prompt" in read.problems)
    assert (read.response is None) == ("response" in read.problems)


def test_types_nested_as_deeply_as_json_allows_are_no_error() -> None:
    deep = json.loads("[" * 900 + "]" * 900)
    for key in ("type", "role", "content", "delta", "output", "item", "usage"):
        read = exchange(
            {"messages": [{"role": "user", "content": "q", key: deep}]}, {"output": [{key: deep}], key: deep}
        )
        assert "response" in read.problems


def test_a_long_response_of_odd_lines_is_looked_at_only_until_one_is_no_json() -> None:
    from metrics.streamed_bodies import stream_events

    looked_at: list[str] = []

    def decode(line: str) -> None:
        looked_at.append(line)

    assert stream_events("{odd\n" * 100_000, decode) == []
    assert len(looked_at) == 1
