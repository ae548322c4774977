"""The token counts that a response body reports in `usage`, where they can be true."""

from collections.abc import Mapping, Sequence
from typing import Any

from metrics.body_texts import single

PROMPT_NAMES = ("prompt_tokens", "input_tokens")
COMPLETION_NAMES = ("completion_tokens", "output_tokens")

_MOST_TOKENS = 100_000_000
"""No model reads or writes as much in one request: what is above is a mistake of units, a time or an id."""
_WRAPPERS = ("predictions", "response", "result", "results", "outputs", "output", "message", "data")
_DEEPEST = 6


def reported_usage(body: Any, has_prompt: bool, has_answer: bool) -> tuple[int | None, int | None]:
    """Tokens of the prompt and of the answer, each None where the body does not report it or it cannot be true.

    It cannot be true if it is no whole number from 0 to 100 million, if it is 0 though there was a text (`has_prompt`,
    `has_answer`: frameworks that count nothing say so), or if both together are more than the reported total.
    """
    usage = _usage_in(body)
    if usage is None:
        return None, None
    prompt, completion = _count(usage, PROMPT_NAMES, has_prompt), _count(usage, COMPLETION_NAMES, has_answer)
    total = _count(usage, ("total_tokens",), False)
    if total and (prompt or 0) + (completion or 0) > total:
        return None, None
    return prompt, completion


def merged_usage(usages: Sequence[Any]) -> dict[str, Any]:
    """What the events of one stream report together: of each count the last telling, as counts grow on the way."""
    merged: dict[str, Any] = {}
    for usage in usages:
        if isinstance(usage, dict):
            merged.update({name: count for name, count in usage.items() if count is not None})
    return merged


def _usage_in(body: Any) -> Mapping[str, Any] | None:
    """The first `usage` on the way down to the answer, through the wrappers of pyfunc and the only element of lists."""
    for _ in range(_DEEPEST):
        body = single(body)
        if not isinstance(body, dict):
            return None
        usage = body.get("usage")
        if isinstance(usage, dict):
            return usage
        body = next((body[key] for key in _WRAPPERS if isinstance(body.get(key), dict | list)), None)
    return None


def _count(usage: Mapping[str, Any], names: Sequence[str], has_text: bool) -> int | None:
    for name in names:
        count = usage.get(name)
        if isinstance(count, float) and count.is_integer():
            # A whole number that went through a data frame.
            count = int(count)
        if isinstance(count, int) and not isinstance(count, bool) and (1 if has_text else 0) <= count <= _MOST_TOKENS:
            return count
    return None
