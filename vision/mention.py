"""A mention: words of an answer that name something. How names are compared, and where an answer marks words."""

import re
from dataclasses import dataclass

WORD = re.compile(r"[^\W_]+")
BRACKETS = re.compile(r"[(\[].*?[)\]]")
"""What a name may be shortened by."""
STEP = re.compile(r"\bsteps?\s+(?P<number>\d+(?:\.?[a-z])?(?:\.\d+)?)\b", re.IGNORECASE)
_EMPHASIS = re.compile(
    r"\*\*(?P<bold>(?:\\.|[^*\\\n])+)\*\*|__(?P<strong>(?:\\.|[^_\\\n])+)__|(?<!`)(?P<ticks>`{1,2})(?P<code>[^`\n]+)(?P=ticks)"
)


@dataclass(frozen=True)
class Mention:
    """Words of an answer that name something: `answer[start:end]` is `text`. `regions` is empty for what was not read.

    What is marked in Markdown (`**name**`) is mentioned without its marks.
    """

    start: int
    end: int
    text: str
    regions: tuple[str, ...]


def compact(text: str) -> str:
    """Letters and digits only, without case: "Feature table" and "feature-table" are the same name."""
    return "".join(WORD.findall(text)).casefold()


def emphasised(answer: str) -> list[tuple[int, int]]:
    """Where an answer marks words as bold or as code: start and end of the words without their marks."""
    return [
        match.span(kind)
        for match in _EMPHASIS.finditer(answer)
        for kind in ("bold", "strong", "code")
        if match.group(kind) is not None
    ]
