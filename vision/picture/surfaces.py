"""Even surfaces of a picture: connected areas without an edge in them, which is what the inside of a drawn box is.

An edge is where neighbouring pixels differ by more than a threshold. No single threshold and no single reach over gaps
suits every diagram (pale regions without a border, dashed borders, noise of JPEG), so several are tried and the shapes
that come out are compared later.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.picture.found import Line
from vision.picture.morphology import closed
from vision.reading import Box

GAPS_AT_CONTRASTS: Mapping[int, Sequence[int]] = {6: (0,), 14: (0, 3, 7), 28: (0, 7)}
"""For each difference between neighbouring pixels that makes an edge (levels of 255, of the channel where it is
largest): by how many pixels edges are thickened and thinned again, which closes gaps of twice that in borders."""
SMALLEST = (22, 14)
"""Least width and height in pixels of a surface that can be the inside of something."""
_EDGE_OF_SURFACE = 4  # pixels from a side of its box within which a surface counts as reaching that side
_SAME_FILL = 5  # levels of 255 within which two surfaces have one colour
_CUT_AT = 14  # contrast up to which surfaces are looked for that arrows cut in two
_LINE = 9  # pixels that an arrow may be thick which cuts a surface in two

Mask = NDArray[np.bool_]
Color = tuple[int, int, int]


@dataclass(frozen=True)
class Surface:
    """A connected even area. `reaches`: the share (0 to 1) of the left, top, right, bottom side of its box it touches.

    `filled` [height, width] is the area with its holes (texts, icons) filled, `fill` its median colour (red, green,
    blue), `reach` the gaps that were closed around it, `whole` whether it was found in one piece.
    """

    box: Box
    reaches: tuple[float, float, float, float]
    filled: Mask
    fill: Color
    reach: int
    whole: bool


def edge_strength(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[height, width], how much the pixels in the three by three around each one differ, 0 to 255."""
    around = np.ones((3, 3), np.uint8)
    spread: NDArray[np.uint8] = np.max(cv2.dilate(pixels, around) - cv2.erode(pixels, around), axis=2)
    return spread


def find_surfaces(
    pixels: NDArray[np.uint8],
    strength: NDArray[np.uint8],
    lines: Sequence[Line],
    wanted: Callable[[Box], bool],
    gaps: Mapping[int, Sequence[int]] = GAPS_AT_CONTRASTS,
) -> Iterator[Surface]:
    """The even surfaces of a picture [height, width, 3] whose box is wanted, without the background, each box once.

    strength: of the picture's edges, as `edge_strength` gives it.
    """
    asked: set[Box] = set()

    def is_new(box: Box) -> bool:
        new = box not in asked
        asked.add(box)
        return new and wanted(box)

    for contrast, reaches in gaps.items():
        edges = (strength >= contrast).astype(np.uint8)
        letterless = without_text(edges, lines) if any(reaches) else edges
        whole = _Pieces.between(edges)
        for reach in reaches:
            pieces = whole
            if reach:
                pieces = _Pieces.between(closed(letterless, 2 * reach + 1, 2 * reach + 1))
            yield from _connected(pixels, pieces, reach, is_new)
        if contrast <= _CUT_AT:
            yield from _cut_by_lines(pixels, whole, is_new)


def without_text(edges: NDArray[np.uint8], lines: Sequence[Line]) -> NDArray[np.uint8]:
    """Edges without those of letters: what lies wholly in the box of a line."""
    rest = edges.copy()
    for line in lines:
        left, top, right, bottom = line.box
        part = edges[top:bottom, left:right]
        if part.size == 0:
            continue
        _, labels = cv2.connectedComponents(part, connectivity=8)
        rim = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
        rest[top:bottom, left:right][~np.isin(labels, rim)] = 0
    return rest


@dataclass(frozen=True)
class _Pieces:
    """Connected areas without an edge in them, as OpenCV numbers them: 0 is the edges."""

    labels: NDArray[np.int32]
    """[height, width]: the number of the area that a pixel is in."""
    statistics: NDArray[np.int32]
    """By number: left, top, width, height and pixels."""

    @classmethod
    def between(cls, edges: NDArray[np.uint8]) -> "_Pieces":
        """The areas between edges (0 or 1)."""
        _, labels, statistics, _ = cv2.connectedComponentsWithStats(1 - edges, connectivity=4)
        return cls(np.asarray(labels, np.int32), np.asarray(statistics, np.int32))


def _connected(
    pixels: NDArray[np.uint8], pieces: _Pieces, reach: int, wanted: Callable[[Box], bool]
) -> Iterator[Surface]:
    labels, statistics = pieces.labels, pieces.statistics
    across, down, covered = statistics[:, 2], statistics[:, 3], statistics[:, 4]
    large = (across >= SMALLEST[0]) & (down >= SMALLEST[1]) & (covered >= 0.08 * across * down)
    for number in np.flatnonzero(large):
        if number == 0:
            continue
        left, top, width, height = (int(value) for value in statistics[number, :4])
        box = (left, top, left + width, top + height)
        if _possible(box, labels.shape, reach) and wanted(box):
            own = labels[top : top + height, left : left + width] == number
            yield _surface(box, own, _median_color(pixels, box, own), reach, whole=True)


def _possible(box: Box, shape: tuple[int, ...], reach: int) -> bool:
    """Large enough, and not the background, which lies at three borders of the picture or more."""
    height, width = shape
    left, top, right, bottom = box
    margin = reach + 2
    at_border = (left <= margin) + (top <= margin) + (right >= width - margin) + (bottom >= height - margin)
    return right - left >= SMALLEST[0] and bottom - top >= SMALLEST[1] and at_border < 3


def _cut_by_lines(pixels: NDArray[np.uint8], uncut: _Pieces, wanted: Callable[[Box], bool]) -> Iterator[Surface]:
    """Surfaces of one colour that arrows cut in pieces, put together again."""
    labels, statistics = uncut.labels, uncut.statistics
    count = len(statistics)
    order = [int(number) for number in np.argsort(-statistics[1:, cv2.CC_STAT_AREA])[:60] + 1] if count > 1 else []
    pieces = [number for number in order if statistics[number, cv2.CC_STAT_AREA] > 300]
    fills: dict[int, Color] = {}
    for number in pieces:
        left, top, across, down = (int(value) for value in statistics[number, :4])
        box = (left, top, left + across, top + down)
        fills[number] = _median_color(pixels, box, labels[top : top + down, left : left + across] == number)
    for group in _groups_of_color(fills):
        if len(group) < 2:
            continue
        table = np.zeros(count, np.uint8)
        table[group] = 1
        bridged = closed(table[labels], _LINE, _LINE)
        parts, joined, joined_statistics, _ = cv2.connectedComponentsWithStats(bridged, connectivity=4)
        for number in range(1, parts):
            left, top, across, down = (int(value) for value in joined_statistics[number, :4])
            box = (left, top, left + across, top + down)
            if _possible(box, labels.shape, 0) and wanted(box):
                own = joined[top : top + down, left : left + across] == number
                yield _surface(box, own, fills[group[0]], 0, whole=False)


def _groups_of_color(fills: dict[int, Color]) -> list[list[int]]:
    """Surfaces by their colour, each group around its largest one."""
    groups: list[list[int]] = []
    for number, fill in fills.items():
        for group in groups:
            if max(abs(one - other) for one, other in zip(fill, fills[group[0]], strict=True)) <= _SAME_FILL:
                group.append(number)
                break
        else:
            groups.append([number])
    return groups


def _surface(box: Box, own: Mask, fill: Color, reach: int, whole: bool) -> Surface:
    deep = max(1, min(_EDGE_OF_SURFACE, own.shape[0] // 4, own.shape[1] // 4))
    reaches = (
        float(own[:, :deep].any(axis=1).mean()),
        float(own[:deep].any(axis=0).mean()),
        float(own[:, -deep:].any(axis=1).mean()),
        float(own[-deep:].any(axis=0).mean()),
    )
    contours, _ = cv2.findContours(own.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(own.shape, np.uint8)
    cv2.drawContours(filled, contours, -1, 1, cv2.FILLED)
    return Surface(box, reaches, filled.astype(bool), fill, reach, whole)


def _median_color(pixels: NDArray[np.uint8], box: Box, own: Mask) -> Color:
    """The median of at most some thousand of the pixels."""
    left, top, right, bottom = box
    step = 1 + max(0, bottom - top - 1) // 150
    colors = pixels[top:bottom:step, left:right][own[::step]]
    red, green, blue = np.median(colors[:: 1 + len(colors) // 2000], axis=0) if len(colors) else (255, 255, 255)
    return int(red), int(green), int(blue)
