"""An image with the boxes of what was read drawn on it, as a file."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dashboard.image_overlay import Region, regions
from vision.reading import Reading

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

_COLORS = {"components": "#1f6a9e", "containers": "#0b7f72", "steps": "#c4461f", "connections": "#7a3fa0"}


def annotated(image: bytes, reading: Reading) -> bytes:
    """The image with its components, containers, steps and stated connections marked, as PNG."""
    from PIL import Image, ImageDraw

    from vision.images import opaque

    with Image.open(io.BytesIO(image), formats=("PNG", "JPEG")) as opened:
        picture = opaque(opened)
    draw = ImageDraw.Draw(picture)
    across, down = picture.width / reading.width, picture.height / reading.height
    thin = max(1, round(picture.width / 700))
    found = regions(reading)
    badges = {region["id"]: picture.crop(_scaled(region["box"], across, down)) for region in found if _is_step(region)}
    # The badges come last, each as it is on the image: no outline and no arrow runs across a number.
    for region in sorted(found, key=_is_step):
        color = _COLORS.get(region["layer"])
        if color is None or not region.get("stated", True):
            continue
        if "line" in region:
            _arrow(draw, [(x * across, y * down) for x, y in region["line"]], region["directed"], color, 2 * thin)
            continue
        box = _scaled(region["box"], across, down)
        if _is_step(region):
            picture.paste(badges[region["id"]], box[:2])
        draw.rectangle(box, outline=color, width=thin if region["layer"] == "containers" else 2 * thin)
    written = io.BytesIO()
    picture.save(written, "PNG")
    return written.getvalue()


def _is_step(region: Region) -> bool:
    return bool(region["layer"] == "steps")


def _scaled(box: Sequence[int], across: float, down: float) -> tuple[int, int, int, int]:
    """A box in pixels of the copy that is kept, at least one pixel wide and high."""
    left, top, right, bottom = box
    x, y = round(left * across), round(top * down)
    return x, y, max(round(right * across), x + 1), max(round(bottom * down), y + 1)


def _arrow(draw: "ImageDraw", line: list[tuple[float, float]], directed: bool, color: str, width: int) -> None:
    (x1, y1), (x2, y2) = line
    draw.line([(x1, y1), (x2, y2)], fill=color, width=width)
    length = ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5
    if not directed or not length:
        return
    along, aside = ((x2 - x1) / length, (y2 - y1) / length), (-(y2 - y1) / length, (x2 - x1) / length)
    back = [(x2 - 5 * width * along[0], y2 - 5 * width * along[1])] * 2
    wings = [(back[0][0] + side * 2 * width * aside[0], back[0][1] + side * 2 * width * aside[1]) for side in (-1, 1)]
    draw.polygon([(x2, y2), *wings], fill=color)
