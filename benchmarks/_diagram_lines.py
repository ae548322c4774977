"""Draws the connections of a diagram on a sheet: lines, heads and labels."""

import itertools
import math
from typing import Any

from benchmarks._diagram_ink import Place, cut_corners
from benchmarks._diagram_layout import Group, Node, Rect, text_width, wrapped
from benchmarks._diagram_plans import Edge
from benchmarks._diagram_routes import at_borders, curve, facing, is_clear, right_angled
from benchmarks._diagram_sheet import Sheet
from benchmarks._diagram_styles import Look


def draw_connections(sheet: Sheet) -> None:
    clean = sheet.canvas.image.copy()
    taken: dict[tuple[int, str], list[float]] = {}
    for edge in sheet.plan.edges:
        path = _path(sheet, edge, taken)
        if path:
            sheet.paths.append((edge, path))
    for edge, path in sheet.paths:
        draw_line(sheet, edge, path)
    for edge, path in sheet.paths:
        if edge.label:
            _label(sheet, edge, path, clean)


def _path(sheet: Sheet, edge: Edge, taken: dict) -> list[Place] | None:
    source, target = edge.source, edge.target
    if source is target:
        return _loop(sheet, source)
    if sheet.plan.way == "right-angled" or isinstance(source, Group) or isinstance(target, Group):
        return right_angled(sheet.board, source, target, taken, id(source), sheet.plan.shared and edge.heads == 1)
    others = [node.box for node in sheet.plan.root.nodes() if node is not source and node is not target]
    wide = [(left - 6, top - 6, right + 6, bottom + 6) for left, top, right, bottom in others]
    start, end = facing(source, target) if sheet.plan.shared else at_borders(source, target)
    ways = [[start, end]]
    if sheet.plan.way == "curved" or sheet.rng.random() < 0.15:
        ways.insert(0, curve(start, end, abs(end[1] - start[1]) > abs(end[0] - start[0]) * 0.6))
    return next((way for way in ways if is_clear(way, wide)), None)


def _loop(sheet: Sheet, part: Node | Group) -> list[Place] | None:
    """Out of the bottom of a part and back into it, where there is room."""
    left, _, right, bottom = part.box
    out, back, low = left + (right - left) * 0.3, left + (right - left) * 0.7, bottom + 30
    if not sheet.is_free((out - 6, bottom + 4, back + 6, low + 8)):
        return None
    sheet.board.block((out, bottom, back, low))
    return [(out, bottom), (out, low), (back, low), (back, bottom)]


def draw_line(sheet: Sheet, edge: Edge, path: list[Place]) -> None:
    theme, color = sheet.theme, edge.color or sheet.theme.line_color
    path = cut_corners(path, theme.corner)
    path = _shortened(path, theme.gap_at_ends)
    size = theme.head_size
    back = 0 if theme.head == "open" else size * 0.8
    line = _shortened(path, back, at_start=edge.heads == 2, at_end=edge.heads > 0)
    sheet.canvas.line(line, color, theme.line_width, edge.dashed, 3 + 2.5 * theme.line_width)
    if edge.heads:
        sheet.canvas.head(path[-1], _direction(path, size), theme.head, size, color, theme.line_width)
    if edge.heads == 2:
        sheet.canvas.head(path[0], _direction(path[::-1], size), theme.head, size, color, theme.line_width)


def _label(sheet: Sheet, edge: Edge, path: list[Place], clean: Any) -> None:
    size = sheet.theme.text_size - 2
    style = "italic" if sheet.plan.way == "curved" else "regular"
    lines = wrapped(edge.label or "", 105, sheet.theme, size, style)
    width, height = text_width(lines, sheet.theme, size, style) + 8, len(lines) * size * 1.25 + 4
    for box, covers in _label_places(sheet, path, width, height):
        if sheet.is_free(box, path if covers else None):
            break
    else:
        edge.label = None
        return
    if covers:
        pixels = [round(side * sheet.canvas.pixels_a_unit) for side in box]
        sheet.canvas.image.paste(clean.crop(pixels), pixels[:2])
    ink = Look(sheet.canvas.ground(box), None).ink(sheet.theme.background)
    color = edge.color if edge.color and sheet.rng.random() < 0.3 else ink
    sheet.texts.append(sheet.canvas.text(lines, box, color, size, style))
    sheet.labels[id(edge)] = box
    sheet.board.block(box)


def _label_places(sheet: Sheet, path: list[Place], width: float, height: float) -> list[tuple[Rect, bool]]:
    if len(path) > 15:  # a curve: beside its middle
        x, y = path[len(path) // 2]
        return [
            ((x + 8, y - height / 2, x + 8 + width, y + height / 2), False),
            ((x - 8 - width, y - height / 2, x - 8, y + height / 2), False),
        ]
    found = []
    pieces = sorted(itertools.pairwise(path), key=lambda piece: -math.dist(*piece))
    for (x0, y0), (x1, y1) in pieces[:2]:
        x, y, level = (x0 + x1) / 2, (y0 + y1) / 2, abs(y1 - y0) < abs(x1 - x0)
        on = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        long_enough = math.dist((x0, y0), (x1, y1)) > (width if level else height) + 40
        if sheet.theme.label_ground and long_enough:
            found.append((on, True))
        if level:
            found += [
                ((on[0], y - height - 3, on[2], y - 3), False),
                ((on[0], y + 3, on[2], y + height + 3), False),
            ]
        else:
            found += [((x + 4, on[1], x + 4 + width, on[3]), False), ((x - 4 - width, on[1], x - 4, on[3]), False)]
    return found


def _direction(path: list[Place], reach: float) -> Place:
    """Which way a path looks at its end, over the length of a head."""
    end = path[-1]
    before = next((place for place in reversed(path[:-1]) if math.dist(place, end) >= reach * 0.7), path[0])
    length = math.dist(before, end) or 1
    return ((end[0] - before[0]) / length, (end[1] - before[1]) / length)


def _shortened(path: list[Place], reach: float, at_start: bool = True, at_end: bool = True) -> list[Place]:
    for wanted in (at_end, at_start):
        if wanted and reach:
            path = _cut(path, reach)
        path = path[::-1]
    return path


def _cut(path: list[Place], reach: float) -> list[Place]:
    """A path without its last `reach` units."""
    path = list(path)
    while len(path) > 1:
        length = math.dist(path[-2], path[-1])
        if length > reach:
            share = reach / length
            path[-1] = tuple(b + (a - b) * share for a, b in zip(path[-2], path[-1], strict=True))
            return path
        if len(path) == 2:
            return path
        reach -= length
        path.pop()
    return path
