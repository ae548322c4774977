"""What the recognition of lines gets wrong in ways that can be told, and is mended: nothing is guessed.

A small l for a capital I, which many typefaces draw alike; a line of the drawing beside a word, read as a letter;
bullets and ends of arrows; heads of arrows and icons read as single letters.
"""

import re
from collections.abc import Sequence
from statistics import median

import numpy as np
from numpy.typing import NDArray

from vision.picture.boxes import height
from vision.picture.found import Line
from vision.reading import Box

SHORT_CONFIDENCE = 0.7
"""For one or two characters: any small sign resembles some letter."""

_INITIALS = re.compile(r"\b(?=[A-Zl]*[A-Z])(?=[A-Zl]*l)(?![A-Z]*ll)[A-Zl]{2,}(?=s?\b)")
_KNOWN = {"loT": "IoT", "lIoT": "IIoT", "l/O": "I/O"}
_EDGES_BEFORE = re.compile(r"[\s·•●○▪\-–—_~=|<>→←`´'\",;:，、。]+(?=\S)")
_EDGES_AFTER = re.compile(r"[\s·•\-–—_~=|<>→←`´，、。]+$")
_STROKE = r"[i!|lI1:jf'\[\]]"
_STROKE_AT_END = re.compile(rf"\s+{_STROKE}$")
_STROKE_AT_START = re.compile(rf"^{_STROKE}\s+")
_LIKE_A_HEAD = set("VvXxOoIlYyAΛ0TLJ")
_INK = 48  # difference to the ground in red, green or blue
_DASHES = 0.35  # part of a column that a dashed line fills at least
_SMALL = 0.5  # of the height of a usual line: a single character so small is a head of an arrow
_FOREIGN = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af]")


def mended(lines: Sequence[Line], pixels: NDArray[np.uint8]) -> list[Line]:
    """The lines that are text, without what was read into them; `pixels` [height, width, 3] of the picture."""
    whole = [_without_strokes(line, pixels) for line in lines]
    clean = [Line(spelled(line.text), line.box, line.confidence) for line in map(_without_edges, whole)]
    foreign = sum(bool(_FOREIGN.search(line.text)) for line in clean if len(line.text) > 2)
    letters = {line.text for line in clean if len(line.text) == 1 and line.text.isalpha()}
    usual = median([height(line.box) for line in clean if len(line.text) > 2] or [0])
    return [
        line
        for line in clean
        if _is_text(line, foreign > len(clean) / 4)
        and not (line.text in _LIKE_A_HEAD and len(letters) < 3)
        and not (len(line.text) == 1 and height(line.box) < _SMALL * usual)
    ]


def spelled(text: str) -> str:
    """The text with a capital I where initials were read with a small l: `API`, `CI`, `IAM`, `IoT`."""
    text = _INITIALS.sub(lambda initials: initials.group().replace("l", "I"), text)
    for wrong, right in _KNOWN.items():
        text = re.sub(rf"\b{re.escape(wrong)}\b", right, text)
    return text


def _is_text(line: Line, foreign_is_usual: bool) -> bool:
    """Whether a line is more than a sign that resembles a letter."""
    if line.text == "&":  # a line of its own in a name of three lines
        return line.confidence >= SHORT_CONFIDENCE
    if not any(character.isalnum() for character in line.text):
        return False
    if len(line.text) <= 2 and _FOREIGN.search(line.text) and not foreign_is_usual:
        return False
    return len(line.text) > 2 or line.confidence >= SHORT_CONFIDENCE


def _without_edges(line: Line) -> Line:
    """A line without bullets and ends of arrows before and after its words."""
    start = _EDGES_BEFORE.match(line.text)
    end = _EDGES_AFTER.search(line.text)
    return _part(line, start.end() if start else 0, end.start() if end else len(line.text))


def _without_strokes(line: Line, pixels: NDArray[np.uint8]) -> Line:
    """A line without a letter at an end that is part of an upright line of the drawing: it goes on above or below."""
    left, top, right, bottom = line.box
    reach = round(0.7 * (bottom - top))
    end = _STROKE_AT_END.search(line.text)
    if end and _goes_on(pixels, (max(left, right - reach), top, right, bottom)):
        line = _part(line, 0, end.start())
    start = _STROKE_AT_START.match(line.text)
    if start and _goes_on(pixels, (left, top, min(right, left + reach), bottom)):
        line = _part(line, start.end(), len(line.text))
    return line


def _goes_on(pixels: NDArray[np.uint8], box: Box) -> bool:
    """Whether a column of a box has ink, and has it above or below too, as a solid or dashed line has."""
    left, top, right, bottom = box
    first, last = max(0, 3 * top - 2 * bottom), min(pixels.shape[0], 3 * bottom - 2 * top)  # two heights more
    strip = pixels[first:last, left:right].astype(np.int16)
    if strip.size == 0:
        return False
    ground = np.median(strip.reshape(-1, 3), axis=0)
    ink = np.abs(strip - ground).max(axis=2) > _INK
    above, within, below = ink[: top - first], ink[top - first : bottom - first], ink[bottom - first :]
    return any(
        _share(within[:, column]) >= 0.3
        and (_share(above[:, column]) >= _DASHES or _share(below[:, column]) >= _DASHES)
        for column in range(ink.shape[1])
    )


def _share(ink: NDArray[np.bool_]) -> float:
    return float(ink.mean()) if ink.size else 0.0


def _part(line: Line, start: int, end: int) -> Line:
    """Some characters of a line, with the part of its box that they take."""
    if start == 0 and end == len(line.text):
        return line
    left, top, right, bottom = line.box
    each = (right - left) / max(1, len(line.text))
    cut_left, cut_right = round(left + each * start), round(left + each * end)
    return Line(line.text[start:end], (cut_left, top, max(cut_left + 1, cut_right), bottom), line.confidence)
