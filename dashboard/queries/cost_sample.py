"""Which stretch of a period to read single requests of: its newest windows, up to a number of requests."""

from datetime import datetime, timedelta

from dashboard.periods import Period
from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, select, shown
from dashboard.queries.sample import REQUESTS
from lakehouse.rollup_tables import METRICS_15MIN, METRICS_MINUTE

_LATELY = ((timedelta(hours=1), METRICS_MINUTE.name), (timedelta(days=1), METRICS_15MIN.name))
"""Ends of a period that are looked at first, and the rollup that has them."""


def newest_windows(endpoint: str, period: Period, most: int, *, unpriced: bool = False) -> datetime:
    """From when on a period has at most `most` requests, by whole windows of its rollup; one window at least.

    unpriced: only requests without a cost are counted. A period with fewer requests begins where it does.
    Raises: QueryFailed, LakehouseError.
    """
    # A busy endpoint has more than enough in its last hour or day, which are the same for every range that ends now.
    for length, table in _LATELY:
        if period.length <= length:
            break
        late, counted = _newest_windows(shown(table), endpoint, period.end - length, period.end, most, unpriced)
        if counted > most:
            return late
    # Quarters of an hour also where the period is read by hours: the sample is to be as large as it may.
    by_minute = period.table == METRICS_MINUTE.name
    table = METRICS_MINUTE.name if by_minute else METRICS_15MIN.name
    return _newest_windows(shown(table), endpoint, period.start, period.end, most, unpriced)[0]


@kept(max_entries=32)
def _newest_windows(
    snapshot: Snapshot, endpoint: str, start: datetime, end: datetime, most: int, unpriced: bool
) -> tuple[datetime, int]:
    """From when on, and how many requests there are in all."""
    rows = select(
        snapshot,
        """SELECT min(window_start) FILTER (counted > 0 AND (with_later <= $most OR with_later = counted)) AS first,
                  coalesce(max(with_later), 0)::BIGINT AS counted
           FROM (SELECT window_start, counted, sum(counted) OVER (ORDER BY window_start DESC) AS with_later
                 FROM (SELECT window_start,
                              sum(CASE WHEN metric = $requests THEN n WHEN $unpriced THEN -n ELSE 0 END) AS counted
                       FROM this
                       WHERE endpoint_name = $endpoint AND window_start >= $start AND window_start < $end
                         AND (metric = $requests OR $unpriced AND metric = 'cost_usd')
                       GROUP BY 1))""",
        span=(start, end),
        requests=REQUESTS,
        unpriced=unpriced,
        endpoint=endpoint,
        start=start,
        end=end,
        most=most,
    )
    first = rows["first"].iloc[0]
    # Not a time: nothing is counted in the whole period.
    return (start if first != first else first.to_pydatetime()), int(rows["counted"].iloc[0])
