"""How many tokens a request and its answer had: what the body reports, else what a tokenizer counts."""

from collections.abc import Callable
from dataclasses import dataclass, field

from metrics.bodies import Exchange

COUNTED_CHARACTERS = 1_000_000
"""A longer text is not counted: its `usage` is the only source."""

CountTokens = Callable[[str], int | None]
"""Tokens of a text; None for one longer than `COUNTED_CHARACTERS`."""


@dataclass(frozen=True)
class TokenCounts:
    """Token counts of one exchange, where they come from, and why one is missing (`problems`: column → reason)."""

    prompt_tokens: int | None
    completion_tokens: int | None
    source: str | None
    problems: dict[str, str] = field(default_factory=dict)


def texts_to_count(exchange: Exchange) -> list[str]:
    """The texts that must be counted because the body reports no usage for them."""
    texts = [text for _, text in exchange.conversation] if exchange.prompt_tokens is None else []
    if exchange.completion_tokens is None and exchange.response is not None:
        texts.append(exchange.response)
    return [text for text in texts if len(text) <= COUNTED_CHARACTERS]


def token_counts(exchange: Exchange, count: CountTokens | None, tokenizer: str) -> TokenCounts:
    """The counts of one exchange. `count` is None where there is no tokenizer.

    The prompt is the whole conversation, as it is for `usage`, though without the words that a chat template adds,
    tool calls, definitions of tools and pictures: where those are used, a count is a lower bound.
    """
    problems: dict[str, str] = {}
    sources: dict[str, None] = {}
    prompt_tokens, completion_tokens = exchange.prompt_tokens, exchange.completion_tokens
    if prompt_tokens is not None or completion_tokens is not None:
        sources["usage"] = None
    if prompt_tokens is None:
        counted = _counted([text for _, text in exchange.conversation], exchange.problems.get("prompt"), count)
        if isinstance(counted, int):
            prompt_tokens = counted
            sources[tokenizer] = None
        else:
            problems["prompt_tokens"] = counted
    if completion_tokens is None:
        texts = [] if exchange.response is None else [exchange.response]
        counted = _counted(texts, exchange.problems.get("response"), count)
        if isinstance(counted, int):
            completion_tokens = counted
            sources[tokenizer] = None
        else:
            problems["completion_tokens"] = counted
    return TokenCounts(prompt_tokens, completion_tokens, "+".join(sources) or None, problems)


def _counted(texts: list[str], missing: str | None, count: CountTokens | None) -> int | str:
    """The tokens of all texts together, or why they cannot be counted."""
    if not texts:
        return missing or "the text is missing"
    if count is None:
        return "no usage is reported, and there is no tokenizer to count with"
    total = 0
    for text in texts:
        tokens = count(text) if len(text) <= COUNTED_CHARACTERS else None
        if tokens is None:
            return f"no usage is reported, and the text is longer than {COUNTED_CHARACTERS:,} characters"
        total += tokens
    return total
