"""Icons of a diagram: compact drawings that are neither text nor boxes nor lines."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.picture.boxes import area, around, gap_across, gap_down, grown, height, middle, overlap, share_within, width
from vision.picture.found import Badge, Icon, Line, Picture, Shape
from vision.picture.lookalikes import without_lookalikes
from vision.picture.morphology import closed, opened, widened
from vision.reading import Box

_INK = 24
"""Levels of 255 (of the channel where it is largest) by which a drawing differs from what it stands on."""
_SMALLEST, _LARGEST = 22, 300  # pixels of a side of an icon
_STROKES_APART = 11  # pixels between the strokes of one icon that are filled
_BARS_APART = 20  # pixels between pieces of an icon that stand side by side
_PIECE = 64  # pixels of a side of a piece of an icon, and between two of them
_LONG_LINE = 60  # pixels of a straight line that is no stroke of an icon
_LINE = 11  # pixels: what is thinner after that is a line
_HOLE = 80  # pixels of a side of an area that the outline of an icon may enclose
_BORDER = 5  # pixels at both sides of a shape's box in which its border may lie
_CHANGING = 40  # levels of 255 by which a background may change from its middle colour

Labels = NDArray[np.int32]


def find_icons(picture: Picture, lines: Sequence[Line], shapes: Sequence[Shape], badges: Sequence[Badge]) -> list[Icon]:
    """The icons of a picture, from top to bottom. One inside a shape counts; a shape that holds text does not."""
    ink = _ink(picture.pixels, shapes)
    lines = without_lookalikes(lines)
    texts = [line.box for line in lines if not _is_on_a_drawing(ink, line.box)]
    for box in texts + [grown(badge.box, 3) for badge in badges]:
        _erase(ink, box)
    for shape in shapes:
        _erase_border(ink, shape.box)
    rest = _without_long_lines(ink)
    pieces = [box for box in _compact(ink) if max(width(box), height(box)) < _LARGEST]
    groups = [box for box in _joined(rest, pieces) if _is_icon(box, lines, shapes) and _has_line_below(box, lines)]
    alone = [box for box in pieces if not any(share_within(box, group) > 0.7 for group in groups)]
    found = groups + [box for box in alone if _is_icon(box, lines, shapes)]
    return [Icon(box) for box in sorted(found, key=lambda box: (box[1], box[0]))]


def _compact(ink: NDArray[np.uint8]) -> list[Box]:
    """Boxes around what is drawn close together, without lines."""
    joined = closed(ink, _STROKES_APART, _STROKES_APART)
    drawn = _with_holes_filled(joined, _HOLE) | _with_holes_filled(_standing_alone(joined), 2 * _HOLE)
    blobs = widened(opened(drawn, _LINE, _LINE), _LINE) & drawn
    _, _, statistics, _ = cv2.connectedComponentsWithStats(blobs, connectivity=8)
    return _merged([(left, top, left + across, top + down) for left, top, across, down, _ in statistics[1:].tolist()])


def _standing_alone(ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Only what is no larger than an icon: no arrows, which enclose areas that are none."""
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    small = np.maximum(statistics[:, 2], statistics[:, 3]) < _LARGEST
    small[0] = False
    return np.asarray(small[labels], dtype=np.uint8)


def _joined(rest: NDArray[np.uint8], pieces: Sequence[Box]) -> list[Box]:
    """Boxes around the small pieces of one icon: joined by short strokes, or side by side closer than they are wide."""
    labels = np.asarray(cv2.connectedComponents(closed(rest, _LINE // 2, _LINE // 2), connectivity=8)[1], np.int32)
    small = [box for box in pieces if max(width(box), height(box)) < 2 * _HOLE]
    groups: list[list[Box]] = []
    for box in small:
        own: Labels = np.unique(labels[box[1] : box[3], box[0] : box[2]])
        near = [group for group in groups if any(_is_of_one(box, other, own, labels) for other in group)]
        groups = [group for group in groups if group not in near]
        groups.append([box, *(other for group in near for other in group)])
    return [around(group) for group in groups if len(group) > 1]


def _is_of_one(box: Box, other: Box, own: Labels, labels: Labels) -> bool:
    across, down = gap_across(box, other), gap_down(box, other)
    if down < 0 and across < min(_BARS_APART, 0.5 * min(width(box), width(other))):
        return True
    if max(across, down) > _PIECE or max(width(box), height(box), width(other), height(other)) > _PIECE:
        return False
    its = np.unique(labels[other[1] : other[3], other[0] : other[2]])
    return bool(np.intersect1d(own[own > 0], its).size)


def _without_long_lines(ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What is drawn, without straight lines that are too long for an icon's."""
    long = opened(ink, _LONG_LINE, 1) | opened(ink, 1, _LONG_LINE)
    return ink & ~(long & ~opened(ink, 9, 9))


def _ink(pixels: NDArray[np.uint8], shapes: Sequence[Shape]) -> NDArray[np.uint8]:
    """[height, width], 1 where something is drawn on the page or on the inside of a shape."""
    ground = _ground(pixels, 0)
    for shape in sorted(shapes, key=lambda each: -area(each.box)):
        left, top, right, bottom = (max(0, place) for place in shape.box)
        inside = pixels[top:bottom, left:right]
        if inside.size:
            ground[top:bottom, left:right] = _ground(inside, 6)
    difference = np.max(cv2.absdiff(pixels, ground), axis=2)
    ink: NDArray[np.uint8] = (difference >= _INK).astype(np.uint8)
    return ink


def _ground(pixels: NDArray[np.uint8], border: int) -> NDArray[np.uint8]:
    """The page or the inside of a shape without what is drawn on it: even, or evenly changing, as its rim is.

    `border` is how many pixels at the rim belong to the outline.
    """
    down, across = pixels.shape[:2]
    step = 1 + min(down, across) // 200
    y, x = np.mgrid[0:down:step, 0:across:step]
    inset = np.minimum(np.minimum(x, across - 1 - x), np.minimum(y, down - 1 - y))
    rim = (inset >= border) & (inset < border + 2 * step + 4)
    if min(down, across) < 30 or not rim.any():
        return np.full_like(pixels, np.median(pixels.reshape(-1, 3), axis=0).astype(np.uint8))
    colors = pixels[::step, ::step][rim].astype(np.float64)
    places = np.stack([np.ones(len(colors)), x[rim], y[rim]], axis=1)
    near = np.abs(colors - np.median(colors, axis=0)).max(axis=1) < _CHANGING
    if near.sum() < 0.5 * len(near):
        return np.full_like(pixels, np.median(colors, axis=0).astype(np.uint8))
    slope, *_ = np.linalg.lstsq(places[near], colors[near], rcond=None)
    rows, columns = np.arange(down)[:, None, None], np.arange(across)[None, :, None]
    even: NDArray[np.uint8] = np.clip(slope[0] + columns * slope[1] + rows * slope[2], 0, 255).astype(np.uint8)
    return even


def _is_on_a_drawing(ink: NDArray[np.uint8], box: Box) -> bool:
    """Whether most of what surrounds a text closely is drawn: letters that are part of an icon."""
    left, top, right, bottom = box
    outer = ink[max(0, top - 3) : bottom + 3, max(0, left - 3) : right + 3]
    inner = ink[max(0, top) : bottom, max(0, left) : right]
    rim = outer.size - inner.size
    return rim > 0 and (int(outer.sum()) - int(inner.sum())) / rim > 0.6


def _with_holes_filled(ink: NDArray[np.uint8], largest: int) -> NDArray[np.uint8]:
    """What is drawn together with the small areas that it encloses: an icon may be only an outline."""
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(1 - ink, connectivity=4)
    small = np.maximum(statistics[:, 2], statistics[:, 3]) < largest
    return np.asarray(ink | small[labels], dtype=np.uint8)


def _erase(ink: NDArray[np.uint8], box: Box) -> None:
    left, top, right, bottom = box
    ink[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = 0


def _erase_border(ink: NDArray[np.uint8], box: Box) -> None:
    left, top, right, bottom = box
    for side in (
        (left - _BORDER, top - _BORDER, left + _BORDER, bottom + _BORDER),
        (right - _BORDER, top - _BORDER, right + _BORDER, bottom + _BORDER),
        (left - _BORDER, top - _BORDER, right + _BORDER, top + _BORDER),
        (left - _BORDER, bottom - _BORDER, right + _BORDER, bottom + _BORDER),
    ):
        _erase(ink, side)


def _merged(boxes: Sequence[Box]) -> list[Box]:
    """Boxes that touch or overlap as one."""
    merged: list[Box] = []
    for box in boxes:
        while True:
            near = [other for other in merged if gap_across(box, other) <= 4 and gap_down(box, other) <= 4]
            if not near:
                break
            merged = [other for other in merged if other not in near]
            box = around([box, *near])
        merged.append(box)
    return merged


def _is_icon(box: Box, lines: Sequence[Line], shapes: Sequence[Shape]) -> bool:
    """Whether something compact has the size of an icon, and is neither a text nor the inside of a shape."""
    across, down = width(box), height(box)
    if min(across, down) < _SMALLEST or not 28 < max(across, down) < _LARGEST or not 0.3 < across / down < 3.3:
        return False
    if any(overlap(box, shape.box) > 0.6 for shape in shapes):
        return False
    return not any(share_within(line.box, box) > 0.8 and area(line.box) > 0.4 * area(box) for line in lines)


def _has_line_below(box: Box, lines: Sequence[Line]) -> bool:
    """Whether a line of text stands centred right below something."""
    return any(
        -0.6 < (line.box[1] - box[3]) / height(line.box) < 1.7
        and abs(middle(line.box)[0] - middle(box)[0]) < max(0.3 * width(box), 0.15 * width(line.box))
        for line in lines
    )
