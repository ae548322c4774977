"""Draws the things of a diagram on a sheet: containers with their titles, and components of every kind."""

import math
from dataclasses import replace

from benchmarks._diagram_icons import draw_cylinder, draw_icon
from benchmarks._diagram_ink import Place
from benchmarks._diagram_layout import Group, Node, Rect, text_width, wrapped
from benchmarks._diagram_sheet import Sheet
from benchmarks._diagram_styles import Look, mixed


def draw_things(sheet: Sheet) -> None:
    for group in sheet.groups():
        _group(sheet, group)
    for node in sheet.plan.root.nodes():
        _node(sheet, node)


def _group(sheet: Sheet, group: Group) -> None:
    sheet.canvas.outline(group.box, group.look)
    left, top, right, _ = group.box
    ground = group.look.fill or sheet.theme.background
    if group.bar:
        sheet.canvas.outline((left, top, right, top + group.title_size * 1.9), group.bar)
        ground = group.bar.fill or ground
    assert group.title_box
    style = "bold" if sheet.rng.random() < 0.6 else "regular"
    color = Look(ground, None).ink(sheet.theme.background)
    found = sheet.canvas.text([group.label or ""], group.title_box, color, group.title_size, style, "left")
    sheet.texts.append(found)
    sheet.board.block(found, 2)
    sheet.board.border(group.box)
    if group.icon is not None:
        box = (found[2] + 8, found[1] - 3, found[2] + 32, found[1] + 21)
        if box[2] < right - 6:
            _inside_text(sheet, draw_icon(sheet.canvas, box, group.icon))
            sheet.board.block(box)


def _inside_text(sheet: Sheet, text: str | None) -> None:
    if text:
        sheet.other_text.append(text)


def _node(sheet: Sheet, node: Node) -> None:
    sheet.board.block(node.box)
    style, size = ("bold" if sheet.theme.bold_nodes else "regular"), node.text_size
    ground = sheet.canvas.ground(node.box)
    ink = node.look.ink(ground)
    left, top, right, bottom = node.box
    text_box, align = node.box, "middle"
    if node.kind == "icon":
        _inside_text(sheet, draw_icon(sheet.canvas, node.body, node.icon))
        text_box, ink = (left, node.body[3] + 2, right, bottom), Look(ground, None).ink(ground)
    elif node.kind == "icon_box":
        sheet.canvas.outline(node.box, node.look)
        middle = (top + bottom) / 2
        _inside_text(sheet, draw_icon(sheet.canvas, (left + 8, middle - 15, left + 38, middle + 15), node.icon))
        text_box = (left + 38, top, right, bottom)
    elif node.kind == "icon_below":
        sheet.canvas.outline(node.box, node.look)
        text_box = (left, top + 4, right, bottom - 44)
        middle = (left + right) / 2
        _inside_text(sheet, draw_icon(sheet.canvas, (middle - 17, bottom - 42, middle + 17, bottom - 8), node.icon))
    elif node.kind == "cylinder":
        draw_cylinder(sheet.canvas, node.box, node.look.fill or ground, node.look.outline or ink, node.look.width)
        text_box = (left, top + 14, right, bottom)
    else:
        _figure(sheet, node, ground)
    if node.detail:
        text_box, align = (left, top, right, bottom - 16), "middle"
    found = sheet.canvas.text(node.lines, text_box, ink, size, "bold" if node.detail else style, align)
    sheet.texts.append(found)
    if node.detail:
        _detail(sheet, node, found, ink)
    elif node.aside:
        _aside(sheet, node, found, ink)


def _aside(sheet: Sheet, node: Node, text: Rect, ink: str) -> None:
    width = text_width([node.aside or ""], sheet.theme, 10)
    box = (node.box[2] - width - 6, node.box[3] - 15, node.box[2] - 6, node.box[3] - 3)
    if box[1] > text[3] and box[0] > node.box[0]:
        sheet.texts.append(sheet.canvas.text([node.aside or ""], box, ink, 10, "regular", "left"))
        sheet.other_text.append(node.aside or "")


def _detail(sheet: Sheet, node: Node, text: Rect, ink: str) -> None:
    """A description under the name, in smaller letters."""
    left, _, right, _ = node.box
    size = node.text_size - 3
    lines = wrapped(node.detail or "", right - left - 16, sheet.theme, size)
    box = (left, text[3] + 2, right, text[3] + 2 + len(lines) * size * 1.25)
    sheet.texts.append(sheet.canvas.text(lines, box, ink, size))
    sheet.other_text.append(node.detail or "")


def _figure(sheet: Sheet, node: Node, ground: str) -> None:
    """The outline of a component: a figure of its kind, else a rectangle, perhaps with two more behind it."""
    left, top, right, bottom = node.box
    look, corners = node.look, _corners(node)
    outline = look.outline or (None if look.fill else sheet.theme.ink)
    if corners:
        sheet.canvas.polygon(corners, look.fill, outline, look.width)
        return
    if node.kind == "stacked":
        edge = look.outline or mixed(ground, sheet.theme.ink, 0.5)
        look = Look(look.fill or ground, edge, look.width, look.radius)
        for off in (8, 4):
            sheet.canvas.outline((left + off, top + off, right + off, bottom + off), look)
    else:
        look = replace(look, outline=outline)
    sheet.canvas.outline(node.box, look)


def _corners(node: Node) -> list[Place]:
    """The outline of an ellipse, a hexagon, a chevron or a plaque; of other kinds nothing."""
    left, top, right, bottom = node.box
    middle = (top + bottom) / 2
    if node.kind == "ellipse":
        x, wide, high = (left + right) / 2, (right - left) / 2, (bottom - top) / 2
        angles = [step / 20 * math.pi for step in range(40)]
        return [(x + wide * math.cos(angle), middle + high * math.sin(angle)) for angle in angles]
    if node.kind == "hexagon":
        cut = (bottom - top) / 4
        upper, lower = [(left + cut, top), (right - cut, top)], [(right - cut, bottom), (left + cut, bottom)]
        return [(left, middle), *upper, (right, middle), *lower]
    if node.kind == "chevron":
        cut = 20
        upper, lower = [(left, top), (right - cut, top)], [(right - cut, bottom), (left, bottom)]
        return [*upper, (right, middle), *lower, (left + cut, middle)]
    if node.kind == "plaque":
        path = []
        for x, y, start in ((left, top, 90), (right, top, 180), (right, bottom, 270), (left, bottom, 0)):
            angles = [math.radians(start - step * 15) for step in range(7)]
            path += [(x + 8 * math.cos(angle), y + 8 * math.sin(angle)) for angle in angles]
        return path
    return []
