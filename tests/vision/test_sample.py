"""The sample diagram: anybody can try the page on it, so all of it must be read."""

import pytest

from benchmarks._diagram_scores import letters
from vision.images import check_image
from vision.picture.reader import read_image
from vision.reading import Reading
from vision.sample import HEIGHT, WIDTH, sample_diagram

THINGS = {
    "Applications": {"Support chat", "Web shop"},
    "Serving": {"Gateway", "Chatbot model", "Model registry"},
    "Monitoring": {"Metrics job", "Dashboard"},
    "Lakehouse": {"Inference table", "Metrics table"},
}
ARROWS = {
    ("Support chat", "Gateway"),
    ("Web shop", "Gateway"),
    ("Gateway", "Chatbot model"),
    ("Model registry", "Chatbot model"),
    ("Gateway", "Inference table"),
    ("Inference table", "Metrics job"),
    ("Metrics job", "Metrics table"),
    ("Metrics table", "Dashboard"),
    ("Dashboard", "On-call engineer"),
}


@pytest.fixture(scope="module")
def reading() -> Reading:
    return read_image(sample_diagram())


def name_of(reading: Reading, part: str | None) -> str | None:
    return next((p.label for p in [*reading.components, *reading.containers] if p.id == part), None)


def test_it_is_a_png_that_may_be_uploaded_and_is_drawn_once() -> None:
    assert check_image(sample_diagram()) == ("image/png", WIDTH, HEIGHT)
    assert sample_diagram() is sample_diagram()


def test_every_thing_is_read_in_its_container(reading: Reading) -> None:
    found = {(name_of(reading, component.container), component.label) for component in reading.components}
    expected = {(region, thing) for region, things in THINGS.items() for thing in things}
    assert found == expected | {(None, "On-call engineer")}
    assert {container.label for container in reading.containers} == set(THINGS)


def test_what_is_stated_is_drawn_and_most_of_what_is_drawn_is_stated(reading: Reading) -> None:
    stated = {
        (name_of(reading, line.source), name_of(reading, line.target)) for line in reading.connections if line.stated
    }
    assert stated <= ARROWS
    assert len(stated) >= 7


def test_steps_and_legend_are_read(reading: Reading) -> None:
    steps = {step.number: letters(name_of(reading, step.component) or "") for step in reading.steps}
    assert steps == {"1": "gateway", "2": "chatbotmodel", "3": "inferencetable", "4": "metricsjob", "5": "dashboard"}
    assert {entry.label for entry in reading.legend} == {"Reads", "Writes", "Control flow"}
