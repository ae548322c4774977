"""What was asked and what was answered, out of the logged request and response of one row.

Every shape that model serving logs is understood: OpenAI chat and completions, Responses, ChatAgent, pyfunc inputs and
predictions, and streamed answers. What cannot be read is a reason, never an error: one bad row harms no other.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from metrics.body_texts import BodyProblem, clean_text
from metrics.reported_usage import reported_usage
from metrics.request_bodies import Turn, conversation_of, last_user_text
from metrics.response_bodies import answer_of
from metrics.streamed_bodies import joined_stream, stream_events

_NOT_LOGGED = {
    "MAX_REQUEST_SIZE_EXCEEDED": "request",
    "MAX_RESPONSE_SIZE_EXCEEDED": "response",
}


@dataclass(frozen=True)
class Exchange:
    """One question and its answer as texts. A text that is None has its reason in `problems`.

    prompt: the last user turn. response: the answer. conversation: every turn of the request as (role, text).
    prompt_tokens, completion_tokens: what the body's `usage` reports; None where it does not, or nothing that can be.
    problems: "prompt" and "response" → why the text is missing, in words that hold nothing of the body.
    """

    prompt: str | None
    response: str | None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    model: str | None = None
    conversation: tuple[Turn, ...] = ()
    problems: dict[str, str] = field(default_factory=dict)


def parse_exchange(
    request: str | None, response: str | None, logging_error_codes: Sequence[str | None] | None = ()
) -> Exchange:
    """Read one row's bodies. Never raises for what a body holds."""
    problems: dict[str, str] = {}
    codes = [code for code in logging_error_codes or () if isinstance(code, str)]
    prompt: str | None = None
    answer: str | None = None
    turns: tuple[Turn, ...] = ()
    asked: Any = None
    answered: Any = None
    try:
        asked = _decoded(request, "request", codes)
        turns = conversation_of(asked)
        prompt = last_user_text(asked, turns)
    except BodyProblem as problem:
        problems["prompt"] = str(problem)
    try:
        answered = _decoded(response, "response", codes)
        answer = answer_of(answered)
    except BodyProblem as problem:
        problems["response"] = str(problem)
    prompt_tokens, completion_tokens = reported_usage(answered, any(text for _, text in turns), bool(answer))
    return Exchange(
        prompt=prompt,
        response=answer,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        model=_model(answered) or _model(asked),
        conversation=turns,
        problems=problems,
    )


def _decoded(body: str | None, side: str, codes: Sequence[str]) -> Any:
    """The JSON value of a body; a streamed response as the one body that its events add up to."""
    if body is None:
        code = next((code for code in codes if _NOT_LOGGED.get(code) == side), None)
        raise BodyProblem(f"the {side} was not logged ({code})" if code else f"the {side} was not logged")
    text = body.lstrip("\ufeff \t\r\n")
    if not text:
        raise BodyProblem(f"the {side} is empty")
    value = _json(text, side)
    if isinstance(value, str) and value.startswith(("{", "[")):
        # A body that was encoded twice, unless its only text happens to begin so.
        inner = _json(value, side)
        value = value if inner is None else inner
    if side == "response":
        events = stream_events(text if value is None else value, lambda line: _json(line, side))
        if events:
            return joined_stream(events)
    if value is None:
        raise BodyProblem(f"the {side} is not JSON" if text[:4] != "null" else f"the {side} is null")
    return value


def _json(text: str, side: str) -> Any:
    """The JSON value of a text, None where it is none. Raises BodyProblem if it nests deeper than Python follows."""
    try:
        return json.loads(text)
    except ValueError:
        # No JSON; or a number of thousands of digits, which Python refuses.
        return None
    except RecursionError:
        raise BodyProblem(f"the {side} is nested too deeply") from None


def _model(body: Any) -> str | None:
    model = body.get("model") if isinstance(body, dict) else None
    return clean_text(model) if isinstance(model, str) and model else None
