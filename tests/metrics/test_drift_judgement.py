"""Shifts are found within three windows and told by their cause; a month of usual days is left alone."""

import numpy as np
import pytest
from scipy import stats

from metrics.drift_judgement import Question, difference, judge, stacked, usual
from metrics.drift_questions import QUESTIONS
from metrics.drift_reference import FIVE_MINUTES, HOUR, REFERENCES, differences, usual_before
from metrics.drift_summaries import Summary, combined, summarise
from metrics.false_discovery import q_values
from tests.metrics.drift_traffic import COLUMNS, PER_DAY, Shift, Traffic, alerts, judged, traffic

DAYS = 9
SHIFTS = {
    "response_flagged": Shift(DAYS * PER_DAY, flagged=0.15),
    "completion_tokens": Shift(DAYS * PER_DAY, length=1.3),
    "execution_duration_ms": Shift(DAYS * PER_DAY, latency=1.5),
}


@pytest.mark.parametrize("cause", SHIFTS)
@pytest.mark.parametrize("seed", range(2))
def test_a_shift_is_found_within_three_windows_and_only_its_cause_is_named(cause: str, seed: int) -> None:
    shift = SHIFTS[cause]
    made = traffic(seed, DAYS + 1, shift, windows=shift.start + 3, level=0.0)
    found = judged(made, np.arange(shift.start - 2, shift.start + 3)).confirmed
    assert not found[:, :2].any()
    assert {COLUMNS[place] for place in np.flatnonzero(found.any(axis=1))} == {cause}


def test_a_week_of_usual_days_with_a_rhythm_gives_no_alert() -> None:
    assert alerts(judged(traffic(7, 7)).confirmed) == 0


@pytest.mark.parametrize("level", [0.0, 0.03])
def test_thirty_usual_days_with_a_rhythm_give_at_most_one_alert(level: float) -> None:
    """8,640 windows of eight columns; where `level` is not 0 the level of length and latency wanders besides."""
    made = traffic(30, 30, level=level)
    assert made.windows == 8_640
    assert alerts(judged(made).confirmed) <= 1


def test_the_rule_of_a_p_value_below_five_percent_cries_wolf_on_the_same_days() -> None:
    """So the month above is no proof by a judge that finds nothing."""
    made = traffic(30, 30)
    latency = np.split(made.values["execution_duration_ms"], np.flatnonzero(np.diff(made.window)) + 1)
    days = range(7 * PER_DAY, 7 * PER_DAY + 288, 6)
    called = [stats.ks_2samp(latency[place], latency[place - 7 * PER_DAY]).pvalue < 0.05 for place in days]
    assert sum(called) >= 2


def test_one_window_alone_is_not_enough() -> None:
    made = traffic(1, DAYS, level=0.0)
    values = made.values["completion_tokens"]
    values[made.window == made.windows - 1] *= 3
    verdict = judged(made, np.arange(made.windows - 3, made.windows))
    assert verdict.seen[0, -1]
    assert not verdict.confirmed.any()


def test_the_burst_of_one_requester_is_no_drift() -> None:
    """Somebody who usually sends one request in fifty sends two thirds of three windows, and all of it is long."""
    random = np.random.default_rng(5)
    count, size = 4 * PER_DAY, 150
    window = np.repeat(np.arange(count), size)
    requester = random.integers(0, 50, len(window))
    logs = random.normal(5, 0.8, len(window))
    burst = np.repeat(np.arange(count - 3, count), 2 * size)
    window, requester = np.concatenate([window, burst]), np.concatenate([requester, np.full(len(burst), 7)])
    logs = np.concatenate([logs, random.normal(6, 0.8, len(burst))])
    question = Question("completion_tokens", "ratio", 1.15)
    usual_shares = np.full(50, 0.02)
    last = np.arange(count - 3, count)

    def confirmed(of: Summary) -> bool:
        single, together, _ = differences(question, of, np.arange(count), last, FIVE_MINUTES)
        return bool(judge(stacked([single]), stacked([together])).confirmed.any())

    assert confirmed(summarise(window, logs, count))
    assert not confirmed(summarise(window, logs, count, requesters=requester, usual_shares=usual_shares))


def test_an_application_that_sends_everything_is_judged_as_ever() -> None:
    window = np.repeat(np.arange(4), 300)
    values = np.random.default_rng(0).normal(size=1200)
    alone = summarise(window, values, 4)
    owned = summarise(window, values, 4, requesters=np.zeros(1200, dtype=np.int64), usual_shares=np.ones(1))
    for name in ("n", "mean", "error"):
        np.testing.assert_allclose(getattr(owned, name), getattr(alone, name))


def test_what_requesters_have_in_common_makes_a_mean_less_certain() -> None:
    random = np.random.default_rng(3)
    requester = np.repeat(np.arange(20), 15)
    values = random.normal(size=20)[requester] + 0.1 * random.normal(size=300)
    window = np.zeros(300, dtype=np.int64)
    clustered = summarise(window, values, 1, requesters=requester, usual_shares=np.full(20, 0.05)).error[0]
    means = np.array([values[requester == one].mean() for one in range(20)])
    assert clustered == pytest.approx(means.var(ddof=1) / 20, rel=1e-9)
    assert clustered > 10 * values.var() / 300


def test_an_incident_of_last_week_is_left_out_of_the_reference() -> None:
    """Half an hour in which everything took ten times as long does not hide today's slowness."""
    shift = SHIFTS["execution_duration_ms"]
    made = traffic(2, DAYS + 1, shift, windows=shift.start + 3, level=0.0)
    week_before = shift.start - 7 * PER_DAY
    made.values["execution_duration_ms"][np.abs(made.window - week_before) <= 3] *= 10
    assert judged(made, np.arange(shift.start, shift.start + 3)).confirmed[1].any()


def test_without_three_days_of_history_the_hours_before_are_the_reference() -> None:
    made = traffic(4, 1, Shift(100, latency=1.5), windows=103, level=0.0)
    numbers = np.arange(made.windows)
    of = made.summary(QUESTIONS[1])
    _, which = usual_before("ratio", of, numbers, np.array([5, 100]), FIVE_MINUTES)
    assert [REFERENCES[FIVE_MINUTES][one].drift_type if one >= 0 else None for one in which] == [None, "CONSECUTIVE"]
    assert judged(made, np.arange(98, 103)).confirmed[1].any()


def test_windows_that_are_too_small_are_not_judged() -> None:
    of = Summary(np.full(40, 49.0), np.zeros(40), np.ones(40), np.ones(40) / 49)
    single, _, _ = differences(QUESTIONS[1], of, np.arange(40), np.array([39]), FIVE_MINUTES)
    assert np.isnan(single.p_value).all()
    assert not single.matters.any()


def test_hours_are_compared_with_the_same_hour_of_ten_days_and_its_neighbours() -> None:
    assert REFERENCES[HOUR][0].distances.shape == (10, 3)
    assert sorted(-REFERENCES[HOUR][0].distances[:, 1] // 24) == [1, 2, 3, 4, 5, 6, 7, 14, 21, 28]


def test_p_values_of_usual_windows_are_no_smaller_than_they_claim() -> None:
    """A share as small as 2 % in windows of 300, where the normal distribution would be three times too sure."""
    random = np.random.default_rng(0)
    share = Question("errors", "share", 0.0)
    mean = Question("grade", "mean", 0.0)
    hits = random.binomial(300, 0.02, (20_000, 41)) / 300
    values = random.normal(size=(20_000, 41)) / np.sqrt(300)
    for question, means, variance in ((share, hits, hits * (1 - hits)), (mean, values, np.ones_like(values))):
        of = Summary(np.full(means.shape, 300.0), means, variance, variance / 300)
        now, before = (Summary(*(part[:, cut] for part in vars(of).values())) for cut in (0, slice(1, None)))
        p_values = difference(question, now, usual(question.kind, before)).p_value
        assert (p_values < 0.01).mean() < 0.013
        assert (p_values < 0.001).mean() < 0.002


def test_a_column_that_never_varies_differs_only_when_it_does() -> None:
    same = Summary(np.full(40, 300.0), np.ones(40), np.zeros(40), np.zeros(40))
    of = usual("mean", Summary(*(part[None] for part in vars(same).values())))
    for value, p_value in ((1.0, 1.0), (2.0, 0.0)):
        now = Summary(np.array([300.0]), np.array([value]), np.zeros(1), np.zeros(1))
        assert difference(QUESTIONS[6], now, of).p_value[0] == p_value


def test_windows_put_together_are_the_window_of_all_their_values() -> None:
    random = np.random.default_rng(0)
    window = np.repeat(np.arange(3), [200, 300, 50])
    values = random.normal(2, 3, 550)
    together = combined(summarise(window, values, 3))
    assert together.mean == pytest.approx(values.mean())
    assert together.variance == pytest.approx(values.var(ddof=1), rel=0.01)
    assert together.error == pytest.approx(values.var() / 550, rel=0.05)


def test_q_values_are_scipys_and_leave_out_what_was_not_tested() -> None:
    p_values = np.random.default_rng(0).random((12, 5)) ** 3
    np.testing.assert_allclose(q_values(p_values), stats.false_discovery_control(p_values, axis=0))
    p_values[3, 1] = np.nan
    known = np.delete(p_values[:, 1], 3)
    found = q_values(p_values)[:, 1]
    assert np.isnan(found[3])
    np.testing.assert_allclose(np.delete(found, 3), stats.false_discovery_control(known))


def test_sampled_values_count_by_their_weight_and_are_less_evidence() -> None:
    values = np.array([1.0, 2.0, 3.0])
    of = summarise(np.zeros(3, dtype=np.int64), values, 1, weights=np.array([1.0, 1.0, 2.0]))
    assert of.mean[0] == pytest.approx(2.25)
    assert of.n[0] == pytest.approx(16 / 6)


def test_an_empty_traffic_has_no_verdict() -> None:
    empty = Traffic(0, np.zeros(0, dtype=np.int64), {column: np.zeros(0) for column in COLUMNS})
    assert not judged(empty, np.arange(5)).confirmed.any()
