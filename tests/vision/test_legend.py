"""Legends are read from samples before short texts; what only looks like one stays a label."""

from tests.vision.drawing import Drawing
from vision.picture.found import Label, Line, Shape
from vision.picture.legend import read_legend
from vision.reading import Box


def label(text: str, left: int, top: int) -> Label:
    box: Box = (left, top, left + 11 * len(text), top + 22)
    return Label(text, box, (Line(text, box, 0.99),))


def test_samples_of_lines_in_a_column_are_a_legend() -> None:
    drawing = Drawing()
    drawing.arrow([(100, 711), (170, 711)], ink="#1a4fb4")
    drawing.line([(100, 751), (170, 751)], ink="#b01010", dashed=True)
    labels = [label("Reads", 185, 700), label("Writes", 185, 740), label("Store", 800, 200)]
    entries, rest = read_legend(drawing.picture, labels, [], [])
    assert [(entry.label, entry.style) for entry in entries] == [("Reads", "solid"), ("Writes", "dashed")]
    assert int(entries[0].color[5:7], 16) > int(entries[0].color[1:3], 16)
    assert int(entries[1].color[1:3], 16) > int(entries[1].color[5:7], 16)
    assert [kept.text for kept in rest] == ["Store"]
    assert all(entry.box[0] <= 101 for entry in entries)


def test_patches_of_colour_in_a_row_are_a_legend() -> None:
    drawing = Drawing()
    for left, ink in ((100, "#ffb0b0"), (400, "#b0d0ff")):
        drawing.pen.rectangle((left, 702, left + 40, 720), fill=ink)
    entries, rest = read_legend(drawing.picture, [label("Engineer", 155, 700), label("Scientist", 455, 700)], [], [])
    assert [(entry.label, entry.color) for entry in entries] == [("Engineer", "#ffb0b0"), ("Scientist", "#b0d0ff")]
    assert rest == []


def test_filled_boxes_beside_the_word_legend_are_its_entries() -> None:
    drawing = Drawing()
    shapes = []
    for left, ink in ((200, "#ffb0b0"), (360, "#b0d0ff")):
        drawing.pen.rectangle((left, 690, left + 150, 730), fill=ink)
        shapes.append(Shape("rectangle", (left, 690, left + 150, 730), None, ink, "solid"))
    labels = [label("Legend:", 100, 700), label("Engineer", 225, 700), label("Scientist", 385, 700)]
    entries, rest = read_legend(drawing.picture, labels, shapes, [])
    assert [(entry.label, entry.color) for entry in entries] == [("Engineer", "#ffb0b0"), ("Scientist", "#b0d0ff")]
    assert rest == []


def test_a_line_that_leads_to_a_text_is_no_sample() -> None:
    drawing = Drawing()
    drawing.arrow([(100, 211), (790, 211)])
    labels = [label("Store", 800, 200), label("Queue", 800, 400)]
    assert read_legend(drawing.picture, labels, [], []) == ([], labels)


def test_the_texts_of_boxes_are_no_legend() -> None:
    drawing = Drawing()
    for top in (200, 300):
        drawing.box((90, top, 330, top + 60))
        drawing.line([(100, top + 31), (150, top + 31)])
    labels = [label("Store", 165, 220), label("Queue", 165, 320)]
    assert read_legend(drawing.picture, labels, drawing.shapes, []) == ([], labels)
