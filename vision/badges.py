"""Numbered badges: the number of a step in a small disc, square or bracket, which the reading of lines often misses.

Every round or square outline of a badge's size is a candidate. What stands in it is drawn anew, dark on white, and
recognised alone. It is a badge if that is a number, and if others like it make a sequence with it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.found import Badge, Line, Picture
from vision.lines import LEAST_CONFIDENCE, recognise
from vision.numbering import in_sequence, order_of, printed_number, take_numbers_off
from vision.reading import Box

_SMALLEST, _LARGEST = 0.8, 4.5  # height of a badge, in heights of a usual line
_WIDEST = 1.8  # width of a badge, in heights of it
_MOST_CANDIDATES = 150
_GLYPH_HEIGHT, _CANVAS_HEIGHT = 30, 48  # pixels; the recognition reads lines of 48
_SURE = 0.6
_ONE_COLOUR = 48  # largest difference in red, green or blue


@dataclass(frozen=True)
class _Candidate:
    """An outline that may be a badge: the colour (red, green, blue) in it, and what stands on that, drawn anew."""

    box: Box
    fill: NDArray[np.float64]
    glyphs: NDArray[np.uint8]

    @property
    def height(self) -> int:
        return self.box[3] - self.box[1]


def read_badges(picture: Picture, lines: Sequence[Line]) -> tuple[list[Badge], list[Line]]:
    """The badges on a picture in the order of their numbers, and the lines of text without what stands in badges.

    Where there are none, the numbers that lines of text begin with are taken for the badges, if they make a sequence.
    """
    boxes = [box for box in _outlines(picture.pixels, _usual_height(lines)) if not _is_word(box, lines)]
    looked_at = (_look_inside(picture.pixels, box) for box in boxes)
    candidates = [candidate for candidate in looked_at if candidate is not None][:_MOST_CANDIDATES]
    recognised = recognise([candidate.glyphs for candidate in candidates])
    numbered = [
        (number, candidate)
        for candidate, (text, confidence) in zip(candidates, recognised, strict=True)
        if confidence >= _SURE and (number := printed_number(text))
    ]
    badges = [Badge(number, candidate.box) for number, candidate in _sequences(numbered)]
    if not badges:
        return take_numbers_off(lines)
    return badges, _without_badges(picture, lines, badges)


def _usual_height(lines: Sequence[Line]) -> float:
    heights = [line.box[3] - line.box[1] for line in lines]
    return median(heights) if heights else 24.0


def _contrasts(pixels: NDArray[np.uint8]) -> Iterator[NDArray[np.bool_]]:
    """The picture cut at many levels of brightness, saturation and hue: in one of them any filled shape stands out."""
    brightness = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    saturation = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV)[:, :, 1]
    _, green_red, blue_yellow = cv2.split(cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB))
    levels = (
        (brightness, (40, 80, 120, 160, 200, 230, 248)),
        (saturation, (15, 50, 110, 180)),
        (green_red, (100, 118, 138, 156)),
        (blue_yellow, (100, 118, 138, 156)),
    )
    for channel, cuts in levels:
        for cut in cuts:
            yield channel > cut


def _outlines(pixels: NDArray[np.uint8], usual: float) -> list[Box]:
    """The boxes of round and square outlines of a badge's size, each once, the largest first."""
    smallest, largest = max(12.0, _SMALLEST * usual), _LARGEST * usual
    boxes: list[Box] = []
    for cut in _contrasts(pixels):
        contours, _ = cv2.findContours(cut.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        for contour in contours:
            if len(contour) < 2 * smallest:
                continue
            left, top, width, height = cv2.boundingRect(contour)
            fits = smallest <= height <= largest and 0.85 * height <= width <= _WIDEST * height
            if fits and cv2.contourArea(contour) > 0.72 * width * height:  # a disc fills 0.79 of its box
                boxes.append((left, top, left + width, top + height))
    boxes.sort(key=lambda box: -_area(box))
    distinct: list[Box] = []
    for box in boxes:
        if not any(_overlap(box, other) > 0.6 for other in distinct):
            distinct.append(box)
    return distinct


def _look_inside(pixels: NDArray[np.uint8], box: Box) -> _Candidate | None:
    """A candidate, if what stands in an outline may be a number: one to four marks of a digit's size in the middle."""
    left, top, right, bottom = box
    inside = pixels[top:bottom, left:right].astype(np.float64)
    height, width = inside.shape[:2]
    down, across = np.mgrid[0:height, 0:width]
    # Within 0.8 of the outline, so that a line around it is left out.
    middle = ((across - (width - 1) / 2) / (0.4 * width)) ** 2 + ((down - (height - 1) / 2) / (0.4 * height)) ** 2 <= 1
    fill = np.median(inside[middle], axis=0)
    difference = np.abs(inside - fill).max(axis=2) * middle
    if difference.max() < 40:
        return None
    marks = (difference > 0.5 * difference.max()).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(marks, connectivity=8)
    edge = middle & (cv2.erode(middle.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    loose = [mark for mark in range(1, count) if stats[mark, cv2.CC_STAT_AREA] > 2 and not edge[labels == mark].any()]
    if not 1 <= len(loose) <= 5:
        return None
    ink = np.isin(labels, loose)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    first, last, start, end = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    if not 0.22 * height <= last - first <= 0.75 * height or end - start > 0.8 * width:
        return None
    if abs((first + last) / 2 - height / 2) > 0.15 * height or abs((start + end) / 2 - width / 2) > 0.15 * width:
        return None
    shades = difference * cv2.dilate(ink.astype(np.uint8), np.ones((3, 3), np.uint8)) / difference.max()
    return _Candidate(box, fill, _drawn_anew(shades[first:last, start:end]))


def _drawn_anew(shades: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Marks (0 nothing, 1 ink) as the recognition likes them: black on white, of a usual size, with room around."""
    width = max(1, round(shades.shape[1] * _GLYPH_HEIGHT / shades.shape[0]))
    scaled = cv2.resize(shades, (width, _GLYPH_HEIGHT), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    room = (_CANVAS_HEIGHT - _GLYPH_HEIGHT) // 2
    canvas = np.pad(scaled, ((room, room), (2 * room, 2 * room)))
    return np.repeat((255 * (1 - canvas)).astype(np.uint8)[:, :, np.newaxis], 3, axis=2)


def _sequences(numbered: Sequence[tuple[str, _Candidate]]) -> list[tuple[str, _Candidate]]:
    """Those that make a sequence with others of their size and colour, in the order of their numbers."""
    kept: list[tuple[str, _Candidate]] = []
    left = list(numbered)
    while left:
        first = left[0][1]
        alike = [found for found in left if _alike(found[1], first)]
        left = [found for found in left if not _alike(found[1], first)]
        sequence = in_sequence([number for number, _ in alike], fewest=2)
        kept += [found for found in alike if found[0] in sequence]
    return sorted(kept, key=lambda found: order_of(found[0]))


def _alike(one: _Candidate, other: _Candidate) -> bool:
    """Of one size within a quarter, and of one colour."""
    sizes = sorted((one.height, other.height))
    return sizes[1] <= 1.25 * sizes[0] and float(np.abs(one.fill - other.fill).max()) < _ONE_COLOUR


def _without_badges(picture: Picture, lines: Sequence[Line], badges: Sequence[Badge]) -> list[Line]:
    """The lines without those that are a badge's text; a line that runs through a badge is read anew beside it."""
    rest: list[Line] = []
    for line in lines:
        at = next((badge.box for badge in badges if _shared(line.box, badge.box) > 0.4 * _area(badge.box)), None)
        if any(_is_text_of(line, badge) for badge in badges):
            continue
        beside = None if at is None else _beside(line.box, at)
        if beside is None:
            rest.append(line)
            continue
        left, top, right, bottom = beside
        text, confidence = recognise([picture.pixels[top:bottom, left:right]])[0]
        if text and confidence >= LEAST_CONFIDENCE:
            rest.append(Line(text, beside, confidence))
    return rest


def _beside(line: Box, badge: Box) -> Box | None:
    """What remains of a line's box to the right or left of a badge at its end; None for a badge within the line."""
    height = line[3] - line[1]
    if badge[0] - line[0] < height:
        return (badge[2], line[1], line[2], line[3]) if line[2] - badge[2] > height // 2 else None
    if line[2] - badge[2] < height:
        return line[0], line[1], badge[0], line[3]
    return None


def _is_word(box: Box, lines: Sequence[Line]) -> bool:
    """Whether an outline is within a line of several letters: an o or a bowl of one."""
    return any(
        len(line.text) > 3 and _shared(box, line.box) > 0.7 * _area(box) and _area(line.box) > 2.5 * _area(box)
        for line in lines
    )


def _is_text_of(line: Line, badge: Badge) -> bool:
    return len(line.text) <= 4 and _shared(line.box, badge.box) > 0.5 * _area(line.box)


def _area(box: Box) -> int:
    return max(0, box[2] - box[0]) * max(0, box[3] - box[1])


def _shared(one: Box, other: Box) -> int:
    return _area((max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])))


def _overlap(one: Box, other: Box) -> float:
    """The area that two boxes share, as a part of the area that they cover together."""
    shared = _shared(one, other)
    return shared / (_area(one) + _area(other) - shared)
