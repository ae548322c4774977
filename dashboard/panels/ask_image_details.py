"""What was read on an image, as a diagram and as tables, and whether it runs here."""

import streamlit as st

from dashboard.image_graph import DARK, LIGHT, graph
from dashboard.image_overlay import line_words, part_labels
from dashboard.widgets import empty, table
from dashboard.wording import NOTHING, number, percent, plain, plural
from vision.reading import Reading

_MOST_ROWS = 200


def read(reading: Reading) -> None:
    """The reading as a diagram and as tables."""
    diagram, connections, components, rest = st.tabs(["Diagram", "Connections", "Components", "Steps, legend and text"])
    with diagram:
        _diagram(reading)
    with connections:
        _connections(reading)
    with components:
        _components(reading)
    with rest:
        _rest(reading)


def summary(reading: Reading) -> str:
    """How much was read, in a line."""
    stated = sum(connection.stated for connection in reading.connections)
    unsure = len(reading.connections) - stated
    parts = [
        plural(len(reading.components), "component"),
        plural(len(reading.containers), "container"),
        plural(len(reading.steps), "numbered step"),
        plural(stated, "connection") + (f" and {number(unsure)} too unsure to be stated" if unsure else ""),
    ]
    return f"Read in {number(reading.seconds, 1)} s: {', '.join(parts)}."


def _diagram(reading: Reading) -> None:
    if not reading.components:
        empty("No component was read on this image.")
        return
    unsure = any(not connection.stated for connection in reading.connections) and st.toggle(
        "With connections that are too unsure to be stated (dashed)", key="unsure connections"
    )
    colors = DARK if st.context.theme.type == "dark" else LIGHT
    st.graphviz_chart(
        graph(reading, colors, unsure=unsure),
        width="content",
        alt="What was read as a diagram; the same stands in the tables beside it",
    )


def _connections(reading: Reading) -> None:
    labels = part_labels(reading)
    rows = sorted(reading.connections, key=lambda one: -one.confidence)[:_MOST_ROWS]
    if not rows:
        empty("No arrow could be read with confidence.")
        return
    table(
        {
            "From": [plain(labels.get(one.source, one.source)) for one in rows],
            "": ["→" if one.directed else "—" for one in rows],
            "To": [plain(labels.get(one.target, one.target)) for one in rows],
            "Label": [plain(one.label) if one.label else NOTHING for one in rows],
            # In one column, as a phone has no room for a further one.
            "Sure": [percent(one.confidence, 0) + ("" if one.stated else ", too unsure to state") for one in rows],
        },
        alt="Connections that were read, the surest first",
    )


def _components(reading: Reading) -> None:
    labels = part_labels(reading)
    rows = reading.components[:_MOST_ROWS]
    if not rows:
        empty("No component was read on this image.")
        return
    table(
        {
            "Component": [plain(one.label) for one in rows],
            "Inside": [plain(labels.get(one.container or "", NOTHING)) for one in rows],
        },
        alt="Components that were read and the container of each",
    )


def _rest(reading: Reading) -> None:
    if reading.steps:
        table(
            {
                "Step": [plain(step.number) for step in reading.steps],
                "Stands at": [plain(step.label) for step in reading.steps],
            },
            alt="Numbered steps that were read",
        )
    if reading.legend:
        table(
            {
                "Legend": [plain(entry.label) for entry in reading.legend],
                "Line": [line_words(entry) for entry in reading.legend],
            },
            alt="The legend that was read",
        )
    if not reading.text:
        empty("No text was read on this image.")
        return
    rows = reading.text[:_MOST_ROWS]
    with st.expander(f"{plural(len(reading.text), 'line')} of text"):
        table(
            {
                "Text": [plain(line.text) for line in rows],
                "Read with": [percent(line.confidence, 0) for line in rows],
            },
            alt="Lines of text as they were read",
        )
