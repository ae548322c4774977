"""Rectangles known by their four border lines, for boxes whose inside arrows cut into pieces."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.picture.morphology import closed, opened
from vision.reading import Box

_SHORTEST = 40  # pixels of a straight line that can be the side of a box
_NEAR = 7  # pixels by which the ends of two sides may miss each other
_ROUNDED = 18  # pixels of the radius of a rounded corner
_DASH_GAP = 17  # pixels between the dashes of a border
_DRAWN = 0.93  # least share of each side that is drawn

Mask = NDArray[np.bool_]


def find_frames(edges: Mask, covers: Sequence[Box]) -> list[Box]:
    """Rectangles with four straight sides that end at their corners, which small things (covers) may hide.

    `edges` [height, width] is true where an edge is. Sides may be dashed.
    """
    drawn = edges.astype(np.uint8)
    found = _frames(drawn, drawn, covers)
    joined = _frames(closed(drawn, 1, _DASH_GAP), closed(drawn, _DASH_GAP, 1), covers)
    return found + [box for box in joined if box not in found]


def _frames(down: NDArray[np.uint8], across: NDArray[np.uint8], covers: Sequence[Box]) -> list[Box]:
    """Rectangles of upright lines in one picture of edges and level lines in another."""
    upright = _segments(down)
    level = _drawn_along(across)
    found = []
    for first, one in enumerate(upright):
        for other in upright[first + 1 :]:
            if other[2] - one[0] < _SHORTEST or not _level(one, other, 1, covers) or not _level(one, other, 3, covers):
                continue
            top = _row_of_side(level, one[0], other[2], min(one[1], other[1]), -1)
            bottom = _row_of_side(level, one[0], other[2], max(one[3], other[3]), 1)
            if top is not None and bottom is not None:
                found.append((one[0], top, other[2], bottom))
    return found


def _level(one: Box, other: Box, end: int, covers: Sequence[Box]) -> bool:
    """Whether two upright lines end at one height at the top (`end` 1) or bottom (3), if need be under a cover."""
    if abs(one[end] - other[end]) <= _NEAR:
        return True
    hidden = one if (one[end] > other[end]) == (end == 1) else other
    return any(
        cover[0] <= hidden[2]
        and cover[2] >= hidden[0]
        and cover[1] - _NEAR <= min(one[end], other[end])
        and cover[3] + _NEAR >= max(one[end], other[end])
        for cover in covers
    )


def _segments(edges: NDArray[np.uint8]) -> list[Box]:
    """Straight upright lines, from left to right."""
    _, _, statistics, _ = cv2.connectedComponentsWithStats(opened(edges, 1, _SHORTEST), connectivity=8)
    boxes = []
    for left, top, across, down, _ in statistics[1:].tolist():
        if across <= 14:
            boxes.append((left, top, left + across, top + down))
    return sorted(boxes)


def _drawn_along(edges: NDArray[np.uint8]) -> NDArray[np.int32]:
    """[height, width + 1], how many pixels of each row up to a column belong to a level line."""
    return np.pad(np.cumsum(opened(edges, 16, 1), axis=1, dtype=np.int32), ((0, 0), (1, 0)))


def _row_of_side(level: NDArray[np.int32], left: int, right: int, end: int, outwards: int) -> int | None:
    """The row of a level side near where the upright sides end, a rounded corner further out; None where none is."""
    inset = min(_ROUNDED + 4, (right - left) // 4)
    first = max(0, end - (_ROUNDED if outwards < 0 else _NEAR))
    last = end + (_ROUNDED if outwards > 0 else _NEAR)
    rows = level[first:last]
    counts = rows[:, right - inset] - rows[:, left + inset]
    drawn = np.flatnonzero(counts >= _DRAWN * (right - left - 2 * inset))
    return None if len(drawn) == 0 else first + int(drawn[np.abs(drawn + first - end).argmin()])
