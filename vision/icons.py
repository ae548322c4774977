"""Icons of a diagram: compact drawings that are neither text nor boxes nor lines."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.boxes import area, around, gap_across, gap_down, grown, height, overlap, share_within, width
from vision.found import Badge, Icon, Line, Picture, Shape
from vision.reading import Box

_INK = 24
"""Levels of 255 (of the channel where it is largest) by which a drawing differs from what it stands on."""
_SMALLEST, _LARGEST = 20, 300  # pixels of a side of an icon
_STROKES_APART = 11  # pixels between the strokes of one icon that are filled
_LINE = 11  # pixels: what is thinner after that is a line
_HOLE = 80  # pixels of a side of an area that the outline of an icon may enclose
_BORDER = 5  # pixels at both sides of a shape's box in which its border may lie
_PAGE = 16  # the background is looked for in a picture so many times smaller


def find_icons(picture: Picture, lines: Sequence[Line], shapes: Sequence[Shape], badges: Sequence[Badge]) -> list[Icon]:
    """The icons of a picture, from top to bottom. One inside a shape counts; a shape that holds text does not."""
    ink = _ink(picture.pixels, shapes)
    texts = [line.box for line in lines if not _is_on_a_drawing(ink, line.box)]
    for box in texts + [grown(badge.box, 3) for badge in badges]:
        _erase(ink, box)
    for shape in shapes:
        _erase_border(ink, shape.box)
    closed = cv2.morphologyEx(ink, cv2.MORPH_CLOSE, np.ones((_STROKES_APART, _STROKES_APART), np.uint8))
    drawn = _with_holes_filled(closed)
    thick = cv2.morphologyEx(drawn, cv2.MORPH_OPEN, np.ones((_LINE, _LINE), np.uint8))
    blobs = cv2.dilate(thick, np.ones((_LINE, _LINE), np.uint8)) & drawn
    _, _, statistics, _ = cv2.connectedComponentsWithStats(blobs, connectivity=8)
    boxes = [(left, top, left + across, top + down) for left, top, across, down, _ in statistics[1:].tolist()]
    found = [box for box in _merged(boxes) if _is_icon(box, lines) and not _is_shape(box, shapes)]
    return [Icon(box) for box in sorted(found, key=lambda box: (box[1], box[0]))]


def _ink(pixels: NDArray[np.uint8], shapes: Sequence[Shape]) -> NDArray[np.uint8]:
    """[height, width], 1 where something is drawn on the page or on the inside of a shape."""
    ground = _page(pixels)
    for shape in sorted(shapes, key=lambda each: -area(each.box)):
        left, top, right, bottom = shape.box
        inside = _inner_rim(pixels, shape.box)
        if len(inside):
            ground[max(0, top) : bottom, max(0, left) : right] = np.median(inside, axis=0)
    difference = np.max(cv2.absdiff(pixels, ground), axis=2)
    ink: NDArray[np.uint8] = (difference >= _INK).astype(np.uint8)
    return ink


def _page(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The background without what is drawn on it: one colour where the picture's rim has one, else as it changes."""
    down, across = pixels.shape[:2]
    rim = np.concatenate([pixels[:4].reshape(-1, 3), pixels[-4:].reshape(-1, 3), pixels[:, :4].reshape(-1, 3)])
    color = np.median(rim, axis=0)
    if (np.abs(rim - color).max(axis=1) < _INK / 2).mean() > 0.8:
        return np.full_like(pixels, color.astype(np.uint8))
    small = cv2.resize(pixels, (max(1, across // _PAGE), max(1, down // _PAGE)), interpolation=cv2.INTER_AREA)
    return cv2.resize(cv2.medianBlur(small, 31), (across, down), interpolation=cv2.INTER_LINEAR).astype(np.uint8)


def _inner_rim(pixels: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """[n, 3], the pixels of a shape close to its border, where no icon stands."""
    left, top, right, bottom = box
    inside = pixels[max(0, top) : bottom, max(0, left) : right]
    down, across = inside.shape[:2]
    if min(down, across) < 30:
        return inside.reshape(-1, 3)
    strips = inside[6:12, 12:-12], inside[-12:-6, 12:-12], inside[12:-12, 6:12], inside[12:-12, -12:-6]
    return np.concatenate([strip.reshape(-1, 3) for strip in strips])


def _is_on_a_drawing(ink: NDArray[np.uint8], box: Box) -> bool:
    """Whether most of what surrounds a text closely is drawn: letters that are part of an icon."""
    left, top, right, bottom = box
    outer = ink[max(0, top - 3) : bottom + 3, max(0, left - 3) : right + 3]
    inner = ink[max(0, top) : bottom, max(0, left) : right]
    rim = outer.size - inner.size
    return rim > 0 and (int(outer.sum()) - int(inner.sum())) / rim > 0.6


def _with_holes_filled(ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What is drawn together with the small areas that it encloses: an icon may be only an outline."""
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(1 - ink, connectivity=4)
    small = (statistics[:, 2] < _HOLE) & (statistics[:, 3] < _HOLE)
    return np.maximum(ink, small[labels].astype(np.uint8))


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


def _is_icon(box: Box, lines: Sequence[Line]) -> bool:
    across, down = width(box), height(box)
    if min(across, down) < _SMALLEST or max(across, down) > _LARGEST or not 0.3 < across / down < 3.3:
        return False
    return not any(share_within(line.box, box) > 0.8 and area(line.box) > 0.4 * area(box) for line in lines)


def _is_shape(box: Box, shapes: Sequence[Shape]) -> bool:
    """Whether what was found is only the inside of a shape whose colour changes."""
    return any(overlap(box, shape.box) > 0.6 for shape in shapes)
