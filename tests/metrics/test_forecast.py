"""The month's forecast: what it adds up, when it says how little it knows, and whether its interval keeps its word."""

from datetime import date, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from metrics.forecast import forecast_month

WEEK = np.array([1.0, 1.05, 1.1, 1.0, 0.95, 0.4, 0.35])
MONDAY = date(2026, 11, 2)


def days_before(today: date, count: int) -> list[date]:
    return [today - timedelta(days=back) for back in range(count, 0, -1)]


def noise(kind: str, random: np.random.Generator, days: int, known: int) -> NDArray[np.float64]:
    """The logarithm of what a day is above or below the usual."""
    if kind == "independent":
        return random.normal(0, 0.2, days)
    if kind == "growing":
        return random.normal(0, 0.2, days) + np.arange(days) * 0.003
    if kind == "skewed":
        return np.log(random.gamma(4, 0.25, days))
    if kind == "step":
        return random.normal(0, 0.2, days) + (np.arange(days) > random.integers(0, known - 10)) * 0.3
    found = np.zeros(days)
    for day in range(1, days):
        found[day] = 0.5 * found[day - 1] + random.normal(0, 0.15)
    return found


@pytest.mark.parametrize("kind", ["independent", "correlated", "growing", "skewed", "step"])
def test_the_interval_covers_four_of_five_month_ends(kind: str) -> None:
    random, covered, trials = np.random.default_rng(1), 0, 300
    for _ in range(trials):
        week = WEEK * random.uniform(0.8, 1.2, 7)
        today = date(2026, 11, 1) + timedelta(days=int(random.integers(0, 27)))
        days = [today - timedelta(days=60) + timedelta(days=number) for number in range(91)]
        sums = 10 * week[[day.weekday() for day in days]] * np.exp(noise(kind, random, 91, 60))
        spent = dict(zip(days, sums, strict=True))
        history = {day: usd for day, usd in spent.items() if day < today}
        so_far = sum(usd for day, usd in history.items() if day.month == 11) + spent[today] / 2
        found = forecast_month(history, today, so_far, 0.5)
        truth = sum(usd for day, usd in spent.items() if (day.year, day.month) == (2026, 11))
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= truth <= found.high
    assert 0.7 <= covered / trials <= 0.9


def test_days_that_never_vary_are_forecast_exactly() -> None:
    today = date(2026, 11, 21)
    history = {day: 7.0 for day in days_before(today, 56)}
    found = forecast_month(history, today, 20 * 7.0 + 3.5, 0.5)
    assert found.total == pytest.approx(30 * 7.0)
    assert found.low is not None
    assert found.high is not None
    # Only that the level itself may wander is left.
    assert 0 < found.high - found.low < 0.1 * found.total
    assert found.method == "weekdays"
    assert [ahead.day.day for ahead in found.days] == list(range(21, 31))


def test_weekdays_without_traffic_stay_empty() -> None:
    today = date(2026, 11, 27)
    history = {day: (0.0 if day.weekday() >= 5 else 10.0) for day in days_before(today, 56)}
    found = forecast_month(history, today, 0.0, 0.0)
    # A Friday that is over, a weekend, and a Monday.
    assert found.total == pytest.approx(10.0, rel=0.05)


def test_the_rest_of_today_counts_as_much_as_usually_comes_then() -> None:
    last = date(2026, 11, 30)
    history = {day: 10.0 for day in days_before(last, 30)}
    for rest, expected in ((0.0, 100.0), (0.25, 102.5), (1.0, 110.0)):
        assert forecast_month(history, last, 100.0, rest).total == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(
    ("days", "method"), [(0, "nothing"), (1, "run rate"), (6, "run rate"), (7, "level"), (14, "weekdays")]
)
def test_little_history_is_said_and_widens_the_interval(days: int, method: str) -> None:
    today = date(2026, 11, 15)
    random = np.random.default_rng(3)
    history = dict(zip(days_before(today, days), 10 * random.lognormal(0, 0.2, days), strict=True))
    found = forecast_month(history, today, sum(history.values()), 0.5)
    assert (found.method, found.history_days) == (method, days)
    if days < 2:
        assert found.low is None
        assert found.high is None
    if days == 0:
        assert found.total == 0


def test_three_days_give_a_wider_interval_than_thirty() -> None:
    today = date(2026, 11, 15)
    values = 10 * np.random.default_rng(4).lognormal(0, 0.2, 30)
    widths = []
    for count in (3, 30):
        found = forecast_month(dict(zip(days_before(today, count), values[-count:], strict=True)), today, 100.0, 0.5)
        assert found.low is not None
        assert found.high is not None
        widths.append(found.high - found.low)
    assert widths[0] > 1.5 * widths[1]


def test_what_is_spent_stays_spent() -> None:
    today = date(2026, 11, 29)
    history = dict(zip(days_before(today, 3), (0.1, 30.0, 0.1), strict=True))
    found = forecast_month(history, today, 500.0, 0.5)
    assert all(ahead.low is not None and ahead.low >= 500.0 for ahead in found.days)


def test_a_gap_in_the_history_is_days_without_spend() -> None:
    today = MONDAY + timedelta(days=10)
    whole = forecast_month({MONDAY: 10.0, **{MONDAY + timedelta(days=n): 0.0 for n in range(1, 10)}}, today, 10.0, 0.0)
    gaps = forecast_month({MONDAY: 10.0}, today, 10.0, 0.0)
    assert gaps.total == whole.total


def test_shares_outside_of_zero_to_one_are_refused() -> None:
    with pytest.raises(ValueError, match="shares between 0 and 1"):
        forecast_month({}, MONDAY, 0.0, 1.5)
