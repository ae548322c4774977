"""The reading as a graph of stated connections."""

from dataclasses import replace

from tests.vision.example_diagrams import example
from vision.answers.graph import diagram_of, shortest_way
from vision.reading import Component, Connection, Container, Reading


def arrow(source: str, target: str, *, stated: bool = True, directed: bool = True) -> Connection:
    return Connection(source, target, directed, None, "#000000", "solid", 0.9, stated, (0, 0, 9, 9))


NESTED = Reading(
    width=900,
    height=300,
    components=(
        Component("c1", "Sender", (10, 10, 60, 60)),
        Component("c2", "Receiver", (210, 40, 260, 90), "k1"),
        Component("c3", "Exporter", (210, 150, 260, 200), "k1"),
        Component("c4", "Store", (410, 10, 460, 60)),
    ),
    containers=(Container("k1", "Collector", (200, 10, 300, 290)),),
    connections=(arrow("c1", "k1"), arrow("c3", "c4"), arrow("c4", "c1", stated=False)),
)


def test_only_stated_connections_are_arrows() -> None:
    diagram = diagram_of(NESTED)

    assert {(one.source, one.target) for one in diagram.arrows} == {("c1", "k1"), ("c3", "c4")}
    assert [(one.source, one.target) for one in diagram.unsure] == [("c4", "c1")]
    assert (diagram.label("c2"), diagram.inside["c2"], diagram.parts["c2"].box) == (
        "Receiver",
        "k1",
        (210, 40, 260, 90),
    )


def test_a_line_without_a_head_has_no_direction() -> None:
    diagram = diagram_of(replace(NESTED, connections=(arrow("c1", "c2", directed=False),)))

    assert [(one.source, one.target) for one in diagram.joined] == [("c1", "c2")]
    assert diagram.arrows == ()


def test_a_way_into_a_container_may_leave_from_a_part_in_it() -> None:
    assert shortest_way(diagram_of(NESTED), ["c1"], ["c4"]) == ["c1", "k1", "c3", "c4"]


def test_two_parts_of_a_container_are_not_joined_by_it() -> None:
    diagram = diagram_of(replace(NESTED, connections=(arrow("c1", "c2"), arrow("c3", "c4"))))

    assert shortest_way(diagram, ["c1"], ["c4"]) is None


def test_a_lost_end_of_a_connection_is_left_out() -> None:
    diagram = diagram_of(replace(NESTED, connections=(arrow("c1", "gone"),)))

    assert diagram.arrows == ()


def test_containers_that_hold_each_other_do_not_hang_anything() -> None:
    circle = Reading(
        width=10,
        height=10,
        containers=(Container("k1", "One", (0, 0, 9, 9), "k2"), Container("k2", "Other", (0, 0, 9, 9), "k1")),
    )

    assert diagram_of(circle).around("k1") == ["k2"]


def test_parts_are_in_the_order_in_which_people_read() -> None:
    labels = [part.label for part in diagram_of(NESTED).parts.values()]

    assert labels == ["Sender", "Collector", "Store", "Receiver", "Exporter"]
    assert len(diagram_of(example("cluster")).parts) == 15
