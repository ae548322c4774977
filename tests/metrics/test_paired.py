"""Paired comparisons against scipy's own paired test."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from metrics.paired import paired_difference, paired_ratio

NUMBERS = st.floats(0.01, 1e4)


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=2, max_size=40))
def test_the_interval_is_that_of_scipys_paired_t_test(pairs: list[tuple[float, float]]) -> None:
    found = paired_difference(pairs)
    differences = [b - a for a, b in pairs]
    if len({round(one, 6) for one in differences}) == 1:
        return  # scipy gives no interval without spread
    expected = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-6, abs=1e-6)
    assert found.difference == pytest.approx(found.mean_b - found.mean_a, abs=1e-6)


def test_a_ratio_is_the_factor_between_geometric_means() -> None:
    found = paired_ratio([(10.0, 20.0), (100.0, 200.0), (5.0, 10.0)])
    assert found is not None
    assert (found.difference, found.low, found.high) == pytest.approx((2.0, 2.0, 2.0))
    assert found.mean_a == pytest.approx((10 * 100 * 5) ** (1 / 3))


def test_one_pair_has_no_interval_and_none_has_nothing() -> None:
    found = paired_difference([(1.0, 3.0)])
    assert found is not None
    assert (found.n, found.difference, found.low, found.high) == (1, 2.0, None, None)
    assert paired_difference([]) is None
    assert paired_ratio([]) is None


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan])
def test_a_ratio_of_what_is_not_positive_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        paired_ratio([(1.0, wrong)])
