"""A sample diagram to try questions on: how a system like Lakehelm watches a chatbot, drawn when it is asked for."""

import io
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 1600, 900
_SHARPER = 2  # drawn at twice the size and reduced, so that slanted edges are smooth
_INK, _WRITES, _READS = "#202124", "#b3261e", "#1a4fb4"
_BADGE = "#0f7b3f"

_Box = tuple[int, int, int, int]
_Place = tuple[int, int]


@dataclass(frozen=True)
class _Thing:
    """A box or a drum with its name; `step` is the number of its badge."""

    name: str
    box: _Box
    fill: str = "#ffffff"
    drum: bool = False
    step: str | None = None


@dataclass(frozen=True)
class _Arrow:
    path: tuple[_Place, ...]
    color: str = _INK
    label: str | None = None
    dashed: bool = False


_REGIONS = (
    ("Applications", (40, 70, 315, 640), "#f3f6fb"),
    ("Serving", (455, 70, 790, 640), "#fdf6ec"),
    ("Monitoring", (860, 70, 1490, 330), "#eef7f0"),
    ("Lakehouse", (860, 380, 1490, 640), "#f4f0fa"),
)
_THINGS = (
    _Thing("Support chat", (80, 150, 270, 220)),
    _Thing("Web shop", (80, 300, 270, 370)),
    _Thing("Gateway", (520, 150, 740, 230), "#fff3d6", step="1"),
    _Thing("Chatbot model", (520, 330, 740, 410), "#fff3d6", step="2"),
    _Thing("Model registry", (520, 510, 740, 590), "#fff3d6"),
    _Thing("Metrics job", (910, 150, 1120, 230), "#d9f0e0", step="4"),
    _Thing("Dashboard", (1230, 150, 1440, 230), "#d9f0e0", step="5"),
    _Thing("Inference table", (920, 460, 1110, 590), "#e6dcf5", drum=True, step="3"),
    _Thing("Metrics table", (1240, 460, 1430, 590), "#e6dcf5", drum=True),
    _Thing("On-call engineer", (1230, 720, 1440, 790)),
)
_ARROWS = (
    _Arrow(((270, 185), (520, 185)), label="questions"),
    _Arrow(((270, 335), (385, 335), (385, 212), (520, 212))),
    _Arrow(((630, 230), (630, 330)), label="calls"),
    _Arrow(((630, 510), (630, 410)), label="loads version", dashed=True),
    _Arrow(((740, 190), (825, 190), (825, 525), (920, 525)), _WRITES),
    _Arrow(((1015, 460), (1015, 230)), _READS),
    _Arrow(((1120, 190), (1175, 190), (1175, 525), (1240, 525)), _WRITES),
    _Arrow(((1335, 460), (1335, 230)), _READS),
    _Arrow(((1440, 190), (1520, 190), (1520, 755), (1440, 755)), label="alerts"),
)
_LEGEND = (("Reads", _READS), ("Writes", _WRITES), ("Control flow", _INK))


@lru_cache(maxsize=1)
def sample_diagram() -> bytes:
    """The sample as a PNG of 1,600 × 900 pixels: four containers, ten things, five numbered steps and a legend."""
    image = Image.new("RGB", (WIDTH * _SHARPER, HEIGHT * _SHARPER), "#ffffff")
    draw = ImageDraw.Draw(image)
    _text(draw, "How a chatbot is watched", (WIDTH // 2, 34), 28)
    for name, box, fill in _REGIONS:
        draw.rounded_rectangle(_large(box), 10 * _SHARPER, fill, "#7a8694", 2 * _SHARPER)
        _text(draw, name, (box[0] + 18, box[1] + 26), 21, "lm")
    for arrow in _ARROWS:
        _draw_arrow(draw, arrow)
    for thing in _THINGS:
        _draw_thing(draw, thing)
    for at, (name, color) in enumerate(_LEGEND):
        left = 60 + 230 * at
        _draw_arrow(draw, _Arrow(((left, 840), (left + 70, 840)), color))
        _text(draw, name, (left + 84, 840), 19, "lm")
    file = io.BytesIO()
    image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS).save(file, "PNG", optimize=True)
    return file.getvalue()


def _large(places: tuple[int, ...]) -> list[int]:
    return [place * _SHARPER for place in places]


def _text(draw: ImageDraw.ImageDraw, text: str, middle: _Place, size: int, anchor: str = "mm", ink: str = _INK) -> None:
    x, y = _large(middle)
    draw.text((x, y), text, ink, ImageFont.load_default(size * _SHARPER), anchor=anchor)


def _draw_thing(draw: ImageDraw.ImageDraw, thing: _Thing) -> None:
    left, top, right, bottom = thing.box
    width = 2 * _SHARPER
    if thing.drum:
        lid = 18
        draw.ellipse(_large((left, bottom - 2 * lid, right, bottom)), thing.fill, _INK, width)
        draw.rectangle(_large((left, top + lid, right, bottom - lid)), thing.fill)
        for side in (left, right):
            x, upper, lower = _large((side, top + lid, bottom - lid))
            draw.line([(x, upper), (x, lower)], _INK, width)
        draw.ellipse(_large((left, top, right, top + 2 * lid)), thing.fill, _INK, width)
        top += lid
    else:
        draw.rounded_rectangle(_large(thing.box), 8 * _SHARPER, thing.fill, _INK, width)
    _text(draw, thing.name, ((left + right) // 2, (top + bottom) // 2), 21)
    if thing.step:
        x, y = thing.box[:2]
        draw.ellipse(_large((x - 15, y - 15, x + 15, y + 15)), _BADGE)
        _text(draw, thing.step, (x, y), 19, ink="#ffffff")


def _draw_arrow(draw: ImageDraw.ImageDraw, arrow: _Arrow) -> None:
    (x0, y0), (x1, y1) = arrow.path[-2:]
    along = ((x1 > x0) - (x1 < x0), (y1 > y0) - (y1 < y0))
    neck = (x1 - 12 * along[0], y1 - 12 * along[1])
    path = [*arrow.path[:-1], neck]
    for (from_x, from_y), (to_x, to_y) in pairwise(path):
        _draw_piece(draw, (from_x, from_y), (to_x, to_y), arrow)
    sides = [(neck[0] + off * along[1], neck[1] + off * along[0]) for off in (-8, 8)]
    corners = [tuple(_large(place)) for place in ((x1, y1), *sides)]
    draw.polygon(corners, arrow.color)
    if arrow.label:
        pieces = pairwise(arrow.path)
        (ax, ay), (bx, by) = max(
            pieces, key=lambda piece: abs(piece[0][0] - piece[1][0]) + abs(piece[0][1] - piece[1][1])
        )
        beside = ay == by
        middle = ((ax + bx) // 2, (ay + by) // 2 - 16) if beside else ((ax + bx) // 2 + 14, (ay + by) // 2)
        _text(draw, arrow.label, middle, 18, "mm" if beside else "lm")


def _draw_piece(draw: ImageDraw.ImageDraw, start: _Place, end: _Place, arrow: _Arrow) -> None:
    length = abs(end[0] - start[0]) + abs(end[1] - start[1])
    step = 10 if arrow.dashed else length
    for done in range(0, length, step * 2 if arrow.dashed else length):
        shares = (done / length, min(done + step, length) / length)
        places = [
            (
                round((start[0] + (end[0] - start[0]) * share) * _SHARPER),
                round((start[1] + (end[1] - start[1]) * share) * _SHARPER),
            )
            for share in shares
        ]
        draw.line(places, arrow.color, 3 * _SHARPER)
