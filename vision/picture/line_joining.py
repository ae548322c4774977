"""Which loose ends of strands belong to one line: the gaps of dashes, of labels on a line, of crossed outlines."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision.picture.line_ink import Mask
from vision.picture.skeleton import Strand

DASH_GAP = 28
"""Pixels of the picture: the longest gap between two dashes."""
OUTLINE_GAP = 30
"""Pixels of the picture: the most that the bands along crossed outlines take of a gap."""
LONGEST_GAP = 460
"""Pixels of the picture: the longest gap under a label or a badge."""


@dataclass(frozen=True)
class Gaps:
    """What may lie between two pieces of one line."""

    covered: Mask
    """Labels and badges on the picture."""
    outlines: Mask
    """Bands along the outlines of shapes, taken away before lines were traced."""
    closed: Mask
    """Insides that no line passes: icons, boxes."""
    ink: Mask
    """Strokes: another line that a dashed one crosses is no gap."""


@dataclass(frozen=True)
class LooseEnd:
    """An end of a strand at no junction. `outwards` is its direction, of length 1."""

    strand: int
    end: int
    place: NDArray[np.float64]
    outwards: NDArray[np.float64]
    length: float
    width: float
    color: NDArray[np.float64]


def loose_end(strand: Strand, index: int, end: int, width: float, color: NDArray[np.float64]) -> LooseEnd:
    """The start (0) or the end (1) of a strand, with the direction of its last twelve pixels."""
    points = strand.from_end(end)[:12]
    outwards = points[0] - points[-1]
    if len(points) >= 3:
        main = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)[2][0]
        outwards = main if main @ outwards >= 0 else -main
    size = float(np.hypot(*outwards)) or 1.0
    return LooseEnd(index, end, points[0], outwards / size, strand.length, width, color)


def joined(ends: list[LooseEnd], gaps: Gaps) -> dict[tuple[int, int], tuple[int, int, bool]]:
    """For each end of a strand that goes on: the strand, its end, and whether the gap is one between dashes.

    Nearest and straightest pairs are joined first; each end is used once.
    """
    if len(ends) < 2:
        return {}
    offers = []
    for first, second in _near_pairs(ends):
        cost = _cost(ends[first], ends[second], gaps)
        if cost is not None:
            offers.append((cost, first, second))
    links: dict[tuple[int, int], tuple[int, int, bool]] = {}
    for _, first, second in sorted(offers):
        a, b = ends[first], ends[second]
        here, there = (a.strand, a.end), (b.strand, b.end)
        if here in links or there in links:
            continue
        dashes = _is_dash_gap(a, b, gaps)
        links[here], links[there] = (*there, dashes), (*here, dashes)
    return links


def _near_pairs(ends: list[LooseEnd]) -> list[tuple[int, int]]:
    """The pairs of ends that face each other, or are as near as dashes."""
    places = np.array([end.place for end in ends])
    outwards = np.array([end.outwards for end in ends])
    pairs = []
    for first in range(len(ends) - 1):
        way = places[first + 1 :] - places[first]
        apart = np.hypot(*way.T) + 1e-6
        facing = (way @ outwards[first] > 0.8 * apart) & ((way * outwards[first + 1 :]).sum(axis=1) < -0.8 * apart)
        fits = ((apart <= LONGEST_GAP) & facing) | (apart <= 18)
        pairs += [(first, int(second) + first + 1) for second in np.flatnonzero(fits)]
    return pairs


def _between(a: LooseEnd, b: LooseEnd, mask: Mask) -> NDArray[np.bool_]:
    """The mask on the straight way between two ends, a value for each pixel."""
    steps = max(int(np.hypot(*(b.place - a.place))), 1)
    way = np.rint(a.place + np.linspace(0, 1, steps + 1)[:, None] * (b.place - a.place)).astype(int)
    height, width = mask.shape
    return np.asarray(mask[way[:, 1].clip(0, height - 1), way[:, 0].clip(0, width - 1)], dtype=np.bool_)


def _at_border(end: LooseEnd, gaps: Gaps) -> bool:
    """Whether an end lies right at a box, an icon or an outline: two lines that set out there are no corner."""
    column, row = (int(part) for part in end.place)
    near = np.s_[max(row - 8, 0) : row + 9, max(column - 8, 0) : column + 9]
    return bool((gaps.closed[near] | gaps.outlines[near]).any())


def _is_dash_gap(a: LooseEnd, b: LooseEnd, gaps: Gaps) -> bool:
    return not (_between(a, b, gaps.covered) | _between(a, b, gaps.outlines)).any()


def _cost(a: LooseEnd, b: LooseEnd, gaps: Gaps) -> float | None:
    """How far two ends are from being one line, None where they cannot be."""
    if a.strand == b.strand or np.abs(a.color - b.color).max() > 70:
        return None
    if max(a.width, b.width) > 1.9 * min(a.width, b.width) + 1:
        return None
    way = b.place - a.place
    gap = float(np.hypot(*way))
    if gap < 1:
        return 0.0
    dashes = max(a.length, b.length) < 70
    turn = float(a.outwards @ -b.outwards)
    aside = max(abs(_cross(a.outwards, way)), abs(_cross(b.outwards, way)))
    ahead = min(float(a.outwards @ way), float(b.outwards @ -way)) / gap
    straight = turn > 0.9 and ahead > 0.8 and aside <= 2.5 + 0.1 * gap
    corner = dashes and gap <= 18 and turn > -0.3 and ahead > -0.2
    if not straight and (not corner or _at_border(a, gaps) or _at_border(b, gaps)):
        return None
    covered, outlines = _between(a, b, gaps.covered), _between(a, b, gaps.outlines)
    if _between(a, b, gaps.closed).any() or outlines.sum() > OUTLINE_GAP:
        return None
    bare = int((~covered & ~outlines & ~_between(a, b, gaps.ink)).sum())
    most = 30 if covered.any() else min(DASH_GAP, max(14.0, 2 * min(a.length, b.length)))
    if bare > most or (outlines.any() and gap > 2 * OUTLINE_GAP):
        return None
    return gap + 4 * aside + 20 * (1 - turn) + (15 if not straight else 0)


def _cross(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    return float(first[0] * second[1] - first[1] * second[0])
