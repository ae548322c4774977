"""Boxes `(left, top, right, bottom)` on a picture: how large they are, and how two of them lie to each other."""

from collections.abc import Iterable

from vision.reading import Box


def width(box: Box) -> int:
    """Pixels from left to right."""
    return box[2] - box[0]


def height(box: Box) -> int:
    """Pixels from top to bottom."""
    return box[3] - box[1]


def area(box: Box) -> int:
    """Pixels in the box; 0 for an empty one."""
    return max(0, width(box)) * max(0, height(box))


def middle(box: Box) -> tuple[float, float]:
    """The centre, across and down."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def common(one: Box, other: Box) -> Box:
    """What two boxes share; empty (area 0) where they are apart."""
    return max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])


def share_within(inner: Box, outer: Box) -> float:
    """The share of the inner box, from 0 to 1, that lies in the outer one."""
    return _shared(inner, outer) / max(1, area(inner))


def overlap(one: Box, other: Box) -> float:
    """Intersection over union, from 0 (apart) to 1 (the same)."""
    shared = _shared(one, other)
    return shared / max(1, area(one) + area(other) - shared)


def around(boxes: Iterable[Box]) -> Box:
    """The smallest box that holds all. Raises: ValueError for none."""
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def grown(box: Box, by: int) -> Box:
    """The box with as many pixels more at each side; it may stick out of the picture."""
    return box[0] - by, box[1] - by, box[2] + by, box[3] + by


def gap_across(one: Box, other: Box) -> int:
    """Pixels between two boxes from left to right; negative where they overlap that way."""
    return max(one[0], other[0]) - min(one[2], other[2])


def gap_down(one: Box, other: Box) -> int:
    """Pixels between two boxes from top to bottom; negative where they overlap that way."""
    return max(one[1], other[1]) - min(one[3], other[3])


def _shared(one: Box, other: Box) -> int:
    across, down = -gap_across(one, other), -gap_down(one, other)
    return across * down if across > 0 and down > 0 else 0
