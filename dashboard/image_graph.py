"""What was read as a diagram in Graphviz's language: containers as frames, components as boxes, connections as arrows.

Every text that was read goes in as a quoted string, which Graphviz shows letter by letter.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from vision.reading import Connection, Container, Reading

_LINE = 22
"""Characters of a label before it goes on in the next line."""


@dataclass(frozen=True)
class GraphColors:
    """Of the page's theme, as `#rrggbb`."""

    text: str
    line: str
    box: str
    frame: str
    unsure: str


LIGHT = GraphColors(text="#0f1a24", line="#45535f", box="#e6f0f8", frame="#93a1ae", unsure="#a3b0bc")
DARK = GraphColors(text="#e4eaf0", line="#a3b0bc", box="#16293a", frame="#64717e", unsure="#55636f")


def graph(reading: Reading, colors: GraphColors, *, unsure: bool = False) -> str:
    """The reading in Graphviz's language. `unsure`: with the connections that are too unsure to be stated, dashed."""
    shown = [connection for connection in reading.connections if connection.stated or unsure]
    lines = [
        "digraph {",
        'rankdir=LR bgcolor="transparent" compound=true nodesep=0.25 ranksep=0.6 fontname="sans-serif" fontsize=12',
        f'fontcolor="{colors.text}" color="{colors.frame}"',
        f'node [shape=box style="rounded,filled" fontname="sans-serif" fontsize=12 fontcolor="{colors.text}" '
        f'color="{colors.frame}" fillcolor="{colors.box}" margin="0.14,0.07"]',
        f'edge [fontname="sans-serif" fontsize=10 fontcolor="{colors.text}" color="{colors.line}" arrowsize=0.7]',
        *_inside(reading, None),
        *_edges(reading, shown, colors),
        "}",
    ]
    return "\n".join(lines)


def quoted(text: str) -> str:
    """A text as a quoted string of Graphviz, in lines of about 22 characters."""
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + len(word) < _LINE:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    escaped = [line.replace("\\", "\\\\").replace('"', '\\"') for line in lines]
    return '"' + "\\n".join(escaped) + '"'


def _inside(reading: Reading, parent: str | None) -> Iterator[str]:
    """The containers and components that stand in a container, or in none."""
    known = {container.id for container in reading.containers}
    for component in reading.components:
        if (component.container if component.container in known else None) == parent:
            yield f"{quoted(component.id)} [label={quoted(component.label)}]"
    for container in reading.containers:
        if (container.parent if container.parent in known else None) == parent and container.id != parent:
            yield from _frame(reading, container)


def _frame(reading: Reading, container: Container) -> Iterator[str]:
    yield f"subgraph {quoted(f'cluster_{container.id}')} {{"
    yield f"label={quoted(container.label)} style=rounded"
    # An arrow to a container ends at a point inside of it, and at its frame as it is drawn.
    yield f'{quoted(f"inside_{container.id}")} [shape=point style=invis width=0 label=""]'
    yield from _inside(reading, container.id)
    yield "}"


def _edges(reading: Reading, shown: list[Connection], colors: GraphColors) -> Iterator[str]:
    containers = {container.id for container in reading.containers}
    known = containers | {component.id for component in reading.components}
    for connection in shown:
        if not {connection.source, connection.target} <= known:
            continue
        looks = []
        if connection.label:
            looks.append(f"label={quoted(connection.label)}")
        if not connection.directed:
            looks.append("dir=none")
        if not connection.stated:
            looks.append(f'style=dashed color="{colors.unsure}"')
        ends = []
        for end, side in ((connection.source, "ltail"), (connection.target, "lhead")):
            ends.append(quoted(f"inside_{end}" if end in containers else end))
            if end in containers:
                looks.append(f"{side}={quoted(f'cluster_{end}')}")
        yield f"{ends[0]} -> {ends[1]} [{' '.join(looks)}]"
