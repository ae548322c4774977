"""Boxes, regions, ellipses and cylinders drawn by code, found again where they were drawn."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from vision.picture.boxes import overlap
from vision.picture.found import Badge, Line, Picture, Shape
from vision.picture.shapes import find_shapes
from vision.reading import Box

WHITE = (255, 255, 255)


def page(color: tuple[int, int, int] = WHITE) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (1240, 820), color)
    return image, ImageDraw.Draw(image)


def found(image: Image.Image, names: list[Box], badges: list[Badge] | None = None) -> list[Shape]:
    """Shapes of an image with a line of text in each of some boxes."""
    lines = [Line("Feature table", box, 0.99) for box in names]
    return find_shapes(Picture(np.asarray(image), 1.0), lines, badges or [])


def is_found(box: Box, shapes: list[Shape]) -> bool:
    return any(overlap(box, shape.box) > 0.9 for shape in shapes)


def name_in(box: Box) -> Box:
    across, down = (box[0] + box[2]) // 2, (box[1] + box[3]) // 2
    return across - 60, down - 14, across + 60, down + 14


@pytest.mark.parametrize("outline", [(0, 0, 0), (90, 140, 220), None])
@pytest.mark.parametrize("fill", [WHITE, (210, 232, 251)])
def test_a_box_is_found_by_its_outline_or_its_fill(
    outline: tuple[int, int, int] | None, fill: tuple[int, int, int]
) -> None:
    image, draw = page()
    box = (300, 200, 600, 320)
    draw.rounded_rectangle(box, 12, fill, outline, 2)
    shapes = found(image, [name_in(box)])
    assert len(shapes) == (1 if outline or fill != WHITE else 0)
    if shapes:
        assert shapes[0].kind == "rectangle"
        assert overlap(shapes[0].box, box) > 0.93
        assert (shapes[0].fill is None) == (fill == WHITE)


def test_a_dashed_box_is_found_and_said_to_be_dashed() -> None:
    image, draw = page()
    box = (300, 200, 700, 420)
    for x in range(300, 700, 16):
        draw.line((x, 200, x + 9, 200), (0, 0, 0), 2)
        draw.line((x, 420, x + 9, 420), (0, 0, 0), 2)
    for y in range(200, 420, 16):
        draw.line((300, y, 300, y + 9), (0, 0, 0), 2)
        draw.line((700, y, 700, y + 9), (0, 0, 0), 2)
    (shape,) = found(image, [name_in(box)])
    assert overlap(shape.box, box) > 0.9
    assert shape.style == "dashed"


def test_nested_and_adjoining_boxes_are_each_found_largest_first() -> None:
    image, draw = page()
    outer, left, right = (100, 100, 1100, 700), (200, 250, 500, 400), (500, 250, 800, 400)
    for box in (outer, left, right):
        draw.rectangle(box, None, (0, 0, 0), 2)
    shapes = found(image, [(120, 110, 300, 140), name_in(left), name_in(right)])
    assert [is_found(box, shapes) for box in (outer, left, right)] == [True, True, True]
    assert len(shapes) == 3
    assert overlap(shapes[0].box, outer) > 0.9


def test_a_region_that_arrows_cross_is_one_region() -> None:
    image, draw = page()
    region, box = (300, 100, 1100, 800), (600, 400, 800, 480)
    draw.rectangle(region, (238, 244, 252), (150, 160, 180), 2)
    draw.line((100, 440, 1230, 440), (80, 80, 80), 3)
    draw.rectangle(box, WHITE, (0, 0, 0), 2)
    shapes = found(image, [(320, 110, 460, 140), name_in(box)])
    assert is_found(region, shapes)
    assert is_found(box, shapes)
    assert len(shapes) == 2


def test_what_arrows_enclose_is_no_box() -> None:
    image, draw = page()
    left, right = (100, 200, 400, 700), (900, 200, 1200, 700)
    for box in (left, right):
        draw.rectangle(box, (255, 242, 204), (0, 0, 0), 2)
    for y in (300, 600):
        draw.line((400, y, 900, y), (0, 0, 0), 2)
    shapes = found(image, [name_in(left), name_in(right), (420, 310, 560, 338)])
    assert len(shapes) == 2
    assert is_found(left, shapes)
    assert is_found(right, shapes)


def test_an_ellipse_and_a_cylinder_are_told_apart() -> None:
    image, draw = page()
    ellipse, cylinder = (100, 100, 400, 260), (600, 100, 800, 340)
    draw.ellipse(ellipse, (226, 240, 217), (0, 0, 0), 2)
    draw.rectangle((600, 130, 800, 310), (182, 215, 168), None)
    draw.ellipse((600, 280, 800, 340), (182, 215, 168), (0, 0, 0), 2)
    draw.rectangle((602, 200, 798, 309), (182, 215, 168), None)
    draw.line((600, 130, 600, 310), (0, 0, 0), 2)
    draw.line((800, 130, 800, 310), (0, 0, 0), 2)
    draw.ellipse((600, 100, 800, 160), (182, 215, 168), (0, 0, 0), 2)
    kinds = {shape.kind: shape.box for shape in found(image, [name_in(ellipse), (640, 220, 760, 250)])}
    assert overlap(kinds["ellipse"], ellipse) > 0.9
    assert overlap(kinds["cylinder"], cylinder) > 0.85


def test_boxes_of_a_dark_theme_are_found() -> None:
    image, draw = page((33, 37, 43))
    box = (300, 200, 600, 320)
    draw.rectangle(box, (46, 62, 84), (120, 160, 220), 2)
    assert is_found(box, found(image, [name_in(box)]))


def test_a_badge_is_no_shape_and_a_box_without_text_is_none() -> None:
    image, draw = page()
    badge = (100, 100, 150, 150)
    draw.ellipse(badge, (16, 124, 16), None)
    draw.rectangle((400, 400, 700, 600), (230, 230, 230), (0, 0, 0), 2)
    assert found(image, [(115, 112, 137, 138)], [Badge("3", badge)]) == []


def test_an_empty_page_has_no_shapes() -> None:
    assert found(page()[0], []) == []
