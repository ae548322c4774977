"""Texts to token ids with a `tokenizer.json`, with bounded memory and also for texts of many megabytes."""

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_CHARS_AT_ONCE = 1_000_000
_PIECE_CHARS = 65_536
_WORD_BORDER = re.compile(r"[^\W\d_](?= [^\W\d_])")
"""The last letter of a word before a single space and another word: byte-level BPE never joins tokens across it."""


def encodable(text: str) -> str:
    """The text with lone surrogates, which JSON can smuggle into a string, as question marks."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", errors="replace").decode("utf-8")
    return text


def first_ids(tokenizer: "Tokenizer", texts: Sequence[str], limit: int) -> list[NDArray[np.int32]]:
    """The first `limit` token ids of each text. Of a long text no more is read than that needs."""
    ids: list[NDArray[np.int32]] = []
    for group in _groups(texts):
        encodings = tokenizer.encode_batch_fast(
            [encodable(text[:_PIECE_CHARS]) for text in group], add_special_tokens=False
        )
        for text, encoding in zip(group, encodings, strict=True):
            row = np.array(encoding.ids[:limit], dtype=np.int32)
            ids.append(
                row if len(row) == limit or len(text) <= _PIECE_CHARS else _first_of_long(tokenizer, text, limit)
            )
    return ids


def _first_of_long(tokenizer: "Tokenizer", text: str, limit: int) -> NDArray[np.int32]:
    """For a text whose tokens are so long that its first piece has fewer than `limit` of them."""
    chars = _PIECE_CHARS
    while True:
        chars *= 4
        row = np.array(tokenizer.encode(encodable(text[:chars]), add_special_tokens=False).ids[:limit], dtype=np.int32)
        if len(row) == limit or chars >= len(text):
            return row


def count_ids(tokenizer: "Tokenizer", texts: Sequence[str]) -> NDArray[np.int64]:
    """How many tokens each whole text has, int64 [texts].

    Long texts are counted piece by piece, cut between two words: exact, but where 65,536 characters have no such
    place (then off by a token or two a piece).
    """
    counts = np.zeros(len(texts), dtype=np.int64)
    short = [i for i, text in enumerate(texts) if len(text) <= _PIECE_CHARS]
    done = 0
    for group in _groups([texts[i] for i in short]):
        encodings = tokenizer.encode_batch_fast([encodable(text) for text in group], add_special_tokens=False)
        counts[short[done : done + len(group)]] = [len(encoding.ids) for encoding in encodings]
        done += len(group)
    for i, text in enumerate(texts):
        if len(text) > _PIECE_CHARS:
            for piece in _pieces(text):
                counts[i] += len(tokenizer.encode(encodable(piece), add_special_tokens=False).ids)
    return counts


def _groups(texts: Sequence[str]) -> Iterator[list[str]]:
    """Neighbouring texts together, up to about a million characters."""
    group: list[str] = []
    chars = 0
    for text in texts:
        group.append(text)
        chars += min(len(text), _PIECE_CHARS)
        if chars >= _CHARS_AT_ONCE:
            yield group
            group, chars = [], 0
    if group:
        yield group


def _pieces(text: str) -> Iterator[str]:
    start = 0
    while len(text) - start > _PIECE_CHARS:
        end = start + _PIECE_CHARS
        borders = [match.end() for match in _WORD_BORDER.finditer(text, end - 2_000, end)]
        end = borders[-1] if borders else end
        yield text[start:end]
        start = end
    yield text[start:]
