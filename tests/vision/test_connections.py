"""Traced lines become connections between parts, and only sure ones are stated."""

import pytest

from vision.picture.connections import STATED, connect
from vision.picture.found import Arrow, Label, Line, Part, Parts, Point
from vision.reading import Box, LegendEntry

INNER = Part("c1", "Collector", (120, 120, 240, 200), within="k1")
OUTER = Part("c2", "Store", (700, 120, 840, 200))
FRAME = Part("k1", "Platform", (80, 60, 480, 300))


def line(*path: Point, start: bool = False, end: bool = True, confidence: float = 0.95) -> Arrow:
    return Arrow(path, start, end, "#1a4fb4", "solid", confidence)


def parts(*loose: Label) -> Parts:
    return Parts((INNER, OUTER), (FRAME,), loose)


def label(text: str, box: Box) -> Label:
    return Label(text, box, (Line(text, box, 0.99),))


def test_a_line_connects_the_parts_at_its_ends() -> None:
    (found,) = connect([line((241, 160), (470, 160), (699, 160))], parts(), [])
    assert (found.source, found.target, found.directed, found.stated) == ("c1", "c2", True, True)
    assert found.box == (241, 160, 700, 161)


def test_a_line_that_ends_at_the_frame_of_a_container_belongs_to_the_container() -> None:
    (found,) = connect([line((699, 160), (600, 160), (481, 160))], parts(), [])
    assert (found.source, found.target) == ("c2", "k1")


def test_two_heads_are_two_connections() -> None:
    found = connect([line((241, 160), (699, 160), start=True)], parts(), [])
    assert {(c.source, c.target) for c in found} == {("c1", "c2"), ("c2", "c1")}


def test_a_line_without_a_head_is_not_stated() -> None:
    (found,) = connect([line((241, 160), (699, 160), end=False)], parts(), [])
    assert not found.directed
    assert not found.stated


@pytest.mark.parametrize(("confidence", "stated"), [(STATED + 0.05, True), (STATED - 0.05, False)])
def test_what_is_not_sure_is_not_stated(confidence: float, stated: bool) -> None:
    (found,) = connect([line((241, 160), (699, 160), confidence=confidence)], parts(), [])
    assert found.stated is stated


def test_a_line_with_an_open_end_connects_nothing() -> None:
    assert connect([line((241, 160), (560, 160))], parts(), []) == []


def test_a_piece_of_a_parts_outline_is_no_connection_to_itself() -> None:
    assert connect([line((700, 118), (770, 116), (840, 118))], parts(), []) == []


def test_a_line_that_leaves_a_part_and_comes_back_is_one() -> None:
    (found,) = connect([line((740, 201), (740, 260), (800, 260), (800, 201))], parts(), [])
    assert (found.source, found.target) == ("c2", "c2")


def test_a_label_belongs_to_the_nearest_line() -> None:
    other = line((700, 190), (560, 190), (560, 280), (481, 280))
    near, far = label("publishes", (520, 132, 620, 154)), label("note", (900, 600, 960, 620))
    found = connect([line((241, 160), (699, 160)), other], parts(near, far), [])
    assert {(c.source, c.target): c.label for c in found} == {("c1", "c2"): "publishes", ("c2", "k1"): None}


def test_the_samples_of_a_legend_connect_nothing() -> None:
    entry = LegendEntry("Reads", "#1a4fb4", "solid", (230, 140, 720, 180))
    assert connect([line((241, 160), (699, 160))], parts(), [entry]) == []
