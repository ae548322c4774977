"""Answers without links, pictures and HTML: a text on an image must not make a page fetch an address or show a link."""

import re
from collections.abc import Iterable, Iterator

from vision.answer import Usage

_MADE_OF_SIGNS = re.compile(r"\](?=[(:\[])|<(?=[A-Za-z/!?])")
"""What makes a link, a picture or HTML: `](`, `]:`, `][` and a `<` before a tag. A space in it leaves plain text."""


def without_links(pieces: Iterable[str | Usage]) -> Iterator[str | Usage]:
    """The pieces of an answer in Markdown, each link, picture and HTML tag in it made plain text.

    The last sign of a piece waits for the next one where only that tells whether it begins a link or a tag.
    """
    held = ""
    for piece in pieces:
        if isinstance(piece, Usage):
            if held:
                yield held
                held = ""
            yield piece
            continue
        text = held + piece
        held = text[-1] if text.endswith(("]", "<")) else ""
        shown = _MADE_OF_SIGNS.sub(lambda sign: sign.group() + " ", text)
        if held:
            shown = shown[:-1]
        if shown:
            yield shown
    if held:
        yield held
