"""Icons drawn by code: tiles, outlines and pieces, but no lines, boxes or text."""

import numpy as np
from PIL import Image, ImageDraw

from vision.picture.boxes import overlap
from vision.picture.found import Line, Picture, Shape
from vision.picture.icons import find_icons


def page(color: tuple[int, int, int] = (255, 255, 255)) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (1240, 820), color)
    return image, ImageDraw.Draw(image)


def picture(image: Image.Image) -> Picture:
    return Picture(np.asarray(image), 1.0)


def test_a_filled_tile_and_a_round_outline_are_icons() -> None:
    image, draw = page()
    tile, ring = (200, 200, 300, 300), (600, 200, 660, 260)
    draw.rectangle(tile, (232, 118, 13))
    draw.ellipse(ring, None, (20, 90, 200), 4)
    boxes = [icon.box for icon in find_icons(picture(image), [], [], [])]
    assert len(boxes) == 2
    assert all(any(overlap(box, drawn) > 0.85 for box in boxes) for drawn in (tile, ring))


def test_lines_and_text_are_no_icons() -> None:
    image, draw = page()
    draw.line((100, 100, 900, 100), (0, 0, 0), 4)
    draw.line((900, 100, 900, 700), (0, 0, 0), 4)
    draw.rectangle((300, 400, 480, 424), (40, 40, 40))  # what letters amount to
    assert find_icons(picture(image), [Line("Feature table", (296, 396, 484, 428), 0.99)], [], []) == []


def test_an_icon_is_found_on_the_ground_of_its_region() -> None:
    image, draw = page()
    region, tile = (200, 100, 1000, 700), (500, 300, 600, 400)
    draw.rectangle(region, (235, 243, 231), (180, 190, 180), 2)
    draw.rectangle(tile, (51, 102, 204))
    shapes = [Shape("rectangle", region, "#b4beb4", "#ebf3e7", "solid")]
    (icon,) = find_icons(picture(image), [], shapes, [])
    assert overlap(icon.box, tile) > 0.85


def test_an_icon_is_found_on_a_page_that_changes_its_colour() -> None:
    shades = np.linspace(255, 215, 820).astype(np.uint8)
    image = Image.fromarray(np.repeat(np.repeat(shades[:, None, None], 1240, axis=1), 3, axis=2))
    tile = (700, 650, 800, 750)
    ImageDraw.Draw(image).rectangle(tile, (120, 60, 160))
    (icon,) = find_icons(picture(image), [], [], [])
    assert overlap(icon.box, tile) > 0.85


def test_bars_side_by_side_are_one_icon() -> None:
    image, draw = page()
    for left, top in ((400, 260), (442, 220), (484, 240)):
        draw.rectangle((left, top, left + 30, 300), (60, 120, 30))
    (icon,) = find_icons(picture(image), [Line("Envoy", (420, 310, 495, 338), 0.99)], [], [])
    assert overlap(icon.box, (400, 220, 514, 300)) > 0.85
