"""The explanation of a whole diagram."""

import re
from dataclasses import replace

from tests.vision.test_questions import READINGS, said


def test_the_steps_come_in_the_order_of_their_numbers() -> None:
    text = said(READINGS["models"], "explain this architecture")

    assert re.findall(r"^- Step ([\w.]+):", text, re.MULTILINE) == ["1", "2", "3", "4", "5", "5.a", "6", "7"]


def test_every_part_and_every_stated_arrow_is_told() -> None:
    for name, reading in READINGS.items():
        text = said(reading, "explain this architecture")
        missing = [part.label for part in (*reading.components, *reading.containers) if f"**{part.label}**" not in text]
        assert missing == [], name
        labels = [one.label for one in reading.connections if one.label]
        assert [label for label in labels if f"**{label}**" not in text] == [], name


def test_sections_have_a_fixed_order_and_empty_ones_are_left_out() -> None:
    headings = re.findall(r"^### (.+)$", said(READINGS["models"], "explain this architecture"), re.MULTILINE)

    assert headings == [
        "Overview",
        "Step by step",
        "Stages and components",
        "Legend",
        "Key technologies",
        "What could not be read",
        "Summary",
    ]
    assert "### Legend" not in said(READINGS["bookshop"], "explain this architecture")


def test_who_reads_and_who_writes_is_said_where_the_legend_says_so() -> None:
    text = said(READINGS["models"], "explain this architecture")

    assert "**Batch scoring** writes to **Prediction table** (in the legend **Writes**)" in text
    assert "reads from" not in said(READINGS["bookshop"], "explain this architecture")


def test_one_area_and_one_thing_outside_of_it_are_told_in_the_singular() -> None:
    """As in any sentence: "Its area is A", "Outside stands B"."""
    reading = READINGS["bookshop"]
    one = replace(
        reading,
        components=tuple(
            replace(part, container=reading.containers[0].id if place else None)
            for place, part in enumerate(reading.components[:3])
        ),
        containers=(replace(reading.containers[0], parent=None),),
        connections=(),
        steps=(),
    )
    text = said(one, "explain this architecture")
    assert f"Its area is **{one.containers[0].label}**. Outside stands **{one.components[0].label}**." in text
    alone = replace(one, components=(replace(one.components[0], container=None),), containers=())
    assert f"shows 1 component. It is **{one.components[0].label}**." in said(alone, "explain this architecture")
