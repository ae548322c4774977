"""What is mended in lines that were read, and what is left as it is."""

import numpy as np
import pytest

from vision.picture.found import Line
from vision.picture.line_mending import mended, spelled

PAPER = np.full((200, 400, 3), 255, np.uint8)


def texts(*found: str, confidence: float = 0.95) -> list[str]:
    lines = [
        Line(text, (10, 20 * place, 10 + 10 * len(text), 20 * place + 16), confidence)
        for place, text in enumerate(found)
    ]
    return [line.text for line in mended(lines, PAPER)]


@pytest.mark.parametrize(
    ("read", "meant"),
    [
        ("GitLab Cl", "GitLab CI"),
        ("REST APl", "REST API"),
        ("APls", "APIs"),
        ("lAM Role", "IAM Role"),
        ("loT hub", "IoT hub"),
    ],
)
def test_initials_read_with_a_small_l_get_their_capital(read: str, meant: str) -> None:
    assert spelled(read) == meant


@pytest.mark.parametrize("text", ["All", "Collect", "Model", "SQL", "etl", "l", "Alerts", "Lambda layer"])
def test_words_that_have_an_l_keep_it(text: str) -> None:
    assert spelled(text) == text


def test_bullets_and_ends_of_arrows_are_not_part_of_a_name() -> None:
    assert texts("• Batch scoring", "send alerts ·", "--Feedback", "Kafka ->") == [
        "Batch scoring",
        "send alerts",
        "Feedback",
        "Kafka",
    ]


def test_marks_that_belong_to_a_name_stay() -> None:
    names = ["* Triggers", "(optional)", "[3]", "C++", "Node.js", "user:", "50 %", "#general", "@edge"]
    assert texts(*names) == names


def test_signs_without_a_letter_or_digit_are_no_text() -> None:
    assert texts("△", "->", "...", "Kafka") == ["Kafka"]


def test_an_and_between_two_lines_of_a_name_is_text() -> None:
    assert texts("Model", "&", "Data") == ["Model", "&", "Data"]


def test_single_letters_like_heads_of_arrows_are_text_only_among_other_letters() -> None:
    assert texts("V", "Kafka") == ["Kafka"]
    assert texts("A", "V", "B") == ["A", "V", "B"]


def test_a_single_digit_much_smaller_than_the_words_is_a_head_of_an_arrow() -> None:
    words = [Line("Kafka", (10, 10, 90, 40), 0.9), Line("Spark", (10, 60, 90, 90), 0.9)]
    small, large = Line("4", (200, 10, 208, 22), 0.9), Line("4", (300, 10, 320, 38), 0.9)
    assert mended([*words, small, large], PAPER) == [*words, large]


def test_short_texts_must_be_sure() -> None:
    assert texts("UI", confidence=0.65) == []
    assert texts("UI", confidence=0.75) == ["UI"]


@pytest.mark.parametrize("text", ["Push model i", "to registry !", "i Load model"])
def test_a_letter_that_is_a_line_of_the_drawing_is_left_out(text: str) -> None:
    line = Line(text, (100, 100, 220, 120), 0.9)
    drawn = PAPER.copy()
    at = 103 if text.startswith("i ") else 216
    for top in range(40, 180, 14):
        drawn[top : top + 8, at : at + 3] = 0
    assert [found.text for found in mended([line], drawn)] == [text.strip("i! ")]
    assert [found.text for found in mended([line], PAPER)] == [text]
    inside = mended([line], drawn)[0].box
    assert not inside[0] < at < inside[2] - 3
