"""Texts inside the content of a message: a string, or a list of parts of which some are text."""

from typing import Any


class BodyProblem(Exception):
    """Why a body holds no text that can be scored; the message is the reason that a person reads."""


_NOT_ANSWER_PARTS = frozenset({"reasoning", "thinking", "redacted_thinking", "summary_text", "reasoning_text"})
_TEXT_KEYS = ("text", "refusal", "content")


def clean_text(text: str) -> str:
    """The text itself, with half characters (lone surrogates), which no table can store, replaced by U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def content_text(content: Any, between: str = "\n") -> str | None:
    """The text of a message's `content`, or None if it holds none (an image, a tool call, a wrong type)."""
    if isinstance(content, str):
        return clean_text(content)
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        return None
    texts = [text for part in content if (text := _part_text(part)) is not None]
    return clean_text(between.join(texts)) if texts else None


def _part_text(part: Any) -> str | None:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        return None
    kind = part.get("type")
    if isinstance(kind, str) and kind in _NOT_ANSWER_PARTS:
        return None
    for key in _TEXT_KEYS:
        text = part.get(key)
        if isinstance(text, dict):
            text = text.get("value")
        if isinstance(text, str):
            return text
    return None


def single(value: Any) -> Any:
    """The only element of a list of one, through nested lists; anything else as it is."""
    depth = 0
    while isinstance(value, list) and len(value) == 1 and depth < 4:
        value = value[0]
        depth += 1
    return value
