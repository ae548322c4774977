"""From lines, shapes and icons to names: what is one text, what a component, what a container holds."""

from vision.picture.found import Icon, Label, Line, Parts, Shape
from vision.picture.labels import group_lines
from vision.picture.lookalikes import without_lookalikes
from vision.picture.parts import name_parts
from vision.reading import Box


def line(text: str, left: int, top: int, size: int = 24) -> Line:
    return Line(text, (left, top, left + len(text) * size // 2, top + size), 0.99)


def centred(text: str, middle: int, top: int, size: int = 24) -> Line:
    return line(text, middle - len(text) * size // 4, top, size)


def rectangle(*box: int) -> Shape:
    left, top, right, bottom = box
    return Shape("rectangle", (left, top, right, bottom), "#000000", None, "solid")


def texts(lines: list[Line], shapes: list[Shape] | None = None, icons: list[Icon] | None = None) -> list[str]:
    return [label.text for label in group_lines(lines, shapes or [], icons or [])]


def parts(lines: list[Line], shapes: list[Shape], icons: list[Box] | None = None) -> Parts:
    drawn = [Icon(box) for box in icons or []]
    return name_parts(group_lines(lines, shapes, drawn), shapes, drawn)


def members(read: Parts) -> dict[str, set[str]]:
    """The labels in each container by its label; "" for what is in none."""
    names = {container.id: container.label for container in read.containers}
    held: dict[str, set[str]] = {}
    for part in (*read.components, *read.containers):
        held.setdefault(names.get(part.within or "", ""), set()).add(part.label)
    return held


def test_lines_that_follow_each_other_are_one_text() -> None:
    assert texts([centred("Unit and continuous", 300, 100), centred("integration tests", 300, 126)]) == [
        "Unit and continuous integration tests"
    ]


def test_captions_side_by_side_stay_two_texts() -> None:
    left = [centred("Azure", 200, 100), centred("Application", 200, 126), centred("Insights", 200, 152)]
    right = [centred("Azure", 320, 100), centred("Monitor", 320, 126)]
    assert sorted(texts(left + right)) == ["Azure Application Insights", "Azure Monitor"]


def test_lines_in_different_shapes_are_different_texts() -> None:
    shapes = [rectangle(100, 90, 400, 125), rectangle(100, 125, 400, 160)]
    assert texts([centred("Application", 250, 98), centred("Instrumentation", 250, 130)], shapes) == [
        "Application",
        "Instrumentation",
    ]


def test_list_items_are_texts_of_their_own() -> None:
    assert texts(
        [line("Model deployment", 100, 100), line("• Batch scoring", 100, 126), line("• Online", 100, 152)]
    ) == [
        "Model deployment",
        "Batch scoring",
        "Online",
    ]


def test_a_drawing_read_as_letters_is_no_text() -> None:
    real = [line("event queue", 100, 100), line("worker", 300, 100), line("DB", 500, 100)]
    drawn = [Line("入", (700, 100, 840, 250), 0.9), Line("Do", (900, 100, 1000, 190), 0.6)]
    assert without_lookalikes(real + drawn) == real


def test_a_box_with_more_than_a_name_is_one_component() -> None:
    box = rectangle(100, 100, 420, 300)
    read = parts(
        [line("Feature table refresh", 110, 110), line("Release", 330, 260, 18)], [box], [(270, 200, 330, 260)]
    )
    assert [part.label for part in read.components] == ["Feature table refresh"]
    assert [label.text for label in read.loose] == ["Release"]
    assert read.containers == ()


def test_icons_with_captions_in_a_titled_region_are_its_members() -> None:
    region = rectangle(100, 100, 900, 600)
    lines = [line("Data platform", 110, 106), centred("Storage", 250, 404), centred("Queue", 600, 404)]
    read = parts(lines, [region], [(200, 300, 300, 400), (550, 300, 650, 400)])
    assert members(read) == {"": {"Data platform"}, "Data platform": {"Storage", "Queue"}}


def test_regions_in_regions_point_to_the_innermost_around_them() -> None:
    outer, inner, box = rectangle(50, 50, 1000, 800), rectangle(100, 120, 700, 700), rectangle(200, 300, 500, 400)
    read = parts(
        [line("Cloud", 60, 56), line("Subnet", 110, 126), centred("Web server", 350, 338)], [outer, inner, box]
    )
    assert members(read) == {"": {"Cloud"}, "Cloud": {"Subnet"}, "Subnet": {"Web server"}}


def test_a_title_may_stand_at_the_lower_end_of_its_region() -> None:
    region = rectangle(100, 100, 900, 600)
    lines = [line("Lakehouse data", 110, 560, 30), centred("Table", 250, 304), centred("Metrics", 600, 304)]
    read = parts(lines, [region], [(200, 200, 300, 300), (550, 200, 650, 300)])
    assert members(read)["Lakehouse data"] == {"Table", "Metrics"}


def test_a_title_bar_names_the_region_below_it() -> None:
    bar, region, box = rectangle(100, 100, 900, 150), rectangle(100, 150, 900, 600), rectangle(200, 300, 500, 400)
    read = parts([centred("Outer loop", 500, 112), centred("Train", 350, 338)], [bar, region, box])
    assert members(read) == {"": {"Outer loop"}, "Outer loop": {"Train"}}
    assert read.containers[0].box == (100, 100, 900, 600)


def test_boxes_on_each_other_are_no_title_and_region() -> None:
    stack = [rectangle(100, 100 + 90 * row, 400, 190 + 90 * row) for row in range(3)]
    names = [centred(name, 250, 132 + 90 * row) for row, name in enumerate(("Application", "Library", "Exporter"))]
    read = parts(names, stack)
    assert [part.label for part in read.components] == ["Application", "Library", "Exporter"]
    assert read.containers == ()


def test_the_caption_below_an_icon_wins_over_letters_on_it() -> None:
    tile = rectangle(200, 200, 300, 300)
    read = parts([centred("SQL", 250, 238, 22), centred("Rate limiter", 250, 304)], [tile])
    assert [part.label for part in read.components] == ["Rate limiter"]


def test_text_at_no_shape_and_no_icon_is_loose() -> None:
    read = parts([line("Commit code", 300, 300)], [])
    assert read.components == ()
    assert [label.text for label in read.loose] == ["Commit code"]


def test_every_label_keeps_its_lines() -> None:
    (label,) = group_lines([centred("Write", 300, 100), centred("API", 300, 126)], [], [])
    assert isinstance(label, Label)
    assert [each.text for each in label.lines] == ["Write", "API"]
    assert label.box == (270, 100, 330, 150)
