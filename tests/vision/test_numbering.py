"""The numbers of steps: how they are printed, which of them make a sequence, and which lines begin with one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vision.picture.found import Line
from vision.picture.numbering import in_sequence, order_of, printed_number, take_numbers_off


def lines(*texts: str) -> list[Line]:
    return [
        Line(text, (100, 30 * place, 100 + 10 * len(text), 30 * place + 20), 0.9) for place, text in enumerate(texts)
    ]


@pytest.mark.parametrize(
    ("printed", "number"),
    [("3", "3"), ("3.", "3"), ("(3)", "3"), ("[3]", "3"), ("3.A", "3.a"), ("3b", "3b"), ("12", "12"), ("2.1", "2.1")],
)
def test_a_number_is_given_in_lower_case_without_brackets_and_trailing_dot(printed: str, number: str) -> None:
    assert printed_number(printed) == number


@pytest.mark.parametrize("text", ["", "a", "123", "S3", "3 replicas", "3.1.2", "v2", "50%"])
def test_anything_else_is_no_number_of_a_step(text: str) -> None:
    assert printed_number(text) is None


def test_numbers_sort_as_steps_follow_each_other() -> None:
    assert sorted(["10", "2.b", "1", "2", "2.a", "2.10", "2.9"], key=order_of) == [
        "1",
        "2",
        "2.9",
        "2.10",
        "2.a",
        "2.b",
        "10",
    ]


def test_a_number_far_from_the_others_is_left_out() -> None:
    assert in_sequence(["1", "2", "3", "71"], fewest=2) == {"1", "2", "3"}


@pytest.mark.parametrize("numbers", [[], ["1"], ["7", "9"], ["0"], ["40", "41", "42"]])
def test_too_few_numbers_or_none_of_the_first_are_no_sequence(numbers: list[str]) -> None:
    assert in_sequence(numbers, fewest=2) == set()


@given(st.integers(min_value=2, max_value=30), st.randoms())
def test_every_run_from_one_on_is_a_sequence_in_any_order(last: int, chance: object) -> None:
    numbers = [str(number) for number in range(1, last + 1)]
    chance.shuffle(numbers)  # type: ignore[attr-defined]
    assert in_sequence(numbers, fewest=2) == set(numbers)


@pytest.mark.parametrize("way", ["({})", "[{}]", "{}) Load", "Step {}: Load", "{}. Load", "({}) Load"])
def test_lines_numbered_in_one_way_become_badges_and_words(way: str) -> None:
    badges, rest = take_numbers_off(lines("Kafka", *(way.format(number) for number in (1, 2, 3))))
    assert [badge.number for badge in badges] == ["1", "2", "3"]
    assert [line.text for line in rest] == ["Kafka"] + (["Load"] * 3 if "Load" in way else [])


def test_steps_of_steps_count_beside_the_steps() -> None:
    found = lines("Step 1: Build", "Step 2: Ship", "2.1 Copy the model", "2.2 Test it", "2.3 Release")
    badges, rest = take_numbers_off(found)
    assert [badge.number for badge in badges] == ["1", "2", "2.1", "2.2", "2.3"]
    assert [line.text for line in rest] == ["Build", "Ship", "Copy the model", "Test it", "Release"]


def test_a_number_in_brackets_after_the_words_counts_where_it_was_missing() -> None:
    badges, rest = take_numbers_off(lines("(1)", "(2) Load", "store it (3)", "OAuth (2)"))
    assert [badge.number for badge in badges] == ["1", "2", "3"]
    assert [line.text for line in rest] == ["Load", "store it", "OAuth (2)"]
    assert badges[2].box[0] > rest[1].box[2] - 1  # the badge is where the bracket stands


@pytest.mark.parametrize(
    "texts",
    [
        ("1. IT account", "Kafka"),
        ("Python 3.11", "3.11 Python", "2.0 release", "4.7 Spark"),
        ("3", "2", "1"),
        ("1. One", "2. Two", "3. Three", "1. One", "2. Two", "3. Three"),
        ("SQL (2)", "OAuth (1)"),
    ],
)
def test_lines_that_only_look_numbered_stay_as_they_are(texts: tuple[str, ...]) -> None:
    assert take_numbers_off(lines(*texts)) == ([], lines(*texts))
