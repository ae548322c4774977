"""Rectangles known by their four border lines, for boxes whose inside arrows cut into pieces."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.reading import Box

_SHORTEST = 40  # pixels of a straight line that can be the side of a box
_NEAR = 7  # pixels by which the ends of two sides may miss each other, as at a rounded corner
_DRAWN = 0.93  # least share of each side that is drawn

Mask = NDArray[np.bool_]


def find_frames(edges: Mask) -> list[Box]:
    """Rectangles with four straight sides that end at their corners. `edges` [height, width]: where an edge is."""
    upright = _segments(edges, np.ones((_SHORTEST, 1), np.uint8))
    level = _drawn_along(edges)
    found = []
    for first, one in enumerate(upright):
        for other in upright[first + 1 :]:
            if abs(one[1] - other[1]) > _NEAR or abs(one[3] - other[3]) > _NEAR:
                continue
            box = (one[0], min(one[1], other[1]), other[2], max(one[3], other[3]))
            if box[2] - box[0] >= _SHORTEST and _closed(level, box):
                found.append(box)
    return found


def _segments(edges: Mask, kernel: NDArray[np.uint8]) -> Sequence[Box]:
    """Straight lines along a kernel, from left to right."""
    straight = cv2.morphologyEx(edges.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    _, _, statistics, _ = cv2.connectedComponentsWithStats(straight, connectivity=8)
    boxes = []
    for left, top, across, down, _ in statistics[1:].tolist():
        if across <= 14:
            boxes.append((left, top, left + across, top + down))
    return sorted(boxes)


def _drawn_along(edges: Mask) -> NDArray[np.int32]:
    """[height, width + 1], how many pixels of each row up to a column belong to a level line."""
    level = cv2.morphologyEx(edges.astype(np.uint8), cv2.MORPH_OPEN, np.ones((1, 16), np.uint8))
    return np.pad(np.cumsum(level, axis=1, dtype=np.int32), ((0, 0), (1, 0)))


def _closed(level: NDArray[np.int32], box: Box) -> bool:
    left, top, right, bottom = box
    inset = min(16, (right - left) // 4)

    def drawn(row: int) -> bool:
        rows = level[max(0, row - _NEAR) : row + _NEAR]
        counts = rows[:, right - inset] - rows[:, left + inset]
        return bool(counts.max(initial=0) >= _DRAWN * (right - left - 2 * inset))

    return drawn(top) and drawn(bottom)
