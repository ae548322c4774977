"""What a question can be about: every text of a reading once, with what it names."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from vision.answers.graph import Diagram
from vision.answers.wording import stem, words_of

Kind = Literal["part", "connection", "legend", "step", "text"]

_BRACKETS = re.compile(r"\([^)]*\)|\[[^\]]*\]")
_ORDER: tuple[Kind, ...] = ("part", "connection", "step", "legend", "text")


@dataclass(frozen=True)
class Thing:
    """A text read and what bears it: ids of parts, or places in the reading's connections, legend, steps or text."""

    kind: Kind
    label: str
    words: tuple[str, ...]
    parts: tuple[str, ...] = ()
    places: tuple[int, ...] = ()


def things_of(diagram: Diagram) -> list[Thing]:
    """Every text of the reading, parts first; twins are one thing, and a text that names a part is only that."""
    reading = diagram.reading
    found: dict[str, Thing] = {}
    kinds: dict[str, Kind] = {}

    def add(kind: Kind, label: str | None, part: str | None = None, place: int | None = None) -> None:
        if not label or not name_key(label) or kinds.setdefault(name_key(label), kind) != kind:
            return
        key = " ".join(label.casefold().split())
        known = found.get(key)
        parts = (known.parts if known else ()) + ((part,) if part else ())
        places = (known.places if known else ()) + ((place,) if place is not None else ())
        found[key] = Thing(kind, known.label if known else label, tuple(words_of(label)), parts, places)

    for part in diagram.parts:
        add("part", diagram.label(part), part=part)
    for place, connection in enumerate(reading.connections):
        add("connection", connection.label, place=place)
    for place, step in enumerate(reading.steps):
        add("step", step.label, place=place)
    for place, entry in enumerate(reading.legend):
        add("legend", entry.label, place=place)
    longer = [f" {' '.join(thing.words)} " for thing in found.values()]
    for place, line in enumerate(reading.text):
        # A line of a name is not a text of its own.
        if not any(f" {' '.join(words_of(line.text))} " in name for name in longer):
            add("text", line.text, place=place)
    return list(found.values())


def name_key(name: str) -> str:
    """A name as it is compared: the stems of its words in one, without signs."""
    return "".join(stem(word) for word in words_of(name))


def short_names(label: str) -> list[str]:
    """A label, and the same without what stands in brackets."""
    without = _BRACKETS.sub(" ", label).strip()
    return [label, without] if without and without != label else [label]


def best_kind(things: Iterable[Thing]) -> list[Thing]:
    """Of several things those of the kind that questions are about first: parts, then labels of connections, …"""
    given = list(things)
    for kind in _ORDER:
        chosen = [thing for thing in given if thing.kind == kind]
        if chosen:
            return chosen
    return []
