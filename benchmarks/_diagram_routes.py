"""Ways for the connections of drawn diagrams: with right angles around what stands there, straight, or curved."""

import heapq
import itertools
import math
from dataclasses import dataclass, field

from benchmarks._diagram_layout import Group, Node, Rect

Place = tuple[float, float]
Cell = tuple[int, int]
STEP = 8.0
TURNS = ((1, 0), (0, 1), (-1, 0), (0, -1))
SIDES = {"right": 0, "bottom": 1, "left": 2, "top": 3}
"""Each side of a box by the number of the turn that leads away from it."""
TURN_COST, CROSSING_COST, NEAR_COST, OVERLAP_COST, BORDER_COST = 9.0, 14.0, 6.0, 80.0, 5.0


@dataclass
class Board:
    """What stands on the drawing, in cells of STEP units."""

    width: int
    height: int
    blocked: set[Cell] = field(default_factory=set)
    borders: dict[Cell, int] = field(default_factory=dict)
    """Cells at a container's border, by the axis (0: along x, 1: along y) in which it runs."""
    close: set[Cell] = field(default_factory=set)
    """Cells beside things, which connections rather keep off."""
    used: dict[Cell, dict[int, set[int]]] = field(default_factory=dict)
    """Cells that connections take: by axis, of whom (the id of the source for trunks that may be shared)."""

    def block(self, box: Rect, margin: float = 0) -> None:
        self.blocked |= cells_of(box, margin)
        self.close |= cells_of(box, margin + 2 * STEP)

    def border(self, box: Rect) -> None:
        left, top, right, bottom = (round(side / STEP) for side in box)
        for x in range(left, right + 1):
            self.borders[(x, top)] = self.borders[(x, bottom)] = 0
        for y in range(top, bottom + 1):
            self.borders[(left, y)] = self.borders[(right, y)] = 1

    def take(self, cells: list[Cell], owner: int) -> None:
        for before, cell in itertools.pairwise(cells):
            axis = 0 if before[1] == cell[1] else 1
            for one in (before, cell):
                self.used.setdefault(one, {}).setdefault(axis, set()).add(owner)


def cells_of(box: Rect, margin: float = 0) -> set[Cell]:
    left, top = math.ceil((box[0] - margin) / STEP), math.ceil((box[1] - margin) / STEP)
    right, bottom = math.floor((box[2] + margin) / STEP), math.floor((box[3] + margin) / STEP)
    return {(x, y) for x in range(left, right + 1) for y in range(top, bottom + 1)}


def ports(part: Node | Group, taken: dict[tuple[int, str], list[float]]) -> list[tuple[Place, str]]:
    """Where connections may leave or reach a part: the middle of each side, else its quarters."""
    left, top, right, bottom = part.body if isinstance(part, Node) else part.box
    found = []
    below = part.box[3] if isinstance(part, Node) else bottom
    for side in SIDES:
        for share in (0.5, 0.25, 0.75) if isinstance(part, Node) else (0.5, 0.3, 0.7, 0.15, 0.85):
            if any(abs(share - other) < 0.12 for other in taken.get((id(part), side), ())):
                continue
            if side in ("left", "right"):
                place = (left if side == "left" else right, round((top + (bottom - top) * share) / STEP) * STEP)
            else:
                place = (round((left + (right - left) * share) / STEP) * STEP, top if side == "top" else below)
            found.append((place, side))
    return found


def snapped(place: Place, side: str) -> Cell:
    """The cell in front of a port, far enough from it for a head."""
    dx, dy = TURNS[SIDES[side]]
    x, y = place[0] / STEP, place[1] / STEP
    if dx:
        return (math.floor(x) + 2 if dx > 0 else math.ceil(x) - 2, round(y))
    return (round(x), math.floor(y) + 2 if dy > 0 else math.ceil(y) - 2)


def right_angled(
    board: Board, source: Node | Group, target: Node | Group, taken: dict, owner: int, shared: bool
) -> list[Place] | None:
    """A path of horizontal and vertical pieces from a port of one part to a port of the other, or None."""
    starts = {snapped(place, side): (place, side) for place, side in reversed(ports(source, {} if shared else taken))}
    ends = {snapped(place, side): (place, side) for place, side in reversed(ports(target, taken))}
    inside = set().union(*(cells_of(part.box) for part in (source, target) if isinstance(part, Group)), set())
    cells = _search(board, starts, ends, inside, owner if shared else -1)
    if cells is None:
        return None
    (first, out), (last, into) = starts[cells[0]], ends[cells[-1]]
    board.take(cells, owner)
    taken.setdefault((id(source), out), []).append(_share(source, first, out))
    taken.setdefault((id(target), into), []).append(_share(target, last, into))
    return _corners([first, *((x * STEP, y * STEP) for x, y in cells), last])


def _share(part: Node | Group, place: Place, side: str) -> float:
    left, top, right, bottom = part.body if isinstance(part, Node) else part.box
    return (place[1] - top) / (bottom - top) if side in ("left", "right") else (place[0] - left) / (right - left)


def _search(board: Board, starts: dict, ends: dict, inside: set[Cell], owner: int) -> list[Cell] | None:
    queue, best, before = [], {}, {}
    for cell, (_, side) in starts.items():
        if cell not in board.blocked and cell not in inside:
            state = (cell, SIDES[side])
            best[state], before[state] = 0.0, None
            heapq.heappush(queue, (0.0, state))
    while queue:
        cost, state = heapq.heappop(queue)
        if cost > best[state]:
            continue
        cell, turn = state
        if cell in ends and (SIDES[ends[cell][1]] + 2) % 4 == turn:
            return _back(before, state)
        for other in range(4):
            if (other + 2) % 4 == turn:
                continue
            x, y = cell[0] + TURNS[other][0], cell[1] + TURNS[other][1]
            if not (1 <= x < board.width - 1 and 1 <= y < board.height - 1) or (x, y) in board.blocked:
                continue
            if (x, y) in inside:
                continue
            total = cost + 1 + (TURN_COST if other != turn else 0) + _price(board, (x, y), other % 2, owner)
            after = ((x, y), other)
            if total < best.get(after, 400.0):
                best[after], before[after] = total, state
                heapq.heappush(queue, (total, after))
    return None


def _back(before: dict, state: tuple[Cell, int]) -> list[Cell]:
    cells = []
    while state:
        cells.append(state[0])
        state = before[state]
    return cells[::-1]


def _price(board: Board, cell: Cell, axis: int, owner: int) -> float:
    price = 8.0 if cell in board.close else 0.0
    by_axis = board.used.get(cell)
    if by_axis:
        others = by_axis.get(axis, set()) - {owner}
        price += OVERLAP_COST if others else 0
        price += CROSSING_COST if by_axis.get(1 - axis, set()) - {owner} else 0
    for off in (-1, 1):
        beside = (cell[0], cell[1] + off) if axis == 0 else (cell[0] + off, cell[1])
        near = board.used.get(beside)
        if near and near.get(axis, set()) - {owner}:
            price += NEAR_COST
        if board.borders.get(beside) == axis:
            price += BORDER_COST
    if board.borders.get(cell) == axis:
        price += BORDER_COST * 3
    return price


def _corners(places: list[Place]) -> list[Place]:
    """The first, the last and those at which a path turns."""
    kept = [places[0]]
    for place, after in itertools.pairwise(places):
        before = kept[-1]
        level = before[1] == place[1] == after[1]
        upright = before[0] == place[0] == after[0]
        if place != before and not level and not upright:
            kept.append(place)
    return [*kept, places[-1]]


def facing(source: Node, target: Node) -> tuple[Place, Place]:
    """Ports at the sides that look at each other most."""
    middle = [((part.body[0] + part.body[2]) / 2, (part.body[1] + part.body[3]) / 2) for part in (source, target)]
    dx, dy = middle[1][0] - middle[0][0], middle[1][1] - middle[0][1]
    if abs(dy) * 1.2 > abs(dx):
        down = dy > 0
        return (
            (middle[0][0], source.box[3] if down else source.body[1]),
            (middle[1][0], target.body[1] if down else target.box[3]),
        )
    right = dx > 0
    return (
        (source.body[2] if right else source.body[0], middle[0][1]),
        (target.body[0] if right else target.body[2], middle[1][1]),
    )


def at_borders(source: Node, target: Node) -> tuple[Place, Place]:
    """Where the line between the middles of two parts leaves the one and reaches the other."""
    middles = [((part.box[0] + part.box[2]) / 2, (part.box[1] + part.box[3]) / 2) for part in (source, target)]
    found = []
    for part, own, other in ((source, *middles), (target, *middles[::-1])):
        dx, dy = other[0] - own[0], other[1] - own[1]
        half = ((part.box[2] - part.box[0]) / 2, (part.box[3] - part.box[1]) / 2)
        share = min(half[0] / abs(dx) if dx else 9, half[1] / abs(dy) if dy else 9)
        if part.kind == "ellipse":
            share = 1 / math.hypot(dx / half[0], dy / half[1])
        found.append((own[0] + dx * share, own[1] + dy * share))
    return found[0], found[1]


def curve(start: Place, end: Place, vertical: bool, bend: float = 0.5) -> list[Place]:
    """A curve that leaves and arrives upright (`vertical`) or level."""
    off = (0, (end[1] - start[1]) * bend) if vertical else ((end[0] - start[0]) * bend, 0)
    first, second = (start[0] + off[0], start[1] + off[1]), (end[0] - off[0], end[1] - off[1])
    path = []
    for step in range(25):
        t = step / 24
        path.append(
            tuple(
                (1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t * t * (1 - t) * c + t**3 * d
                for a, b, c, d in zip(start, first, second, end, strict=True)
            )
        )
    return path


def is_clear(path: list[Place], boxes: list[Rect]) -> bool:
    """Does a path touch none of the boxes?"""
    for start, end in itertools.pairwise(path):
        pieces = max(1, int(math.dist(start, end) / 4))
        for step in range(pieces + 1):
            x, y = (a + (b - a) * step / pieces for a, b in zip(start, end, strict=True))
            if any(left < x < right and top < y < bottom for left, top, right, bottom in boxes):
                return False
    return True
