"""Small diagrams drawn for tests of single stages: pixels, and the shapes and texts that stand on them."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from vision.picture.found import Picture, Point, Shape
from vision.reading import Box


class Drawing:
    """A white sheet to draw boxes and arrows on."""

    def __init__(self, width: int = 1600, height: int = 900, ground: str = "white") -> None:
        self.image = Image.new("RGB", (width, height), ground)
        self.pen = ImageDraw.Draw(self.image)
        self.shapes: list[Shape] = []

    @property
    def picture(self) -> Picture:
        return Picture(np.asarray(self.image), 1.0)

    @property
    def pixels(self) -> NDArray[np.uint8]:
        return np.asarray(self.image)

    def box(self, box: Box, fill: str | None = None, ink: str = "black") -> None:
        self.pen.rectangle(box, fill=fill, outline=ink, width=2)
        self.shapes.append(Shape("rectangle", box, ink, fill, "solid"))

    def line(self, path: Sequence[Point], ink: str = "black", width: int = 3, dashed: bool = False) -> None:
        for start, end in pairwise(path):
            if not dashed:
                self.pen.line([start, end], fill=ink, width=width)
                continue
            length = float(np.hypot(end[0] - start[0], end[1] - start[1]))
            for first in np.arange(0, length, 18):
                points = [
                    np.array(start) + (np.array(end) - start) * min(s, length) / length for s in (first, first + 10)
                ]
                self.pen.line([tuple(point) for point in points], fill=ink, width=width)

    def head(self, tip: Point, before: Point, ink: str = "black", size: int = 16, style: str = "filled") -> None:
        along = np.array(tip, float) - before
        along /= np.hypot(*along)
        across = np.array([-along[1], along[0]])
        corners = [np.array(tip) - size * along + side * 0.45 * size * across for side in (1, -1)]
        if style == "filled":
            self.pen.polygon([tip, *(tuple(corner) for corner in corners)], fill=ink)
        elif style == "open":
            for corner in corners:
                self.pen.line([tip, tuple(corner)], fill=ink, width=3)
        else:
            self.pen.polygon([tip, *(tuple(corner) for corner in corners)], fill="white", outline=ink, width=2)

    def arrow(
        self, path: Sequence[Point], ink: str = "black", dashed: bool = False, style: str = "filled", both: bool = False
    ) -> None:
        """A line with a head at its last point, and at its first one where it has `both`."""
        self.line(path, ink, dashed=dashed)
        self.head(path[-1], path[-2], ink, style=style)
        if both:
            self.head(path[0], path[1], ink, style=style)
