"""The arrows of a picture: lines traced from end to end, with their heads, colour and style."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.picture.arrow_heads import Head, head_at
from vision.picture.found import Arrow, Badge, Icon, Line, Picture, Shape
from vision.picture.line_barriers import find_gaps, is_words
from vision.picture.line_ink import Mask, boxes_mask, filled, widest_stroke
from vision.picture.line_joining import DASH_GAP, Gaps, joined, loose_end
from vision.picture.line_network import Port, goes_straight_on, ports_at, tidy
from vision.picture.line_routes import Network, Route, pairs
from vision.picture.skeleton import Points, Strand, strands_of, thin
from vision.reading import Style

LEAST_HEAD = 0.45
"""The least score of a head."""
SHORTEST = 18
"""Pixels of the picture: a shorter line is none."""
FURTHEST = 46
"""Pixels of the picture by which a line may go on under an outline."""
MOST_STRANDS = 1_500
"""A picture with more is a photograph or noise, in which lines would be looked for in vain for a minute; real diagrams
have up to some hundred."""
HEADS_DIFFER = 3.0
"""How many times the area of the other the larger head of a line may have, if both are heads."""


@dataclass(frozen=True)
class _Traced:
    """Strands with what was measured on each: width in pixels, colour (red, green, blue), heads by end."""

    strands: list[Strand]
    widths: list[float]
    colors: list[NDArray[np.float64]]
    heads: dict[Port, Head]


def find_arrows(
    picture: Picture,
    lines: Sequence[Line],
    shapes: Sequence[Shape],
    icons: Sequence[Icon],
    badges: Sequence[Badge],
) -> list[Arrow]:
    """The lines between things, with or without heads; outlines, icons and text are left out."""
    lines = [line for line in lines if is_words(line)]
    ink = picture.strokes & ~boxes_mask(picture.pixels.shape[:2], [line.box for line in lines], 1)
    ink = filled(ink, widest_stroke(picture.pixels))
    gaps = find_gaps(ink, lines, shapes, icons, badges)
    traced = _trace(picture.pixels, ink, gaps)
    ends = [
        loose_end(strand, number, end, traced.widths[number], traced.colors[number])
        for number, strand in enumerate(traced.strands)
        for end in (0, 1)
        if strand.nodes[end] is None and (number, end) not in traced.heads
    ]
    network = Network(traced.strands, joined(ends, gaps), traced.colors)
    loose = {(end.strand, end.end) for end in ends} - set(network.links)
    found = [
        _arrow(route, margin, traced, ink, gaps.closed) for route, margin, _ in pairs(loose, set(traced.heads), network)
    ]
    return [arrow for arrow in found if arrow is not None]


def _trace(pixels: NDArray[np.uint8], ink: Mask, gaps: Gaps) -> _Traced:
    """The strands of all lines, and the heads at their ends."""
    open_ink = ink & ~gaps.outlines & ~gaps.closed
    depth = cv2.distanceTransform(open_ink.astype(np.uint8), cv2.DIST_L2, 3)
    skeleton = thin(open_ink) & (depth <= widest_stroke(pixels) / 3)
    strands = [s for s in strands_of(skeleton) if s.length >= 3 or None not in s.nodes]
    typical = float(np.median(2 * depth[skeleton] - 1)) if skeleton.any() else 1.0
    strands = tidy(strands, typical, gaps.closed, gaps.outlines) if len(strands) <= MOST_STRANDS else []
    widths, colors = [], []
    for strand in strands:
        columns, rows = strand.points.T.astype(int)
        widths.append(float(np.median(2 * depth[rows, columns] - 1)))
        colors.append(np.median(pixels[rows, columns].astype(np.float64), axis=0))
    heads = _heads(ink, strands, widths)
    for number, end in heads:
        strands[number].nodes[end] = None
    return _without_heads(_Traced(strands, widths, colors, heads))


def _heads(ink: Mask, strands: list[Strand], widths: list[float]) -> dict[Port, Head]:
    """The heads at the ends of strands, and those that stand off behind the last dash of a line."""
    at = ports_at(strands)
    heads: dict[Port, Head] = {}
    for number, strand in enumerate(strands):
        for end in (0, 1):
            if strand.length < 8 or goes_straight_on((number, end), strands, at):
                continue
            head = head_at(ink, strand.from_end(end), widths[number])
            if head is not None and head.score >= LEAST_HEAD:
                heads[number, end] = head
    for number, strand in enumerate(strands):
        for end in (0, 1):
            if strand.nodes[end] is not None or (number, end) in heads or not 5 <= strand.length <= 70:
                continue
            head = head_at(ink, strand.from_end(end), widths[number], gap=DASH_GAP - 8)
            if head is None or head.score < LEAST_HEAD + 0.1:
                continue
            if all(np.hypot(*np.subtract(head.tip, other.tip)) > 14 for other in heads.values()):
                heads[number, end] = head
    return heads


def _without_heads(traced: _Traced) -> _Traced:
    """Without the strands that are the inside of a head standing off its line."""
    inner = set()
    for (number, end), head in traced.heads.items():
        last = traced.strands[number].from_end(end)[0]
        if np.hypot(*(last - head.tip)) < head.length + 2:
            continue
        for other, strand in enumerate(traced.strands):
            if other != number and np.hypot(*(strand.points - head.tip).T).max() <= 1.2 * head.length + 3:
                inner.add(other)
    kept = [number for number in range(len(traced.strands)) if number not in inner]
    place = {number: index for index, number in enumerate(kept)}
    heads = {(place[number], end): head for (number, end), head in traced.heads.items() if number in place}
    return _Traced(
        [traced.strands[n] for n in kept], [traced.widths[n] for n in kept], [traced.colors[n] for n in kept], heads
    )


def _alike(one: Head | None, other: Head | None) -> tuple[Head | None, Head | None]:
    """The two heads of a line; one much smaller than the other is a crossing that looks like a head, and left out."""
    if one is None or other is None:
        return one, other
    sizes = one.length * one.width, other.length * other.width
    if max(sizes) <= HEADS_DIFFER * min(sizes):
        return one, other
    return (one, None) if sizes[0] > sizes[1] else (None, other)


def _arrow(route: Route, margin: float, traced: _Traced, ink: Mask, closed: Mask) -> Arrow | None:
    """The route as an arrow that sets out at its tail, with how sure it is."""
    head_at_start, head_at_end = _alike(traced.heads.get(route.start), traced.heads.get(route.finish))
    most = 12 if route.dash_gaps else 3
    tips = [
        np.array([head.tip]) if head else _further(way, ink, closed, most)
        for head, way in ((head_at_start, route.points), (head_at_end, route.points[::-1]))
    ]
    points = np.concatenate([tips[0], route.points, tips[1]])
    if head_at_start and not head_at_end:
        points, head_at_start, head_at_end = points[::-1], head_at_end, head_at_start
    length = float(np.hypot(*np.diff(points, axis=0).T).sum())
    if length < SHORTEST:
        return None
    style: Style = "dashed" if route.dash_gaps >= 3 else "solid"
    weights = [traced.strands[number].length for number, _ in route.ports]
    color = np.average([traced.colors[number] for number, _ in route.ports], axis=0, weights=weights)
    scores = [head.score for head in (head_at_start, head_at_end) if head]
    sure = min(scores, default=0.3) * max(0.1, 1 - 0.3 * route.cost) * min(1.0, 0.55 + margin)
    return Arrow(
        tuple((int(x), int(y)) for x, y in _thinned(points)),
        head_at_start is not None,
        head_at_end is not None,
        "#" + "".join(f"{round(part):02x}" for part in color),
        style,
        round(float(np.clip(sure, 0, 1)), 3),
    )


def _further(points: Points, ink: Mask, closed: Mask, most: int) -> Points:
    """Where a line without a head really ends, [0 or 1, 2]: on through what was taken away with an outline.

    `most`: pixels without ink that are passed over.
    """
    back = points[:12] - points[0]
    inwards = back[-1] / (float(np.hypot(*back[-1])) or 1.0)
    if len(points) < 4:
        return np.empty((0, 2))
    last, missing = 0, 0
    for step in range(1, FURTHEST):
        column, row = np.rint(points[0] - step * inwards).astype(int)
        if not (1 <= row < ink.shape[0] - 1 and 1 <= column < ink.shape[1] - 1):
            break
        if closed[row, column]:
            last = step if missing <= 1 or most > 3 else last
            break
        missing = 0 if ink[row - 1 : row + 2, column - 1 : column + 2].any() else missing + 1
        if missing > most:
            break
        last = last if missing else step
    return np.array([points[0] - last * inwards]) if last > 2 else np.empty((0, 2))


def _thinned(points: Points) -> Points:
    """Every tenth point and the last one: enough to draw and to measure."""
    return np.concatenate([points[:-1:10], points[-1:]])
