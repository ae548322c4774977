import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from metrics.drift_statistics import (
    category_drift,
    ks_p_value,
    number_drift,
    population_stability_index,
    quantiles_of_sorted,
)

SAMPLES = st.lists(st.integers(-50, 50).map(float), min_size=1, max_size=60).map(sorted)
COUNTS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=8).filter(
    lambda pairs: sum(a for a, _ in pairs) > 0 and sum(b for _, b in pairs) > 0
)


@given(SAMPLES, SAMPLES)
@settings(deadline=None, max_examples=80)
def test_numbers_are_as_far_from_each_other_as_scipy_says(a: list[float], b: list[float]) -> None:
    found = number_drift(a, b)
    assert found.ks_test.statistic == pytest.approx(scipy.stats.ks_2samp(a, b, method="exact").statistic, abs=1e-12)
    assert found.wasserstein_distance == pytest.approx(scipy.stats.wasserstein_distance(a, b), abs=1e-9)


@pytest.mark.parametrize(("n", "m"), [(30, 30), (30, 300), (100, 100), (300, 300), (2000, 500)])
def test_the_p_value_of_the_ks_test_is_near_the_one_of_scipy(n: int, m: int) -> None:
    for statistic in np.linspace(0.01, 2.2, 30) * math.sqrt((n + m) / (n * m)):
        ours, scipys = ks_p_value(statistic, n, m), float(scipy.stats.kstwo.sf(statistic, round(n * m / (n + m))))
        assert abs(ours - scipys) < (0.0025 if scipys < 0.1 else 0.025)
        # In the tail the ratio matters: it decides what a correction for many tests lets through.
        if 1e-6 < scipys < 0.1 and min(n, m) >= 100:
            assert 0.95 < ours / scipys < 1.05


def test_the_ks_test_of_equal_distributions_is_rarely_significant() -> None:
    random = np.random.default_rng(7)
    found = [
        number_drift(np.sort(random.normal(size=200)), np.sort(random.normal(size=300))).ks_test.pvalue
        for _ in range(400)
    ]
    assert 0.02 < np.mean(np.array(found) < 0.05) < 0.08


@given(COUNTS)
@settings(deadline=None, max_examples=80)
def test_categories_are_as_far_from_each_other_as_scipy_says(pairs: list[tuple[int, int]]) -> None:
    a, b = np.array([first for first, _ in pairs]), np.array([second for _, second in pairs])
    found = category_drift(a, b)
    p, q = a / a.sum(), b / b.sum()
    assert found.js_distance == pytest.approx(jensenshannon(p, q, base=2), abs=1e-7)
    assert found.tv_distance == pytest.approx(sum(abs(x - y) for x, y in zip(p, q, strict=True)) / 2)
    assert found.l_infinity_distance == pytest.approx(max(abs(x - y) for x, y in zip(p, q, strict=True)))
    present = (a + b) > 0
    if present.sum() < 2:
        assert found.chi_squared_test is None
        return
    exact = scipy.stats.chi2_contingency(np.stack((a[present], b[present])), correction=False)
    assert found.chi_squared_test is not None
    assert found.chi_squared_test.statistic == pytest.approx(exact.statistic, abs=1e-9)
    assert found.chi_squared_test.pvalue == pytest.approx(exact.pvalue, abs=1e-9)


def test_the_population_stability_index_by_hand() -> None:
    compared = np.arange(1.0, 101.0)
    # Deciles of 1 … 100: ten values a bin. Half of the values of now lie in the first bin, the others in the last.
    now = np.sort(np.concatenate((np.full(50, 1.0), np.full(50, 100.0))))
    two = 2 * (0.5 - 0.1) * math.log(0.5 / 0.1)
    eight = 8 * (0.0001 - 0.1) * math.log(0.0001 / 0.1)
    assert population_stability_index(now, compared) == pytest.approx(two + eight)
    assert population_stability_index(compared, compared) == 0


def test_the_index_of_a_column_of_mostly_zeros_tells_zeros_from_the_rest() -> None:
    compared = np.sort(np.concatenate((np.zeros(95), np.ones(5))))
    now = np.sort(np.concatenate((np.zeros(85), np.ones(15))))
    by_hand = (0.85 - 0.95) * math.log(0.85 / 0.95) + (0.15 - 0.05) * math.log(0.15 / 0.05)
    assert population_stability_index(now, compared) == pytest.approx(by_hand)


def test_samples_of_nothing_and_unequal_categories_are_refused() -> None:
    with pytest.raises(ValueError, match="without a value"):
        number_drift([], [1.0])
    with pytest.raises(ValueError, match="without a value"):
        category_drift([0, 0], [1, 2])
    with pytest.raises(ValueError, match="categories cannot be compared"):
        category_drift([1], [1, 2])


@given(SAMPLES)
@settings(deadline=None, max_examples=40)
def test_quantiles_are_those_of_numpy(values: list[float]) -> None:
    shares = np.linspace(0, 1, 13)
    assert np.allclose(quantiles_of_sorted(np.array(values), shares), np.quantile(values, shares))
