"""What moved with a change: the figures of its endpoint before and after it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dashboard.change_words import action_words
from dashboard.moment import time_now
from dashboard.periods import Period
from dashboard.queries import changes, operations, traffic
from dashboard.queries.figure_windows import window_sums
from dashboard.queries.window_figures import FigureMoved, compared
from lakehouse.ledger import Change
from settings import get_settings

LENGTHS = {"15min": (900, "15 minutes"), "1h": (3600, "1 hour"), "6h": (21_600, "6 hours"), "24h": (86_400, "24 hours")}
"""How long before and after a change is looked at: seconds, and in words."""

_WHOLE_MINUTES = timedelta(minutes=1)


@dataclass(frozen=True)
class ChangeEffects:
    """The figures of an endpoint before and after a change. The minutes in which it was made belong to neither.

    over: whether the time after it has gone by and is scored; `after_end` says how far it is.
    others: how many other changes were made in the same time.
    """

    endpoint: str
    before_start: datetime
    before_end: datetime
    after_start: datetime
    after_end: datetime
    over: bool
    others: int
    figures: tuple[FigureMoved, ...]


def has_effects(change: Change) -> bool:
    """Whether a change is one of what answers, so that its before and after say something."""
    return action_words(change.action).kind != "note"


def endpoint_of(change: Change) -> str:
    """The endpoint that a change was made to; that of the settings where it names a model or something else."""
    return change.target if change.target in traffic.endpoints() else get_settings().endpoint


def effects(change: Change, seconds: int) -> ChangeEffects:
    """The figures in so many seconds before and after a change, as far as requests are scored.

    Raises: QueryFailed, LakehouseError.
    """
    endpoint, length = endpoint_of(change), timedelta(seconds=seconds)
    before_end = _minute(change.started_at)
    after_start = _minute(max(change.ended_at or change.started_at, change.started_at)) + _WHOLE_MINUTES
    known_until = max(min(scored_until(), after_start + length), after_start)
    before, after = (before_end - length, before_end), (after_start, known_until)
    marked = changes.markers(Period(before[0], after_start + length, 60), endpoint)
    return ChangeEffects(
        endpoint,
        *before,
        *after,
        over=known_until == after_start + length,
        others=sum(marker.is_change and marker.change_id != change.change_id for marker in marked),
        figures=tuple(compared(window_sums(endpoint, *before), window_sums(endpoint, *after))),
    )


def scored_until() -> datetime:
    """Up to which whole minute requests are scored, at the moment that the pages show.

    Raises: LakehouseError, QueryFailed.
    """
    now = time_now()
    return _minute(min(operations.scored_until() or now, now))


def _minute(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(second=0, microsecond=0)
