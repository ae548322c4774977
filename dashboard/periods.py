"""The spans of time that a page can show."""

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

MOST_BINS = 128
"""Points of one line of a period's chart, at most; a calendar month keeps to its ends and may have more."""
LONGEST = timedelta(days=366)
"""The longest period that can be chosen."""

_WANTED_BINS = 64
_FEWEST_BINS = 32
_MINUTE, _QUARTER, _HOUR = 60, 900, 3600
_BY_MINUTE = timedelta(hours=12)
"""Up to this length a period keeps to the minutes that were chosen; a longer one to quarters of an hour."""
_BY_QUARTER = timedelta(days=2)
"""Up to this length it keeps to the quarters that were chosen; a longer one to hours where it has whole ones."""
_TABLES = {_HOUR: "metrics_hour", _QUARTER: "metrics_15min"}
"""Seconds of a window → the rollup table that has such windows, the coarsest first."""
_A_MONTH = timedelta(days=28)
_ROUND_SECONDS = (86_400, 3600, 900, 300, 60)
"""Widths of a bin that people think in: a whole number of the largest of these is preferred."""


@dataclass(frozen=True)
class Span:
    """A choice of the time-range control. `bin_seconds` is what one point of a sparkline covers."""

    name: str
    label: str
    length: timedelta
    bin_seconds: int


SPANS = {
    span.name: span
    for span in (
        Span("1h", "1 hour", timedelta(hours=1), 60),
        Span("6h", "6 hours", timedelta(hours=6), 900),
        Span("24h", "24 hours", timedelta(hours=24), 1800),
        Span("7d", "7 days", timedelta(days=7), 3 * 3600),
        Span("30d", "30 days", timedelta(days=30), 12 * 3600),
    )
}


@dataclass(frozen=True)
class Period:
    """From `start` (included) to `end` (not included), UTC, in steps of whole rollup windows."""

    start: datetime
    end: datetime
    bin_seconds: int

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.end - self.start

    @property
    def bins(self) -> int:
        """How many points a line over it has."""
        return round(self.length.total_seconds() / self.bin_seconds)

    @property
    def previous(self) -> "Period":
        """The period of the same length before."""
        return Period(self.start - self.length, self.start, self.bin_seconds)

    @property
    def utc_days(self) -> tuple[datetime, datetime]:
        """From the beginning of the first UTC day that it touches to the end of the last."""
        last = self.end - timedelta(microseconds=1)
        return _utc_day(self.start), _utc_day(last) + timedelta(days=1)

    @property
    def table(self) -> str:
        """The rollup table with the coarsest windows that fit the bins."""
        for seconds, table in _TABLES.items():
            if self.bin_seconds % seconds == 0 and self.start.timestamp() % seconds == 0:
                return table
        return "metrics_minute"


def period(name: str, now: datetime | None = None) -> Period:
    """The span called `name` that ends with the rollup window of `now`: bins are counted back from there."""
    span = SPANS[name]
    # A week and a month end with the hour, so that they are read from whole hours.
    longest = _HOUR if span.length > _BY_QUARTER else _QUARTER
    window = longest if span.bin_seconds % longest == 0 else _MINUTE
    end = datetime.fromtimestamp((_seconds(now) // window + 1) * window, UTC)
    return Period(end - span.length, end, span.bin_seconds)


def between(start: datetime, end: datetime) -> Period:
    """The period from `start` to `end` (times with a zone), in bins of a width that divides it.

    Up to half a day it keeps to the minutes, beyond that to the quarters of an hour around it, or to hours where it has
    whole ones and is longer than two days; where these cannot be divided well, it ends a few of them later.
    Raises: ValueError, with a sentence, if it ends before it starts or is longer than `LONGEST`.
    """
    if end <= start:
        raise ValueError("The time range ends before it starts: choose a later end.")
    if end - start > LONGEST:
        raise ValueError(f"The time range is longer than {LONGEST.days} days: choose a shorter one.")
    whole = {seconds: start.timestamp() % seconds == end.timestamp() % seconds == 0 for seconds in _TABLES}
    window = _MINUTE if end - start <= _BY_MINUTE and not whole[_QUARTER] else _QUARTER
    if whole[_HOUR] and end - start > _BY_QUARTER:
        window = _HOUR
    first = math.floor(start.timestamp() / window)
    windows = math.ceil(end.timestamp() / window) - first
    # Among any few lengths in a row one can be divided: this ends after at most a handful of them.
    bins = _bins(windows, window, MOST_BINS)
    while bins is None:
        windows += 1
        bins = _bins(windows, window, MOST_BINS)
    return _period(first * window, windows * window, bins)


def between_local(start: datetime, end: datetime, zone: str) -> Period:
    """The period between two readings of the clock (times without a zone) in a time zone.

    A reading that the clock shows twice, or never, when it changes stands for the earlier moment where the period
    starts and for the later where it ends: a link made from a period that ends there leaves nothing of it out.
    Raises: ValueError, as `between`.
    """
    return between(*local_span(start, end, zone))


def local_span(start: datetime, end: datetime, zone: str) -> tuple[datetime, datetime]:
    """The moments (UTC) that two readings of the clock in a time zone stand for, as `between_local` takes them."""
    first, last = (
        [time.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1)] for time in (start, end)
    )
    return min(first), max(last)


def month(name: str, zone: str, now: datetime | None = None) -> Period:
    """The calendar month called `2026-11` as it was in a time zone, from its first to its last minute.

    Of the present one, what is over by now, and less than one bin more.
    Raises: ValueError, if it is no month.
    """
    start = datetime.strptime(name, "%Y-%m").replace(tzinfo=ZoneInfo(zone))
    end = (start + timedelta(days=32)).replace(day=1)
    today = datetime.fromtimestamp(_seconds(now), UTC)
    if start < today < end:
        if today - start > _BY_QUARTER:
            today = datetime.fromtimestamp(math.ceil(today.timestamp() / _HOUR) * _HOUR, UTC)
        so_far = between(start, today)
        if so_far.end <= end:
            return so_far
    # A month with a change of the clock has 743 or 721 hours, which few widths divide: then the line has more points.
    first = round(start.timestamp())
    windows = round(end.timestamp() - first) // _QUARTER
    bins = _bins(windows, _QUARTER, MOST_BINS) or _bins(windows, _QUARTER, windows) or windows
    return _period(first, windows * _QUARTER, bins)


def has_whole_hours(zone: str, period: Period) -> bool:
    """Whether hours on the clock of a time zone begin with those of UTC, as long as a period lasts."""
    # No zone sets its clocks for less than a month.
    months = range(math.ceil(period.length / _A_MONTH))
    times = [*(period.start + count * _A_MONTH for count in months), period.end]
    offsets = [time.astimezone(ZoneInfo(zone)).utcoffset() or timedelta() for time in times]
    return all(offset % timedelta(hours=1) == timedelta() for offset in offsets)


def midnight(day: date, zone: str) -> datetime:
    """When a day began in a time zone, UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _utc_day(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _bins(windows: int, window: int, most: int) -> int | None:
    """Into how many bins so many rollup windows are cut without a rest: near `_WANTED_BINS`, and of a round width."""
    fewest = min(_FEWEST_BINS, windows)
    found = [count for count in range(fewest, min(most, windows) + 1) if windows % count == 0]

    def judged(count: int) -> tuple[int, float]:
        width = windows // count * window
        roundness = next(place for place, unit in enumerate(_ROUND_SECONDS) if width % unit == 0)
        # Within half and double the wanted number the rounder width wins.
        return roundness, abs(math.log(count / _WANTED_BINS))

    return min(found, key=judged, default=None)


def _period(first: int, seconds: int, bins: int) -> Period:
    start = datetime.fromtimestamp(first, UTC)
    return Period(start, start + timedelta(seconds=seconds), seconds // bins)


def _seconds(now: datetime | None) -> float:
    return (now or datetime.now(UTC)).timestamp()
