"""What the lines of a diagram pass under or across, and what they end at: text, outlines, insides of boxes, icons."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.picture.boxes import grown, height, share_within, width
from vision.picture.found import Badge, Icon, Line, Shape
from vision.picture.line_ink import Mask, boxes_mask, widest_stroke
from vision.picture.line_joining import Gaps
from vision.reading import Box

BAND = 5
"""Pixels to each side of an outline that are taken away with it."""
_SMALL = 0.11  # of the picture's long side: a shape with a narrower side and nothing but text in it is one thing
_WIDEST_CROSSING = 14  # pixels along an outline: longer ink beside it runs along it


def is_words(line: Line) -> bool:
    """Whether a line is text: heads of arrows are now and then read as a star or a letter."""
    letters = sum(sign.isalnum() for sign in line.text)
    return letters >= 2 or (letters == 1 and line.confidence >= 0.9)


def find_gaps(
    ink: Mask, lines: Sequence[Line], shapes: Sequence[Shape], icons: Sequence[Icon], badges: Sequence[Badge]
) -> Gaps:
    """What lines pass under or across, and what they cannot pass."""
    covered = boxes_mask(ink.shape, [line.box for line in lines], 7) | boxes_mask(ink.shape, [b.box for b in badges], 4)
    icons = _walls(icons, shapes, lines, widest_stroke(ink))
    closed = boxes_mask(ink.shape, [icon.box for icon in icons])
    patches = [shape for shape in shapes if any(_is_patch(shape, line) for line in lines)]
    covered |= boxes_mask(ink.shape, [shape.box for shape in patches], 2)
    shapes = [shape for shape in shapes if shape not in patches]
    outlines = np.zeros(ink.shape, dtype=np.bool_)
    for shape in shapes:
        if _is_one_thing(shape, shapes, icons, max(ink.shape)):
            closed |= _drawn(ink.shape, shape, -1)
            outlines |= _drawn(ink.shape, shape, 2 * BAND + 1)
        else:
            outlines |= _drawn(ink.shape, shape, 2 * BAND + 1) & ~_crossings(ink, shape.box)
    return Gaps(covered, outlines, closed & ~outlines, ink)


def _is_patch(shape: Shape, line: Line) -> bool:
    """Whether a shape is but the ground that a label on a line was given."""
    tall = height(line.box)
    tight = height(shape.box) <= 1.55 * tall and width(shape.box) <= width(line.box) + 1.6 * tall
    return tight and share_within(line.box, shape.box) > 0.95


def _walls(icons: Sequence[Icon], shapes: Sequence[Shape], lines: Sequence[Line], stroke: int) -> list[Icon]:
    """The icons that lines end at: no head of an arrow that was taken for one, no pile of boxes."""
    kept = []
    for icon in icons:
        shares = [share_within(icon.box, shape.box) for shape in shapes]
        holds = any(share_within(shape.box, icon.box) > 0.6 for shape in shapes)
        if (
            min(width(icon.box), height(icon.box)) > 1.5 * stroke
            and not holds
            and all(s < 0.05 or s > 0.9 for s in shares)
        ):
            kept.append(icon)
    return kept


def _is_one_thing(shape: Shape, shapes: Sequence[Shape], icons: Sequence[Icon], long_side: int) -> bool:
    """Whether nothing that lines could lead to lies in a shape: no line passes its outline."""
    if min(width(shape.box), height(shape.box)) > _SMALL * long_side:
        return False
    held = [other for other in shapes if other is not shape and share_within(other.box, grown(shape.box, 3)) > 0.95]
    return not held and sum(share_within(icon.box, shape.box) > 0.9 for icon in icons) <= 1


def _drawn(size: tuple[int, ...], shape: Shape, thickness: int) -> Mask:
    """The shape with an outline of some pixels, or filled (-1)."""
    mask = np.zeros(size, dtype=np.uint8)
    left, top, right, bottom = shape.box
    centre, half = ((left + right) // 2, (top + bottom) // 2), ((right - left) // 2, (bottom - top) // 2)
    if shape.kind == "ellipse":
        cv2.ellipse(mask, centre, half, 0, 0, 360, 1, thickness)
    elif shape.kind == "cylinder":
        lid = max(min((bottom - top) // 8, half[0]), 1)
        cv2.rectangle(mask, (left, top + lid), (right, bottom - lid), 1, thickness)
        cv2.ellipse(mask, (centre[0], top + lid), (half[0], lid), 0, 0, 360, 1, thickness)
        cv2.ellipse(mask, (centre[0], bottom - lid), (half[0], lid), 0, 0, 360, 1, thickness)
    else:
        cv2.rectangle(mask, (left, top), (right - 1, bottom - 1), 1, thickness)
    return mask > 0


def _crossings(ink: Mask, box: Box) -> Mask:
    """Where lines go straight through the outline of a container."""
    found = np.zeros(ink.shape, dtype=np.bool_)
    left, top, right, bottom = box
    for row in (top, bottom):
        found[max(row - BAND - 2, 0) : row + BAND + 3, left:right] |= _across(ink, row, left, right)[None, :]
    for column in (left, right):
        down = _across(ink.T, column, top, bottom)[:, None]
        found[top:bottom, max(column - BAND - 2, 0) : column + BAND + 3] |= down
    return found


def _across(ink: Mask, row: int, first: int, last: int) -> NDArray[np.bool_]:
    """For each pixel of a level outline from `first` to `last`: whether a narrow stroke lies on both sides of it."""
    reach = BAND + 1
    above: NDArray[np.bool_] = np.atleast_1d(
        ink[max(row - reach - 2, 0) : max(row - reach + 1, 0), first:last].any(axis=0)
    )
    below: NDArray[np.bool_] = np.atleast_1d(ink[row + reach : row + reach + 3, first:last].any(axis=0))
    both = _wider(above, 2) & _wider(below, 2)
    both[:8] = both[-8:] = False
    edges = np.flatnonzero(np.diff(np.concatenate([[0], both.astype(np.int8), [0]])))
    crossing = np.zeros(last - first, dtype=np.bool_)
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        if stop - start <= _WIDEST_CROSSING:
            crossing[start:stop] = True
    return crossing


def _wider(marks: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    return np.convolve(marks, np.ones(2 * by + 1), mode="same") > 0
