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
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from pyphen import Pyphen  # type: ignore[import-untyped]

SCORER = "flesch_kincaid/textstat-0.7.13/1"
"""Formula, the program whose numbers these are, and our version."""

READABILITY_CHARACTERS = 100_000
"""`readability` judges a longer text by this many first characters (some forty pages), so that its time is bounded."""

_STRAY_APOSTROPHE = re.compile(r"'(?![tsd]|ve|ll|re)")
_PUNCTUATION = re.compile(r"[^\w\s'.!?]+")
_ASCII_PUNCTUATION = bytes(code for code in range(128) if _PUNCTUATION.match(chr(code)))
_ASCII_LOWER_CASE = bytes(range(256)).lower()
_ASCII_WHITE_SPACE = bytes(32 if chr(code).isspace() else ord("x") for code in range(256))
"""Texts of ASCII alone, which most are, go through tables of bytes: what `_PUNCTUATION` takes away, the small letter of
each letter, and a space for white space with an `x` for anything else."""
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


class _Counts(NamedTuple):
    words: int
    sentences: int
    syllables: int
    pieces: int
    """What stands between white space, with its punctuation: a lone dash is a piece and no word."""
    characters: int
    """Of all pieces together."""


def flesch_kincaid_grade(text: str) -> float:
    """The US school grade at which a text is understood; 0.0 for a text without words, as in textstat."""
    return _grade(_counts(text))


def flesch_reading_ease(text: str) -> float:
    """How easy a text is to read, 100 being very easy; 0.0 for a text without words, as in textstat."""
    return _ease(_counts(text))


def automated_readability_index(text: str) -> float:
    """The US school grade at which a text is understood, by the length of its words; 0.0 for a text without words."""
    return _index(_counts(text))


def readability(text: str) -> Readability | str:
    """All scores of a text, or the reason why it has none. Texts over `READABILITY_CHARACTERS` by their first part."""
    counts = _counts(text[:READABILITY_CHARACTERS])
    if counts.words == 0:
        return "the text has no words"
    return Readability(_grade(counts), _ease(counts), _index(counts))


def _grade(counts: _Counts) -> float:
    if not counts.words or not counts.syllables:
        return 0.0
    return (0.39 * (counts.words / counts.sentences)) + (11.8 * (counts.syllables / counts.words)) - 15.59


def _ease(counts: _Counts) -> float:
    if not counts.words or not counts.syllables:
        return 0.0
    return 206.835 - 1.015 * (counts.words / counts.sentences) - 84.6 * (counts.syllables / counts.words)


def _index(counts: _Counts) -> float:
    if not counts.words:
        return 0.0
    return (4.71 * (counts.characters / counts.pieces)) + (0.5 * (counts.words / counts.sentences)) - 21.43


def _counts(text: str) -> _Counts:
    pieces, characters = _pieces(text)
    if "'" in text:
        text = _STRAY_APOSTROPHE.sub("", text)
    runs = _without_punctuation(text).replace("!", ".").replace("?", ".").split(".")
    # Two cuts tell whether a run has more words than two.
    sentences = sum(len(run.split(None, _WORDS_TOO_FEW_FOR_A_SENTENCE)) > _WORDS_TOO_FEW_FOR_A_SENTENCE for run in runs)
    # Only now do the sentence marks go: `3.5` and `e.g` are one word, but end a run.
    words = "".join(runs).split()
    return _Counts(len(words), max(1, sentences), sum(map(_syllables.__getitem__, words)), pieces, characters)


def _pieces(text: str) -> tuple[int, int]:
    """How many pieces stand between white space, and how many characters they have together."""
    if text.isascii():
        spaced = text.encode("ascii").translate(_ASCII_WHITE_SPACE)
        return (b" " + spaced).count(b" x"), spaced.count(b"x")
    pieces = text.split()
    return len(pieces), len("".join(pieces))


def _without_punctuation(text: str) -> str:
    """A text in lower case with its letters, digits, underscores, white space, apostrophes and sentence marks."""
    if text.isascii():
        return text.encode("ascii").translate(_ASCII_LOWER_CASE, _ASCII_PUNCTUATION).decode("ascii")
    return _PUNCTUATION.sub("", text).lower()


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
        node = root
        for letter in pointed[start : start + _LONGEST_PATTERN]:
            found = node.longer.get(letter)
            if found is None:
                break
            node = found
            for offset, number in node.numbers:
                if number > numbers[start + offset]:
                    numbers[start + offset] = number
    # `numbers` counts from the point before the word; no syllable at either end has fewer than two letters.
    return 1 + sum(number % 2 for number in numbers[3 : len(word)])


@dataclass(slots=True)
class _Pattern:
    """A node of the tree of hyphenation patterns: letters on the way from the root, of which some are a pattern."""

    longer: dict[str, "_Pattern"]
    numbers: tuple[tuple[int, int], ...] = ()
    """Offset from the first letter → how much a hyphen there is wished (odd) or forbidden (even)."""


@cache
def _hyphenation_patterns() -> _Pattern:
    """Pyphen's American English patterns, as a tree by letter."""
    root = _Pattern({})
    for letters, (offset, numbers) in Pyphen(lang="en_US").hd.patterns.items():
        node = root
        for letter in letters:
            node = node.longer.setdefault(letter, _Pattern({}))
        node.numbers = tuple((place, number) for place, number in enumerate(numbers, offset) if number)
    return root
