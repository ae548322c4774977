"""Numbered badges are found in any form and colour, and no number that is not a step's."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from vision.picture.badge_candidates import look_inside
from vision.picture.badges import read_badges
from vision.picture.found import Badge, Line, Picture
from vision.picture.lines import read_lines

PLACES = [(150 + 260 * (step % 5), 120 + 230 * (step // 5)) for step in range(10)]


def picture(
    form: str, fill: str, ink: str, numbers: list[str], ground: str = "white", edge: str | None = None
) -> Picture:
    """Boxes with a word each and a badge at a corner, in the colour of the boxes' outlines."""
    image = Image.new("RGB", (1400, 520), ground)
    draw = ImageDraw.Draw(image)
    word_ink = "black" if ground == "white" else "white"
    for number, (left, top) in zip(numbers, PLACES, strict=False):
        draw.rectangle((left, top, left + 180, top + 90), outline=edge or "#888888", width=3)
        draw.text((left + 50, top + 35), "Kafka", font=ImageFont.load_default(26), fill=word_ink)
        box = (left - 20, top - 20, left + 20, top + 20)
        if form == "disc":
            draw.ellipse(box, fill=fill, outline=edge or fill, width=2)
        else:
            draw.rounded_rectangle(box, 0 if form == "square" else 8, fill=fill, outline=edge or fill, width=2)
        draw.text((left, top), number, font=ImageFont.load_default(22), fill=ink, anchor="mm")
    return Picture(np.asarray(image), 1.0)


def read(shown: Picture) -> tuple[list[Badge], list[Line]]:
    return read_badges(shown, read_lines(shown))


@pytest.mark.parametrize(
    ("form", "fill", "ink", "ground", "edge"),
    [
        ("disc", "#107c10", "white", "white", None),
        ("disc", "white", "black", "white", "black"),
        ("disc", "#6a9a8b", "white", "white", "#6a9a8b"),  # merges with the box's outline
        ("square", "#ffd54f", "black", "#202020", None),
        ("rounded", "#1565c0", "white", "#fff3e0", None),
    ],
)
def test_badges_of_any_form_and_colour_are_read(form: str, fill: str, ink: str, ground: str, edge: str | None) -> None:
    numbers = [str(number) for number in range(1, 11)]
    badges, lines = read(picture(form, fill, ink, numbers, ground, edge))
    assert [badge.number for badge in badges] == numbers
    for badge, (left, top) in zip(badges, PLACES, strict=True):
        assert max(abs(badge.box[0] - left + 20), abs(badge.box[1] - top + 20), abs(badge.box[2] - left - 20)) <= 4
    assert {line.text for line in lines} == {"Kafka"}


def test_a_point_between_number_and_letter_is_kept() -> None:
    numbers = ["1.a", "1.b", "2.a", "2.b", "3.a"]
    badges, _ = read(picture("disc", "#8e24aa", "white", numbers))
    assert [badge.number for badge in badges] == numbers


def test_signs_in_discs_that_are_no_numbers_are_no_badges() -> None:
    badges, _ = read(picture("disc", "#107c10", "white", ["DB", "?", "K", "+", "S3"]))
    assert badges == []


def test_a_number_without_others_is_no_step() -> None:
    badges, _ = read(picture("disc", "#107c10", "white", ["7"]))
    assert badges == []


def test_a_number_far_from_the_others_is_no_step() -> None:
    badges, _ = read(picture("disc", "#107c10", "white", ["1", "2", "3", "88"]))
    assert [badge.number for badge in badges] == ["1", "2", "3"]


def test_paper_with_a_grid_has_no_badges() -> None:
    grid = np.full((600, 900, 3), 255, np.uint8)
    grid[::30], grid[:, ::30] = 220, 220
    assert read_badges(Picture(grid, 1.0), []) == ([], [])


def test_the_words_beside_a_badge_are_read_without_its_number() -> None:
    image = Image.new("RGB", (700, 300), "white")
    draw = ImageDraw.Draw(image)
    for step in (1, 2, 3):
        top = 20 + 90 * (step - 1)
        draw.ellipse((40, top, 80, top + 40), fill="#107c10")
        draw.text((60, top + 20), str(step), font=ImageFont.load_default(22), fill="white", anchor="mm")
        draw.text((86, top + 20), "Commit code", font=ImageFont.load_default(24), fill="black", anchor="lm")
    badges, lines = read(Picture(np.asarray(image), 1.0))
    assert [badge.number for badge in badges] == ["1", "2", "3"]
    assert [line.text for line in lines] == ["Commit code"] * 3


def test_an_outline_that_goes_beyond_the_picture_is_looked_at_as_far_as_it_is_there() -> None:
    pixels = np.zeros((40, 40, 3), dtype=np.uint8)
    pixels[::2] = 255
    assert look_inside(pixels, (-1, 20, 20, 41)) is None
