"""The regions over a picture, the graph and the annotated picture: each claim at its place, none too many."""

import io
from dataclasses import replace

import pytest
from PIL import Image, ImageDraw

from dashboard.annotated_image import annotated
from dashboard.image_graph import DARK, LIGHT, graph, quoted
from dashboard.image_overlay import LAYERS, question_about, regions
from tests.dashboard.image_readings import READING, drawn
from vision.evidence import box_of
from vision.reading import Component, Connection, Container, Reading


def test_every_region_is_where_the_evidence_says_it_is() -> None:
    found = regions(READING)
    assert len(found) == 3 + 1 + 2 + 2 + 1 + 5
    assert {region["layer"] for region in found} == set(LAYERS)
    for region in found:
        assert tuple(region["box"]) == box_of(READING, region["id"])


def test_badges_with_one_number_are_regions_of_their_own() -> None:
    again = replace(READING.steps[0], box=(300, 200, 320, 220))
    reading = replace(READING, steps=(*READING.steps, again))
    found = [region for region in regions(reading) if region["layer"] == "steps"]
    assert {region["id"]: tuple(region["box"]) for region in found} == {
        f"step-{place}": step.box for place, step in enumerate(reading.steps)
    }
    assert sorted(region["about"] for region in found) == ["step 1", "step 1", "step 2"]


@pytest.mark.parametrize(
    ("region", "question"),
    [
        ("c1", "What is Feature table?"),
        ("k1", "What is Production environment?"),
        ("step-1", "What is step 2?"),
        ("connection-0", "What is Feature table → Model training: reads?"),
        ("step-2", None),
        ("<script>", None),
    ],
)
def test_a_region_can_be_asked_about_by_its_name_and_a_badge_by_its_number(region: str, question: str | None) -> None:
    assert question_about(READING, region) == question


def test_a_small_region_lies_above_a_large_one() -> None:
    order = [region["id"] for region in regions(READING)]
    assert order.index("k1") < order.index("c1") < order.index("connection-0")


def test_a_connection_runs_from_border_to_border_and_says_how_sure_it_is() -> None:
    lines = {region["id"]: region for region in regions(READING) if region["layer"] == "connections"}
    sure, unsure = lines["connection-0"], lines["connection-1"]
    assert sure["line"] == [(200.0, 110.0), (300.0, 110.0)]
    assert (sure["label"], sure["about"], sure["stated"]) == (
        "Feature table → Model training: reads",
        "97 % sure",
        True,
    )
    assert (unsure["stated"], unsure["about"]) == (False, "41 % sure, too little to be stated")


def test_a_connection_into_its_own_container_is_drawn_where_it_was_read() -> None:
    inside = Connection("c1", "k1", True, None, "#000000", "solid", 0.9, True, (100, 60, 120, 80))
    (region,) = (one for one in regions(replace(READING, connections=(inside,))) if one["layer"] == "connections")
    assert region["line"] == [(100, 60), (120, 80)]


def test_the_graph_states_what_the_reading_states() -> None:
    text = graph(READING, LIGHT)
    assert '"c1" -> "c2" [label="reads"]' in text
    assert '"c2" -> "c3"' not in text
    assert text.index('subgraph "cluster_k1"') < text.index('"c1" [label')
    unsure = graph(READING, DARK, unsure=True)
    assert '"c2" -> "c3" [style=dashed' in unsure


def test_an_arrow_to_a_container_ends_at_its_frame() -> None:
    arrow = Connection("c3", "k1", True, None, "#000000", "solid", 0.95, True, (400, 200, 480, 250))
    text = graph(replace(READING, connections=(arrow,)), LIGHT)
    assert '"c3" -> "inside_k1" [lhead="cluster_k1"]' in text


@pytest.mark.parametrize(
    "label", ['say "hi" \\', '"]; evil [URL="javascript:alert(1)"', "<<b>x</b>>", "a\nb", "\\", '\\"', "{}", ""]
)
def test_no_text_on_an_image_becomes_a_part_of_the_graphs_language(label: str) -> None:
    string = quoted(label)
    inside = string[1:-1].replace("\\\\", "").replace('\\"', "")
    assert string[0] == string[-1] == '"'
    assert '"' not in inside
    assert not inside.endswith("\\")


def test_containers_within_each_other_without_end_do_not_hang_the_graph() -> None:
    around = (Container("k1", "a", (0, 0, 9, 9), "k2"), Container("k2", "b", (0, 0, 9, 9), "k1"))
    odd = Reading(10, 10, components=(Component("c1", "x", (1, 1, 2, 2), "k1"),), containers=around)
    assert graph(odd, LIGHT).startswith("digraph")


def test_the_annotated_picture_has_boxes_where_something_was_read() -> None:
    before, after = drawn(), annotated(drawn(), READING)
    with Image.open(io.BytesIO(before)) as plain, Image.open(io.BytesIO(after)) as marked:
        assert (marked.format, marked.size) == ("PNG", plain.size)
        assert marked.getpixel((60, 110)) == (0x1F, 0x6A, 0x9E)
        assert marked.getpixel((630, 10)) == plain.convert("RGB").getpixel((630, 10))
        # The arrow that is too unsure to be stated is not drawn.
        assert marked.getpixel((455, 165)) == (255, 255, 255)


def test_no_outline_crosses_a_badge_of_the_annotated_picture() -> None:
    across = replace(READING, steps=(replace(READING.steps[0], box=(50, 70, 80, 100)),))
    with Image.open(io.BytesIO(drawn())) as plain, Image.open(io.BytesIO(annotated(drawn(), across))) as marked:
        inside = (53, 73, 78, 98)
        # The border of a component runs through it.
        assert plain.convert("RGB").crop(inside).tobytes() == marked.crop(inside).tobytes()
        assert marked.getpixel((50, 85)) == (0xC4, 0x46, 0x1F)


@pytest.mark.parametrize(("ink", "ground"), [("#202020", (255, 255, 255)), ("#f8f8f8", (0, 0, 0))])
def test_a_transparent_picture_is_annotated_on_the_ground_that_it_was_read_on(
    ink: str, ground: tuple[int, int, int]
) -> None:
    image = Image.new("RGBA", (READING.width, READING.height), (0, 0, 0, 0))
    ImageDraw.Draw(image).rectangle((300, 80, 440, 140), fill=ink)
    written = io.BytesIO()
    image.save(written, "PNG")
    with Image.open(io.BytesIO(annotated(written.getvalue(), READING))) as marked:
        assert marked.getpixel((630, 10)) == ground
