"""What drawn diagrams call their things: names of components, containers, connections and titles."""

import random
from collections.abc import Callable
from pathlib import Path


def _words() -> dict[str, list[str]]:
    """The lists of `_diagram_names.txt` by section."""
    found: dict[str, list[str]] = {}
    for line in Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), [])
        elif not line.startswith("#"):
            section += line.split(" | ")
    return found


WORDS = _words()


class Names:
    """Names for one diagram, each given once unless `repeat` asks for a twin."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._given: set[str] = set()

    def component(self) -> str:
        kinds = (self._made, lambda: self._rng.choice(WORDS["products"]), lambda: self._rng.choice(WORDS["phrases"]))
        return self._new(lambda: self._rng.choices(kinds, (4, 3, 4))[0]())

    def short(self) -> str:
        return self._new(lambda: self._rng.choice(WORDS["short"]) if self._rng.random() < 0.5 else self._made())

    def region(self) -> str:
        return self._new(lambda: self._rng.choice(WORDS["regions"]))

    def call(self) -> str:
        return self._rng.choice(WORDS["calls"])

    def _made(self) -> str:
        thing, role = self._rng.choice(WORDS["things"]), self._rng.choice(WORDS["roles"])
        way = self._rng.random()
        if way < 0.4:
            return f"{thing} {role}"
        if way < 0.6:
            return f"{thing} {role.capitalize() if role != 'API' else role}"
        if way < 0.8:
            return f"{thing.lower()}-{role.lower()}"
        if way < 0.9:
            return f"{thing.lower()}{role.lower()}"
        return f"{thing} {role} ({self._rng.choice(['optional', 'managed', 'v2', 'primary', 'legacy'])})"

    def _new(self, name: Callable[[], str]) -> str:
        for _ in range(200):
            found = name()
            if found.lower() not in self._given:
                break
        self._given.add(found.lower())
        return found
