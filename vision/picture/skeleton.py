"""From a mask of strokes to their centre lines: strands of points between junctions and loose ends."""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.picture.line_ink import Mask

Points = NDArray[np.float64]

_AROUND = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
"""The neighbours of a pixel as (row, column), clockwise from above."""


def _removable() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """For each of the two half steps of thinning: 1 for a pattern of eight neighbours whose pixel may go."""
    tables = np.zeros((2, 256), dtype=np.uint8)
    for pattern in range(256):
        p2, p3, p4, p5, p6, p7, p8, p9 = (bool(pattern >> bit & 1) for bit in range(8))
        arms = (not p2 and (p3 or p4)) + (not p4 and (p5 or p6)) + (not p6 and (p7 or p8)) + (not p8 and (p9 or p2))
        first = (p9 or p2) + (p3 or p4) + (p5 or p6) + (p7 or p8)
        second = (p2 or p3) + (p4 or p5) + (p6 or p7) + (p8 or p9)
        if arms == 1 and 2 <= min(first, second) <= 3:
            tables[0, pattern] = not ((p2 or p3 or not p5) and p4)
            tables[1, pattern] = not ((p6 or p7 or not p9) and p8)
    return tables[0], tables[1]


_TABLES = _removable()
_WEIGHTS = np.array([[128, 1, 2], [64, 0, 4], [32, 16, 8]], dtype=np.float32)


def thin(mask: Mask) -> Mask:
    """The centre lines of a mask, one pixel wide. Source: Guo and Hall 1989 (two-subiteration thinning)."""
    left = np.pad(mask.astype(np.uint8), 1)
    while True:
        before = int(left.sum())
        for table in _TABLES:
            pattern = cv2.filter2D(left, cv2.CV_8U, _WEIGHTS, borderType=cv2.BORDER_CONSTANT)
            left = np.where(cv2.LUT(pattern, table) > 0, 0, left).astype(np.uint8)
        if int(left.sum()) == before:
            return left[1:-1, 1:-1] > 0


@dataclass
class Strand:
    """A piece of a line without branches. `nodes` are the junctions at its start and end, None at a loose end."""

    points: Points
    """[n, 2], x and y."""
    nodes: list[int | None] = field(default_factory=lambda: [None, None])

    @property
    def length(self) -> float:
        """Along the points, in pixels."""
        return float(np.hypot(*np.diff(self.points, axis=0).T).sum()) if len(self.points) > 1 else 1.0

    def from_end(self, end: int) -> Points:
        """The points as met when coming in at the start (0) or at the end (1)."""
        return self.points if end == 0 else self.points[::-1]


def strands_of(skeleton: Mask) -> list[Strand]:
    """The strands of a skeleton, each with the junctions it ends at (numbers that mean nothing but sameness)."""
    inked = skeleton.astype(np.uint8)
    neighbours = cv2.filter2D(inked, cv2.CV_8U, np.ones((3, 3), np.float32), borderType=cv2.BORDER_CONSTANT) - inked
    crossing = skeleton & (neighbours >= 3)
    _, found = cv2.connectedComponents(crossing.astype(np.uint8), connectivity=8)
    crossings = np.asarray(found, dtype=np.int32)
    rest = skeleton & ~crossing
    rows, columns = np.nonzero(rest)
    left = set(zip(rows.tolist(), columns.tolist(), strict=True))
    ends = [place for place in left if sum((place[0] + r, place[1] + c) in left for r, c in _AROUND) <= 1]
    strands = []
    for start in [*sorted(ends), *sorted(left)]:
        if start in left:
            strands.append(_walk(start, left, crossings))
    return strands


def _walk(start: tuple[int, int], left: set[tuple[int, int]], crossings: NDArray[np.int32]) -> Strand:
    """Takes the pixels of one strand out of `left`, from `start` on."""
    left.discard(start)
    path = [start]
    while True:
        row, column = path[-1]
        step = next(((row + r, column + c) for r, c in _AROUND if (row + r, column + c) in left), None)
        if step is None:
            break
        left.discard(step)
        path.append(step)
    nodes: list[int | None] = [_junction_at(path[0], crossings), _junction_at(path[-1], crossings)]
    if len(path) <= 2 and nodes[0] is not None and nodes[0] == nodes[1]:
        nodes[1] = _junction_at(path[-1], crossings, other_than=nodes[0])
    points = np.array([(column, row) for row, column in path], dtype=np.float64)
    return Strand(points, nodes)


def _junction_at(place: tuple[int, int], crossings: NDArray[np.int32], other_than: int = 0) -> int | None:
    row, column = place
    near = crossings[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
    found = near[(near > 0) & (near != other_than)]
    return int(found[0]) if len(found) else None
