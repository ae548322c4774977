"""Which things of a diagram a question names: by their whole name, by a part of it, or by an abbreviation."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

from vision.answers.question_words import FUNCTION_WORDS, GENERIC, SERVICE_NOUNS, VERBS, WEAK
from vision.answers.things import Thing, best_kind, name_key, short_names
from vision.answers.wording import ABBREVIATION, SYNONYM, alike, initials, stem

_WORD = re.compile(r"[^\W_]+")
_MOST_WORDS = 12
_TYPING_MISTAKES = 0.88


@dataclass(frozen=True)
class Word:
    """A word of a question: in lower case, as written, and whether it looks like a name (quoted, capital letter)."""

    text: str
    written: str
    is_name: bool


@dataclass(frozen=True)
class Named:
    """Words `start` to `end` (exclusive) of a question, and what they name.

    From 0 to 1: `coverage` is the part of these words that fits, `share` the part of the name that they have.
    """

    start: int
    end: int
    things: tuple[Thing, ...]
    coverage: float
    share: float

    @property
    def parts(self) -> tuple[str, ...]:
        """The ids of all parts that are named."""
        return tuple(part for thing in self.things for part in thing.parts)


def whole_names(words: Sequence[Word], spellings: Mapping[str, list[Thing]]) -> list[Named]:
    """Where a question has whole names, the longest first; none overlaps another. spellings: as of `spellings_of`."""
    beginning: dict[str, list[str]] = defaultdict(list)
    for spelling in spellings:
        beginning[spelling[0]].append(spelling)
    stems = [name_key(word.text) for word in words]
    found: list[Named] = []
    taken: set[int] = set()
    for is_exact in (True, False):
        for start, end in _windows(words):
            if not taken.isdisjoint(range(start, end)) or not _may_be_name(words, start, end - start):
                continue
            window, key = words[start:end], "".join(stems[start:end])
            named = _as_written(spellings.get(key, []), window)
            if not is_exact and not any(word.text in FUNCTION_WORDS for word in (window[0], window[-1])):
                named = _spelled_by_initials(window, spellings) or _nearly(key, beginning[key[:1]], spellings)
            if named:
                found.append(Named(start, end, tuple(best_kind(named)), 1.0, 1.0))
                taken |= set(range(start, end))
    return sorted(found, key=lambda one: one.start)


def _windows(words: Sequence[Word]) -> Iterator[tuple[int, int]]:
    """All runs of words, the longest first."""
    for length in range(min(_MOST_WORDS, len(words)), 0, -1):
        for start in range(len(words) - length + 1):
            yield start, start + length


def partly_named(words: Sequence[str], things: Sequence[Thing]) -> tuple[list[Thing], float, float]:
    """The things that some content words name best, which part of the words fits, and which part of the names.

    Nothing is named by words that mean any part ("component") or what moves between parts ("data").
    """
    telling = [word for word in words if word not in GENERIC and word not in SERVICE_NOUNS] or []
    strong = [word for word in telling if word not in WEAK]
    if not strong:
        return [], 0.0, 0.0
    scored: list[tuple[float, float, Thing]] = []
    for thing in things:
        fits = [_best_fit(word, thing.words) for word in telling]
        if not any(fits) or not any(fit for word, fit in zip(telling, fits, strict=True) if word in strong):
            continue
        extra = [word for word in words if word not in telling and _best_fit(word, thing.words) >= SYNONYM]
        covered = sum(fits) / len(telling)
        head_fits = fits[-1] > 0 or (telling[-1] in WEAK and sum(fit > 0 for fit in fits) >= len(fits) - 1)
        if head_fits and covered >= 0.5:
            own = [word for word in thing.words if not word.isdigit() and word not in FUNCTION_WORDS]
            matched = {word for word in own if any(alike(word, told) for told in [*telling, *extra])}
            scored.append((covered, len(matched) / max(1, len(own)), thing))
    if not scored:
        return [], 0.0, 0.0
    best = max(covered for covered, _, _ in scored)
    fitting = [(share, thing) for covered, share, thing in scored if covered >= best - 0.04]
    chosen = best_kind(thing for _, thing in fitting)
    most = max(share for share, thing in fitting if thing in chosen)
    return [thing for share, thing in fitting if thing in chosen and share >= most - 0.01], best, most


def spellings_of(things: Sequence[Thing]) -> dict[str, list[Thing]]:
    """The spellings by which a whole name is known; a shorter one only where it is nobody's own name."""
    keys: dict[str, list[Thing]] = {}
    for thing in things:
        keys.setdefault(name_key(thing.label), []).append(thing)
    own = set(keys)
    for thing in things:
        shorter = [name_key(name) for name in short_names(thing.label)[1:]]
        if len(thing.words) > 1 and thing.kind == "part":
            shorter.append(initials(thing.words))
        for spelling in dict.fromkeys(shorter):
            if spelling and spelling not in own:
                keys.setdefault(spelling, []).append(thing)
    return keys


def _as_written(named: list[Thing], window: Sequence[Word]) -> list[Thing]:
    """Of names that differ in signs only (`sensor-parser`, `Sensor parser`) the one that is written in the question."""
    same = [thing for thing in named if _WORD.findall(thing.label) == [word.written for word in window]]
    return same or named


def _spelled_by_initials(window: Sequence[Word], spellings: Mapping[str, list[Thing]]) -> list[Thing]:
    """Names that the first letters of the words spell."""
    if len(window) > 1 and not any(word.text[0].isdigit() for word in window):
        spelled = spellings.get(initials([word.text for word in window]))
        if spelled and len(window) == len(name_key(spelled[0].label)):
            return spelled
    return []


def _nearly(key: str, beginning: Sequence[str], spellings: Mapping[str, list[Thing]]) -> list[Thing]:
    """Names that words are but for typing or recognition mistakes. beginning: spellings that begin as they do."""
    if len(key) < 6:
        return []
    figures = [sign for sign in key if sign.isdigit()]
    for spelling in beginning:
        if abs(len(spelling) - len(key)) <= 2 and figures == [sign for sign in spelling if sign.isdigit()]:
            likeness = SequenceMatcher(None, key, spelling, autojunk=False)
            # The quick one counts letters wherever they stand: it is never less than the ratio.
            if likeness.quick_ratio() >= _TYPING_MISTAKES and likeness.ratio() >= _TYPING_MISTAKES:
                return spellings[spelling]
    return []


def _may_be_name(words: Sequence[Word], start: int, length: int) -> bool:
    """Whether words may be a name: a verb or a word of every sentence only if it looks like one."""
    if length > 1:
        return True
    word = words[start]
    if word.text.isdigit():
        return False
    if word.text in FUNCTION_WORDS or stem(word.text) in VERBS or word.text in GENERIC or word.text in WEAK:
        before = words[start - 1].text if start else ""
        return word.is_name or (before in {"the", "a", "an"} and word.text not in FUNCTION_WORDS | GENERIC)
    return True


@lru_cache(maxsize=20_000)
def _best_fit(word: str, names: tuple[str, ...]) -> float:
    """How well a word fits one of the words of a name, or the first letters of some that follow each other."""
    best = max((alike(word, own) for own in names), default=0.0)
    if best < SYNONYM and 2 <= len(word) <= 5 and word in _runs_of_initials(names, len(word)):
        return SYNONYM
    if best < ABBREVIATION and len(word) > 3 and any(word in own and len(own) - len(word) < len(word) for own in names):
        return ABBREVIATION
    return best


def _runs_of_initials(names: Sequence[str], length: int) -> set[str]:
    return {initials(names[at : at + length]) for at in range(len(names) - length + 1)}
