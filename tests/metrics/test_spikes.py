"""Injected spikes are found, and a rhythm that only repeats itself has none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from metrics.spikes import LEAST_RISE, spikes

HOUR = 3_600_000
DAYS = 30


def rhythm(base: float, days: int = DAYS) -> NDArray[np.float64]:
    """What is expected in each hour: most in the afternoon, less at weekends."""
    hours = np.arange(days * 24)
    of_day = 0.25 + 0.75 * np.exp(-(((hours % 24 - 14) / 4.5) ** 2))
    return np.asarray(base * of_day * np.where((hours // 24) % 7 < 5, 1, 0.45))


def times(count: int) -> NDArray[np.int64]:
    return np.arange(count, dtype=np.int64) * HOUR


def counted(base: float, seed: int, noise: float = 0.0, days: int = DAYS) -> NDArray[np.float64]:
    random = np.random.default_rng(seed)
    values = random.poisson(rhythm(base, days)).astype(float)
    return np.round(values * random.lognormal(0, noise, len(values)))


@pytest.mark.parametrize("base", [3, 30, 300, 30_000])
@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_a_month_of_a_daily_rhythm_has_at_most_one_spike(base: float, noise: float) -> None:
    for seed in range(4):
        values = counted(base, seed, noise)
        assert len(spikes(times(len(values)), values, season_bins=24, minimum=20)) <= 1


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    place=st.integers(0, DAYS * 24 - 1),
    base=st.sampled_from([30, 300, 5_000]),
    times_expected=st.floats(5, 50),
)
def test_an_injected_spike_is_found_wherever_it_is(seed: int, place: int, base: float, times_expected: float) -> None:
    values, usual = counted(base, seed), rhythm(base)[place]
    values[place] = np.ceil(usual * times_expected + 60)
    found = {spike.index: spike for spike in spikes(times(len(values)), values, season_bins=24, minimum=20)}
    assert place in found
    assert found[place].value == values[place]
    # The expected value is that of the rhythm, as far as a Poisson count tells it.
    assert abs(found[place].expected - usual) < 0.6 * usual + 6


def test_a_busy_hour_of_the_night_is_a_spike_that_is_usual_by_day() -> None:
    values = counted(300, seed=5)
    night = 10 * 24 + 3
    values[night] = values[10 * 24 + 14]
    assert [spike.index for spike in spikes(times(len(values)), values, season_bins=24, minimum=20)] == [night]


def test_the_unit_of_cost_does_not_matter() -> None:
    values = counted(300, seed=6)
    values[400] *= 6
    dollars = values * 2e-6
    found = spikes(times(len(values)), values, season_bins=24, minimum=20)
    same = spikes(times(len(values)), dollars, season_bins=24, minimum=20 * 2e-6)
    assert [spike.index for spike in found] == [spike.index for spike in same] == [400]
    assert same[0].expected == pytest.approx(found[0].expected * 2e-6)
    assert same[0].score == pytest.approx(found[0].score)


def test_a_lasting_rise_is_a_new_level_and_no_spike_after_a_day() -> None:
    values = counted(300, seed=7)
    values[15 * 24 :] *= 4
    found = [spike.index for spike in spikes(times(len(values)), values, season_bins=24, minimum=20)]
    assert all(abs(index - 15 * 24) <= 12 for index in found)


def test_without_whole_seasons_the_time_around_is_the_reference() -> None:
    values = np.random.default_rng(8).poisson(200, 40).astype(float)
    values[30] = 1_500
    found = spikes(times(40), values, season_bins=24, minimum=20)
    assert [spike.index for spike in found] == [30]
    assert found[0].expected == pytest.approx(200, rel=0.15)


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.one_of(st.floats(0, 1e9), st.just(float("nan")), st.just(0.0)), max_size=120),
    season=st.sampled_from([0, 1, 7, 24]),
    minimum=st.floats(1e-6, 1e4),
)
def test_whatever_the_series_a_spike_is_far_above_what_was_expected(
    values: list[float], season: int, minimum: float
) -> None:
    series = np.array(values, dtype=float)
    for spike in spikes(times(len(series)), series, season_bins=season, minimum=minimum):
        assert spike.value == series[spike.index]
        assert spike.value - spike.expected >= minimum
        assert spike.value >= LEAST_RISE * spike.expected
        assert spike.expected >= 0


def test_a_time_before_there_was_anything_says_nothing_about_what_is_usual() -> None:
    values = counted(100, seed=9, days=10)
    before = np.concatenate([np.zeros(20 * 24), values])
    assert spikes(times(len(before)), before, season_bins=24, minimum=20) == []


def test_too_little_to_judge_by_has_no_spike() -> None:
    assert spikes(times(0), np.array([]), season_bins=24, minimum=20) == []
    assert spikes(times(5), np.array([1.0, 1, 1, 1, 900]), season_bins=24, minimum=20) == []


@pytest.mark.parametrize(
    ("starts", "values", "minimum", "sentence"),
    [
        ([0, 1], [1.0], 1.0, "2 times for 1 values"),
        ([0, 1, 3], [1.0, 2, 3], 1.0, "equally far apart"),
        ([3, 2, 1], [1.0, 2, 3], 1.0, "rise"),
        ([0, 1], [1.0, 2], 0.0, "above 0"),
    ],
)
def test_a_series_that_cannot_be_is_refused(
    starts: list[int], values: list[float], minimum: float, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        spikes(np.array(starts, dtype=np.int64), np.array(values), season_bins=24, minimum=minimum)
