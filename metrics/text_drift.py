"""Do people ask about other things than they used to? Two sets of prompts, compared by the words that they hold.

Each prompt is a vector of its words, rare ones counting more (TF-IDF). The distance is that of the mean vectors: how
much more alike prompts of one side are than prompts of different sides (maximum mean discrepancy with a linear kernel,
without bias). Pairs of one requester do not count, so that what only one person asks about is no topic. How far it gets
by chance is known from the prompts of the reference themselves, and how far by habit from its days.

No model is needed: words are what a new topic brings, and what tells people its name. Another way to say the same
thing is a new topic here.
Sources: Gretton et al. (2012), A Kernel Two-Sample Test; Pearson (1959) for a distribution by three moments.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.masking import masked

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LEAST_PROMPTS = 50
LEAST_REFERENCE_PROMPTS = 200
LEAST_DISTANCE = 0.0005
"""Beyond what is usual, from which on it matters: about that of a topic in one of twenty prompts."""
APPLICATION_SHARE = 0.2
"""Who sends this share of the requests is an application with many people behind it, whose pairs count."""
LEAST_TERM_REQUESTS = 5
LEAST_TERM_REQUESTERS = 2
"""A word is shown to others only if so many requests of so many requesters hold it."""
_STEM = 6
"""Letters by which words are told apart: `refund`, `refunds` and `refunded` are one."""
_LONGEST_TEXT = 4_000
_MARK = re.compile(r"\[(?:e-mail|phone|card|IBAN|key|IP address)\]")
_ADDRESS = re.compile(r"\S*(?:://|www\.|@)\S*")
_WORD = re.compile(r"(?<![\w])[^\W\d_]{2,40}(?![\w])")
_WITHOUT_SPACES = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{2,}")


@dataclass(frozen=True)
class Prompts:
    """Prompts as the words that they hold.

    words: of each prompt, every word once, as written but in small letters. [n] requesters: a number from 0 on for who
    sent it, -1 where nobody knows. [n] days: which part of the reference it belongs to. [n]
    """

    words: list[frozenset[str]]
    requesters: Integers
    days: Integers

    def __len__(self) -> int:
        return len(self.words)

    def part(self, chosen: NDArray[np.bool_]) -> "Prompts":
        """Some of the prompts."""
        words = [words for words, kept in zip(self.words, chosen.tolist(), strict=True) if kept]
        return Prompts(words, self.requesters[chosen], self.days[chosen])


@dataclass(frozen=True)
class TopicDrift:
    """How far the prompts of a time are from those of the reference.

    distance: squared, of the mean vectors of length up to 1; about 0 where nothing differs, and then as often below.
    usual: what days of the reference are apart on average. p_value: one-sided, that chance and habit get as far.
    """

    n: int
    n_compared: int
    distance: float
    usual: float
    p_value: float

    @property
    def matters(self) -> bool:
        """Whether it is large enough to be told."""
        return self.distance - self.usual >= LEAST_DISTANCE


@dataclass(frozen=True)
class Term:
    """A word that more prompts hold than used to: the shares of prompts (0 to 1) now and in the reference."""

    word: str
    share: float
    compared: float


def words_of(text: str) -> frozenset[str]:
    """The words of a prompt, without addresses, numbers and what `metrics.masking` finds."""
    hidden = _ADDRESS.sub(" ", _MARK.sub(" ", masked(text[:_LONGEST_TEXT]))).lower()
    found = set(_WORD.findall(_WITHOUT_SPACES.sub(" ", hidden)))
    for run in _WITHOUT_SPACES.findall(hidden):
        # Scripts without spaces: every two signs that follow each other.
        found.update(run[place : place + 2] for place in range(len(run) - 1))
    return frozenset(found)


class TopicJudge:
    """Compares prompts of several times with one reference."""

    def __init__(self, reference: Prompts, others: Sequence[Prompts]) -> None:
        """others: all prompts that will be compared: how rare a word is, is told by both sides together."""
        stems = [_stems(words) for part in (reference, *others) for words in part.words]
        counts = Counter(stem for found in stems for stem in found)
        # A word of a single prompt makes nothing alike.
        self._places = {stem: place for place, stem in enumerate(sorted(one for one, n in counts.items() if n > 1))}
        self._rarity = np.log(len(stems) / np.array([counts[stem] for stem in self._places], dtype=np.float64))
        self._people = int(max(part.requesters.max(initial=-1) for part in (reference, *others))) + 1
        self._applications = _applications([reference, *others])
        self._reference = self._side(reference)
        self._moments = _moments(self._reference.vectors)
        self._usual = [self._distance(self._part(day), self._rest(day)) for day in np.unique(reference.days)]

    def judge(self, prompts: Prompts) -> TopicDrift | None:
        """How far these prompts are from the reference; None where either is too small."""
        if len(prompts) < LEAST_PROMPTS or len(self._reference) < LEAST_REFERENCE_PROMPTS:
            return None
        apart, spread = self._distance(self._side(prompts), self._reference)
        days = [one for one, _ in self._usual] if len(self._usual) > 2 else [0.0]
        chance = [sd for _, sd in self._usual] if len(self._usual) > 2 else [0.0]
        usual = max(float(np.mean(days)), 0.0)
        habit = max(float(np.var(days)) - float(np.mean(np.square(chance))), 0.0)
        score = (apart - usual) / max(float(np.sqrt(spread**2 + habit)), 1e-300)
        return TopicDrift(len(prompts), len(self._reference), apart, usual, self._p_value(score))

    def _p_value(self, score: float) -> float:
        from scipy.special import gammaincc

        second, third = self._moments
        if second <= 0:
            return 1.0
        skewness = max(8 * third / (2 * second) ** 1.5, 1e-3)
        freedom = 8 / skewness**2
        return float(gammaincc(freedom / 2, max(freedom + score * np.sqrt(2 * freedom), 0.0) / 2))

    def _side(self, prompts: Prompts) -> "_Side":
        from scipy.sparse import csr_array

        rows, columns = [], []
        for row, words in enumerate(prompts.words):
            places = [self._places[stem] for stem in _stems(words) if stem in self._places]
            rows += [row] * len(places)
            columns += places
        weights = self._rarity[np.array(columns, dtype=np.int64)]
        squares = np.bincount(np.array(rows, dtype=np.int64), weights**2, len(prompts))
        weights = weights / np.sqrt(np.maximum(squares, 1e-300))[rows]
        vectors = csr_array((weights, (rows, columns)), shape=(len(prompts), len(self._places)))
        owners = np.where(np.isin(prompts.requesters, self._applications), -1, prompts.requesters)
        return _Side.of(vectors, owners, prompts.days, self._people)

    def _part(self, day: int) -> "_Side":
        return self._reference.part(self._reference.days == day)

    def _rest(self, day: int) -> "_Side":
        return self._reference.part(self._reference.days != day)

    def _distance(self, a: "_Side", b: "_Side") -> tuple[float, float]:
        """The squared distance and its standard deviation by chance."""
        if not len(a) or not len(b):
            return 0.0, 0.0
        apart = _likeness(a, a) + _likeness(b, b) - 2 * _likeness(a, b)
        return apart, float(np.sqrt(2 * max(self._moments[0], 0.0))) * (1 / len(a) + 1 / len(b))


def new_terms(now: Prompts, reference: Prompts, count: int = 8) -> list[Term]:
    """The words that have become more common, the surest first, and only such as may be shown.

    Source: the two-proportion z-test; Monroe, Colaresi, Quinn (2008), Fightin' Words, for the choice of words.
    """
    holders: dict[str, list[int]] = {}
    for place, words in enumerate(now.words):
        for word in words:
            holders.setdefault(word, []).append(place)
    before = Counter(word for words in reference.words for word in words)
    scored: list[tuple[float, Term]] = []
    for word, places in holders.items():
        people = now.requesters[places]
        if len(places) < LEAST_TERM_REQUESTS or len(set(people[people >= 0].tolist())) < LEAST_TERM_REQUESTERS:
            continue
        share, compared = len(places) / len(now), before[word] / max(len(reference), 1)
        both = (len(places) + before[word]) / (len(now) + len(reference))
        error = np.sqrt(both * (1 - both) * (1 / len(now) + 1 / max(len(reference), 1)))
        score = (share - compared) / error if error > 0 else 0.0
        if score > 3 and len(word) > 2:
            scored.append((score, Term(word, share, compared)))
    scored.sort(key=lambda one: (-one[0], one[1].word))
    return _distinct([term for _, term in scored])[:count]


def share_with(terms: Sequence[Term], prompts: Prompts) -> float:
    """The share of prompts that hold one of the words, 0 to 1."""
    wanted = {term.word for term in terms}
    return sum(not wanted.isdisjoint(words) for words in prompts.words) / max(len(prompts), 1)


@dataclass(frozen=True)
class _Side:
    """Prompts as vectors of length 1 (or 0) in rows, who sent each, and its day. All weigh the same, together 1.

    mean: of the vectors. shared: for each owner (a prompt that nobody is known to have sent has itself as owner, which
    no other side knows) the sum of the vectors, divided by n, and how much of the weight.
    """

    vectors: Any
    owners: Integers
    days: Integers
    mean: Floats
    shared: Any
    weight: Floats
    alone: float
    """What prompts without an owner have in common with themselves."""

    @classmethod
    def of(cls, vectors: Any, owners: Integers, days: Integers, people: int) -> "_Side":
        from scipy.sparse import csr_array

        count = max(len(owners), 1)
        known = np.flatnonzero(owners >= 0)
        shape = (people, len(owners))
        sums = csr_array((np.full(len(known), 1 / count), (owners[known], known)), shape=shape)
        nobody = np.flatnonzero(owners < 0)
        alone = float(vectors[nobody].multiply(vectors[nobody]).sum()) / count**2
        mean = np.asarray(vectors.sum(axis=0)).ravel() / count
        weight = np.bincount(owners[known], minlength=people) / count
        return cls(vectors, owners, days, mean, sums @ vectors, weight, alone)

    def part(self, chosen: NDArray[np.bool_]) -> "_Side":
        """Some of the prompts as a side of their own."""
        rows = np.flatnonzero(chosen)
        return _Side.of(self.vectors[rows], self.owners[rows], self.days[rows], len(self.weight))

    def __len__(self) -> int:
        return len(self.owners)


def _likeness(a: _Side, b: _Side) -> float:
    """The mean product of a prompt of a with one of b, pairs of one requester left out."""
    total = float(a.mean @ b.mean) - float(a.shared.multiply(b.shared).sum())
    pairs = 1.0 - float(a.weight @ b.weight)
    if a is b:
        total -= a.alone
        pairs -= float((a.owners < 0).sum()) / max(len(a), 1) ** 2
    return total / pairs if pairs > 1e-9 else 0.0


def _moments(vectors: Any) -> tuple[float, float]:
    """Of products of prompts around the mean: the mean of h(x, y)² and of h(x, y) h(y, z) h(z, x)."""
    count = vectors.shape[0]
    if count < 3:
        return 0.0, 0.0
    products = (vectors @ vectors.T).toarray()
    np.fill_diagonal(products, 0.0)
    row = products.sum(axis=1) / (count - 1)
    centred = products - row[:, None] - row[None, :] + row.mean()
    np.fill_diagonal(centred, 0.0)
    second = float((centred**2).sum() / (count * (count - 1)))
    third = float(((centred @ centred) * centred).sum() / (count * (count - 1) * (count - 2)))
    return second, third


def _stems(words: frozenset[str]) -> set[str]:
    return {word[:_STEM] for word in words}


def _applications(sides: Sequence[Prompts]) -> Integers:
    owners = np.concatenate([side.requesters for side in sides])
    counts = np.bincount(owners[owners >= 0])
    return np.flatnonzero(counts >= APPLICATION_SHARE * max(len(owners), 1))


def _distinct(terms: list[Term]) -> list[Term]:
    """One word for each stem."""
    seen: set[str] = set()
    found = []
    for term in terms:
        if term.word[:_STEM] not in seen:
            found.append(term)
        seen.add(term.word[:_STEM])
    return found
