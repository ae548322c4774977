"""Ranks as scipy's, and slopes that outliers do not move."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from metrics.association import LEAST_PAIRS, robust_slope, spearman


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(-20, 20), st.integers(-20, 20)), min_size=3, max_size=60))
def test_the_correlation_is_scipys(pairs: list[tuple[int, int]]) -> None:
    x, y = np.array(pairs, dtype=float).T
    ours = spearman(x, y)
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert math.isnan(ours)
    else:
        assert ours == pytest.approx(spearmanr(x, y).statistic, abs=1e-12)


def test_too_few_values_have_no_correlation_and_no_slope() -> None:
    assert math.isnan(spearman(np.array([1.0, 2]), np.array([1.0, 2])))
    few = np.arange(2.0 * LEAST_PAIRS - 2)
    assert robust_slope(few, few) is None
    assert robust_slope(np.ones(1000), np.arange(1000.0)) is None


def test_outliers_do_not_move_the_slope() -> None:
    random = np.random.default_rng(4)
    x = random.integers(10, 200, 2_000).astype(float)
    y = 3.0 * x + random.normal(0, 20, 2_000)
    y[random.choice(2_000, 200, replace=False)] += 5_000
    found = robust_slope(x, y)
    assert found is not None
    assert found.value == pytest.approx(3.0, abs=0.15)
    assert found.low < found.value < found.high


def test_the_interval_holds_the_slope_about_as_often_as_it_says() -> None:
    held = 0
    for seed in range(300):
        random = np.random.default_rng(seed)
        x = random.integers(10, 200, 200).astype(float)
        found = robust_slope(x, 2.0 * x + random.lognormal(3, 1, 200))
        assert found is not None
        held += found.low <= 2.0 <= found.high
    assert held / 300 >= 0.92
