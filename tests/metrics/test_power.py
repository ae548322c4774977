"""The computed power is what simulation gives, and the shifts that have to be found are found."""

import numpy as np
import pytest

from metrics.drift_questions import QUESTIONS
from metrics.power import Traffic, least_found, power_of_mean, power_of_ratio, power_of_share
from tests.metrics.drift_traffic import PER_DAY, Shift, judged, traffic

LENGTH, LATENCY, FLAGGED = QUESTIONS[:3]


def test_the_shifts_that_have_to_be_found_have_the_power_for_it() -> None:
    usual = Traffic()
    assert power_of_ratio(LENGTH, 1.3, 0.8, usual).found > 0.97
    assert power_of_ratio(LATENCY, 1.5, 0.6, usual).found > 0.999
    assert power_of_share(FLAGGED, 0.05, 0.15, usual).found > 0.99


def test_nothing_that_did_not_shift_is_found() -> None:
    usual = Traffic()
    assert power_of_ratio(LENGTH, 1.0, 0.8, usual).found == 0
    assert power_of_share(FLAGGED, 0.05, 0.051, usual).found < 0.001
    assert power_of_mean(QUESTIONS[6], 0.0, usual).found == 0


@pytest.mark.parametrize("ratio", [1.2, 1.3])
def test_the_power_in_one_window_is_that_of_simulated_traffic(ratio: float) -> None:
    days = 9
    made = traffic(11, days + 1, Shift(days * PER_DAY, length=ratio), level=0.0)
    seen = judged(made, np.arange(days * PER_DAY, days * PER_DAY + 60)).seen[0]
    # By then a shift is in its own reference only as far as three windows go: none of these sees it.
    expected = power_of_ratio(LENGTH, ratio, 0.8, Traffic(n_compared=27_000, windows_compared=91, wander=0.01)).single
    assert seen.mean() == pytest.approx(expected, abs=0.13)


def test_fewer_requests_more_wander_and_more_tests_find_less() -> None:
    base = power_of_ratio(LENGTH, 1.25, 0.8, Traffic()).found
    for worse in (Traffic(n=150), Traffic(wander=0.05), Traffic(tests=100), Traffic(windows_compared=12)):
        assert power_of_ratio(LENGTH, 1.25, 0.8, worse).found < base
    assert power_of_ratio(LENGTH, 2.0, 0.8, Traffic(n=49)).single == 0


def test_the_least_shift_that_is_found_lies_where_the_power_is_eighty_percent() -> None:
    ratio = least_found(lambda one: power_of_ratio(LENGTH, one, 0.8, Traffic()), 1.0, 3.0)
    assert ratio is not None
    assert power_of_ratio(LENGTH, ratio, 0.8, Traffic()).found == pytest.approx(0.8, abs=0.001)
    assert least_found(lambda one: power_of_ratio(LENGTH, one, 0.8, Traffic(n=49)), 1.0, 3.0) is None


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1])
def test_a_share_outside_of_its_range_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="Shares lie between 0 and 1"):
        power_of_share(FLAGGED, share, 0.5, Traffic())
