"""Flesch-Kincaid grade and Flesch reading ease of English texts: textstat's numbers, faster.

A word is what stands between white space once punctuation is gone (an apostrophe stays before t, s, d, ve, ll and re).
A sentence is a run of text up to `.`, `!` or `?` with more than two words; a text has at least one. Syllables come
from the CMU Pronouncing Dictionary (`metrics/data`), for other words from their hyphenation points plus one. A test
holds both formulas to textstat.
"""

import gzip
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from pyphen import Pyphen  # type: ignore[import-untyped]

SCORER = "flesch_kincaid/textstat-0.7.13/1"
"""Formula, the program whose numbers these are, and our version."""

READABILITY_CHARACTERS = 100_000
"""`readability` judges a longer text by this many first characters (some forty pages), so that its time is bounded."""

_STRAY_APOSTROPHE = re.compile(r"'(?![tsd]|ve|ll|re)")
_PUNCTUATION = re.compile(r"[^\w\s'.!?]+")
_SENTENCE_END = re.compile(r"[.!?]+")
_WORDS_TOO_FEW_FOR_A_SENTENCE = 2
_REMEMBERED_WORDS = 2**16
_LONGEST_REMEMBERED_WORD = 64


@dataclass(frozen=True)
class Readability:
    """How hard a text is to read: the US school grade, and the ease (100 is easy, below 0 very hard)."""

    flesch_kincaid_grade: float
    flesch_reading_ease: float


@dataclass(frozen=True)
class _Counts:
    words: int
    sentences: int
    syllables: int


def flesch_kincaid_grade(text: str) -> float:
    """The US school grade at which a text is understood; 0.0 for a text without words, as in textstat."""
    return _grade(_counts(text))


def flesch_reading_ease(text: str) -> float:
    """How easy a text is to read, 100 being very easy; 0.0 for a text without words, as in textstat."""
    return _ease(_counts(text))


def readability(text: str) -> Readability | str:
    """Both scores of a text, or the reason why it has none. Texts over `READABILITY_CHARACTERS` by their first part."""
    counts = _counts(text[:READABILITY_CHARACTERS])
    if counts.words == 0:
        return "the text has no words"
    return Readability(_grade(counts), _ease(counts))


def _grade(counts: _Counts) -> float:
    if not counts.words or not counts.syllables:
        return 0.0
    return (0.39 * (counts.words / counts.sentences)) + (11.8 * (counts.syllables / counts.words)) - 15.59


def _ease(counts: _Counts) -> float:
    if not counts.words or not counts.syllables:
        return 0.0
    return 206.835 - 1.015 * (counts.words / counts.sentences) - 84.6 * (counts.syllables / counts.words)


def _counts(text: str) -> _Counts:
    if "'" in text:
        text = _STRAY_APOSTROPHE.sub("", text)
    text = _PUNCTUATION.sub("", text)
    sentences = sum(len(run.split()) > _WORDS_TOO_FEW_FOR_A_SENTENCE for run in _SENTENCE_END.split(text))
    # Only now do the sentence marks go: `3.5` and `e.g` are one word, but end a run.
    words = text.replace(".", "").replace("!", "").replace("?", "").lower().split()
    return _Counts(len(words), max(1, sentences), sum(map(_syllable_table().__getitem__, words)))


class _SyllableTable(dict[str, int]):
    """Syllables by word; a word that the dictionary lacks is counted by its hyphenation points."""

    def __missing__(self, word: str) -> int:
        if len(word) > _LONGEST_REMEMBERED_WORD:
            return _hyphenated_syllables.__wrapped__(word)
        return _hyphenated_syllables(word)


@cache
def _syllable_table() -> _SyllableTable:
    packed = (Path(__file__).parent / "data" / "syllables.txt.gz").read_bytes()
    lines = gzip.decompress(packed).decode("utf-8").split("\n")
    return _SyllableTable((word, count) for count, line in enumerate(lines) for word in line.split())


@lru_cache(maxsize=_REMEMBERED_WORDS)
def _hyphenated_syllables(word: str) -> int:
    """One more than the points at which a word may be hyphenated, by Liang's patterns: odd numbers between letters."""
    patterns, beginnings = _hyphenation_patterns()
    pointed = f".{word.lower()}."
    numbers = bytearray(len(pointed) + 1)
    for start in range(len(pointed) - 1):
        end = start + 1
        while end <= len(pointed) and (piece := pointed[start:end]) in beginnings:
            if piece in patterns:
                offset, values = patterns[piece]
                for place, value in enumerate(values, start + offset):
                    numbers[place] = max(numbers[place], value)
            end += 1
    # `numbers` counts from the point before the word; no syllable at either end has fewer than two letters.
    return 1 + sum(number % 2 for number in numbers[3 : len(word)])


@cache
def _hyphenation_patterns() -> tuple[dict[str, tuple[int, tuple[int, ...]]], frozenset[str]]:
    """Pyphen's American English patterns (letters → offset, numbers), and what any of them begins with."""
    patterns = Pyphen(lang="en_US").hd.patterns
    return patterns, frozenset(letters[:end] for letters in patterns for end in range(1, len(letters) + 1))
