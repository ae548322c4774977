"""Draws what stands around the things of a diagram: badges with numbers, a legend, a title, notes."""

import itertools
import math

from benchmarks._diagram_icons import draw_icon
from benchmarks._diagram_ink import Place
from benchmarks._diagram_layout import Rect
from benchmarks._diagram_lines import draw_line
from benchmarks._diagram_names import WORDS
from benchmarks._diagram_plans import Edge
from benchmarks._diagram_sheet import Sheet, overlaps
from benchmarks._diagram_styles import BRIGHT, LINE_COLORS, Look, mixed


def give_meanings(sheet: Sheet) -> list[str]:
    """In some diagrams the colour of a line has a meaning, which the legend gives."""
    if sheet.rng.random() > 0.22 or len(sheet.plan.edges) < 5:
        return []
    meanings = sheet.rng.sample(WORDS["meanings"], sheet.rng.randint(2, 3))
    colors = sheet.rng.sample(LINE_COLORS, 3)
    dashed = [sheet.rng.random() < 0.3 for _ in meanings]
    for edge in sheet.plan.edges:
        at = sheet.rng.randrange(len(meanings))
        edge.color, edge.dashed = colors[at], dashed[at]
    return meanings


def draw_badges(sheet: Sheet) -> None:
    rng = sheet.rng
    if rng.random() > 0.4:
        return
    shape = rng.choice(("circle", "circle", "circle", "square", "ring", "bracket"))
    color, spots = rng.choice(BRIGHT), _badge_spots(sheet)
    rng.shuffle(spots)
    spots = sorted(spots[: rng.randint(4, 14)], key=lambda spot: (round(spot[1][0] / 150), spot[1][1]))
    lettered = rng.random() < 0.12
    radius, count = rng.uniform(9, 14), 0
    for name, middle in spots:
        box = (middle[0] - radius, middle[1] - radius, middle[0] + radius, middle[1] + radius)
        if any(overlaps(box, other) for other in sheet.taken()):
            continue
        if shape == "bracket" and not sheet.is_free(box):
            continue
        count += 1
        number = f"{(count + 1) // 2}.{'ab'[(count + 1) % 2]}" if lettered else str(count)
        _badge(sheet, number, box, shape, color)
        sheet.steps[number] = (name, box)


def _badge_spots(sheet: Sheet) -> list[tuple[str, Place]]:
    """Where badges may stand: at a corner of a thing, beside it, beside the label of a connection, on its line."""
    spots: list[tuple[str, Place]] = []
    for node in sheet.plan.root.nodes():
        left, top, right, _ = node.body
        corners = ((left, top), (left, top), (right, top), (left - 16, top - 2), (right + 16, top + 8))
        spots.append((node.name, sheet.rng.choice(corners)))
    for edge, path in sheet.paths:
        box = sheet.labels.get(id(edge))
        if box and edge.label:
            middle = (box[1] + box[3]) / 2
            spots.append((edge.label, sheet.rng.choice(((box[0] - 15, middle), (box[2] + 15, middle)))))
        elif not edge.label and len(path) < 4 and sheet.rng.random() < 0.15:
            (x0, y0), (x1, y1) = max(itertools.pairwise(path), key=lambda piece: math.dist(*piece))
            if math.dist((x0, y0), (x1, y1)) > 90:
                spots.append((edge.target.name, ((x0 + x1) / 2, (y0 + y1) / 2)))
    return spots


def _badge(sheet: Sheet, number: str, box: Rect, shape: str, color: str) -> None:
    middle, radius = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), (box[2] - box[0]) / 2
    ink, size = "#ffffff", radius * (1.15 if len(number) < 3 else 0.8)
    if shape == "circle":
        sheet.canvas.circle(middle, radius, color)
    elif shape == "square":
        sheet.canvas.outline(box, Look(color, None, radius=sheet.rng.choice((0, 3))))
    elif shape == "ring":
        sheet.canvas.circle(middle, radius, "#ffffff", color, 1.5)
        ink = color
    else:
        ground = sheet.canvas.ground(box)
        ink, number = Look(ground, None).ink(ground), sheet.rng.choice(("({})", "[{}]")).format(number)
    sheet.canvas.text([number], box, ink, size, "bold")


def draw_surroundings(sheet: Sheet, meanings: list[str]) -> None:
    """Title, legend and notes: texts that are no components."""
    rng, (width, height), size = sheet.rng, sheet.canvas.size, sheet.theme.text_size
    ink = Look(sheet.theme.background, None).ink(sheet.theme.background)
    if rng.random() < 0.35:
        title = rng.choice(WORDS["titles"]).format(rng.choice(WORDS["things"]))
        below = rng.random() < 0.3
        box = (60, height - 34, width - 60, height - 8) if below else (60, 14, width - 60, 44)
        sheet.canvas.text([title], box, ink, size + 5, rng.choice(("bold", "regular")))
        sheet.other_text.append(title)
    left = 60.0
    if meanings:
        left = _legend_of_lines(sheet, meanings, left, height - 62, ink)
    elif rng.random() < 0.12:
        left = _legend_of_fills(sheet, left, height - 66, ink)
    if rng.random() < 0.2 and left < width - 330:
        note = rng.choice(WORDS["notes"])
        sheet.canvas.text([note], (width - 300, height - 60, width - 20, height - 44), ink, size - 1, "italic", "left")
        sheet.other_text.append(note)
    elif rng.random() < 0.15 and left < width - 230:
        logo = (width - 190, height - 70, width - 150, height - 30)
        inside = draw_icon(sheet.canvas, logo, rng.randrange(10**6))
        maker = f"{rng.choice(WORDS['things'])} Cloud"
        box = (logo[2] + 8, logo[1] + 10, width, logo[3])
        sheet.canvas.text([maker], box, mixed(ink, sheet.theme.background, 0.4), size + 4, "regular", "left")
        sheet.other_text += [maker, *([inside] if inside else [])]


def _legend_of_lines(sheet: Sheet, meanings: list[str], left: float, top: float, ink: str) -> float:
    size = sheet.theme.text_size - 1
    known = {(edge.color, edge.dashed) for edge, _ in sheet.paths}
    for meaning, (color, dashed) in zip(meanings, sorted(known, key=str), strict=False):
        middle = top + 8
        edge = Edge(sheet.plan.root, sheet.plan.root, dashed=dashed, color=color)
        draw_line(sheet, edge, [(left, middle), (left + 46, middle)])
        found = sheet.canvas.text(
            [meaning], (left + 54, middle - size * 0.625, left + 55, 0), ink, size, "regular", "left"
        )
        entry = {"label": meaning, "color": color, "style": "dashed" if dashed else "solid"}
        sheet.legend.append({**entry, "box": sheet.pixels((left, found[1], found[2], found[3]))})
        sheet.other_text.append(meaning)
        left = found[2] + 30
    return left


def _legend_of_fills(sheet: Sheet, left: float, top: float, ink: str) -> float:
    looks = list({look.fill: look for look in sheet.theme.node_looks if look.fill}.values())
    names = sheet.rng.sample(WORDS["people"], len(looks))
    for name, look in zip(names, looks, strict=True):
        sheet.canvas.outline((left, top, left + 22, top + 14), Look(look.fill, "#555555", 1))
        found = sheet.canvas.text(
            [name], (left + 28, top - 2, left + 29, 0), ink, sheet.theme.text_size - 2, "regular", "left"
        )
        sheet.legend.append(
            {
                "label": name,
                "color": look.fill,
                "style": "fill",
                "box": sheet.pixels((left, top, found[2], found[3])),
            }
        )
        sheet.other_text.append(name)
        left = found[2] + 30
    return left
