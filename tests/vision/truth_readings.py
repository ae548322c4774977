"""Readings as a reader without mistakes would give them: made from a truth (what a person wrote down of a diagram)."""

import re
from typing import Any

from vision.reading import Box, Component, Connection, Container, LegendEntry, Reading, Step, Style, Text

COLORS = {"blue": "#1a4fb4", "red": "#c00000", "green": "#2e8b57", "gray": "#7f7f7f", "black": "#000000"}
WIDTH, HEIGHT, CELL = 1600, 1200, 60


def truth_reading(truth: dict[str, Any]) -> Reading:
    """A reading with everything that the truth says, each connection stated; boxes stand in a made-up grid."""
    ids = {name: f"c{place}" for place, name in enumerate(truth["components"], 1)}
    inner_of = {name: members for name, members in truth["containers"].items() if members}
    containers = {name: f"k{place}" for place, name in enumerate(truth["containers"], 1)}
    outer = {
        member: container
        for container, members in sorted(inner_of.items(), key=lambda one: -len(one[1]))
        for member in members
    }
    both = set(ids) & set(containers)
    spots = {name: _spot(place) for place, name in enumerate([*containers, *ids])}
    part = {**ids, **containers}
    return Reading(
        width=WIDTH,
        height=HEIGHT,
        components=tuple(
            Component(ids[name], plain(name), spots[name], containers.get(outer.get(name, "")))
            for name in truth["components"]
            if name not in both
        ),
        containers=tuple(
            Container(
                containers[name],
                plain(name),
                spots[name],
                _other(containers.get(outer.get(name, "")), containers[name]),
            )
            for name in truth["containers"]
        ),
        connections=tuple(_connections(truth, part)),
        legend=tuple(_legend(truth)),
        steps=tuple(_steps(truth, part)),
        text=tuple(Text(text, (0, 0, 10, 10), 0.99) for text in _texts(truth)),
    )


def plain(name: str) -> str:
    """A name of a truth without the number that tells twins apart."""
    return re.sub(r"#\d+$", "", name)


def _other(outer: str | None, own: str) -> str | None:
    return None if outer == own else outer


def _spot(place: int) -> Box:
    left, top = (place % 12) * 2 * CELL, (place // 12) * 2 * CELL
    return left, top, left + CELL, top + CELL


def _look(style: str | None) -> tuple[str, Style]:
    color = next((COLORS[word] for word in COLORS if style and word in style), COLORS["black"])
    return color, "dashed" if style and "dashed" in style else "solid"


def _connections(truth: dict[str, Any], part: dict[str, str]) -> list[Connection]:
    found = []
    for arrow in truth["arrows"]:
        color, style = _look(arrow.get("style"))
        ways = [(arrow["from"], arrow["to"])]
        ways += [(arrow["to"], arrow["from"])] if arrow.get("bidirectional") else []
        for source, target in ways:
            found.append(
                Connection(part[source], part[target], True, arrow.get("label"), color, style, 0.95, True, (0, 0, 9, 9))
            )
    return found


def _legend(truth: dict[str, Any]) -> list[LegendEntry]:
    """A truth says `read (blue)` of an arrow where the legend says so, and has the legend's words among its texts."""
    looks = {arrow["style"] for arrow in truth["arrows"] if arrow.get("style") and "(" in arrow["style"]}
    entries = []
    for look in sorted(looks):
        verb = look.split(" ")[0]
        label = next((text for text in truth.get("other_text", []) if text.lower().startswith(verb)), verb)
        color, style = _look(look)
        entries.append(LegendEntry(label, color, style, (0, 0, 9, 9)))
    return entries


def _steps(truth: dict[str, Any], part: dict[str, str]) -> list[Step]:
    return [
        Step(number, plain(label), part.get(label), (0, 0, 9, 9)) for number, label in truth.get("steps", {}).items()
    ]


def _texts(truth: dict[str, Any]) -> list[str]:
    names = [*truth["components"], *truth["containers"], *truth.get("edge_labels", []), *truth.get("other_text", [])]
    return list(dict.fromkeys(plain(name) for name in names))
