import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from metrics.comparison import Moments, compare, effective_size, moments_from_sums, shared_scorer

SAMPLES = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40)


def moments(values: list[float]) -> Moments:
    array = np.array(values)
    return moments_from_sums(len(values), float(len(values)), float(array.sum()), float((array**2).sum()))


@given(SAMPLES)
def test_moments_come_right_from_sums(values: list[float]) -> None:
    result = moments(values)
    scale = max(map(abs, values)) + 1e-300
    assert result.mean == pytest.approx(np.mean(values), rel=1e-9, abs=scale * 1e-12)
    assert result.variance == pytest.approx(np.var(values, ddof=1), rel=1e-6, abs=scale**2 * 1e-12)


@given(SAMPLES, SAMPLES)
def test_a_comparison_is_scipys_welch_test(a: list[float], b: list[float]) -> None:
    sample_a = Moments(len(a), float(np.mean(a)), float(np.var(a, ddof=1)))
    sample_b = Moments(len(b), float(np.mean(b)), float(np.var(b, ddof=1)))
    if max(sample_a.variance, sample_b.variance) < 1e-9:
        return
    result = compare(sample_a, sample_b)
    peer = stats.ttest_ind_from_stats(
        sample_b.mean, math.sqrt(sample_b.variance), len(b), sample_a.mean, math.sqrt(sample_a.variance), len(a), False
    )
    assert result.p_value == pytest.approx(peer.pvalue, rel=1e-6, abs=1e-12)
    assert result.low is not None
    assert result.high is not None
    assert result.low <= result.difference <= result.high
    assert (result.n_a, result.n_b, result.test) == (len(a), len(b), "Welch's t-test")


def test_interval_and_effect_size_of_a_known_pair() -> None:
    a, b = [5.1, 4.9, 6.2, 5.7, 5.5], [6.6, 7.9, 6.1, 8.0, 7.2, 6.8]
    result = compare(moments(a), moments(b))
    interval = stats.ttest_ind(b, a, equal_var=False).confidence_interval(0.95)
    assert (result.low, result.high) == (pytest.approx(interval.low), pytest.approx(interval.high))
    pooled = math.sqrt((4 * np.var(a, ddof=1) + 5 * np.var(b, ddof=1)) / 9)
    assert result.effect_size == pytest.approx((np.mean(b) - np.mean(a)) / pooled)


def test_weights_move_the_mean_but_are_no_extra_evidence() -> None:
    plain, doubled = moments_from_sums(4, 4, 10, 30), moments_from_sums(4, 8, 20, 60, 16)
    assert plain == doubled
    assert plain == Moments(4, 2.5, pytest.approx(5 / 3))
    assert plain.effective_n == 4


def weighted(values: list[float], weights: list[float]) -> Moments:
    x, w = np.array(values), np.array(weights)
    sums = (w.sum(), (w * x).sum(), (w * x * x).sum(), (w * w).sum())
    return moments_from_sums(len(values), *(float(one) for one in sums))


def test_a_value_that_stands_for_many_is_no_more_evidence_than_one() -> None:
    equal = weighted([1.0, 2.0, 3.0, 4.0], [1.0] * 4)
    unequal = weighted([1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 1.0, 20.0])
    assert unequal.n == 4
    assert unequal.effective_n == pytest.approx(23**2 / 403)
    other = moments([9.0, 10.0, 11.0, 12.0])
    plain, balanced = compare(equal, other), compare(unequal, other)
    assert plain.low is not None
    assert balanced.low is not None
    assert balanced.difference - balanced.low > plain.difference - plain.low


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.sampled_from([1.0, 1.7, 4.0, 60.0])), min_size=1, max_size=30))
def test_the_effective_size_is_between_one_and_the_number_of_values(pairs: list[tuple[float, float]]) -> None:
    found = weighted([value for value, _ in pairs], [weight for _, weight in pairs])
    assert 1 <= found.effective_n <= len(pairs)
    same = {weight for _, weight in pairs}
    assert (found.effective_n == len(pairs)) == (len(same) == 1)


def test_intervals_of_a_weighted_sample_cover_the_true_difference() -> None:
    """In a population of two strata of which one is sampled 1 in 5, 95 of 100 intervals hold the true difference."""
    random = np.random.default_rng(4)
    covered = 0
    for _ in range(400):
        known, rare = random.normal(10, 2, 60), random.normal(30, 4, 300)
        taken = rare[random.random(300) < 0.2]
        sample = weighted([*known, *taken], [1.0] * 60 + [5.0] * len(taken))
        truth = (60 * 10 + 300 * 30) / 360
        result = compare(moments(list(random.normal(truth, 1, 2_000))), sample)
        assert result.low is not None
        assert result.high is not None
        covered += result.low <= 0 <= result.high
    assert covered >= 0.93 * 400


@pytest.mark.parametrize(("n", "sum_w", "sum_w2", "size"), [(0, 0, 0, 0), (3, 3, 0, 3), (2, 5, 17, 25 / 17)])
def test_the_effective_size_of_odd_sums(n: int, sum_w: float, sum_w2: float, size: float) -> None:
    assert effective_size(n, sum_w, sum_w2) == pytest.approx(size)


def test_an_empty_or_single_sample_has_no_interval_and_no_verdict() -> None:
    empty, one, many = moments_from_sums(0, 0, 0, 0), moments_from_sums(1, 1, 5, 25), moments([1, 2, 3])
    assert math.isnan(empty.mean)
    assert math.isnan(one.variance)
    for result in (compare(empty, many), compare(many, one), compare(empty, empty)):
        assert (result.low, result.high, result.p_value, result.effect_size) == (None, None, None, None)


def test_samples_that_do_not_vary_are_compared_without_dividing_by_zero() -> None:
    fives, sixes = moments([5.0] * 4), moments([6.0] * 4)
    same, different = compare(fives, fives), compare(fives, sixes)
    assert (same.difference, same.p_value, same.effect_size) == (0, 1, 0)
    assert (different.low, different.high, different.p_value, different.effect_size) == (1, 1, 0, None)


def test_rounding_never_makes_a_variance_negative() -> None:
    assert moments([1e8 + 0.1] * 7).variance >= 0


def test_two_sides_are_compared_by_the_scorer_that_both_have_most_of() -> None:
    assert shared_scorer({"a": 900, "b": 40}, {"a": 3, "b": 50}) == "b"
    assert shared_scorer({"a": 900, "b": 3}, {"b": 3, "a": 3}) == "a"
    # Of equals always the same one, and one of a single side where nothing is shared.
    assert shared_scorer({"d": 5, "c": 5}, {"c": 5, "d": 5}) == "c"
    assert shared_scorer({"a": 5}, {}) == "a"
    assert shared_scorer({}, {}) == ""
