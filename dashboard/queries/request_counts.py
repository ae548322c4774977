"""How many requests a filter describes, summed from the rollups where these can tell, else counted one by one."""

from typing import TYPE_CHECKING

from dashboard.periods import Period
from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, rollup, select, shown
from dashboard.queries.request_filters import LATER, RequestFilter, matching_source
from dashboard.queries.request_windows import known_to_rollups
from dashboard.queries.rollup_windows import MetricWindows, milliseconds, rollup_windows
from dashboard.queries.sample import REQUESTS
from dashboard.queries.traffic_windows import NO_STATUS
from lakehouse.rollup_tables import WINDOW_SECONDS

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


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
    width = next((width for width in WINDOW_SECONDS.values() if not any(at % width for at in seconds)), 0)
    # Of the hours there may be none yet.
    return rollup(Period(wanted.start, wanted.end, width)) if width else None


@kept(max_entries=64)
def _rolled_up_total(snapshot: Snapshot, wanted: RequestFilter) -> int:
    found, fits = _windows(snapshot, wanted)
    return round(float(found.n[fits].sum()))


@kept(max_entries=32)
def _rolled_up_counts(snapshot: Snapshot, wanted: RequestFilter, period: Period) -> "pd.DataFrame":
    import pandas as pd

    found, fits = _windows(snapshot, wanted)
    first, width = milliseconds(period.start), period.bin_seconds * 1000
    classes = ["" if group.status == NO_STATUS else group.status for group in found.groups]
    rows = pd.DataFrame(
        {
            "time": first + (found.starts - first) // width * width,
            "status_class": found.of_groups(classes).astype(object),
            "n": found.n.astype("int64"),
        }
    )
    counted: pd.DataFrame = rows[fits].groupby(["time", "status_class"], as_index=False).agg(n=("n", "sum"))
    return counted


def _windows(snapshot: Snapshot, wanted: RequestFilter) -> "tuple[MetricWindows, NDArray[np.bool_]]":
    """The windows of the time that is wanted, and which of them are about requests that are."""
    metric, span = wanted.score or REQUESTS, (wanted.start, wanted.end)
    found = rollup_windows(snapshot, wanted.endpoint, span, sums=[metric])[metric].between(*span)
    fits = [
        (not wanted.versions or group.version in wanted.versions)
        and (not wanted.statuses or group.status in wanted.statuses)
        for group in found.groups
    ]
    return found, found.of_groups(fits).astype(bool)


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
