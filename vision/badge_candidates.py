"""Where a numbered badge may stand: round and square outlines of its size, and areas like a badge that is known.

What stands in such a place is drawn anew, dark on white, for a recognition of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.boxes import area, overlap
from vision.reading import Box

_SMALLEST, _LARGEST = 0.8, 4.5  # height of a badge, in heights of a usual line
_WIDEST = 1.8  # width of a badge, in heights of it
_MOST_PLACES = 60
_GLYPH_HEIGHT, _CANVAS_HEIGHT = 30, 48  # pixels; the recognition reads lines of 48
_SAME_COLOUR = 28  # largest difference in red, green or blue: what JPEG makes of one colour
_RIM_MATCHES, _AROUND_MATCHES = 0.85, 0.5  # parts of the pixels that have a badge's colour, on its rim and around it


@dataclass(frozen=True)
class Candidate:
    """An outline that may be a badge: the colour (red, green, blue) in it, and what stands on that, drawn anew."""

    box: Box
    fill: NDArray[np.float64]
    glyphs: NDArray[np.uint8]
    point_after: int | None = None
    """How many marks stand before a point between others, which the recognition of one large number often misses."""

    def with_point(self, text: str) -> str:
        """What was recognised, with the point that stands between its marks."""
        if self.point_after is None or "." in text or len(text) < 2:
            return text
        place = len(text) - 1 if text[-1].isalpha() else min(self.point_after, len(text) - 1)
        return f"{text[:place]}.{text[place:]}"

    @property
    def height(self) -> int:
        return self.box[3] - self.box[1]


def outlines(pixels: NDArray[np.uint8], usual: float) -> list[Box]:
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
    boxes.sort(key=lambda box: -area(box))
    distinct: list[Box] = []
    for box in boxes:
        if not any(overlap(box, other) > 0.6 for other in distinct):
            distinct.append(box)
    return distinct


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


def look_inside(pixels: NDArray[np.uint8], box: Box) -> Candidate | None:
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
    return Candidate(box, fill, _drawn_anew(shades[first:last, start:end]), _point(stats[loose]))


def _point(marks: NDArray[np.int32]) -> int | None:
    """How many marks stand before a small one at the foot of the line with others at both sides of it.

    `marks` [marks, 5]: left, top, width, height and area of each in pixels, as OpenCV gives them.
    """
    tops, heights = marks[:, cv2.CC_STAT_TOP], marks[:, cv2.CC_STAT_HEIGHT]
    lefts, widths = marks[:, cv2.CC_STAT_LEFT], marks[:, cv2.CC_STAT_WIDTH]
    foot, tallest = int((tops + heights).max()), int(heights.max())
    for mark in range(len(marks)):
        small = max(heights[mark], widths[mark]) <= 0.35 * tallest
        before = int((lefts + widths <= lefts[mark] + 1).sum())
        after = int((lefts >= lefts[mark] + widths[mark] - 1).sum())
        if small and tops[mark] >= foot - 0.45 * tallest and before and after:
            return before
    return None


def places_like(pixels: NDArray[np.uint8], known: Candidate) -> list[Box]:
    """Where an area of the form, size and colour of a known badge stands, though lines or boxes of its colour touch it.

    The rim of the area, where no number stands, has the colour of the badge, and most of what is around it has not.
    """
    left, top, right, bottom = known.box
    own = _has_colour(pixels[top:bottom, left:right], known)
    form = _filled(own)
    height, width = form.shape
    room = max(3, height // 6)
    around = np.pad(form, room)
    around = _grown(around, room) - _grown(around, 2)
    rim = cv2.erode(form, np.ones((3, 3), np.uint8))
    rim[height // 4 : -(height // 4), width // 5 : -(width // 5)] = 0
    if not rim.any() or not around.any():
        return []
    everywhere = np.pad(_has_colour(pixels, known).astype(np.float32), room)
    on_rim = cv2.matchTemplate(everywhere[room:-room, room:-room], rim.astype(np.float32), cv2.TM_CCORR) / rim.sum()
    on_ground = cv2.matchTemplate(everywhere, around.astype(np.float32), cv2.TM_CCORR) / around.sum()
    fitting = np.where(on_ground < _AROUND_MATCHES, on_rim, 0)
    places: list[Box] = []
    while len(places) < _MOST_PLACES:
        _, best, _, (x, y) = cv2.minMaxLoc(fitting)
        if best < _RIM_MATCHES:
            break
        places.append((x, y, x + width, y + height))
        fitting[max(0, y - height // 2) : y + height // 2 + 1, max(0, x - width // 2) : x + width // 2 + 1] = 0
    return places


def _grown(form: NDArray[np.uint8], by: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.dilate(form, np.ones((2 * by + 1, 2 * by + 1), np.uint8)), dtype=np.uint8)


def _has_colour(pixels: NDArray[np.uint8], known: Candidate) -> NDArray[np.bool_]:
    difference = np.abs(pixels.astype(np.int16) - known.fill.astype(np.int16)).max(axis=2)
    return np.asarray(difference <= _SAME_COLOUR)


def _filled(place: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """An area with its holes: the largest outline, all within it."""
    contours, _ = cv2.findContours(place.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(place.shape, np.uint8)
    if contours:
        cv2.drawContours(filled, [max(contours, key=cv2.contourArea)], -1, 1, cv2.FILLED)
    return filled


def _drawn_anew(shades: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Marks (0 nothing, 1 ink) as the recognition likes them: black on white, of a usual size, with room around."""
    width = max(1, round(shades.shape[1] * _GLYPH_HEIGHT / shades.shape[0]))
    scaled = cv2.resize(shades, (width, _GLYPH_HEIGHT), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    room = (_CANVAS_HEIGHT - _GLYPH_HEIGHT) // 2
    canvas = np.pad(scaled, ((room, room), (2 * room, 2 * room)))
    return np.repeat((255 * (1 - canvas)).astype(np.uint8)[:, :, np.newaxis], 3, axis=2)
