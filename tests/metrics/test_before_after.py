"""Differences between two stretches of time: right values, and intervals that hold what they promise."""

import math

import numpy as np
import pytest

from metrics.before_after import Estimate, Moved, moved, moved_mean, quantile_estimate, rate_estimate, share_estimate
from metrics.buckets import bucket_of
from metrics.comparison import moments_from_sums

LATENCY = "execution_duration_ms"


def histogram(values: np.ndarray) -> dict[int, float]:
    buckets, counts = np.unique(bucket_of(LATENCY, values), return_counts=True)
    return dict(zip(buckets.tolist(), counts.astype(float).tolist(), strict=True))


def test_the_difference_of_two_shares_has_newcombes_interval() -> None:
    # Newcombe 1998, table II, row (a), method 10: 56/70 − 48/80 is 0.2, from 0.0524 to 0.3339.
    found = moved(share_estimate(48, 80), share_estimate(56, 70))
    assert found.difference == pytest.approx(0.2)
    assert found.low == pytest.approx(0.0524, abs=5e-5)
    assert found.high == pytest.approx(0.3339, abs=5e-5)


def test_intervals_of_quantiles_and_rates_hold_the_truth_as_often_as_they_say() -> None:
    random = np.random.default_rng(5)
    truth = float(np.exp(1.6449 * 0.5))
    held_quantile = held_rate = 0
    rounds = 300
    for _ in range(rounds):
        found = quantile_estimate(LATENCY, histogram(random.lognormal(0, 0.5, 400)), 0.95, 400)
        assert found.low is not None
        assert found.high is not None
        held_quantile += found.low <= truth <= found.high
        counts = random.poisson(random.gamma(4, 5, 12))
        rate = rate_estimate(counts.tolist(), 1.0)
        assert rate.low is not None
        assert rate.high is not None
        held_rate += rate.low <= 240 <= rate.high
    assert held_quantile / rounds > 0.91
    # Twelve parts that vary a lot: a plain Poisson interval would hold it in about six of ten rounds.
    assert held_rate / rounds > 0.88


def test_too_little_gives_a_value_without_an_interval() -> None:
    found = quantile_estimate(LATENCY, histogram(np.arange(1.0, 31.0)), 0.95, 30)
    assert found.value == pytest.approx(29, rel=0.01)
    assert (found.low, found.high) == (None, None)
    joined = moved(found, quantile_estimate(LATENCY, histogram(np.arange(1.0, 500.0)), 0.95, 499))
    assert (joined.low, joined.clearness) == (None, 0.0)


def test_nothing_on_a_side_is_no_number_and_never_zero() -> None:
    for found in (moved(share_estimate(0, 0), share_estimate(1, 10)), moved(Estimate(0, math.nan), Estimate(1, 2.0))):
        assert math.isnan(found.difference)
        assert found.low is None
    assert math.isnan(moved_mean(moments_from_sums(0, 0, 0, 0), moments_from_sums(2, 2, 4, 9)).difference)


def test_values_that_weigh_differently_count_with_their_effective_number() -> None:
    alone, weighted = share_estimate(50, 100), share_estimate(5, 100, 10)
    assert alone.value == weighted.value == 0.5
    assert weighted.high is not None
    assert alone.high is not None
    assert weighted.high > alone.high


def test_an_hour_without_requests_still_leaves_room_for_a_few() -> None:
    found = rate_estimate([0] * 12, 1.0)
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high is not None
    assert found.high > 1


def test_clearness_is_above_one_exactly_where_the_interval_leaves_zero_out() -> None:
    assert Moved(9, 9, 0, 1, 1.0, 0.1, 1.9).clearness > 1
    assert Moved(9, 9, 0, -1, -1.0, -1.9, -0.1).clearness > 1
    assert Moved(9, 9, 0, 1, 1.0, -0.1, 2.1).clearness < 1
    assert Moved(9, 9, 0, 1, 1.0, 1.0, 1.0).clearness == math.inf
    assert Moved(9, 9, 0, 0, 0.0, 0.0, 0.0).clearness == 0.0
