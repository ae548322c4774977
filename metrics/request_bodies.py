"""The conversation inside a request body: chat messages, Responses input, or the inputs of a pyfunc model."""

from collections.abc import Iterator
from typing import Any

from metrics.body_texts import BodyProblem, clean_text, content_text, single

Turn = tuple[str, str]
"""Who spoke (user, assistant, system, tool …) and what."""

_USER_ROLES = frozenset({"user", "human"})
_CONVERSATION_KEYS = ("messages", "input", "inputs", "instances", "prompt")
_TEXT_COLUMNS = ("prompt", "question", "query", "text", "content", "request", "instruction", "message", "user_input")
_DEEPEST = 4


def conversation_of(body: Any) -> tuple[Turn, ...]:
    """Every turn with text, oldest first. A request without roles is one user turn. Raises BodyProblem.

    Instructions beside the messages (Responses) come first, as the model reads them, and results of tools are turns.
    Tool calls, the definitions of tools and pictures hold no text that anyone said: they are left out.
    """
    turns = tuple(_turns(_input_of(body, 0)))
    if not turns:
        raise BodyProblem("the request holds no text")
    instructions = body.get("instructions") if isinstance(body, dict) else None
    if isinstance(instructions, str) and instructions and "input" in body:
        turns = (("system", clean_text(instructions)), *turns)
    return turns


def last_user_text(body: Any, turns: tuple[Turn, ...]) -> str:
    """The last user turn's text. Raises BodyProblem where there is no such turn, or no text in it (an image alone)."""
    messages = _input_of(body, 0)
    if isinstance(messages, list):
        last = next((item for item in reversed(messages) if _is_user(item)), None)
        if last is None:
            raise BodyProblem("the request has no user turn")
        if not any(True for _ in _turns([last])):
            raise BodyProblem("the last user turn holds no text")
    text = next((text for role, text in reversed(turns) if role in _USER_ROLES), None)
    if text is None:
        raise BodyProblem("the request has no user turn")
    return text


def _input_of(body: Any, depth: int) -> str | list[Any]:
    """A text, or a list of messages. Goes down through the wrappers of pyfunc."""
    if depth > _DEEPEST:
        raise BodyProblem("the request is nested too deeply")
    if isinstance(body, str):
        return body
    if isinstance(body, list):
        return _input_of_list(body, depth)
    if not isinstance(body, dict):
        raise BodyProblem("the request has no shape that holds a question")
    if "dataframe_split" in body:
        return _input_of(_records(body["dataframe_split"]), depth + 1)
    if "dataframe_records" in body:
        return _input_of(body["dataframe_records"], depth + 1)
    for key in _CONVERSATION_KEYS:
        if body.get(key) is not None:
            value = body[key]
            if key == "messages" and not isinstance(value, str | list | dict):
                raise BodyProblem("the messages of the request are not a list")
            return _input_of(value, depth + 1)
    return _text_column(body, depth)


def _input_of_list(values: list[Any], depth: int) -> str | list[Any]:
    if any(_is_message(value) for value in values):
        return values
    if not values:
        raise BodyProblem("the request is empty")
    if len(values) > 1:
        raise BodyProblem("the request holds several inputs, and only single ones are scored")
    return _input_of(values[0], depth + 1)


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and ("role" in value or "content" in value)


def _is_user(item: Any) -> bool:
    """Whether a message is a user's; one without a role is, unless its type says that it is a tool's or the model's."""
    if not isinstance(item, dict):
        return isinstance(item, str)
    role = item.get("role")
    if role is None:
        return item.get("type") in (None, "message") and "content" in item
    return role in _USER_ROLES if isinstance(role, str) else False


def _records(split: Any) -> list[dict[str, Any]]:
    """The rows of a data frame in `split` layout. Raises BodyProblem if it is not one."""
    columns, data = (split.get("columns"), split.get("data")) if isinstance(split, dict) else (None, None)
    if not isinstance(data, list):
        raise BodyProblem("the data frame of the request has no rows")
    records = []
    for row in data:
        cells = row if isinstance(row, list) else [row]
        names = columns if isinstance(columns, list) else [str(number) for number in range(len(cells))]
        records.append({str(name): cell for name, cell in zip(names, cells, strict=False)})
    return records


def _text_column(record: dict[str, Any], depth: int) -> str | list[Any]:
    """The question in a record without chat fields: a column of a usual name, else its only text."""
    for name in _TEXT_COLUMNS:
        value = single(record.get(name))
        if isinstance(value, str):
            return value
    texts = [value for key in record if isinstance(value := single(record[key]), str) and key not in ("model", "id")]
    if len(texts) == 1:
        return texts[0]
    nested = [value for value in record.values() if isinstance(value, dict | list) and value]
    if not texts and len(nested) == 1:
        return _input_of(nested[0], depth + 1)
    raise BodyProblem("the request has no shape that holds a question")


def _turns(messages: str | list[Any]) -> Iterator[Turn]:
    if isinstance(messages, str):
        yield "user", clean_text(messages)
        return
    for item in messages:
        if isinstance(item, str):
            yield "user", clean_text(item)
        elif isinstance(item, dict):
            role = item.get("role")
            if item.get("type") == "function_call_output":
                role, text = "tool", content_text(item.get("output"))
            else:
                text = content_text(item.get("content"))
            if text is not None:
                yield (clean_text(role) if isinstance(role, str) else "user"), text
