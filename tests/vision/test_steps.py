"""Each badge is given what it stands at."""

import pytest

from vision.picture.found import Badge, Label, Part, Parts
from vision.picture.steps import number_steps
from vision.reading import Box, Connection

PARTS = Parts(
    components=(Part("c1", "Kafka", (200, 200, 400, 300), "k1"), Part("c2", "Spark", (600, 200, 800, 300), "k1")),
    containers=(Part("k1", "Streaming", (50, 50, 1000, 900)),),
    loose=(Label("Commit code", (440, 500, 560, 520), ()),),
)


@pytest.mark.parametrize(
    ("box", "label", "part"),
    [
        ((360, 260, 390, 290), "Kafka", "c1"),  # within it
        ((185, 185, 215, 215), "Kafka", "c1"),  # on its corner
        ((600, 160, 630, 190), "Spark", "c2"),  # above it
        ((480, 525, 510, 555), "Commit code", None),  # below the words of a connection
        ((35, 35, 65, 65), "Streaming", "k1"),  # on the corner of a container
        ((900, 700, 930, 730), "Streaming", "k1"),  # in a container, at nothing else
        ((1500, 1500, 1530, 1530), "", None),  # at nothing
    ],
)
def test_a_badge_has_what_it_stands_at(box: Box, label: str, part: str | None) -> None:
    (step,) = number_steps([Badge("1", box)], PARTS, [])
    assert (step.number, step.label, step.component, step.box) == ("1", label, part, box)


def test_of_two_parts_that_hold_a_badge_the_inner_one_has_it() -> None:
    nested = Parts((Part("c1", "Outer", (0, 0, 500, 500)), Part("c2", "Inner", (100, 100, 300, 300))), (), ())
    (step,) = number_steps([Badge("1", (150, 150, 180, 180))], nested, [])
    assert step.component == "c2"


def test_words_in_a_component_do_not_take_its_badge() -> None:
    notes = Label("Batch or streaming", (220, 260, 380, 290), ())
    (step,) = number_steps([Badge("1", (210, 250, 240, 280))], Parts(PARTS.components, (), (notes,)), [])
    assert (step.label, step.component) == ("Kafka", "c1")


def test_a_badge_on_a_corner_that_touches_a_neighbour_is_the_corners() -> None:
    parts = Parts((), (Part("k1", "Left", (0, 0, 105, 500)), Part("k2", "Right", (120, 100, 900, 480))), ())
    (step,) = number_steps([Badge("2", (100, 80, 140, 120))], parts, [])
    assert step.label == "Right"


def test_a_badge_on_a_connection_far_from_its_words_has_these_words() -> None:
    connection = Connection("c1", "c2", True, "publishes", "#000000", "solid", 0.9, True, (1100, 1000, 1900, 1040))
    (step,) = number_steps([Badge("4", (1700, 1005, 1730, 1035))], PARTS, [connection])
    assert (step.label, step.component) == ("publishes", None)
