"""Which stretch of a period to read single requests of: its newest windows, up to a number of requests."""

from datetime import datetime, timedelta

import streamlit as st

from dashboard.periods import Period
from dashboard.queries.lake import HASH_FUNCS, Snapshot, select, shown
from dashboard.queries.sample import REQUESTS


def newest_windows(endpoint: str, period: Period, most: int, *, unpriced: bool = False) -> datetime:
    """From when on a period has at most `most` requests, by whole windows of its rollup; one window at least.

    unpriced: only requests without a cost are counted. A period with fewer requests begins where it does.
    Raises: QueryFailed, LakehouseError.
    """
    snapshot = shown(period.table)
    # A busy endpoint has more than enough in its last day, which is the same for every range that ends now.
    lately = period.end - timedelta(days=1)
    if lately > period.start:
        late: tuple[datetime, int] = _newest_windows(snapshot, endpoint, lately, period.end, most, unpriced)
        if late[1] > most:
            return late[0]
    found: tuple[datetime, int] = _newest_windows(snapshot, endpoint, period.start, period.end, most, unpriced)
    return found[0]


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASH_FUNCS)
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
