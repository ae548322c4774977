"""The answer's text inside a response body."""

import re
from typing import Any

from metrics.body_texts import BodyProblem, clean_text, content_text, single

_WRAPPERS = ("predictions", "response", "result", "results", "outputs", "output", "message", "data")
_TEXT_KEYS = ("content", "output_text", "text", "answer", "completion", "generated_text", "prediction", "candidates")
_DEEPEST = 6
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


def answer_of(body: Any, depth: int = 0) -> str:
    """The text of the answer; of several choices the first. Raises BodyProblem."""
    if depth > _DEEPEST:
        raise BodyProblem("the response is nested too deeply")
    if isinstance(body, str):
        return clean_text(body)
    if isinstance(body, list):
        return _answer_of_list(body, depth)
    if not isinstance(body, dict):
        raise BodyProblem("the response has no shape that holds an answer")
    for key, read in (("choices", _choice), ("output", _output), ("messages", _last_assistant)):
        if isinstance(body.get(key), list | str):
            return read(body[key])
    for key in _WRAPPERS:
        if body.get(key) is not None and not _is_error(body):
            return answer_of(body[key], depth + 1)
    for key in _TEXT_KEYS:
        if (text := content_text(body.get(key), between="")) is not None:
            return text
    if _is_error(body):
        raise BodyProblem(_error_reason(body))
    return _only_text(body, depth)


def _choice(choices: Any) -> str:
    first = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(first, dict):
        raise BodyProblem("the response has no choices")
    message = first.get("message", first.get("delta"))
    if isinstance(message, str):
        return clean_text(message)
    holder = message if isinstance(message, dict) else first
    for key in ("content", "refusal", "text"):
        if (text := content_text(holder.get(key), between="")) is not None:
            return text
    raise BodyProblem(_no_text(holder.get("tool_calls") or holder.get("function_call")))


def _output(output: Any) -> str:
    """The text of a Responses `output`: its messages joined; reasoning and tool calls are not the answer."""
    if isinstance(output, str):
        return clean_text(output)
    texts = []
    for item in output:
        if isinstance(item, str):
            texts.append(item)
        elif isinstance(item, dict) and item.get("type") in (None, "message", "output_text", "text"):
            text = content_text(item.get("content", item if "text" in item else None), between="")
            if text is not None:
                texts.append(text)
    if not texts:
        kinds = [item.get("type") for item in output if isinstance(item, dict)]
        raise BodyProblem(_no_text(any(isinstance(kind, str) and "call" in kind for kind in kinds)))
    return clean_text("\n".join(texts))


def _last_assistant(messages: Any) -> str:
    """The last assistant message that says something: what came before it were the agent's steps."""
    if isinstance(messages, str):
        return clean_text(messages)
    assistants = [item for item in messages if isinstance(item, dict) and item.get("role") in ("assistant", "ai", None)]
    for item in reversed(assistants):
        text = content_text(item.get("content"), between="")
        if text:
            return text
    if any(item.get("content") == "" and not item.get("tool_calls") for item in assistants):
        return ""
    raise BodyProblem(_no_text(any(item.get("tool_calls") for item in assistants)))


def _answer_of_list(values: list[Any], depth: int) -> str:
    if not values:
        raise BodyProblem("the response is empty")
    if any(isinstance(value, dict) and "role" in value for value in values):
        return _last_assistant(values)
    if any(isinstance(value, dict) and value.get("type") in ("text", "output_text", "reasoning") for value in values):
        return _output(values)
    if len(values) > 1:
        raise BodyProblem("the response holds several answers, and only single ones are scored")
    return answer_of(values[0], depth + 1)


def _only_text(body: dict[str, Any], depth: int) -> str:
    """The answer in a record of unknown names (a data frame's `{"0": "…"}`): its only text."""
    texts = [
        value for key in body if isinstance(value := single(body[key]), str) and key not in ("model", "id", "object")
    ]
    if len(texts) == 1 and depth > 0:
        return clean_text(texts[0])
    raise BodyProblem("the response has no shape that holds an answer")


def _is_error(body: dict[str, Any]) -> bool:
    return bool(body.get("error_code") or body.get("error"))


def _error_reason(body: dict[str, Any]) -> str:
    code = body.get("error_code")
    if isinstance(code, str) and _CODE.fullmatch(code):
        return f"the response is an error ({code})"
    return "the response is an error"


def _no_text(tool_calls: Any) -> str:
    return "the answer is a tool call without text" if tool_calls else "the response holds no text"
