"""How many requests a filter describes, summed from the rollups where these can tell, else counted one by one."""

from typing import TYPE_CHECKING

from dashboard.periods import Period
from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, rollup, select, shown
from dashboard.queries.request_filters import LATER, RequestFilter, matching_source
from dashboard.queries.request_windows import WITHIN, known_to_rollups, window_parameters

if TYPE_CHECKING:
    import pandas as pd

_WINDOWS = (("metrics_hour", 3600), ("metrics_15min", 900), ("metrics_minute", 60))
"""The rollup tables and the seconds of their windows, the coarsest first."""


def count_requests(wanted: RequestFilter) -> int:
    """How many requests `wanted` describes. Raises: QueryFailed, LakehouseError."""
    later = shown("request_scores")
    summed = rollup_that_counts(wanted, later)
    return _rolled_up_total(summed, wanted) if summed else _total(shown("request_metrics"), later, wanted)


def counts_over_time(wanted: RequestFilter, period: Period) -> "pd.DataFrame":
    """How many requests `wanted` describes in each bin of a period.

    Returns: columns time (int64, start of the bin in ms since 1970 UTC), status_class (`2xx`, "" for none), n; bins
    without requests have no row.
    Raises: QueryFailed, LakehouseError.
    """
    later = shown("request_scores")
    summed = rollup_that_counts(wanted, later, period)
    if summed:
        return _rolled_up_counts(summed, wanted, period)
    return _counts(shown("request_metrics"), later, wanted, period)


def rollup_that_counts(wanted: RequestFilter, later: Snapshot, period: Period | None = None) -> Snapshot | None:
    """The rollup whose windows make up what `wanted` describes, in the bins of `period`; None if there is none.

    Rollups know endpoint, version and class of status, whether a number is there, and times to the border of a window.
    later: a snapshot of `request_scores`. Of scores that were given again the rollups count each giving.
    Raises: QueryFailed, LakehouseError.
    """
    given_again = wanted.score in LATER and later.on_dates(wanted.start, wanted.end).files
    if given_again or not known_to_rollups(wanted):
        return None
    seconds = [wanted.start.timestamp(), wanted.end.timestamp()]
    if period is not None:
        seconds += [period.start.timestamp(), period.bin_seconds]
    width = next((width for _, width in _WINDOWS if not any(at % width for at in seconds)), 0)
    # Of the hours there may be none yet.
    return rollup(Period(wanted.start, wanted.end, width)) if width else None


@kept(max_entries=64)
def _rolled_up_total(snapshot: Snapshot, wanted: RequestFilter) -> int:
    sql = f"SELECT coalesce(sum(n), 0)::BIGINT AS total FROM this WHERE {WITHIN}"  # noqa: S608
    found = select(snapshot, sql, span=(wanted.start, wanted.end), **window_parameters(wanted))
    return int(found["total"].iloc[0])


@kept(max_entries=32)
def _rolled_up_counts(snapshot: Snapshot, wanted: RequestFilter, period: Period) -> "pd.DataFrame":
    return select(
        snapshot,
        f"""SELECT $first + (epoch_ms(window_start) - $first) // $width * $width AS time,
                   CASE WHEN status_class = 'none' THEN '' ELSE coalesce(status_class, '') END AS status_class,
                   sum(n)::BIGINT AS n
            FROM this WHERE {WITHIN} GROUP BY ALL ORDER BY ALL""",  # noqa: S608
        span=(wanted.start, wanted.end),
        first=int(period.start.timestamp() * 1000),
        width=period.bin_seconds * 1000,
        **window_parameters(wanted),
    )


@kept(max_entries=64)
def _total(snapshot: Snapshot, later: Snapshot, wanted: RequestFilter) -> int:
    matched = matching_source(wanted, later)
    sql = f"SELECT count(*) AS total FROM {matched.source} WHERE {matched.condition}"  # noqa: S608
    found = select(snapshot, sql, span=(wanted.start, wanted.end), beside=matched.beside, **matched.parameters)
    return int(found["total"].iloc[0])


@kept(max_entries=32)
def _counts(snapshot: Snapshot, later: Snapshot, wanted: RequestFilter, period: Period) -> "pd.DataFrame":
    matched = matching_source(wanted, later)
    return select(
        snapshot,
        f"""SELECT $first + (epoch_ms(request_time) - $first) // $width * $width AS time,
                   coalesce((status_code // 100)::VARCHAR || 'xx', '') AS status_class, count(*) AS n
            FROM {matched.source} WHERE {matched.condition} GROUP BY ALL ORDER BY ALL""",  # noqa: S608
        span=(wanted.start, wanted.end),
        beside=matched.beside,
        first=int(period.start.timestamp() * 1000),
        width=period.bin_seconds * 1000,
        **matched.parameters,
    )
