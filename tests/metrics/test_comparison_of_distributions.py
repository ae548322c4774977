"""Medians, ranks, ratios and many tests at once, against scipy and against plain resampling."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from metrics.buckets import bucket_of, bucket_value
from metrics.comparison import Moments
from metrics.distributions import Distribution, compare_medians, from_buckets, from_values
from metrics.geometric_means import compare_ratio, log_moments
from metrics.multiple_tests import holm
from metrics.paired import paired_difference, paired_ranks
from metrics.ranks import compare_ranks

VALUES = st.lists(st.floats(-50, 50), min_size=2, max_size=40)
SKEWED = np.random.default_rng(5)


def counted(metric: str, values: list[float], weights: list[float] | None = None) -> dict[int, float]:
    histogram: dict[int, float] = {}
    for bucket, weight in zip(bucket_of(metric, values).tolist(), weights or [1.0] * len(values), strict=True):
        histogram[bucket] = histogram.get(bucket, 0.0) + weight
    return histogram


def buckets_of(metric: str, values: list[float]) -> Distribution:
    return from_buckets(metric, counted(metric, values), len(values))


@settings(max_examples=50)
@given(VALUES, VALUES)
def test_ranks_are_scipys_mann_whitney_test_with_its_ties(a: list[float], b: list[float]) -> None:
    of_a, of_b = (counted("response_fk_grade", values) for values in (a, b))
    rounded = [
        [bucket_value("response_fk_grade", one) for one, n in side.items() for _ in range(int(n))]
        for side in (of_a, of_b)
    ]
    found = compare_ranks(of_a, of_b, len(a), len(b))
    if len({*rounded[0], *rounded[1]}) == 1:
        assert (found.delta, found.p_value) == (0, 1)
        return
    peer = stats.mannwhitneyu(rounded[1], rounded[0], use_continuity=False, method="asymptotic")
    assert found.delta == pytest.approx(2 * peer.statistic / len(a) / len(b) - 1, abs=1e-9)
    assert found.p_value == pytest.approx(peer.pvalue, rel=1e-6, abs=1e-12)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.delta <= found.high


def test_the_interval_of_delta_covers_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    # Of two exponentials with means 1 and 2 the second is larger two times of three.
    truth, inside = 2 * 2 / 3 - 1, 0
    for _ in range(300):
        a, b = random.exponential(1, 60), random.exponential(2, 80)
        of_a, of_b = (counted("execution_duration_ms", list(side)) for side in (a, b))
        found = compare_ranks(of_a, of_b, 60, 80)
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= truth <= found.high
    assert 0.91 < inside / 300 < 0.98


def test_weights_that_stand_for_many_rows_are_no_more_evidence_in_ranks() -> None:
    a, b = list(SKEWED.exponential(1, 40)), list(SKEWED.exponential(2, 50))
    once = compare_ranks(counted("x", a), counted("x", b), 40, 50)
    tenfold = compare_ranks(counted("x", a, [10.0] * 40), counted("x", b, [10.0] * 50), 40, 50)
    assert tenfold.delta == pytest.approx(once.delta)
    assert tenfold.p_value == pytest.approx(once.p_value)
    assert compare_ranks({}, counted("x", b), 0, 50).p_value is None


@settings(max_examples=40)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
def test_the_median_is_numpys(values: list[float]) -> None:
    assert from_values(values).median == pytest.approx(np.median(values), rel=1e-12, abs=1e-9)


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(1, 5)), min_size=1, max_size=20))
def test_a_weighted_median_is_that_of_the_repeated_values(rows: list[tuple[int, int]]) -> None:
    values, weights = zip(*rows, strict=True)
    assert from_values(values, weights).median == pytest.approx(np.median(np.repeat(values, weights)))


@settings(max_examples=30)
@given(st.lists(st.floats(0.01, 1e5), min_size=1, max_size=60))
def test_the_median_of_buckets_is_within_a_bucket(values: list[float]) -> None:
    found = buckets_of("response_perplexity", values).median
    low, high = np.sort(values)[[(len(values) - 1) // 2, len(values) // 2]]
    assert low / 1.021 <= found <= high * 1.021


@pytest.mark.parametrize(("size_a", "size_b"), [(41, 60), (301, 200)])
def test_the_interval_of_medians_is_that_of_plain_resampling(size_a: int, size_b: int) -> None:
    random = np.random.default_rng(3)
    a, b = random.lognormal(3.1, 0.4, size_a), random.lognormal(3.3, 0.4, size_b)
    found = compare_medians(from_values(a), from_values(b), draws=20_000)
    medians = [np.median(random.choice(side, (20_000, len(side))), axis=1) for side in (a, b)]
    # A median of few values jumps from one value to the next, so what is near a share is asked for.
    lowest, low, high, highest = np.quantile(medians[1] - medians[0], [0.022, 0.028, 0.972, 0.978])
    assert found.difference == pytest.approx(np.median(b) - np.median(a))
    assert found.low is not None
    assert found.high is not None
    assert lowest <= found.low <= low
    assert high <= found.high <= highest
    assert compare_medians(from_values(a), from_values(b)) == compare_medians(from_values(a), from_values(b))


def test_medians_of_a_thin_sample_are_less_sure() -> None:
    values = SKEWED.lognormal(3, 0.5, 400)
    heavy = from_values(values, np.where(np.arange(400) % 20, 1.0, 60.0))
    plain = from_values(values)
    assert heavy.size < 60
    wide, narrow = (compare_medians(plain, side) for side in (heavy, plain))
    assert wide.low is not None
    assert wide.high is not None
    assert narrow.low is not None
    assert narrow.high is not None
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_one_value_has_a_median_and_no_interval() -> None:
    found = compare_medians(from_values([3.0]), from_values([5.0, 7.0]))
    assert (found.median_a, found.median_b, found.difference, found.low) == (3.0, 6.0, 3.0, None)
    assert math.isnan(from_values([math.nan]).median)


def test_a_ratio_of_geometric_means_is_that_of_the_raw_values() -> None:
    a, b = SKEWED.lognormal(3.1, 0.4, 700), SKEWED.lognormal(3.3, 0.5, 500)
    sides = [log_moments(buckets_of("response_perplexity", list(v)), len(v)) for v in (a, b)]
    found = compare_ratio(*sides)
    test = stats.ttest_ind(np.log(b), np.log(a), equal_var=False)
    interval = test.confidence_interval()
    assert found.ratio == pytest.approx(stats.gmean(b) / stats.gmean(a), rel=2e-3)
    assert (found.low, found.high) == pytest.approx((math.exp(interval.low), math.exp(interval.high)), rel=3e-3)
    assert found.mean_a == pytest.approx(stats.gmean(a), rel=2e-3)
    with pytest.raises(ValueError, match="above 0"):
        log_moments(buckets_of("response_perplexity", [0.0, 1.0]), 2)


def test_a_ratio_of_too_few_values_has_no_interval() -> None:
    one = log_moments(buckets_of("response_perplexity", [8.0]), 1)
    found = compare_ratio(one, Moments(3, math.log(16), 0.1))
    assert found.ratio == pytest.approx(2, rel=0.01)
    assert found.low is found.p_value is None


def test_holms_correction_is_the_published_example() -> None:
    # Statsmodels' documentation and R's p.adjust give the same for these.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([None, 0.6, 0.7]) == [None, 1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holms_correction_only_ever_makes_less_sure(p_values: list[float]) -> None:
    corrected = holm(p_values)
    assert all(new is not None and new >= old for new, old in zip(corrected, p_values, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert all(np.diff(np.array(corrected, dtype=float)[order]) >= 0)


def test_pairs_have_the_p_value_and_the_effect_of_scipys_paired_test() -> None:
    a = SKEWED.normal(10, 2, 30)
    b = a + SKEWED.normal(0.4, 1, 30)
    found = paired_difference(list(zip(a, b, strict=True)))
    assert found is not None
    assert found.p_value == pytest.approx(stats.ttest_rel(b, a).pvalue)
    assert found.effect_size == pytest.approx(np.mean(b - a) / np.std(b - a, ddof=1))


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(-20, 20), st.integers(-20, 20)), min_size=2, max_size=40))
def test_pairs_by_ranks_are_scipys_wilcoxon_test(pairs: list[tuple[int, int]]) -> None:
    found = paired_ranks(pairs)
    assert found is not None
    differences = [b - a for a, b in pairs]
    assert found.difference == pytest.approx(np.median(differences))
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.difference <= found.high
    if not any(differences):
        assert (found.p_value, found.effect_size) == (1.0, 0.0)
        return
    peer = stats.wilcoxon(differences, correction=False, method="approx")
    assert found.p_value == pytest.approx(peer.pvalue, abs=1e-12)
    assert paired_ranks(pairs[:1]) is not None
    assert paired_ranks([]) is None


def test_a_long_tail_is_told_from_a_bell() -> None:
    assert not from_values(SKEWED.normal(10, 2, 5_000)).long_tailed
    assert from_values(SKEWED.standard_t(1.5, 5_000)).long_tailed
    assert not from_values([1.0]).long_tailed
