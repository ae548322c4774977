"""Which parts the traced lines connect, what is written at them, and which of it an answer may state."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from vision.picture.found import Arrow, Label, Part, Parts, Point
from vision.reading import Box, Connection, LegendEntry

STATED = 0.6
"""The least confidence of a connection that an answer may state: of those on real diagrams 93 of 100 are right, on 20
drawn ones that nothing was tuned on 88. A higher one loses more right ones than wrong ones."""
REACH = 46
"""Pixels of the picture between the end of a line and the part it points at."""
BESIDE = 14
"""Pixels of the picture by which a line may miss a part that it passes."""
LOOP = 34
"""Pixels of the picture by which a line from a part to itself leaves it: less is a piece of its outline."""
FRAMED = 0.7
"""Two heads, one at the frame of a container: that one is often where a line crosses the frame."""
LABEL_REACH = 34
"""Pixels of the picture between a line and what is written at it."""


@dataclass(frozen=True)
class _Held:
    """The part that an end of a line belongs to, and how sure that is (0 to 1)."""

    part: Part
    sure: float


def connect(arrows: Sequence[Arrow], parts: Parts, legend: Sequence[LegendEntry]) -> list[Connection]:
    """The connections between parts, in pixels of the picture; a line with two heads gives two."""
    legends = [entry.box for entry in legend]
    frames = {part.id for part in parts.containers}
    held = []
    for arrow in arrows:
        if any(_inside(arrow.path[len(arrow.path) // 2], box) for box in legends):
            continue
        ends = _ends(arrow, parts)
        if ends is not None:
            held.append((arrow, *ends))
    labels = _labels(
        [arrow for arrow, _, _ in held], [label for label in parts.loose if not _in_component(label, parts)]
    )
    found: list[Connection] = []
    for (arrow, start, finish), label in zip(held, labels, strict=True):
        sure = arrow.confidence * start.sure * finish.sure
        if arrow.head_at_start and arrow.head_at_end and {start.part.id, finish.part.id} & frames:
            sure *= FRAMED
        sure = round(sure, 3)
        directed = arrow.head_at_start or arrow.head_at_end
        ways = [(start.part.id, finish.part.id)] if arrow.head_at_end or not directed else []
        ways += [(finish.part.id, start.part.id)] if arrow.head_at_start else []
        for source, target in ways:
            found.append(
                Connection(
                    source, target, directed, label, arrow.color, arrow.style, sure,
                    directed and sure >= STATED, _around(arrow.path),
                )
            )  # fmt: skip
    return _distinct(found)


def _distinct(found: list[Connection]) -> list[Connection]:
    """Each way between two parts once, as the surest line says; undirected ones only where nothing else is known."""
    best: dict[tuple[str, str, str | None], Connection] = {}
    for connection in sorted(found, key=lambda c: -c.confidence):
        best.setdefault((connection.source, connection.target, connection.label), connection)
    ways = {frozenset((c.source, c.target)) for c in best.values() if c.directed}
    return [c for c in best.values() if c.directed or frozenset((c.source, c.target)) not in ways]


def _ends(arrow: Arrow, parts: Parts) -> tuple[_Held, _Held] | None:
    """What the arrow sets out from and what it ends at, None where one of both is open."""
    path = arrow.path
    start = _holder(path[0], path[min(3, len(path) - 1)], path[-1], parts)
    finish = _holder(path[-1], path[max(-4, -len(path))], path[0], parts)
    if start is None or finish is None:
        return None
    if start.part.id == finish.part.id and max(-_depth(point, start.part.box) for point in path) < LOOP:
        return None
    return start, finish


def _holder(end: Point, before: Point, other: Point, parts: Parts) -> _Held | None:
    """The part that a line ends at: the first in the direction it points, or right beside its end."""
    offers: list[tuple[float, int, Part]] = []
    for part in parts.components:
        far = 0.0 if _inside(end, part.box) else _ahead(end, before, part.box)
        if far is not None:
            offers.append((far, _area(part.box), part))
    for part in parts.containers:
        if _inside(other, part.box):
            continue
        depth = _depth(end, part.box)
        far = depth * 1.5 if 0 <= depth <= BESIDE else None if depth > BESIDE else _ahead(end, before, part.box)
        if far is not None:
            offers.append((far, _area(part.box), part))
    if not offers:
        return None
    offers.sort(key=lambda offer: offer[:2])
    near = offers[0]
    rivals = [offer for offer in offers[1:] if not _holds(offer[2].box, near[2].box)]
    margin = rivals[0][0] - near[0] if rivals else REACH
    sure = 1 - 0.5 * max(0.0, near[0] - 16) / (REACH - 16)
    return _Held(near[2], sure * min(1.0, 0.6 + margin / 20))


def _ahead(end: Point, before: Point, box: Box) -> float | None:
    """Pixels from the end of a line to a box that it points at or nearly touches, None for any other box."""
    away = np.array(end, float) - np.array(before, float)
    size = float(np.hypot(*away))
    across = max(box[0] - end[0], end[0] - box[2], 0)
    down = max(box[1] - end[1], end[1] - box[3], 0)
    straight = float(np.hypot(across, down))
    if straight > REACH:
        return None
    if size > 0:
        for step in np.arange(0, REACH + 1, 2):
            x, y = np.array(end) + away / size * step
            if box[0] - 5 <= x <= box[2] + 5 and box[1] - 5 <= y <= box[3] + 5:
                return float(step)
    return straight + 12 if straight <= BESIDE else None


def _labels(arrows: Sequence[Arrow], loose: Sequence[Label]) -> list[str | None]:
    """What is written at each arrow: each label belongs to the line nearest to it."""
    said: dict[int, tuple[float, str]] = {}
    for label in loose:
        gaps = [_gap(arrow.path, label.box) for arrow in arrows]
        if not gaps or min(gaps) > LABEL_REACH:
            continue
        nearest = int(np.argmin(gaps))
        if nearest not in said or gaps[nearest] < said[nearest][0]:
            said[nearest] = (gaps[nearest], label.text)
    return [said[number][1] if number in said else None for number in range(len(arrows))]


def _in_component(label: Label, parts: Parts) -> bool:
    """Whether a text stands in a component: a remark there says nothing about a line that ends close to it."""
    left, top, right, bottom = label.box
    middle = ((left + right) // 2, (top + bottom) // 2)
    return any(_inside(middle, part.box) for part in parts.components)


def _gap(path: Sequence[Point], box: Box) -> float:
    """The shortest way in pixels between a path and a box."""
    points = np.array(path, float)
    dense = np.concatenate([np.linspace(a, b, 12) for a, b in pairwise(points)])
    across = np.maximum(np.maximum(box[0] - dense[:, 0], dense[:, 0] - box[2]), 0)
    down = np.maximum(np.maximum(box[1] - dense[:, 1], dense[:, 1] - box[3]), 0)
    return float(np.hypot(across, down).min())


def _around(path: Sequence[Point]) -> Box:
    columns, rows = [x for x, _ in path], [y for _, y in path]
    return min(columns), min(rows), max(columns) + 1, max(rows) + 1


def _inside(point: Point, box: Box) -> bool:
    return box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]


def _depth(point: Point, box: Box) -> float:
    """Pixels from a point within a box to its border; negative outside."""
    return float(min(point[0] - box[0], box[2] - point[0], point[1] - box[1], box[3] - point[1]))


def _area(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def _holds(outer: Box, inner: Box) -> bool:
    return outer[0] <= inner[0] and outer[1] <= inner[1] and outer[2] >= inner[2] and outer[3] >= inner[3]
