"""Which stretch of a period to read single requests of: its newest windows, up to a number of requests."""

from datetime import datetime

import streamlit as st

from dashboard.periods import Period
from dashboard.queries.lake import HASH_FUNCS, Snapshot, select, shown
from dashboard.queries.sample import REQUESTS


def newest_windows(endpoint: str, period: Period, most: int, *, unpriced: bool = False) -> datetime:
    """From when on a period has at most `most` requests, by whole windows of its rollup; one window at least.

    unpriced: only requests without a cost are counted. A period with fewer requests begins where it does.
    Raises: QueryFailed, LakehouseError.
    """
    found: datetime = _newest_windows(shown(period.table), endpoint, period, most, unpriced)
    return found


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASH_FUNCS)
def _newest_windows(snapshot: Snapshot, endpoint: str, period: Period, most: int, unpriced: bool) -> datetime:
    rows = select(
        snapshot,
        """SELECT min(window_start) AS first
           FROM (SELECT window_start, counted, sum(counted) OVER (ORDER BY window_start DESC) AS with_later
                 FROM (SELECT window_start,
                              sum(CASE WHEN metric = $requests THEN n WHEN $unpriced THEN -n ELSE 0 END) AS counted
                       FROM this
                       WHERE endpoint_name = $endpoint AND window_start >= $start AND window_start < $end
                         AND (metric = $requests OR metric = 'cost_usd')
                       GROUP BY 1))
           WHERE counted > 0 AND (with_later <= $most OR with_later = counted)""",
        requests=REQUESTS,
        unpriced=unpriced,
        endpoint=endpoint,
        start=period.start,
        end=period.end,
        most=most,
    )
    first = rows["first"].iloc[0]
    # Not a time: nothing is counted in the whole period.
    found: datetime = period.start if first != first else first.to_pydatetime()
    return found
