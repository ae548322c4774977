"""The whole reader: a small diagram of known parts comes back with its parts, in pixels of the image as uploaded."""

import io
import json

import pytest
from PIL import Image, ImageDraw, ImageFont

from vision.errors import ImageRefused
from vision.picture.reader import read_image
from vision.reading import Reading

BOXES = {"Sensor feed": (60, 80, 220, 150), "Stream job": (360, 80, 520, 150), "Report store": (360, 300, 520, 370)}


def diagram() -> bytes:
    """Three boxes, two arrows and three numbered discs, at half the size that pictures are read at."""
    image = Image.new("RGB", (640, 450), "white")
    draw = ImageDraw.Draw(image)
    for step, (name, box) in enumerate(BOXES.items(), start=1):
        draw.rectangle(box, outline="#333333", width=2)
        draw.text(
            ((box[0] + box[2]) / 2, box[1] + 40), name, font=ImageFont.load_default(17), fill="black", anchor="mm"
        )
        draw.ellipse((box[0] - 12, box[1] - 12, box[0] + 12, box[1] + 12), fill="#107c10")
        draw.text((box[0], box[1]), str(step), font=ImageFont.load_default(14), fill="white", anchor="mm")
    draw.line((222, 115, 350, 115), fill="#1a4fb4", width=2)
    draw.polygon(((358, 115), (346, 109), (346, 121)), fill="#1a4fb4")
    draw.line((440, 152, 440, 290), fill="#1a4fb4", width=2)
    draw.polygon(((440, 298), (434, 286), (446, 286)), fill="#1a4fb4")
    written = io.BytesIO()
    image.save(written, "PNG")
    return written.getvalue()


@pytest.fixture(scope="module")
def reading() -> Reading:
    return read_image(diagram())


def test_every_component_is_read_where_it_stands(reading: Reading) -> None:
    assert {component.label for component in reading.components} == set(BOXES)
    for component in reading.components:
        assert all(abs(read - drawn) <= 6 for read, drawn in zip(component.box, BOXES[component.label], strict=True))


def test_every_step_stands_at_its_component(reading: Reading) -> None:
    labels = {component.id: component.label for component in reading.components}
    assert [(step.number, step.label, labels[step.component or ""]) for step in reading.steps] == [
        (str(step), name, name) for step, name in enumerate(BOXES, start=1)
    ]


def test_no_arrow_is_stated_that_was_not_drawn(reading: Reading) -> None:
    labels = {component.id: component.label for component in reading.components}
    stated = {(labels[link.source], labels[link.target]) for link in reading.connections if link.stated}
    assert ("Stream job", "Report store") in stated
    assert stated <= {("Sensor feed", "Stream job"), ("Stream job", "Report store")}


def test_texts_are_those_on_the_image_and_all_boxes_lie_on_it(reading: Reading) -> None:
    assert set(BOXES) <= {text.text for text in reading.text}
    for part in (*reading.text, *reading.components, *reading.connections, *reading.steps):
        left, top, right, bottom = part.box
        assert 0 <= left < right <= reading.width == 640
        assert 0 <= top < bottom <= reading.height == 450


def test_a_reading_goes_through_json_unchanged(reading: Reading) -> None:
    assert Reading.from_dict(json.loads(json.dumps(reading.as_dict()))) == reading


def test_an_empty_image_has_an_empty_reading() -> None:
    written = io.BytesIO()
    Image.new("RGB", (300, 200), "white").save(written, "PNG")
    reading = read_image(written.getvalue())
    assert (reading.width, reading.height) == (300, 200)
    found = (*reading.components, *reading.containers, *reading.connections, *reading.steps, *reading.text)
    assert found == ()


def test_a_long_thin_image_is_read_without_an_error() -> None:
    written = io.BytesIO()
    Image.new("RGB", (960, 20), "white").save(written, "PNG")
    assert read_image(written.getvalue()).components == ()


def test_a_name_on_noise_is_a_name_and_nothing_else() -> None:
    image = Image.effect_noise((400, 300), 80).convert("RGB")
    draw = ImageDraw.Draw(image)
    draw.rectangle((60, 60, 340, 120), fill="white")
    draw.text((200, 90), "Report store", font=ImageFont.load_default(30), fill="black", anchor="mm")
    written = io.BytesIO()
    image.save(written, "PNG")
    reading = read_image(written.getvalue())
    assert "Report store" in [text.text for text in reading.text]
    assert (reading.steps, reading.connections) == ((), ())


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(ImageRefused, match="SVG"):
        read_image(b"<svg></svg>")
