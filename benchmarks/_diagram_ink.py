"""Ink for drawn diagrams: outlines, lines with heads, text. Drawn at twice the size, so that edges come out smooth."""

import itertools
import math

from PIL import Image, ImageDraw, ImageFilter

from benchmarks._diagram_layout import Rect
from benchmarks._diagram_styles import Look, Theme, mixed

Place = tuple[float, float]
OVERSAMPLING = 2


class Canvas:
    """A picture that takes units of the drawing; `scale` is pixels of the finished picture for a unit."""

    def __init__(self, width: float, height: float, scale: float, theme: Theme) -> None:
        self.size, self.theme, self.pixels_a_unit = (width, height), theme, scale * OVERSAMPLING
        self.finished = (round(width * scale), round(height * scale))
        large = tuple(side * OVERSAMPLING for side in self.finished)
        self.image = Image.new("RGB", large, theme.background)
        self.draw = ImageDraw.Draw(self.image)
        self._paper()

    def finish(self) -> Image.Image:
        return self.image.resize(self.finished, Image.Resampling.LANCZOS)

    def places(self, path: list[Place]) -> list[Place]:
        return [(x * self.pixels_a_unit, y * self.pixels_a_unit) for x, y in path]

    def _paper(self) -> None:
        width, height = self.image.size
        if self.theme.paper == "gradient":
            shade = Image.linear_gradient("L").resize(self.image.size)
            other = Image.new("RGB", self.image.size, mixed(self.theme.background, "#7799cc", 0.18))
            self.image.paste(other, (0, 0), shade)
        elif self.theme.paper in ("grid", "dots"):
            step, faint = round(14 * self.pixels_a_unit), mixed(self.theme.background, self.theme.ink, 0.09)
            for x in range(step // 2, width, step):
                if self.theme.paper == "grid":
                    self.draw.line([(x, 0), (x, height)], faint, max(1, round(self.pixels_a_unit * 0.6)))
            for y in range(step // 2, height, step):
                if self.theme.paper == "grid":
                    self.draw.line([(0, y), (width, y)], faint, max(1, round(self.pixels_a_unit * 0.6)))
                for x in range(step // 2, width, step) if self.theme.paper == "dots" else ():
                    self.draw.rectangle([x, y, x + 2, y + 2], mixed(faint, self.theme.ink, 0.2))

    def line(self, path: list[Place], color: str, width: float, dashed: bool = False, dash: float = 6) -> None:
        pixels = max(1, round(width * self.pixels_a_unit))
        if dashed:
            for piece in dashes(path, dash, dash * 0.75):
                self.draw.line(self.places(piece), color, pixels)
        else:
            self.draw.line(self.places(path), color, pixels, joint="curve")

    def polygon(self, corners: list[Place], fill: str | None, outline: str | None = None, width: float = 1) -> None:
        if fill:
            self.draw.polygon(self.places(corners), fill)
        if outline:
            self.line([*corners, corners[0], corners[1]], outline, width)

    def circle(
        self, middle: Place, radius: float, fill: str | None, outline: str | None = None, width: float = 1
    ) -> None:
        (x, y), unit = middle, self.pixels_a_unit
        box = [(x - radius) * unit, (y - radius) * unit, (x + radius) * unit, (y + radius) * unit]
        self.draw.ellipse(box, fill, outline, max(1, round(width * unit)))

    def outline(self, box: Rect, look: Look) -> None:
        """A rectangle with all that its look asks for."""
        unit = self.pixels_a_unit
        inside = [side * unit for side in box]
        radius = min(look.radius * unit, (inside[2] - inside[0]) / 2, (inside[3] - inside[1]) / 2)
        if look.shadow:
            self._shadow(inside, radius)
        if look.fill and look.gradient:
            self._gradient(inside, radius, look.fill)
        elif look.fill:
            self.draw.rounded_rectangle(inside, radius, look.fill)
        if look.outline and look.dashed:
            self.line(rounded_path(box, look.radius), look.outline, look.width, dashed=True, dash=5)
        elif look.outline:
            self.draw.rounded_rectangle(inside, radius, None, look.outline, max(1, round(look.width * unit)))

    def _shadow(self, box: list[float], radius: float) -> None:
        off, blur = round(3 * self.pixels_a_unit), round(2.5 * self.pixels_a_unit)
        left, top = round(box[0]) - 3 * blur, round(box[1]) - 3 * blur
        size = (round(box[2] - box[0]) + 6 * blur + off, round(box[3] - box[1]) + 6 * blur + off)
        mask = Image.new("L", size, 0)
        inside = [3 * blur + off, 3 * blur + off, size[0] - 3 * blur, size[1] - 3 * blur]
        ImageDraw.Draw(mask).rounded_rectangle(inside, radius, 110)
        self.image.paste("#000000", (left, top), mask.filter(ImageFilter.GaussianBlur(blur)))

    def _gradient(self, box: list[float], radius: float, fill: str) -> None:
        size = (max(1, round(box[2] - box[0])), max(1, round(box[3] - box[1])))
        mask = Image.new("L", size, 0)
        ImageDraw.Draw(mask).rounded_rectangle([0, 0, size[0] - 1, size[1] - 1], radius, 255)
        filled = Image.new("RGB", size, mixed(fill, "#ffffff", 0.3))
        filled.paste(
            Image.new("RGB", size, mixed(fill, "#000000", 0.12)), (0, 0), Image.linear_gradient("L").resize(size)
        )
        self.image.paste(filled, (round(box[0]), round(box[1])), mask)

    def ground(self, box: Rect) -> str:
        """The colour that stands at the left border of a box: what a tool would put behind a label there."""
        x = min(max(0, round(box[0] * self.pixels_a_unit)), self.image.width - 1)
        y = min(max(0, round((box[1] + box[3]) / 2 * self.pixels_a_unit)), self.image.height - 1)
        red, green, blue = self.image.getpixel((x, y))
        return f"#{red:02x}{green:02x}{blue:02x}"

    def text(
        self, lines: list[str], box: Rect, color: str, size: float, style: str = "regular", align: str = "middle"
    ) -> Rect:
        """Lines of text about the middle of a box, or from its top left. Returns: where they stand."""
        font = self.theme.font(size * self.pixels_a_unit, style)
        step, unit = size * 1.25, self.pixels_a_unit
        top = (box[1] + box[3] - step * len(lines)) / 2 if align == "middle" else box[1]
        found = (math.inf, math.inf, 0.0, 0.0)
        for at, line in enumerate(lines):
            width = font.getlength(line) / unit
            left = (box[0] + box[2] - width) / 2 if align != "left" else box[0]
            middle = top + step * (at + 0.5)
            self.draw.text((left * unit, middle * unit), line, color, font, anchor="lm")
            found = (
                min(found[0], left),
                min(found[1], middle - size * 0.6),
                max(found[2], left + width),
                max(found[3], middle + size * 0.6),
            )
        return found

    def head(self, tip: Place, towards: Place, kind: str, size: float, color: str, width: float) -> None:
        """The head of an arrow whose point stands at `tip` and looks along `towards` (of length 1)."""
        (x, y), (dx, dy) = tip, towards

        def at(back: float, side: float) -> Place:
            return (x - dx * back - dy * side, y - dy * back + dx * side)

        if kind == "open":
            self.line([at(size, size * 0.55), tip, at(size, -size * 0.55)], color, width)
        elif kind == "hollow":
            self.polygon([tip, at(size, size * 0.5), at(size, -size * 0.5)], self.theme.background, color, width * 0.8)
        elif kind == "barbed":
            self.polygon([tip, at(size * 1.2, size * 0.5), at(size * 0.85, 0), at(size * 1.2, -size * 0.5)], color)
        else:
            half = size * (0.34 if kind == "slim" else 0.5)
            self.polygon([tip, at(size, half), at(size, -half)], color)


def dashes(path: list[Place], on: float, off: float) -> list[list[Place]]:
    """The pieces of a path that a dashed line shows."""
    pieces, current, left, drawing = [], [path[0]], on, True
    for start, end in itertools.pairwise(path):
        length, done = math.dist(start, end), 0.0
        while length - done > left:
            done += left
            place = tuple(a + (b - a) * done / length for a, b in zip(start, end, strict=True))
            if drawing:
                pieces.append([*current, place])
            current, drawing = [place], not drawing
            left = on if drawing else off
        left -= length - done
        current.append(end)
    return [*pieces, current] if drawing and len(current) > 1 else pieces


def rounded_path(box: Rect, radius: float) -> list[Place]:
    """The border of a rectangle as a closed path, with its corners cut round."""
    left, top, right, bottom = box
    if radius <= 0:
        return [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    path = []
    corners = [
        (right - radius, top + radius, -90),
        (right - radius, bottom - radius, 0),
        (left + radius, bottom - radius, 90),
        (left + radius, top + radius, 180),
    ]
    for x, y, start in corners:
        for step in range(7):
            angle = math.radians(start + 15 * step)
            path.append((x + radius * math.cos(angle), y + radius * math.sin(angle)))
    return [*path, path[0]]


def cut_corners(path: list[Place], radius: float) -> list[Place]:
    """A path with round corners."""
    if radius <= 0 or len(path) < 3:
        return path
    found = [path[0]]
    for before, corner, after in zip(path, path[1:], path[2:], strict=False):
        reach = min(radius, math.dist(before, corner) / 2, math.dist(corner, after) / 2)
        start = _towards(corner, before, reach)
        end = _towards(corner, after, reach)
        for step in range(7):
            t = step / 6
            found.append(
                tuple(
                    (1 - t) ** 2 * a + 2 * t * (1 - t) * b + t * t * c
                    for a, b, c in zip(start, corner, end, strict=True)
                )
            )
    return [*found, path[-1]]


def _towards(start: Place, end: Place, reach: float) -> Place:
    length = math.dist(start, end) or 1
    return (start[0] + (end[0] - start[0]) * reach / length, start[1] + (end[1] - start[1]) * reach / length)
