"""Questions about a drawn diagram whose right answers follow from what was drawn."""

import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

from benchmarks._diagram_names import WORDS
from benchmarks._diagram_scores import letters

Question = dict[str, Any]


def questions_about(truth: Mapping[str, Any], rng: random.Random) -> list[Question]:
    """One of each kind that the diagram allows: what an answer must hold, and what it must not."""
    counts = Counter(letters(name) for name in [*truth["components"], *truth["containers"]])
    once = [name for name in truth["components"] if counts[letters(name)] == 1]
    absent = [name for name in WORDS["products"] if not _occurs(name, truth)]
    rng.shuffle(absent)
    found = [_explanation(truth, once, absent[:3])]
    found += [_asked(f"Is {absent[3]} part of this architecture?", ["no such text was read"], [])]
    for asked in (_inside, _targets, _sources, _step):
        found += asked(truth, once, rng)
    return found


def _asked(question: str, must: list[str], must_not: list[str]) -> Question:
    return {"question": question, "must": must, "must_not": must_not}


def _explanation(truth: Mapping[str, Any], once: list[str], absent: list[str]) -> Question:
    regions = [name for name in truth["containers"] if "#" not in name]
    return _asked("explain this architecture", [*regions[:3], *once[:5]], absent)


def _inside(truth: Mapping[str, Any], once: list[str], rng: random.Random) -> list[Question]:
    wanted = [
        (region, inside)
        for region, inside in truth["containers"].items()
        if "#" not in region
        and 1 <= len(inside) <= 6
        and set(inside) <= set(once)
        and region not in truth["components"]
    ]
    return [
        _asked(f"What is inside {region}?", inside, _others(once, [region, *inside], rng))
        for region, inside in rng.sample(wanted, min(1, len(wanted)))
    ]


def _targets(truth: Mapping[str, Any], once: list[str], rng: random.Random) -> list[Question]:
    return _at_arrows(truth, once, rng, "from", "to", "Where does {} send its output?")


def _sources(truth: Mapping[str, Any], once: list[str], rng: random.Random) -> list[Question]:
    return _at_arrows(truth, once, rng, "to", "from", "What feeds {}?")


def _at_arrows(
    truth: Mapping[str, Any], once: list[str], rng: random.Random, near: str, far: str, asked: str
) -> list[Question]:
    ends: dict[str, list[str]] = {}
    for arrow in truth["arrows"]:
        ends.setdefault(arrow[near], []).append(arrow[far])
        if arrow["bidirectional"]:
            ends.setdefault(arrow[far], []).append(arrow[near])
    wanted = [(name, others) for name, others in ends.items() if name in once and set(others) <= set(once)]
    return [
        _asked(asked.format(name), others, _others(once, [name, *others], rng))
        for name, others in rng.sample(wanted, min(1, len(wanted)))
    ]


def _step(truth: Mapping[str, Any], once: list[str], rng: random.Random) -> list[Question]:
    numbers = [number for number, name in truth["steps"].items() if "#" not in name]
    number = rng.choice(numbers) if numbers else None
    return [_asked(f"What happens in step {number}?", [truth["steps"][number]], [])] if number else []


def _others(once: list[str], named: list[str], rng: random.Random) -> list[str]:
    """Two components that have no part in the answer, nor in the names that have."""
    text = " ".join(letters(name) for name in named)
    others = [name for name in once if name not in named and letters(name) not in text]
    return rng.sample(others, min(2, len(others)))


def _occurs(name: str, truth: Mapping[str, Any]) -> bool:
    texts = [*truth["components"], *truth["containers"], *truth["edge_labels"], *truth["other_text"]]
    return any(word in letters(text) for text in texts for word in map(letters, name.split()))
