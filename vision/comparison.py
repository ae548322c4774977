"""Is this what runs here? The parts of a diagram against the names of what is live."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from vision.answers.graph import diagram_of
from vision.answers.question_words import GENERIC, SERVICE_NOUNS
from vision.answers.things import name_key, short_names
from vision.answers.wording import FORM, alike, stem, words_of
from vision.reading import Reading

Likeness = Literal["same name", "similar name"]

_KIND_NOUNS = frozenset({stem(noun) for noun in ("model", "registered", "endpoint", "table", "job")})


@dataclass(frozen=True)
class Match:
    """A part of the diagram (all ids with this label) and a live thing of a kind whose name is the same or similar."""

    label: str
    parts: tuple[str, ...]
    kind: str
    name: str
    likeness: Likeness


@dataclass(frozen=True)
class Comparison:
    """What was found here, which components were not (label, ids), and what is live but not drawn (kind, name)."""

    found: tuple[Match, ...]
    not_found: tuple[tuple[str, tuple[str, ...]], ...]
    not_drawn: tuple[tuple[str, str], ...]


def compare(reading: Reading, inventory: Mapping[str, Sequence[str]]) -> Comparison:
    """Look up every part by its name among live things.

    inventory: kind in the plural ("registered models", "endpoints", "tables", "jobs") → names, which may be qualified
    (`prod.chatbot`). Names are all that is compared: a similar name is only a hint that the two are the same.
    """
    diagram = diagram_of(reading)
    by_label: dict[str, list[str]] = {}
    for part in diagram.parts:
        by_label.setdefault(diagram.label(part), []).append(part)
    found: list[Match] = []
    not_found: list[tuple[str, tuple[str, ...]]] = []
    for label, parts in by_label.items():
        matches = _matches(label, tuple(parts), inventory)
        found += matches
        # A container is a region around others: that nothing is called so says little.
        if not matches and not all(diagram.is_container(part) for part in parts):
            not_found.append((label, tuple(parts)))
    drawn = {(match.kind, match.name) for match in found}
    live = [(kind, name) for kind, names in inventory.items() for name in names]
    return Comparison(tuple(found), tuple(not_found), tuple(one for one in live if one not in drawn))


def _matches(label: str, parts: tuple[str, ...], inventory: Mapping[str, Sequence[str]]) -> list[Match]:
    """The live things that a part may be: those of the same name, else those of a similar one."""
    every: list[Match] = []
    for kind, names in inventory.items():
        for name in names:
            likeness = _likeness(label, kind, name)
            if likeness:
                every.append(Match(label, parts, kind, name, likeness))
    return [match for match in every if match.likeness == "same name"] or every


def _likeness(label: str, kind: str, name: str) -> Likeness | None:
    own = name.rsplit(".", 1)[-1]
    spellings = {name_key(spelling) for spelling in short_names(label)}
    if name_key(own) in spellings or name_key(name) in spellings:
        return "same name"
    mine, theirs = _telling(words_of(label), kind), _telling(words_of(own.replace("_", " ")), kind)
    if not mine or not theirs:
        return None
    if len(mine) == len(theirs) and _all_in(mine, theirs) and _all_in(theirs, mine):
        return "similar name"
    shorter, longer = sorted((mine, theirs), key=len)
    return "similar name" if len(shorter) >= 2 and _all_in(shorter, longer) else None


def _telling(words: Iterable[str], kind: str) -> list[str]:
    """The words of a name without those that only say what sort of thing it is, and without versions."""
    sort = {stem(word) for word in words_of(kind)} | _KIND_NOUNS
    left_out = GENERIC | SERVICE_NOUNS
    return [word for word in words if stem(word) not in sort and word not in left_out and not word.isdigit()]


def _all_in(some: Sequence[str], others: Sequence[str]) -> bool:
    return all(any(alike(word, other) >= FORM for other in others) for word in some)
