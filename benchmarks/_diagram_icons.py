"""Pictograms for drawn diagrams: made of simple figures at random, the same for the same number."""

import math
import random

from benchmarks._diagram_ink import Canvas, Place
from benchmarks._diagram_layout import Rect
from benchmarks._diagram_names import WORDS
from benchmarks._diagram_styles import BRIGHT, Look, mixed

GLYPHS = (
    "cube",
    "bars",
    "cylinder",
    "gear",
    "lambda",
    "bucket",
    "cloud",
    "person",
    "layers",
    "branch",
    "nodes",
    "page",
    "lens",
)


def draw_icon(canvas: Canvas, box: Rect, number: int) -> str | None:
    """Draw pictogram `number` into a box. Returns: the text inside it, where it has one."""
    rng = random.Random(number)
    ground, color = rng.choice(("tile", "tile", "polygon", "none", "none", "disc", "solid")), rng.choice(BRIGHT)
    glyph = rng.choice(GLYPHS)
    left, top, right, bottom = box
    middle, reach = ((left + right) / 2, (top + bottom) / 2), min(right - left, bottom - top) / 2
    ink, width = "#ffffff", max(1.2, reach * 0.07)
    if ground == "tile":
        look = Look(color, None, radius=rng.choice((0, reach * 0.15)), gradient=rng.random() < 0.6)
        canvas.outline((middle[0] - reach, middle[1] - reach, middle[0] + reach, middle[1] + reach), look)
    elif ground == "polygon":
        canvas.polygon(_regular(middle, reach, rng.choice((6, 7, 8)), -90), color)
    elif ground == "disc":
        canvas.circle(middle, reach, color)
    else:
        ink = color
    inside = reach * (0.6 if ground in ("tile", "polygon", "disc") else 0.95)
    if ground in ("tile", "polygon", "disc") and rng.random() < 0.12:
        text = rng.choice(WORDS["inside icons"])
        canvas.text([text], box, ink, reach * 0.55, "bold")
        return text
    _glyph(canvas, middle, inside, glyph, ink, width, ground == "solid")
    return None


def _regular(middle: Place, radius: float, corners: int, start: float) -> list[Place]:
    return [
        (
            middle[0] + radius * math.cos(math.radians(start + 360 * at / corners)),
            middle[1] + radius * math.sin(math.radians(start + 360 * at / corners)),
        )
        for at in range(corners)
    ]


def _glyph(canvas: Canvas, middle: Place, reach: float, glyph: str, ink: str, width: float, solid: bool) -> None:
    x, y = middle

    def at(right: float, down: float) -> Place:
        return (x + right * reach, y + down * reach)

    second = mixed(ink, "#ffffff", 0.45) if solid else None
    if glyph == "cube":
        corners = _regular(middle, reach, 6, -90)
        canvas.polygon(corners, second, ink, width)
        for corner in corners[1::2]:
            canvas.line([middle, corner], ink, width)
    elif glyph == "bars":
        for place, high in ((-0.7, 0.2), (0, 0.9), (0.7, 0.55)):
            canvas.polygon(
                [
                    at(place - 0.22, 0.9),
                    at(place - 0.22, 0.9 - 1.7 * high),
                    at(place + 0.22, 0.9 - 1.7 * high),
                    at(place + 0.22, 0.9),
                ],
                ink if solid else None,
                ink,
                width,
            )
    elif glyph == "layers":
        for down in (0.5, 0, -0.5):
            canvas.polygon([at(-0.9, down), at(0, down - 0.4), at(0.9, down), at(0, down + 0.4)], second, ink, width)
    elif glyph == "lambda":
        canvas.line([at(-0.7, 0.9), at(-0.05, -0.2), at(0.6, 0.9), at(0.9, 0.9)], ink, width * 2)
        canvas.line([at(-0.6, -0.9), at(-0.3, -0.9), at(0.05, -0.1)], ink, width * 2)
    elif glyph == "bucket":
        canvas.polygon([at(-0.8, -0.6), at(0.8, -0.6), at(0.55, 0.9), at(-0.55, 0.9)], second, ink, width)
        canvas.line([at(-0.8, -0.6), at(-0.4, -0.85), at(0.4, -0.85), at(0.8, -0.6)], ink, width)
    elif glyph == "page":
        canvas.polygon(
            [at(-0.65, -0.9), at(0.3, -0.9), at(0.65, -0.5), at(0.65, 0.9), at(-0.65, 0.9)], second, ink, width
        )
        for down in (-0.3, 0.1, 0.5):
            canvas.line([at(-0.35, down), at(0.35, down)], ink, width)
    else:
        _round_glyph(canvas, at, reach, glyph, ink, width, second)


def _round_glyph(canvas: Canvas, at, reach: float, glyph: str, ink: str, width: float, second: str | None) -> None:
    if glyph == "gear":
        canvas.circle(at(0, 0), reach * 0.65, second, ink, width)
        canvas.circle(at(0, 0), reach * 0.25, None, ink, width)
        for tooth in _regular(at(0, 0), 1, 8, 0):
            dx, dy = tooth[0] - at(0, 0)[0], tooth[1] - at(0, 0)[1]
            canvas.line([at(dx * 0.65, dy * 0.65), at(dx * 0.95, dy * 0.95)], ink, width * 2)
    elif glyph == "cloud":
        for right, down, size in ((-0.5, 0.2, 0.4), (0.05, -0.15, 0.55), (0.55, 0.2, 0.4)):
            canvas.circle(at(right, down), reach * size, ink)
        canvas.polygon([at(-0.5, 0.1), at(0.55, 0.1), at(0.55, 0.6), at(-0.5, 0.6)], ink)
    elif glyph == "person":
        canvas.circle(at(0, -0.5), reach * 0.38, second or ink)
        canvas.polygon([at(-0.75, 0.9), at(-0.5, 0.1), at(0.5, 0.1), at(0.75, 0.9)], ink)
    elif glyph == "branch":
        canvas.line([at(-0.5, -0.6), at(-0.5, 0.7)], ink, width * 1.5)
        canvas.line([at(-0.5, 0.5), at(0.5, 0.1), at(0.5, -0.5)], ink, width * 1.5)
        for right, down in ((-0.5, -0.7), (-0.5, 0.7), (0.5, -0.6)):
            canvas.circle(at(right, down), reach * 0.24, "#ffffff" if ink != "#ffffff" else None, ink, width * 1.5)
    elif glyph == "nodes":
        places = [at(-0.7, 0.5), at(0, -0.7), at(0.7, 0.4), at(0, 0.1)]
        for place in places[:3]:
            canvas.line([place, places[3]], ink, width)
        for place in places:
            canvas.circle(place, reach * 0.24, ink)
    elif glyph == "lens":
        canvas.circle(at(-0.2, -0.2), reach * 0.6, second, ink, width * 1.5)
        canvas.line([at(0.25, 0.25), at(0.85, 0.85)], ink, width * 2.5)
    else:
        middle, tall = at(0, 0), reach * 0.9
        draw_cylinder(
            canvas,
            (middle[0] - reach * 0.7, middle[1] - tall, middle[0] + reach * 0.7, middle[1] + tall),
            second,
            ink,
            width,
        )


def draw_cylinder(canvas: Canvas, box: Rect, fill: str | None, ink: str, width: float) -> None:
    """A drum with a round lid."""
    left, top, right, bottom = box
    middle, half = (left + right) / 2, (right - left) / 2
    lid = min((bottom - top) * 0.13, half * 0.5)

    def arc(level: float, first: int, last: int) -> list[Place]:
        step = 6 if last > first else -6
        return [
            (middle + half * math.cos(math.radians(a)), level + lid * math.sin(math.radians(a)))
            for a in range(first, last + step, step)
        ]

    lower = arc(bottom - lid, 0, 180)
    upper = arc(top + lid, 180, 360)
    canvas.polygon([*lower, *upper], fill)
    canvas.line([*lower, *upper, lower[0], lower[1]], ink, width)
    canvas.line(arc(top + lid, 0, 180), ink, width)
