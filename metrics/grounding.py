"""Is an answer backed by its sources, does it say what was expected, or does it decline: told by words alone.

No model judges here. A run of words that an answer shares with its sources was hardly invented; an answer in other
words may still be right, so a low share is a reason to look, and a very low one is what invention looks like.
"""

import re
from collections.abc import Iterable, Sequence

RUN_LENGTH = 3
"""Words in a run: two are shared by chance, and four miss quotations that were cut."""
REFUSAL_WITHIN = 60
"""Characters within which a refusal must begin: a text that speaks about refusals further on is none."""

_WORD = re.compile(r"[^\W_]+")
_SPACE = re.compile(r"\s+")

Run = tuple[str, ...]


def runs_of(text: str) -> list[Run]:
    """Every run of three neighbouring words of a text, lower case, in order; empty for fewer words."""
    words = _WORD.findall(text.lower().replace("’", "'").replace("'", ""))
    return [tuple(words[start : start + RUN_LENGTH]) for start in range(len(words) - RUN_LENGTH + 1)]


def runs_of_sources(sources: Iterable[str]) -> frozenset[Run]:
    """Every run of words in any of some texts."""
    return frozenset(run for source in sources for run in runs_of(source))


def grounding(answer: str, sources: frozenset[Run]) -> float | None:
    """The share, 0 to 1, of an answer's runs of words that its sources have; None for less than three words."""
    runs = runs_of(answer)
    return sum(run in sources for run in runs) / len(runs) if runs else None


def is_refusal(answer: str, phrases: Sequence[str]) -> bool:
    """Whether an answer declines: one of the phrases begins within its first 60 characters, whatever the case."""
    beginning = _plain(answer)
    longest = max((len(phrase) for phrase in phrases), default=0)
    return any(0 <= beginning[: REFUSAL_WITHIN + longest].find(_plain(phrase)) < REFUSAL_WITHIN for phrase in phrases)


def says_all(answer: str, phrases: Sequence[str]) -> bool:
    """Whether an answer holds every one of the phrases, whatever the case and the white space."""
    text = _plain(answer)
    return all(_plain(phrase) in text for phrase in phrases)


def _plain(text: str) -> str:
    return _SPACE.sub(" ", text.replace("’", "'")).strip().lower()
