"""Text read on an image, as it stands in an answer: bold, exactly as read, and never anything but text."""

import re
from collections.abc import Iterable

from vision.answers.wording import enumerated

_SPECIAL = re.compile(r"[\\`*_\[\]<>$~|]|:(?=[\w+/-]+[:\[])|&(?=#?\w+;)")
"""What Markdown, HTML or the page would take for something else than the sign itself (also `:red[…]` and `:name:`)."""


def named(text: str) -> str:
    """A text read in bold."""
    return f"**{quoted(text)}**"


def quoted(text: str) -> str:
    """A text read, in plain letters: what would be markup in it is escaped, line breaks become spaces."""
    return _SPECIAL.sub(lambda match: "\\" + match.group(), " ".join(text.split()))


def all_named(texts: Iterable[str]) -> str:
    """Texts read in bold, each once, in one enumeration. Twins get their number: `2 × **Feature table**`."""
    counts: dict[str, int] = {}
    for text in texts:
        counts[text] = counts.get(text, 0) + 1
    return enumerated([named(text) if number == 1 else f"{number} × {named(text)}" for text, number in counts.items()])
