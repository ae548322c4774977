"""Results that are kept: found again by the same arguments, and by no other ones."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
import streamlit as st

from dashboard.periods import period
from dashboard.queries.kept import kept
from dashboard.queries.lake import DataFile, Snapshot

SNAPSHOT = Snapshot("metrics_minute", "/lake/metrics_minute", "a table", 7, (DataFile("/lake/1.parquet"),))
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    st.cache_data.clear()
    st.cache_resource.clear()


def counted() -> tuple[Callable[..., list[Any]], list[Any]]:
    asked: list[Any] = []

    @kept(max_entries=8)
    def ask(*arguments: Any, **named: Any) -> list[Any]:
        asked.append((arguments, named))
        return [len(asked)]

    return ask, asked


def test_the_same_arguments_are_asked_once() -> None:
    ask, asked = counted()
    arguments = (SNAPSHOT, "chatbot", period("7d", NOW), ("a", 1.5, None))
    assert ask(*arguments, zone="UTC") == ask(*arguments, zone="UTC") == [1]
    assert asked == [(arguments, {"zone": "UTC"})]


@pytest.mark.parametrize(
    "other",
    [
        replace(SNAPSHOT, version=8),
        replace(SNAPSHOT, table_id="made anew"),
        replace(SNAPSHOT, uri="/elsewhere"),
        "7",
        7,
        period("24h", NOW),
        period("24h", datetime(2026, 11, 22, 13, tzinfo=UTC)),
        (SNAPSHOT,),
    ],
)
def test_other_arguments_are_asked_anew(other: object) -> None:
    ask, _ = counted()
    assert ask(SNAPSHOT) == [1]
    assert ask(other) == [2]
    assert ask(SNAPSHOT) == [1]


def test_what_a_caller_changes_changes_nothing_for_the_next() -> None:
    ask, _ = counted()
    ask(1).append("mine")
    assert ask(1) == [1]


def test_what_is_not_copied_is_the_same_for_all() -> None:
    @kept(max_entries=2, copied=False)
    def numbers(count: int) -> np.ndarray[Any, Any]:
        return np.arange(count)

    assert numbers(7) is numbers(7)
    assert len(numbers(8)) == 8


def test_functions_of_one_place_do_not_share_results() -> None:
    def made(told: str) -> Callable[[int], str]:
        if told == "one":

            @kept(max_entries=2)
            def answer(number: int) -> str:
                return f"one {number}"
        else:

            @kept(max_entries=2)
            def answer(number: int) -> str:
                return f"two {number}"

        return answer

    assert (made("one")(1), made("two")(1)) == ("one 1", "two 1")


def test_only_so_many_results_are_kept() -> None:
    ask, asked = counted()
    for number in range(9):
        ask(number)
    ask(8)
    assert len(asked) == 9
    ask(0)
    assert len(asked) == 10


def test_streamlit_forgets_them_with_its_own() -> None:
    ask, asked = counted()
    ask(1)
    st.cache_data.clear()
    ask(1)
    assert len(asked) == 2


def test_a_failure_is_not_kept() -> None:
    asked: list[int] = []

    @kept(max_entries=2)
    def fails(number: int) -> int:
        asked.append(number)
        if len(asked) == 1:
            raise ValueError("not now")
        return number

    with pytest.raises(ValueError, match="not now"):
        fails(3)
    assert fails(3) == 3


@dataclass(frozen=True)
class Holding:
    values: Any


@pytest.mark.parametrize("argument", [np.zeros(3), object(), {1: {2}}, (1, [np.zeros(3)]), Holding(np.zeros(3))])
def test_what_repr_does_not_tell_apart_is_refused(argument: object) -> None:
    ask, asked = counted()
    with pytest.raises(TypeError, match="cannot be kept by a"):
        ask(argument)
    assert asked == []
