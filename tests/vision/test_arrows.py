"""Arrows are traced on small drawings: from where to where, with their heads, style and colour."""

import pytest

from tests.vision.drawing import Drawing
from vision.picture.arrows import find_arrows
from vision.picture.found import Arrow, Line, Point
from vision.reading import Box

LEFT, RIGHT = (100, 300, 340, 400), (900, 300, 1140, 400)
START, END = (341, 350), (899, 350)


def arrows_of(drawing: Drawing, lines: list[Line] | None = None) -> list[Arrow]:
    return find_arrows(drawing.picture, lines or [], drawing.shapes, [], [])


def two_boxes(ground: str = "white", ink: str = "black") -> Drawing:
    drawing = Drawing(ground=ground)
    drawing.box(LEFT, ink=ink)
    drawing.box(RIGHT, ink=ink)
    return drawing


def near(point: Point, place: Point, within: int = 16) -> bool:
    return abs(point[0] - place[0]) <= within and abs(point[1] - place[1]) <= within


@pytest.mark.parametrize("style", ["filled", "open", "hollow"])
def test_an_arrow_points_where_its_head_is(style: str) -> None:
    drawing = two_boxes()
    drawing.arrow([START, END], style=style)
    (arrow,) = arrows_of(drawing)
    assert (arrow.head_at_start, arrow.head_at_end) == (False, True)
    assert near(arrow.path[0], START)
    assert near(arrow.path[-1], END)
    assert arrow.confidence > 0.6


def test_the_direction_is_that_of_the_head_and_not_of_the_reading() -> None:
    drawing = two_boxes()
    drawing.arrow([END, START])
    (arrow,) = arrows_of(drawing)
    assert near(arrow.path[-1], START)


def test_a_line_without_heads_has_none() -> None:
    drawing = two_boxes()
    drawing.line([START, END])
    (arrow,) = arrows_of(drawing)
    assert not arrow.head_at_start
    assert not arrow.head_at_end


def test_an_arrow_with_two_heads_has_both() -> None:
    drawing = two_boxes()
    drawing.arrow([START, END], both=True)
    (arrow,) = arrows_of(drawing)
    assert arrow.head_at_start
    assert arrow.head_at_end


def test_a_dashed_arrow_around_corners_is_one_line() -> None:
    drawing = two_boxes()
    drawing.arrow([(220, 401), (220, 600), (1020, 600), (1020, 401)], ink="#c02020", dashed=True)
    (arrow,) = [arrow for arrow in arrows_of(drawing) if arrow.head_at_end]
    assert arrow.style == "dashed"
    assert near(arrow.path[0], (220, 401))
    assert near(arrow.path[-1], (1020, 401))
    assert int(arrow.color[1:3], 16) > 150
    assert int(arrow.color[3:5], 16) < 90


def test_lines_that_cross_keep_their_ends() -> None:
    drawing = two_boxes()
    above, below = (500, 60, 740, 140), (500, 600, 740, 700)
    drawing.box(above)
    drawing.box(below)
    drawing.arrow([START, END])
    drawing.arrow([(620, 141), (620, 599)])
    ends = sorted((arrow.path[0], arrow.path[-1]) for arrow in arrows_of(drawing) if arrow.head_at_end)
    assert len(ends) == 2
    assert near(ends[0][0], START)
    assert near(ends[0][1], END)
    assert near(ends[1][0], (620, 141))
    assert near(ends[1][1], (620, 599))


def test_a_trunk_that_divides_is_an_arrow_to_each_head() -> None:
    drawing = two_boxes()
    lower: Box = (900, 600, 1140, 700)
    drawing.box(lower)
    drawing.arrow([START, END])
    drawing.arrow([START, (620, 350), (620, 650), (899, 650)])
    found = [arrow for arrow in arrows_of(drawing) if arrow.head_at_end]
    assert len(found) == 2
    assert all(near(arrow.path[0], START) for arrow in found)
    assert {near(arrow.path[-1], END) for arrow in found} == {True, False}


def test_a_line_goes_on_under_its_label_and_through_the_frame_of_a_container() -> None:
    drawing = two_boxes()
    drawing.box((840, 200, 1300, 700))
    drawing.arrow([START, END])
    label: Box = (540, 335, 680, 365)
    drawing.pen.rectangle(label, fill="white")
    (arrow,) = [arrow for arrow in arrows_of(drawing, [Line("publishes", label, 0.99)]) if arrow.head_at_end]
    assert near(arrow.path[0], START)
    assert near(arrow.path[-1], END)


def test_an_arrow_on_a_dark_ground_is_found() -> None:
    drawing = two_boxes(ground="#1b1f2a", ink="#8090a0")
    drawing.arrow([START, END], ink="#e0e0e0")
    (arrow,) = arrows_of(drawing)
    assert near(arrow.path[-1], END)


def test_boxes_and_an_empty_sheet_are_no_arrows() -> None:
    assert arrows_of(Drawing()) == []
    assert not any(arrow.head_at_end for arrow in arrows_of(two_boxes()))
