"""Flesch-Kincaid grade, Flesch reading ease and Automated Readability Index of English texts: textstat's, faster.

A word is what stands between white space once punctuation is gone (an apostrophe stays before t, s, d, ve, ll and re).
A sentence is a run of text up to `.`, `!` or `?` with more than two words; a text has at least one. Syllables come
from the CMU Pronouncing Dictionary (`metrics/data`), for other words from their hyphenation points plus one. The
Automated Readability Index takes no syllables but characters: all that are not white space, punctuation too, over the
pieces between white space as they stand. A test holds the three formulas to textstat.

Sources: Kincaid et al. 1975 (grade), Flesch 1948 (ease), Smith and Senter 1967 (Automated Readability Index).
"""

import gzip
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyphen import Pyphen  # type: ignore[import-untyped]

SCORER = "flesch_kincaid/textstat-0.7.13/1"
"""Formula, the program whose numbers these are, and our version."""

READABILITY_CHARACTERS = 100_000
"""`readability` judges a longer text by this many first characters (some forty pages), so that its time is bounded."""

_STRAY_APOSTROPHE = re.compile(r"'(?![tsd]|ve|ll|re)")
_PUNCTUATION = re.compile(r"[^\w\s'.!?]+")
_WIDE_PUNCTUATION = re.compile(r"[^\w\s\x00-\x7f]+")
_WIDE_SPACE = re.compile(r"[^\S\x00-\x7f]")
_ASCII_PUNCTUATION = bytes(code for code in range(128) if _PUNCTUATION.match(chr(code)))
_ASCII_WHITE_SPACE = bytes(code for code in range(128) if chr(code).isspace())
_TEXT_END, _SENTENCE_END, _SPACE = b"\x00\x01\x02"
"""Bytes that part words. Of a text itself nothing is left of these three, as they count as punctuation."""
_NOT_UTF_8 = b"\xff"
_TO_PIECES = bytes(
    _SPACE if code in _ASCII_WHITE_SPACE else _TEXT_END if code in _NOT_UTF_8 else max(code, _SPACE + 1)
    for code in range(256)
)
_TO_WORDS = _TO_PIECES.lower().translate(bytes.maketrans(b".!?", bytes([_SENTENCE_END] * 3)))
"""Tables of bytes: what parts pieces; also sentence marks, and the small letter of each letter."""
_CHARACTERS_AT_ONCE = 2**20
_WORDS_TOO_FEW_FOR_A_SENTENCE = 2
_REMEMBERED_WORDS = 2**16
_LONGEST_REMEMBERED_WORD = 64
_LONGEST_PATTERN = 32


@dataclass(frozen=True)
class Readability:
    """How hard a text is to read: two US school grades, and the ease (100 is easy, below 0 very hard)."""

    flesch_kincaid_grade: float
    flesch_reading_ease: float
    automated_readability_index: float


@dataclass(frozen=True)
class _Counts:
    """What the formulas need of n texts: int64 arrays [n]."""

    words: NDArray[np.int64]
    sentences: NDArray[np.int64]
    syllables: NDArray[np.int64]
    pieces: NDArray[np.int64]
    """What stands between white space, with its punctuation: a lone dash is a piece and no word."""
    characters: NDArray[np.int64]
    """Of all pieces together."""


def flesch_kincaid_grade(text: str) -> float:
    """The US school grade at which a text is understood; 0.0 for a text without words, as in textstat."""
    return float(_grades(_counts([text]))[0])


def flesch_reading_ease(text: str) -> float:
    """How easy a text is to read, 100 being very easy; 0.0 for a text without words, as in textstat."""
    return float(_eases(_counts([text]))[0])


def automated_readability_index(text: str) -> float:
    """The US school grade at which a text is understood, by the length of its words; 0.0 for a text without words."""
    return float(_indexes(_counts([text]))[0])


def readabilities(texts: Sequence[str]) -> list[Readability | str]:
    """All scores of each text, or the reason why it has none. Texts over `READABILITY_CHARACTERS` by their first part.

    Some hundred texts at once take a tenth of the time that each alone would take.
    """
    found: list[Readability | str] = []
    for batch in _batches(texts):
        counts = _counts(batch)
        scores = zip(*(scores(counts).tolist() for scores in (_grades, _eases, _indexes)), strict=True)
        for words, score in zip(counts.words.tolist(), scores, strict=True):
            found.append(Readability(*score) if words else "the text has no words")
    return found


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    """The first parts of all texts, in batches that bound the memory and are not lost in calls."""
    batch: list[str] = []
    characters = 0
    for text in texts:
        batch.append(text[:READABILITY_CHARACTERS])
        characters += len(batch[-1])
        if characters >= _CHARACTERS_AT_ONCE:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _grades(counts: _Counts) -> NDArray[np.float64]:
    words = np.maximum(counts.words, 1)
    grades = (0.39 * (words / counts.sentences)) + (11.8 * (counts.syllables / words)) - 15.59
    return np.where(counts.syllables > 0, grades, 0.0)


def _eases(counts: _Counts) -> NDArray[np.float64]:
    words = np.maximum(counts.words, 1)
    eases = 206.835 - 1.015 * (words / counts.sentences) - 84.6 * (counts.syllables / words)
    return np.where(counts.syllables > 0, eases, 0.0)


def _indexes(counts: _Counts) -> NDArray[np.float64]:
    pieces = np.maximum(counts.pieces, 1)
    indexes = (4.71 * (counts.characters / pieces)) + (0.5 * (counts.words / counts.sentences)) - 21.43
    return np.where(counts.words > 0, indexes, 0.0)


def _counts(texts: list[str]) -> _Counts:
    """Texts are prepared one by one; pieces and words are found, and looked up, in the bytes of all together."""
    pieces_before, lengths = _words(_joined(map(_character_by_byte, texts)).translate(_TO_PIECES))
    marked = _joined(map(_without_wide_punctuation, texts)).translate(_TO_WORDS, _ASCII_PUNCTUATION)
    # Once sentences are counted the marks go: `3.5` and `e.g` are one word, but end a run.
    parted = marked.replace(bytes([_SENTENCE_END]), b"")
    words_before, word_lengths = _words(parted)
    syllables = _syllables_of(parted.translate(None, bytes([_TEXT_END, _SPACE])), word_lengths)
    return _Counts(
        words=np.diff(words_before),
        sentences=_sentences(marked),
        syllables=_sums(syllables, words_before),
        pieces=np.diff(pieces_before),
        characters=_sums(lengths, pieces_before),
    )


def _joined(texts: Iterable[bytes]) -> bytes:
    return _NOT_UTF_8.join([b"", *texts, b""])


def _character_by_byte(text: str) -> bytes:
    """One byte for each character, of which only white space is still what it was."""
    return text.encode() if text.isascii() else _WIDE_SPACE.sub(" ", text).encode("ascii", "replace")


def _without_wide_punctuation(text: str) -> bytes:
    """A text in UTF-8 without stray apostrophes, and what is not ASCII in it in lower case without punctuation."""
    if "'" in text:
        text = _STRAY_APOSTROPHE.sub("", text)
    if not text.isascii():
        text = _WIDE_PUNCTUATION.sub("", text)
    if not text.isascii():
        # How a letter gets small may depend on its neighbours, so ASCII punctuation has to go first.
        text = " ".join(_PUNCTUATION.sub("", text).lower().split())
    return text.encode()


def _words(parted: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many words stand before each `_TEXT_END`, of which one is before the first text, and each word's bytes."""
    codes = np.frombuffer(parted, np.uint8)
    starts, ends = _word_edges(codes)
    return np.searchsorted(starts, np.flatnonzero(codes == _TEXT_END)), ends - starts


def _word_edges(codes: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    in_word = codes > _SPACE
    edges = np.flatnonzero(in_word[1:] != in_word[:-1]) + 1
    return edges[::2], edges[1::2]


def _sums(values: NDArray[np.int64], words_before: NDArray[np.int64]) -> NDArray[np.int64]:
    """The sum for each text of a value that each word has."""
    sums: NDArray[np.int64] = np.diff(np.concatenate([[0], np.cumsum(values)])[words_before])
    return sums


def _sentences(marked: bytes) -> NDArray[np.int64]:
    """How many runs of each text have more words than two; at least one."""
    codes = np.frombuffer(marked, np.uint8)
    run_ends = np.flatnonzero(codes <= _SENTENCE_END)
    starts, _ = _word_edges(codes)
    words = np.diff(np.searchsorted(starts, run_ends), prepend=0)
    sentences_before = np.cumsum(words > _WORDS_TOO_FEW_FOR_A_SENTENCE)[codes[run_ends] == _TEXT_END]
    sentences: NDArray[np.int64] = np.maximum(np.diff(sentences_before), 1)
    return sentences


def _syllables_of(letters: bytes, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Syllables of words that stand one behind the other. Each distinct word is looked up once."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(letters)]
    words = pa.Array.from_buffers(pa.string(), len(lengths), buffers).dictionary_encode()
    syllables = [_syllables[word] for word in words.dictionary.to_pylist()]
    by_word: NDArray[np.int64] = np.array(syllables, dtype=np.int64)[words.indices.to_numpy()]
    return by_word


class _Syllables(dict[str, int]):
    """Syllables by word, of the words that came up: those are few, and found sooner than in the whole dictionary."""

    def __missing__(self, word: str) -> int:
        syllables = _syllable_table().get(word)
        if syllables is None:
            syllables = _hyphenated_syllables(word)
        if len(word) <= _LONGEST_REMEMBERED_WORD:
            if len(self) >= _REMEMBERED_WORDS:
                self.clear()
            self[word] = syllables
        return syllables


_syllables = _Syllables()


@cache
def _syllable_table() -> dict[str, int]:
    """The CMU Pronouncing Dictionary: word → syllables."""
    packed = (Path(__file__).parent / "data" / "syllables.txt.gz").read_bytes()
    lines = gzip.decompress(packed).decode("utf-8").split("\n")
    return {word: count for count, line in enumerate(lines) for word in line.split()}


def _hyphenated_syllables(word: str) -> int:
    """One more than the points at which a word may be hyphenated, by Liang's patterns: odd numbers between letters."""
    root = _hyphenation_patterns()
    pointed = f".{word}."
    numbers = bytearray(len(pointed) + 1)
    for start in range(len(pointed) - 1):
        longer = root
        for letter in pointed[start : start + _LONGEST_PATTERN]:
            pattern = longer.get(letter)
            if pattern is None:
                break
            longer, wishes = pattern
            for offset, number in wishes:
                if number > numbers[start + offset]:
                    numbers[start + offset] = number
    # `numbers` counts from the point before the word; no syllable at either end has fewer than two letters.
    return 1 + sum(number % 2 for number in numbers[3 : len(word)])


class _Pattern(NamedTuple):
    """A node of the tree of hyphenation patterns: letters on the way from the root, of which some are a pattern."""

    longer: dict[str, "_Pattern"]
    wishes: list[tuple[int, int]]
    """Offset from the first letter → how much a hyphen there is wished (odd) or forbidden (even)."""


@cache
def _hyphenation_patterns() -> dict[str, _Pattern]:
    """Pyphen's American English patterns, as a tree by letter."""
    root: dict[str, _Pattern] = {}
    for letters, (offset, numbers) in Pyphen(lang="en_US").hd.patterns.items():
        longer = root
        for letter in letters:
            longer, wishes = longer.setdefault(letter, _Pattern({}, []))
        wishes += [(place, number) for place, number in enumerate(numbers, offset) if number]
    return root
