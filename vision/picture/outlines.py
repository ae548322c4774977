"""The border of a box on a picture: its colour, whether it is dashed, what lies outside it, where its lines end."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision.reading import Box, Style

_SEARCHED = 8  # pixels outwards from the inside of a box within which its border lies
_BEYOND = 4  # pixels further out where the surroundings begin
VISIBLE = 14
"""Levels of 255 (of the channel where it is largest) by which colours must differ to count as different."""

Colors = NDArray[np.int16]


@dataclass(frozen=True)
class Outline:
    """The border around an even surface. `box` is the surface's box with its border; `color` None where there is none.

    `like_outside` says for left, top, right, bottom whether the surroundings there have the colour of the inside,
    `even` whether opposite sides that have a border have it in one colour.
    """

    box: Box
    color: tuple[int, int, int] | None
    style: Style
    like_outside: tuple[bool, bool, bool, bool]
    even: bool


def read_outline(pixels: NDArray[np.uint8], box: Box, fill: tuple[int, int, int]) -> Outline:
    """What borders the surface of this box and fill color in a picture [height, width, 3]."""
    inside = np.array(fill, np.int16)
    moved, colors, like, dashed = [], [], [], []
    lines: list[Colors | None] = []
    for side in range(4):
        strip = _outwards(pixels, box, side)
        if strip.shape[0] < _SEARCHED:  # at the edge of the picture
            moved.append(0)
            like.append(False)
            lines.append(None)
            continue
        difference = np.abs(strip - inside).max(axis=2)  # [outwards, along]
        near = difference[:_SEARCHED]
        first = (near >= 0.75 * near.max(axis=0)).argmax(axis=0)
        offset = int(np.median(first))
        outside = np.median(strip[min(offset + _BEYOND, strip.shape[0] - 1) :], axis=(0, 1))
        is_like = bool(np.abs(outside - inside).max() < VISIBLE)
        like.append(is_like)
        drawn = near.max(axis=0) >= VISIBLE
        line = strip[:_SEARCHED][first, np.arange(strip.shape[1])][drawn]
        lines.append(np.median(line, axis=0) if len(line) else None)
        if len(line) and (is_like or np.abs(np.median(line, axis=0) - outside).max() >= VISIBLE):
            colors.append(np.median(line, axis=0))
        if is_like:
            dashed.append(_is_broken(drawn))
        moved.append(min(offset + 1, _SEARCHED))
    left, top, right, bottom = box
    whole = (left - moved[0], top - moved[1], right + moved[2], bottom + moved[3])
    color = tuple(int(level) for level in np.median(colors, axis=0)) if len(colors) >= 2 else None
    style: Style = "dashed" if sum(dashed) * 2 > len(dashed) else "solid"
    even = _alike(lines[0], lines[2]) and _alike(lines[1], lines[3])
    return Outline(whole, color, style, (like[0], like[1], like[2], like[3]), even)  # type: ignore[arg-type]


def _outwards(pixels: NDArray[np.uint8], box: Box, side: int) -> Colors:
    """[outwards, along, 3], the pixels beyond one side (0 left, 1 top, 2 right, 3 bottom), without its corners."""
    left, top, right, bottom = box
    reach = _SEARCHED + 2 * _BEYOND
    inset = (right - left) // 6 if side % 2 else (bottom - top) // 6
    if side % 2:
        across = slice(left + inset, right - inset)
        strip = (
            pixels[max(0, top - reach) : top, across][::-1] if side == 1 else pixels[bottom : bottom + reach, across]
        )
    else:
        down = slice(top + inset, bottom - inset)
        strip = pixels[down, max(0, left - reach) : left][:, ::-1] if side == 0 else pixels[down, right : right + reach]
        strip = strip.transpose(1, 0, 2)
    return strip.astype(np.int16)


def _alike(one: Colors | None, other: Colors | None) -> bool:
    return one is None or other is None or float(np.abs(one - other).max()) < 4 * VISIBLE


def _is_broken(drawn: NDArray[np.bool_]) -> bool:
    """Whether a border comes and goes evenly."""
    changes = int((drawn[1:] != drawn[:-1]).sum())
    return changes >= 5 and 0.25 < drawn.mean() < 0.92


def ends_that_go_on(edges: NDArray[np.bool_], box: Box) -> tuple[int, int, int, int]:
    """For the left, top, right, bottom side of a box: at how many of its two ends its line goes straight on.

    `edges` [height, width] is true where the picture has an edge.
    """
    left, top, right, bottom = box
    near, far = 3, 20  # pixels beyond a corner

    def drawn(rows: slice, columns: slice, along: int) -> bool:
        strip = edges[max(0, rows.start) : max(0, rows.stop), max(0, columns.start) : max(0, columns.stop)]
        long_enough = strip.size > 0 and strip.shape[along] >= (far - near) // 2
        return long_enough and bool(strip.any(axis=1 - along).mean() > 0.95)

    def upright(place: int) -> int:
        columns = slice(place - 3, place + 4)
        return drawn(slice(top - far, top - near), columns, 0) + drawn(slice(bottom + near, bottom + far), columns, 0)

    def level(place: int) -> int:
        rows = slice(place - 3, place + 4)
        return drawn(rows, slice(left - far, left - near), 1) + drawn(rows, slice(right + near, right + far), 1)

    return upright(left), level(top), upright(right), level(bottom)
