"""The spans of time that a page can show."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

MOST_BINS = 64
"""Points of one line of a period's chart, at most."""
LONGEST = timedelta(days=366)
"""The longest period that can be chosen."""

_BIN_SECONDS = (60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86_400, 2 * 86_400, 7 * 86_400)


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
    def table(self) -> str:
        """The rollup table with the coarsest windows that fit the bins."""
        return "metrics_15min" if self.bin_seconds % 900 == 0 else "metrics_minute"


def period(name: str, now: datetime | None = None) -> Period:
    """The span called `name` that ends with the rollup window of `now`: bins are counted back from there."""
    span = SPANS[name]
    window = 900 if span.bin_seconds % 900 == 0 else 60
    end = datetime.fromtimestamp((_seconds(now) // window + 1) * window, UTC)
    return Period(end - span.length, end, span.bin_seconds)


def between(start: datetime, end: datetime) -> Period:
    """The period from `start` to `end` (times with a zone), widened to whole bins of a width that suits its length.

    Raises: ValueError, with a sentence, if it ends before it starts or is longer than `LONGEST`.
    """
    if end <= start:
        raise ValueError("The time range ends before it starts: choose a later end.")
    if end - start > LONGEST:
        raise ValueError(f"The time range is longer than {LONGEST.days} days: choose a shorter one.")
    wanted = (end - start).total_seconds() / MOST_BINS
    width = next((seconds for seconds in _BIN_SECONDS if seconds >= wanted), _BIN_SECONDS[-1])
    window = 900 if width % 900 == 0 else 60
    first = math.floor(start.timestamp() / window) * window
    count = math.ceil((end.timestamp() - first) / width)
    return Period(datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(first + count * width, UTC), width)


def month(name: str, zone: str, now: datetime | None = None) -> Period:
    """The calendar month called `2026-11` as it was in a time zone; the present one goes up to now.

    Raises: ValueError, if it is no month.
    """
    start = datetime.strptime(name, "%Y-%m").replace(tzinfo=ZoneInfo(zone))
    end = (start + timedelta(days=32)).replace(day=1)
    today = datetime.fromtimestamp(_seconds(now), UTC)
    return between(start, min(end, today) if today > start else end)


def _seconds(now: datetime | None) -> float:
    return (now or datetime.now(UTC)).timestamp()
