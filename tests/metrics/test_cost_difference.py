"""The parts of a cost difference add up to it, and each is named for what makes it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.cost_difference import VersionCost, cost_difference

AMOUNTS = st.floats(0.01, 1e4)


def paid(tokens_in: float, tokens_out: float, price_in: float, price_out: float) -> VersionCost:
    return VersionCost(tokens_in * price_in + tokens_out * price_out, tokens_in, tokens_out, price_in, price_out)


@given(*[st.builds(paid, AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS)] * 2)
def test_with_known_prices_the_parts_add_up_and_nothing_is_left(a: VersionCost, b: VersionCost) -> None:
    found = cost_difference(a, b)
    assert found is not None
    parts = [*found.tokens.values(), found.price]
    scale = max(a.usd, b.usd, *map(abs, parts))
    assert math.isclose(sum(parts), found.total, abs_tol=1e-9 * scale)
    assert abs(found.rest) <= 1e-9 * scale


def test_longer_answers_at_one_price_are_tokens_alone() -> None:
    found = cost_difference(paid(20, 100, 1e-6, 2e-6), paid(20, 150, 1e-6, 2e-6))
    assert found is not None
    assert found.tokens == {"Tokens in": 0.0, "Tokens out": pytest.approx(50 * 2e-6)}
    assert found.price == 0


def test_the_same_lengths_at_another_price_are_price_alone() -> None:
    found = cost_difference(paid(20, 100, 1e-6, 2e-6), paid(20, 100, 2e-6, 4e-6))
    assert found is not None
    assert found.price == pytest.approx(found.total)


def test_prices_that_do_not_give_what_was_paid_are_not_used() -> None:
    wrong = VersionCost(1e-3, 20, 100, 1e-6, 2e-6)
    found = cost_difference(wrong, paid(20, 200, 1e-6, 2e-6))
    assert found is not None
    assert list(found.tokens) == ["Tokens"]
    assert found.tokens["Tokens"] + found.price == pytest.approx(found.total)


def test_without_tokens_nothing_can_be_said() -> None:
    assert cost_difference(VersionCost(1.0, math.nan, math.nan), VersionCost(2.0, 10, 10)) is None
    assert cost_difference(VersionCost(1.0, 0, 0), VersionCost(2.0, 10, 10)) is None
