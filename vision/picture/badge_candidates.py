"""Where a numbered badge may stand: round and square outlines of its size, and areas like a badge that is known.

What stands in such a place is drawn anew, dark on white, for a recognition of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from vision.picture.boxes import area
from vision.reading import Box

_SMALLEST, _LARGEST = 0.8, 4.5  # height of a badge, in heights of a usual line
_WIDEST = 1.8  # width of a badge, in heights of it
_MOST_PLACES = 60
_GLYPH_HEIGHT, _CANVAS_HEIGHT = 30, 48  # pixels; the recognition reads lines of 48
_LEAST_CONTRAST = 40  # in red, green or blue
_REACHES = (0.92, 0.86, 0.8)  # parts of the way from the middle to the outline
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
    boxes: set[Box] = set()
    for cut in _contrasts(pixels):
        contours, _ = cv2.findContours(cut, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        boxes |= {box for contour in contours if (box := _badge_like(contour, smallest, largest))}
    return _distinct(boxes)


def outlines_without_lines(pixels: NDArray[np.uint8], usual: float) -> list[Box]:
    """The same where lines and outlines of a badge's own colour touch it: all that is thin is wiped out before.

    Source: morphological opening, on the picture at half its size.
    """
    small = cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    smallest, largest = max(12.0, _SMALLEST * usual) / 2, _LARGEST * usual / 2
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (max(5, round(0.6 * smallest)),) * 2)
    boxes: set[Box] = set()
    for cut in _contrasts(np.asarray(small, dtype=np.uint8)):
        for side in (cut, 1 - cut):
            opened = cv2.morphologyEx(_without_small_holes(side, largest), cv2.MORPH_OPEN, brush)
            contours, _ = cv2.findContours(opened, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
            for contour in contours:
                if box := _badge_like(contour, smallest, largest):
                    boxes.add((2 * box[0], 2 * box[1], 2 * box[2], 2 * box[3]))
    return _distinct(boxes)


def _without_small_holes(cut: NDArray[np.uint8], largest: float) -> NDArray[np.uint8]:
    """An area of ones where the holes that a number leaves in a badge are filled."""
    contours, tree = cv2.findContours(cut, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    filled = cut.copy()
    if tree is None:
        return filled
    holes = [contour for contour, (_, _, _, parent) in zip(contours, tree[0], strict=True) if parent >= 0]
    small = [hole for hole in holes if max(cv2.boundingRect(hole)[2:]) < 0.7 * largest]
    cv2.drawContours(filled, small, -1, 1, cv2.FILLED)
    return filled


def _badge_like(contour: MatLike, smallest: float, largest: float) -> Box | None:
    """The box of a contour that is about as wide as it is high, of a badge's size, and fills it as a disc does."""
    if len(contour) < 2 * smallest:
        return None
    left, top, width, height = cv2.boundingRect(contour)
    if not (smallest <= height <= largest and 0.85 * height <= width <= _WIDEST * height):
        return None
    if cv2.contourArea(contour) <= 0.72 * width * height:  # a disc fills 0.79 of its box
        return None
    return left, top, left + width, top + height


def _distinct(boxes: set[Box]) -> list[Box]:
    """Each of the boxes that are hardly apart once, the largest first; paper with a grid has thousands of them."""
    ordered = sorted(boxes, key=lambda box: (-area(box), box))
    kept = np.zeros((len(ordered), 4), np.int32)
    count = 0
    for box in ordered:
        others = kept[:count]
        across = np.minimum(others[:, 2], box[2]) - np.maximum(others[:, 0], box[0])
        down = np.minimum(others[:, 3], box[3]) - np.maximum(others[:, 1], box[1])
        common = across.clip(0) * down.clip(0)
        every = (others[:, 2] - others[:, 0]) * (others[:, 3] - others[:, 1]) + area(box) - common
        if not (common > 0.6 * every).any():
            kept[count] = box
            count += 1
    return [(left, top, right, bottom) for left, top, right, bottom in kept[:count].tolist()]


def _contrasts(pixels: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """The picture cut at many levels of brightness, saturation and hue: in one of them any filled shape stands out.

    Yields: 1 above the level, 0 elsewhere, [height, width].
    """
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
            yield (channel > cut).astype(np.uint8)


def look_inside(pixels: NDArray[np.uint8], box: Box) -> Candidate | None:
    """A candidate, if what stands in an outline may be a number: one to five marks of a digit's size in the middle."""
    left, top = max(box[0], 0), max(box[1], 0)
    right, bottom = min(box[2], pixels.shape[1]), min(box[3], pixels.shape[0])
    height, width = bottom - top, right - left
    core = pixels[top + height // 4 : bottom - height // 4, left + width // 4 : right - width // 4]
    if np.ptp(core.reshape(-1, 3), axis=0).max() < _LEAST_CONTRAST:
        return None
    inside = pixels[top:bottom, left:right].astype(np.float64)
    down, across = np.mgrid[0:height, 0:width]
    # From 0 in the middle to 1 at the outline.
    distance = np.hypot((across - (width - 1) / 2) / (width / 2), (down - (height - 1) / 2) / (height / 2))
    fill = np.median(inside[distance <= 0.8], axis=0)
    difference = np.abs(inside - fill).max(axis=2)
    strongest = difference[distance <= 0.8].max()
    if strongest < _LEAST_CONTRAST:
        return None
    marks = difference > 0.5 * strongest
    # As far out as a ring without ink allows: not so far that a line around the badge is taken for a mark.
    reach = next((reach for reach in _REACHES if not marks[np.abs(distance - reach) < 0.04].any()), _REACHES[-1])
    middle = distance <= reach
    count, labels, stats, _ = cv2.connectedComponentsWithStats((marks & middle).astype(np.uint8), connectivity=8)
    edge = middle & (distance > reach - 2.5 / height)
    loose = [mark for mark in range(1, count) if stats[mark, cv2.CC_STAT_AREA] > 2 and not edge[labels == mark].any()]
    if not 1 <= len(loose) <= 5:
        return None
    ink = np.isin(labels, loose)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    first, last, start, end = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    if not _is_in_the_middle((first, last), height) or not _is_in_the_middle((start, end), width):
        return None
    if last - first < 0.22 * height:
        return None
    shades = (difference / strongest).clip(0, 1) * cv2.dilate(ink.astype(np.uint8), np.ones((3, 3), np.uint8))
    # A pixel more at each side: there the ink ends softly.
    drawn = _drawn_anew(shades[first - 1 : last + 1, start - 1 : end + 1])
    return Candidate(box, fill, drawn, _point(stats[loose]))


def _is_in_the_middle(span: tuple[int, int], side: int) -> bool:
    """Whether marks leave room at both ends of a badge's side, and about as much at each."""
    return span[1] - span[0] <= 0.82 * side and abs(sum(span) / 2 - side / 2) <= 0.15 * side


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
