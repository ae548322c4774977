"""Lines of text are read where they stand, whatever their ground and size."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from vision.picture.found import Line, Picture
from vision.picture.lines import read_lines, recognise

WORDS = {
    "Feature store": ((60, 50), 30, "black", None),
    "Unit tests (CI)": ((500, 50), 24, "#333333", "#fff2cc"),
    "Message queue": ((900, 50), 28, "white", "#1b5e20"),
    "Batch scoring": ((60, 200), 24, "#e0e0e0", "#202020"),
    "retries = 3": ((500, 200), 16, "#444444", None),
    "IoT gateway": ((900, 200), 24, "#c2185b", "#fce4ec"),
    "GitLab CI": ((60, 350), 24, "black", None),
    "orders-db": ((500, 350), 40, "#0d47a1", None),
}


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    """The lines of a picture with words of many colours, a dashed line through it and three heads of arrows."""
    image = Image.new("RGB", (1300, 480), "white")
    draw = ImageDraw.Draw(image)
    for words, ((left, top), size, color, ground) in WORDS.items():
        font = ImageFont.load_default(size)
        if ground:
            box = draw.textbbox((left, top), words, font=font)
            draw.rectangle((box[0] - 15, box[1] - 12, box[2] + 15, box[3] + 12), fill=ground)
        draw.text((left, top), words, font=font, fill=color)
    for top in range(300, 460, 14):  # dashes right beside the words in the third row
        draw.line((182, top, 182, top + 8), fill="black", width=3)
    for left in (300, 340, 380):
        draw.polygon(((left, 300), (left + 24, 300), (left + 12, 324)), fill="black")
    return read_lines(Picture(np.asarray(image), 1.0))


def test_every_word_is_read_as_it_stands_and_nothing_else(lines: list[Line]) -> None:
    assert sorted(line.text for line in lines) == sorted(WORDS)


def test_a_box_holds_its_words(lines: list[Line]) -> None:
    for line in lines:
        (left, top), size, _, _ = WORDS[line.text]
        assert abs(line.box[0] - left) < 20
        assert line.box[1] < top + 0.6 * size < line.box[3]
        assert line.box[3] - line.box[1] < 2.2 * size


def test_clear_words_are_read_with_confidence(lines: list[Line]) -> None:
    assert min(line.confidence for line in lines) > 0.85


@pytest.mark.parametrize("size", [(16, 16), (2200, 16), (40, 900)])
def test_a_picture_without_text_has_no_lines(size: tuple[int, int]) -> None:
    assert read_lines(Picture(np.full((size[1], size[0], 3), 255, np.uint8), 1.0)) == []


def test_lines_of_any_length_are_recognised_in_their_order() -> None:
    crops = []
    for words in ("A longer line of words for a step", "API", "Model registry", "UI"):
        font = ImageFont.load_default(24)
        box = font.getbbox(words)
        image = Image.new("RGB", (round(box[2]) + 20, 40), "white")
        ImageDraw.Draw(image).text((10, 5), words, font=font, fill="black")
        crops.append(np.asarray(image))
    assert [text for text, _ in recognise(crops)] == [
        "A longer line of words for a step",
        "API",
        "Model registry",
        "UI",
    ]
    assert recognise([]) == []
