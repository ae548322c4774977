"""What is drawn over an image: a region for everything that was read, with its place and what it is.

Data in, dictionaries out; places are pixels of the image as it was uploaded. Regions are named as in `vision.evidence`.
"""

from collections.abc import Iterator
from typing import Any

from vision.answers.color_names import color_name
from vision.reading import Box, Connection, LegendEntry, Reading

Point = tuple[float, float]
Region = dict[str, Any]
"""`id`, `layer`, `label`, `about` (a line of ours) and `box`; of a connection also `line`, `directed` and `stated`."""

LAYERS = {
    "components": "Boxes",
    "containers": "Containers",
    "steps": "Steps",
    "connections": "Connections",
    "legend": "Legend",
    "text": "Text",
}
"""Layers of regions, and how they are called."""
SHOWN_AT_FIRST = ("components", "containers", "steps")
_DRAWN = ("text", "legend", "containers", "components", "steps", "connections")
"""The layers from the lowest to the topmost."""


def regions(reading: Reading) -> list[Region]:
    """Every region of a reading, layer by layer, large ones before small ones, so that these can be pointed at."""
    found = [*_parts(reading), *_steps(reading), *_connections(reading), *_legend(reading), *_texts(reading)]
    return sorted(found, key=lambda region: (_DRAWN.index(region["layer"]), -_area(region["box"])))


def question_about(reading: Reading, region: str) -> str | None:
    """What is asked about a region that somebody chose, by its id; None if there is none."""
    for found in regions(reading):
        if found["id"] == region:
            return f"What is {found['about'] if found['layer'] == 'steps' else found['label']}?"
    return None


def part_labels(reading: Reading) -> dict[str, str]:
    """The label of every component and container, by its id."""
    labels = {component.id: component.label for component in reading.components}
    return {**labels, **{container.id: container.label for container in reading.containers}}


def line_words(entry: LegendEntry) -> str:
    """What the line of an entry of a legend looks like, in words."""
    return f"{entry.style} {color_name(entry.color)}"


def _parts(reading: Reading) -> Iterator[Region]:
    labels = part_labels(reading)
    for component in reading.components:
        inside = labels.get(component.container or "", "")
        yield _region(component.id, "components", component.label, f"in {inside}" if inside else "", component.box)
    for container in reading.containers:
        inside = labels.get(container.parent or "", "")
        yield _region(container.id, "containers", container.label, f"in {inside}" if inside else "", container.box)


def _steps(reading: Reading) -> Iterator[Region]:
    for place, step in enumerate(reading.steps):
        yield _region(f"step-{place}", "steps", step.label, f"step {step.number}", step.box)


def _legend(reading: Reading) -> Iterator[Region]:
    for place, entry in enumerate(reading.legend):
        yield _region(f"legend-{place}", "legend", entry.label, line_words(entry), entry.box)


def _texts(reading: Reading) -> Iterator[Region]:
    for place, line in enumerate(reading.text):
        yield _region(f"text-{place}", "text", line.text, f"read with {100 * line.confidence:.0f} %", line.box)


def _connections(reading: Reading) -> Iterator[Region]:
    labels = part_labels(reading)
    for place, connection in enumerate(reading.connections):
        ends = (labels.get(connection.source, connection.source), labels.get(connection.target, connection.target))
        said = f"{ends[0]} {'→' if connection.directed else '—'} {ends[1]}"
        sure = f"{100 * connection.confidence:.0f} %"
        yield {
            **_region(
                f"connection-{place}",
                "connections",
                f"{said}: {connection.label}" if connection.label else said,
                f"{sure} sure" if connection.stated else f"{sure} sure, too little to be stated",
                connection.box,
            ),
            "line": _line(reading, connection),
            "directed": connection.directed,
            "stated": connection.stated,
            "sure": sure,
        }


def _region(name: str, layer: str, label: str, about: str, box: Box) -> Region:
    return {"id": name, "layer": layer, "label": label, "about": about, "box": list(box)}


def _line(reading: Reading, connection: Connection) -> list[Point]:
    """A straight line from one part's border to the other's: what is claimed, not how the arrow runs."""
    boxes = {component.id: component.box for component in reading.components}
    boxes |= {container.id: container.box for container in reading.containers}
    source, target = boxes.get(connection.source), boxes.get(connection.target)
    if source is None or target is None or _overlap(source, target):
        left, top, right, bottom = connection.box
        return [(left, top), (right, bottom)]
    return [_border(source, _middle(target)), _border(target, _middle(source))]


def _middle(box: Box) -> Point:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _border(box: Box, towards: Point) -> Point:
    """Where the line from a box's middle towards a point leaves the box."""
    x, y = _middle(box)
    across, down = towards[0] - x, towards[1] - y
    reach = min(
        (box[2] - box[0]) / 2 / abs(across) if across else 1.0, (box[3] - box[1]) / 2 / abs(down) if down else 1.0, 1.0
    )
    return round(x + across * reach, 1), round(y + down * reach, 1)


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _area(box: list[int]) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])
