"""Stretches of time as pages cut them: exact where it matters, in bins that divide them."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.periods import (
    LONGEST,
    MOST_BINS,
    Period,
    between,
    between_local,
    has_whole_hours,
    midnight,
    month,
    period,
)

BERLIN = ZoneInfo("Europe/Berlin")
BEGUN = datetime(2026, 11, 3, 10, 7, tzinfo=BERLIN)
NOW = datetime(2026, 11, 22, 8, 3, tzinfo=UTC)


@settings(max_examples=200, deadline=None)
@given(start=st.integers(0, 500_000), minutes=st.integers(1, 366 * 24 * 60))
def test_bins_divide_a_period_which_holds_what_was_chosen_and_little_more(start: int, minutes: int) -> None:
    first = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=start)
    last = first + timedelta(minutes=minutes)
    found = between(first, last)
    assert found.bins * found.bin_seconds == found.length.total_seconds()
    assert 1 <= found.bins <= MOST_BINS
    assert timedelta(0) <= first - found.start < timedelta(minutes=15)
    assert timedelta(0) <= found.end - last <= max(timedelta(hours=2), timedelta(minutes=minutes) * 0.02)
    window = {"metrics_hour": 3600, "metrics_15min": 900, "metrics_minute": 60}[found.table]
    assert found.start.timestamp() % window == found.bin_seconds % window == 0


def test_up_to_half_a_day_a_period_keeps_to_the_minute() -> None:
    found = between(BEGUN, BEGUN + timedelta(hours=12))
    assert (found.start, found.end, found.table) == (BEGUN, BEGUN + timedelta(hours=12), "metrics_minute")
    assert between(BEGUN, BEGUN + timedelta(hours=12, minutes=1)).table == "metrics_15min"


def test_whole_quarters_of_an_hour_are_read_from_the_coarser_table() -> None:
    found = between(BEGUN.replace(minute=0), BEGUN.replace(minute=0) + timedelta(hours=6))
    assert (found.length, found.table) == (timedelta(hours=6), "metrics_15min")


@pytest.mark.parametrize("name", ["7d", "30d"])
def test_a_week_and_a_month_end_with_the_hour_and_are_read_from_whole_hours(name: str) -> None:
    found = period(name, NOW)
    assert (found.end, found.table) == (NOW.replace(hour=9, minute=0), "metrics_hour")
    assert found.bins * found.bin_seconds == found.length.total_seconds()


@pytest.mark.parametrize(
    ("name", "table"), [("1h", "metrics_minute"), ("6h", "metrics_15min"), ("24h", "metrics_15min")]
)
def test_shorter_periods_end_with_a_smaller_window(name: str, table: str) -> None:
    found = period(name, NOW)
    assert found.table == table
    assert NOW < found.end <= NOW + timedelta(minutes=15)


def test_whole_hours_of_several_days_are_kept_to() -> None:
    start = datetime(2026, 11, 3, 7, tzinfo=UTC)
    found = between(start, start + timedelta(days=4))
    assert (found.start, found.length, found.table) == (start, timedelta(days=4), "metrics_hour")


def test_what_cannot_be_is_a_sentence() -> None:
    with pytest.raises(ValueError, match="ends before it starts"):
        between(BEGUN, BEGUN)
    with pytest.raises(ValueError, match="longer than 366 days"):
        between(BEGUN, BEGUN + LONGEST + timedelta(minutes=1))
    assert between(BEGUN, BEGUN + LONGEST).length >= LONGEST


@pytest.mark.parametrize("name", ["2026-02", "2026-03", "2026-07", "2026-10", "2024-02", "2025-12"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC"])
def test_a_month_has_the_first_and_the_last_minute_that_its_time_zone_gives_it(name: str, zone: str) -> None:
    found = month(name, zone, NOW)
    start = datetime.strptime(name, "%Y-%m").replace(tzinfo=ZoneInfo(zone))
    assert found.start == start
    assert found.end == (start + timedelta(days=32)).replace(day=1)
    assert found.bins * found.bin_seconds == found.length.total_seconds()
    whole_hours = found.start.timestamp() % 3600 == found.end.timestamp() % 3600 == 0
    assert found.table == ("metrics_hour" if whole_hours else "metrics_15min")


def test_the_present_month_ends_with_now_and_never_after_its_end() -> None:
    found = month("2026-11", "Europe/Berlin", NOW)
    assert NOW <= found.end < NOW + timedelta(hours=3)
    last_minute = datetime(2026, 11, 30, 23, 59, tzinfo=BERLIN)
    assert month("2026-11", "Europe/Berlin", last_minute).end <= datetime(2026, 12, 1, tzinfo=BERLIN)


def test_a_month_that_has_just_begun_ends_with_now() -> None:
    begun = datetime(2026, 11, 1, tzinfo=BERLIN)
    found = month("2026-11", "Europe/Berlin", begun + timedelta(minutes=5))
    assert found.length == timedelta(minutes=5)


def test_a_zone_that_is_shifted_by_half_an_hour_for_a_part_of_the_time_has_no_whole_hours() -> None:
    year = Period(datetime(2025, 12, 31, 13, tzinfo=UTC), datetime(2026, 12, 31, 13, tzinfo=UTC), 86_400)
    assert not has_whole_hours("Australia/Lord_Howe", year)
    assert has_whole_hours("Europe/Berlin", year)
    assert not has_whole_hours("Asia/Kathmandu", year)


def test_the_period_before_has_the_same_length_and_bins() -> None:
    found = Period(NOW, NOW + timedelta(hours=1), 60)
    assert (found.previous.end, found.previous.length, found.previous.bins) == (found.start, found.length, 60)


def test_the_utc_days_that_a_period_touches_are_whole() -> None:
    ten = Period(datetime(2026, 3, 28, 10, tzinfo=UTC), datetime(2026, 3, 30, tzinfo=UTC), 900)
    assert ten.utc_days == (datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 3, 30, tzinfo=UTC))
    assert replace(ten, end=ten.end + timedelta(minutes=1)).utc_days[1] == datetime(2026, 3, 31, tzinfo=UTC)


def test_a_day_begins_at_the_midnight_of_its_zone_also_where_the_clock_is_set() -> None:
    begun = [midnight(date(2026, 3, day), "Europe/Berlin") for day in (29, 30)]
    assert begun == [datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC)]


@pytest.mark.parametrize("hour", [0, 1])
def test_a_link_to_an_hour_that_the_clock_shows_twice_leaves_nothing_of_it_out(hour: int) -> None:
    zone = "Europe/Berlin"
    start = datetime(2026, 10, 25, hour, tzinfo=UTC)
    shown = [time.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for time in (start, start + timedelta(hours=1))]
    found = between_local(*shown, zone)
    assert found.start <= start
    assert start + timedelta(hours=1) <= found.end


def test_a_time_that_the_clock_leaves_out_is_still_a_range() -> None:
    found = between_local(datetime(2026, 3, 29, 2, 30), datetime(2026, 3, 29, 2, 45), "Europe/Berlin")
    assert found.start < found.end
