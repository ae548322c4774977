"""The network of lines on a picture: strands without spurs, and the junctions they meet at."""

from collections import defaultdict

import cv2
import numpy as np

from vision.picture.line_ink import Mask
from vision.picture.skeleton import Points, Strand

SPUR = 26
"""Pixels: a shorter branch with a loose end is a barb or a corner of a head, not a line."""
ROOT = 30
"""Pixels between a junction and the box or icon that the lines there set out from."""

Port = tuple[int, int]
"""A strand's number and one of its ends (0 or 1)."""


def tidy(strands: list[Strand], line_width: float, closed: Mask, outlines: Mask) -> list[Strand]:
    """The same lines without spurs, with crossings as one junction each, and unbranched strands in one piece.

    What ends at an icon, a box (`closed`) or an outline is no spur: it may be the root of several lines.
    """
    borders = closed | outlines
    for _ in range(3):
        strands = merged(contracted(pruned(strands, borders), 2 * line_width + 3))
    return rooted(split_at_walls(strands, closed), closed, outlines)


def _touches(place: Points, borders: Mask, reach: int) -> bool:
    column, row = (int(part) for part in place)
    return bool(borders[max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1].any())


def split_at_walls(strands: list[Strand], closed: Mask) -> list[Strand]:
    """Strands cut where they turn sharply in front of a box or icon: two lines that set out from one place."""
    away = cv2.distanceTransform((~closed).astype(np.uint8), cv2.DIST_L2, 3)
    pieces = []
    for strand in strands:
        points = strand.points
        near = away[points[:, 1].astype(int), points[:, 0].astype(int)]
        nearest = int(near.argmin())
        if near[nearest] <= 12 and 12 <= nearest < len(points) - 12:
            coming, going = points[nearest] - points[nearest - 12], points[nearest + 12] - points[nearest]
            if turn(coming / np.hypot(*coming), going / np.hypot(*going)) > 60:
                pieces.append(Strand(points[: nearest + 1], [strand.nodes[0], None]))
                pieces.append(Strand(points[nearest:], [None, strand.nodes[1]]))
                continue
        pieces.append(strand)
    return pieces


def rooted(strands: list[Strand], closed: Mask, outlines: Mask) -> list[Strand]:
    """With a short strand from each junction near a box or icon to it, so that the lines that meet there have an end.

    Lines that set out from one place, or from the outline of a pile of boxes, meet before they reach what they are at.
    """
    roots = []
    for node, ports in ports_at(strands).items():
        if any(strands[n].nodes[1 - e] is None and strands[n].length <= SPUR for n, e in ports):
            continue
        centre = np.mean([strands[n].from_end(e)[0] for n, e in ports], axis=0)
        wall = _nearest(centre, closed, ROOT)
        if wall is None and _touches(centre, outlines, 9):
            wall = _nearest(centre, outlines, 9)
        if wall is not None:
            roots.append(Strand(np.linspace(centre, wall, max(int(np.hypot(*(wall - centre))), 2)), [node, None]))
    return strands + roots


def _nearest(place: Points, mask: Mask, reach: int) -> Points | None:
    """The nearest marked pixel at most `reach` pixels away to each side."""
    column, row = (int(part) for part in place)
    top, left = max(row - reach, 0), max(column - reach, 0)
    rows, columns = np.nonzero(mask[top : row + reach + 1, left : column + reach + 1])
    if not len(rows):
        return None
    nearest = int(np.hypot(rows + top - row, columns + left - column).argmin())
    return np.array([columns[nearest] + left, rows[nearest] + top], dtype=np.float64)


def ports_at(strands: list[Strand]) -> dict[int, list[Port]]:
    """The ends of strands at each junction."""
    at: dict[int, list[Port]] = defaultdict(list)
    for number, strand in enumerate(strands):
        for end in (0, 1):
            node = strand.nodes[end]
            if node is not None:
                at[node].append((number, end))
    return at


def heading(points: Points, reach: int = 30) -> Points:
    """The direction, of length 1, in which points set out from the first one, over `reach` points."""
    way = points[min(reach, len(points) - 1)] - points[0]
    return np.asarray(way / (float(np.hypot(*way)) or 1.0))


def turn(first: Points, second: Points) -> float:
    """Degrees between two directions, 0 to 180."""
    return float(np.degrees(np.arccos(np.clip(first @ second, -1, 1))))


def goes_straight_on(port: Port, strands: list[Strand], at: dict[int, list[Port]]) -> bool:
    """Whether another line of some length leads on from the junction at this end."""
    node = strands[port[0]].nodes[port[1]]
    if node is None:
        return False
    back = -heading(strands[port[0]].from_end(port[1]))
    others = [(n, e) for n, e in at[node] if (n, e) != port and strands[n].length > SPUR]
    return any(turn(back, heading(strands[n].from_end(e))) < 40 for n, e in others)


def pruned(strands: list[Strand], borders: Mask) -> list[Strand]:
    """Without spurs; the one that goes straight on as the last bit of a line is kept."""
    gone: set[int] = set()
    for ports in ports_at(strands).values():
        loose = [p for p in ports if strands[p[0]].nodes[1 - p[1]] is None and strands[p[0]].length <= SPUR]
        spurs = [p for p in loose if not _touches(strands[p[0]].from_end(1 - p[1])[0], borders, 3)]
        others = [p for p in ports if p not in spurs]
        if len(others) == 0 and len(spurs) > 1:
            longest = max(spurs, key=lambda p: strands[p[0]].length)
            others, spurs = [longest], [p for p in spurs if p != longest]
        if len(others) == 1:
            inwards = heading(strands[others[0][0]].from_end(others[0][1]))
            turns = {p: turn(-inwards, heading(strands[p[0]].from_end(p[1]))) for p in spurs}
            kept = min(turns, key=lambda p: turns[p], default=None)
            gone |= {p[0] for p in spurs if p != kept or turns[p] > 35}
        else:
            gone |= {p[0] for p in spurs}  # the halves of a dash that crosses a line, or traces of thinning
    return [strand for number, strand in enumerate(strands) if number not in gone]


def contracted(strands: list[Strand], longest: float) -> list[Strand]:
    """Junctions that a strand of at most `longest` pixels joins become one junction."""
    same: dict[int, int] = {}

    def first(node: int) -> int:
        while node in same:
            node = same[node]
        return node

    kept = []
    for strand in strands:
        start, end = strand.nodes
        if start is not None and end is not None and strand.length <= longest:
            if first(start) != first(end):
                same[first(start)] = first(end)
        else:
            kept.append(strand)
    return [Strand(s.points, [None if node is None else first(node) for node in s.nodes]) for s in kept]


def merged(strands: list[Strand]) -> list[Strand]:
    """Two strands that meet at a junction of no others become one; a junction of one strand is a loose end."""
    pieces: dict[int, Strand] = dict(enumerate(strands))
    at = ports_at(strands)
    for node, ports in at.items():
        if len(ports) == 1:
            number, end = ports[0]
            pieces[number].nodes[end] = None
        elif len(ports) == 2 and ports[0][0] != ports[1][0]:
            (a, a_end), (b, b_end) = ports
            first, second = pieces[a], pieces.pop(b)
            beyond = [first.nodes[1 - a_end], second.nodes[1 - b_end]]
            pieces[a] = Strand(np.concatenate([first.from_end(1 - a_end), second.from_end(b_end)]), beyond)
            moved = {(a, 1 - a_end): (a, 0), (b, 1 - b_end): (a, 1)}
            for other in {place for place in beyond if place is not None and place != node}:
                at[other] = [moved.get(port, port) for port in at[other]]
    return list(pieces.values())
