"""The index that the demo chatbot searches: passages of the handbook, their BM25 weights and their sentences.

This file imports nothing of ours. A copy of it is logged with every model version and loaded from there, so a version
answers tomorrow as it did on the day it was trained, whatever happens to this checkout.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import bm25s
import numpy as np

_INTRODUCTION = "chatbot"
"""The handbook page that says what can be asked."""
_WORD = re.compile(r"[^\W_]+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9`\"@])")
_COMMON_WORDS = """
a about again all also am an and any anyone are as at be been being but by can could did do does doing done dont
else ever every exactly explain for from get give go going got had has have having he hello her here hers hey hi
him his how i if im in into is isnt it its just know let like look made make makes many may me mean means might
mine more most much must my need no not now of on one only or our ours out over please possible really say see
shall she should show so some something tell than thank thanks that the their them then there these they thing
things this those to too up us use used uses using very want wants was way we well were what whats when where
which while who whom whose why will with work working works would yes you your yours
"""
_STOP_WORDS = frozenset(_COMMON_WORDS.split())
_LEAST_STEM = 3
_NEXT_BEST = 0.6
"""A further sentence is quoted if it fits the question at least this well, compared with the best one."""
_POINTS_BACK = re.compile(
    r"(It|Its|They|Their|This|That|These|Those|Such|Both|Each|Here|There|Then|Only then|Without)\b"
)
"""A sentence that begins so is not understood without the one before it."""


def terms_of(text: str) -> list[str]:
    """The words of a text as the index knows them: lower case, without stop words, with English endings cut off."""
    words = _WORD.findall(text.lower().replace("'", "").replace("’", ""))
    return [_stem(word) for word in words if word not in _STOP_WORDS]


def _stem(word: str) -> str:
    """Cut the common English endings, so that "promoting", "promoted" and "promotion" meet in one term."""
    if len(word) <= _LEAST_STEM or not word.isascii():
        return word
    if word.endswith("ies"):
        word = word[:-3] + "y"
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= _LEAST_STEM and re.search("[aeiouy]", stem):
            doubled = len(stem) > _LEAST_STEM and stem[-1] == stem[-2] and stem[-1] not in "ls"
            word = stem[:-1] if doubled else stem
            break
    if word.endswith(("sion", "tion")) and len(word) > 5:
        word = word.removesuffix("ion")
    return word[:-1] if word.endswith("e") and len(word) > _LEAST_STEM else word


def sentences_of(text: str) -> list[str]:
    """The sentences of a passage, each without surrounding space."""
    return [sentence for part in text.splitlines() if part.strip() for sentence in _SENTENCE_END.split(part.strip())]


def question_of(messages: Iterable[Mapping[str, Any]]) -> str | None:
    """The text of the last user message of a Responses `input`, or None if there is none."""
    questions = [message.get("content") for message in messages if message.get("role") == "user"]
    if not questions:
        return None
    content = questions[-1]
    return content if isinstance(content, str) else "\n".join(str(part.get("text", "")) for part in content or [])


@dataclass(frozen=True)
class Passage:
    """One piece of the handbook that can be quoted."""

    chunk_id: str
    page: str
    heading: str
    text: str


@dataclass(frozen=True)
class Hit:
    """The passage that fits a question best."""

    passage: Passage
    score: float
    """BM25 score, raised for a like heading; at least 0, grows with the question's length."""
    coverage: float
    """How much of the question the passage speaks of, from 0 to 1: the share of its terms, rare ones weighing more."""


class PassageIndex:
    """BM25 over passages (Robertson and Zaragoza 2009; weights by `bm25s`, its default variant)."""

    def __init__(self, passages: Sequence[Passage], terms: Sequence[Sequence[str]], weights: bm25s.BM25) -> None:
        self._passages = list(passages)
        self._introduction = next((one for one in self._passages if one.page == _INTRODUCTION), self._passages[0])
        self._terms = [frozenset(own) for own in terms]
        self._headings = [frozenset(terms_of(passage.heading)) for passage in self._passages]
        self._weights = weights
        starts = np.asarray(weights.scores["indptr"])
        passages_with = starts[1:] - starts[:-1]
        count = len(self._passages)
        self._rarity = {
            term: math.log(1 + (count + 0.5) / (float(passages_with[place]) + 0.5))
            for term, place in weights.vocab_dict.items()
            if term
        }
        self._rarity_of_unknown = math.log(1 + (count + 0.5) / 0.5)

    @classmethod
    def build(cls, passages: Sequence[Passage], terms: Sequence[Sequence[str]]) -> "PassageIndex":
        """Weigh the terms of every passage. Raises: ValueError if there is no passage."""
        if not passages:
            raise ValueError("The handbook has no passage to index: run the feature refresh first.")
        weights = bm25s.BM25()
        weights.index([list(own) for own in terms], show_progress=False)
        return cls(passages, terms, weights)

    def save(self, folder: Path) -> None:
        """Write the index into `folder`, which is created."""
        folder.mkdir(parents=True, exist_ok=True)
        self._weights.save(folder / "bm25", show_progress=False)
        rows = [
            {**asdict(passage), "terms": sorted(own)} for passage, own in zip(self._passages, self._terms, strict=True)
        ]
        (folder / "passages.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "PassageIndex":
        """Read what `save` wrote."""
        rows = json.loads((folder / "passages.json").read_text(encoding="utf-8"))
        terms = [row.pop("terms") for row in rows]
        return cls([Passage(**row) for row in rows], terms, bm25s.BM25.load(folder / "bm25", show_progress=False))

    def best(self, question: str) -> Hit:
        """The passage that fits best. A question without any word to look for gets the introduction, as does one
        whose words are all unknown, with coverage 0.

        BM25 is multiplied by one plus the likeness of question and heading (Jaccard, 0 to 1): of all passages that
        speak of spools, "What the spool is" answers "What is a spool?".
        """
        asked = terms_of(question)
        known = [term for term in asked if term in self._rarity]
        if not known:
            return Hit(self._introduction, 0.0, 0.0 if asked else 1.0)
        words = frozenset(asked)
        likeness = np.array([len(words & heading) / len(words | heading) for heading in self._headings])
        scores = self._weights.get_scores(known) * (1 + likeness)
        place = int(np.argmax(scores))
        return Hit(self._passages[place], float(scores[place]), self._share(asked, self._terms[place]))

    def best_sentences(self, question: str, passage: Passage, most: int = 3, most_words: int = 45) -> str:
        """The sentences of a passage that answer best, in their order: at most `most`, and few words after the first.

        The opening sentence says what the passage is about, so it also counts what its heading says.
        """
        asked = terms_of(question)
        sentences = sentences_of(passage.text)
        heading = frozenset(terms_of(passage.heading))
        fits = []
        for place, sentence in enumerate(sentences):
            own = frozenset(terms_of(sentence))
            fits.append(self._share(asked, own | heading if place == 0 else own))
        order = sorted(range(len(sentences)), key=lambda place: (-fits[place], place))
        chosen = order[:1]
        words = len(sentences[chosen[0]].split())
        for place in order[1:most]:
            words += len(sentences[place].split())
            if fits[place] < fits[chosen[0]] * _NEXT_BEST or words > most_words:
                break
            chosen.append(place)
        first = min(chosen)
        if first > 0 and _POINTS_BACK.match(sentences[first]):
            chosen = [first - 1, *chosen][:most]
        return " ".join(sentences[place] for place in sorted(chosen))

    def _share(self, asked: Sequence[str], own: frozenset[str]) -> float:
        weight = {term: self._rarity.get(term, self._rarity_of_unknown) for term in asked}
        total = sum(weight.values())
        return sum(value for term, value in weight.items() if term in own) / total if total else 0.0
