"""The sheet that a diagram is drawn on, with what stands on it so far. Places are in units of the drawing."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

from benchmarks._diagram_ink import Canvas, Place
from benchmarks._diagram_layout import Group, Rect
from benchmarks._diagram_plans import Edge, Maker, Plan
from benchmarks._diagram_routes import STEP, Board, is_clear
from benchmarks._diagram_styles import Theme


@dataclass
class Sheet:
    """One diagram being drawn; `scale` is pixels of the finished picture for a unit."""

    plan: Plan
    maker: Maker
    canvas: Canvas
    scale: float
    board: Board = field(init=False)
    texts: list[Rect] = field(default_factory=list)
    other_text: list[str] = field(default_factory=list)
    paths: list[tuple[Edge, list[Place]]] = field(default_factory=list)
    labels: dict[int, Rect] = field(default_factory=dict)
    steps: dict[str, tuple[str, Rect]] = field(default_factory=dict)
    legend: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        width, height = self.canvas.size
        self.board = Board(int(width / STEP), int(height / STEP))

    @property
    def theme(self) -> Theme:
        return self.maker.theme

    @property
    def rng(self) -> Random:
        return self.maker.rng

    def groups(self) -> list[Group]:
        """The containers: groups that have a label."""
        return [group for group in self.plan.root.groups() if group.label]

    def pixels(self, box: Rect) -> list[int]:
        return [round(side * self.scale) for side in box]

    def taken(self) -> list[Rect]:
        """Where texts and badges stand."""
        return [*self.texts, *self.labels.values(), *(box for _, box in self.steps.values())]

    def is_free(self, box: Rect, own: list[Place] | None = None) -> bool:
        """Could a text stand here: no thing, no text, no border and no connection but its own in the way?"""
        left, top, right, bottom = box
        if left < 4 or top < 4 or right > self.canvas.size[0] - 4 or bottom > self.canvas.size[1] - 4:
            return False
        things = [*(node.box for node in self.plan.root.nodes()), *self.taken()]
        if any(
            left < far + 3 and right > near - 3 and top < low + 3 and bottom > high - 3
            for near, high, far, low in things
        ):
            return False
        if any(not is_clear(path, [box]) for _, path in self.paths if path is not own):
            return False
        return all(is_clear(border_of(group.box), [box]) for group in self.groups())


def overlaps(box: Rect, other: Rect) -> bool:
    return box[0] < other[2] and box[2] > other[0] and box[1] < other[3] and box[3] > other[1]


def border_of(box: Rect) -> list[Place]:
    left, top, right, bottom = box
    return [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
