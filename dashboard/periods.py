"""The spans of time that a page can show."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


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
    seconds = (now or datetime.now(UTC)).timestamp()
    end = datetime.fromtimestamp((seconds // window + 1) * window, UTC)
    return Period(end - span.length, end, span.bin_seconds)
