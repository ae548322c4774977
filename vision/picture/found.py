"""What the stages of the reader hand to each other: places on the picture, before anything has a name.

All boxes and points are in pixels of the picture, which may be smaller or larger than the image as uploaded.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vision.reading import Box, Style

Point = tuple[int, int]


@dataclass(frozen=True)
class Picture:
    """An image ready to be read: flattened on white, its long side between 1,600 and 2,200 pixels where it can be."""

    pixels: NDArray[np.uint8]
    """[height, width, 3], red, green, blue."""
    scale: float
    """Pixels of the picture for each pixel of the image as uploaded."""

    @cached_property
    def strokes(self) -> NDArray[np.bool_]:
        """The mask of `line_ink.stroke_mask`, which several stages start from; not to be written into."""
        from vision.picture.line_ink import stroke_mask

        return stroke_mask(self.pixels)

    def original(self, box: Box) -> Box:
        """A box of the picture in pixels of the image as uploaded."""
        left, top, right, bottom = (round(place / self.scale) for place in box)
        return left, top, right, bottom


@dataclass(frozen=True)
class Line:
    """One line of text; `confidence` from 0 to 1."""

    text: str
    box: Box
    confidence: float


@dataclass(frozen=True)
class Label:
    """Lines that are one name or phrase, joined by spaces, from top to bottom."""

    text: str
    box: Box
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Badge:
    """A number in a small circle, square or bracket: the number of a step."""

    number: str
    box: Box


@dataclass(frozen=True)
class Shape:
    """An outline or a filled area. `outline` and `fill` as `#rrggbb`, None where there is none of its own."""

    kind: Literal["rectangle", "ellipse", "cylinder", "other"]
    box: Box
    outline: str | None
    fill: str | None
    style: Style


@dataclass(frozen=True)
class Icon:
    """A small picture without a text of its own."""

    box: Box


@dataclass(frozen=True)
class Arrow:
    """A drawn line with or without heads; `confidence` (0 to 1) that it is one as described."""

    path: tuple[Point, ...]
    head_at_start: bool
    head_at_end: bool
    color: str
    style: Style
    confidence: float


@dataclass(frozen=True)
class Parts:
    """The named things, with boxes in pixels of the picture, and the labels that name none of them."""

    components: tuple["Part", ...]
    containers: tuple["Part", ...]
    loose: tuple[Label, ...]


@dataclass(frozen=True)
class Part:
    """A component or a container, its box in pixels of the picture; `within` is the id of its container."""

    id: str
    label: str
    box: Box
    within: str | None = None
