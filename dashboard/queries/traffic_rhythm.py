"""At which hours of which weekdays people ask, from the quarters of an hour of the rollup."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard.periods import Period
from dashboard.queries.lake import HASH_FUNCS, Snapshot, select, shown

if TYPE_CHECKING:
    import pandas as pd

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
QUARTER = timedelta(minutes=15)


@dataclass(frozen=True)
class Rhythm:
    """Requests per hour on average, by weekday (Monday first) and hour of day in a time zone; NaN where the period has
    no such hour. `hours` is how many of each the period has, the last of which began at `last` (UTC, None: none)."""

    per_hour: NDArray[np.float64]
    hours: NDArray[np.float64]
    last: dict[tuple[int, int], datetime]


def rhythm(endpoint: str, period: Period, zone: str) -> Rhythm:
    """Requests by weekday and hour of day as a clock in `zone` shows them.

    Raises: QueryFailed, LakehouseError.
    """
    import pandas as pd

    rows = _quarters(shown("metrics_15min"), endpoint, period.start, period.end)
    start = int(period.start.timestamp()) // 900 * 900
    clock = pd.date_range(datetime.fromtimestamp(start, ZoneInfo("UTC")), period.end, freq=QUARTER, inclusive="left")
    counts = np.zeros(len(clock))
    counts[(rows["time"].to_numpy(np.int64) // 1000 - start) // 900] = rows["n"].to_numpy(float)
    shown_clock = clock.tz_convert(zone)
    place = shown_clock.dayofweek.to_numpy() * 24 + shown_clock.hour.to_numpy()
    quarters = np.bincount(place, minlength=7 * 24)
    hours = quarters / 4
    with np.errstate(invalid="ignore", divide="ignore"):
        per_hour = np.where(quarters > 0, np.bincount(place, counts, 7 * 24) / hours, np.nan)
    # By the local clock, whose hours begin at half past in some zones.
    began = clock - pd.to_timedelta(shown_clock.minute, unit="min")
    last = {
        (int(cell) // 24, int(cell) % 24): moment.to_pydatetime() for cell, moment in zip(place, began, strict=True)
    }
    return Rhythm(per_hour.reshape(7, 24), hours.reshape(7, 24), last)


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs=HASH_FUNCS)
def _quarters(snapshot: Snapshot, endpoint: str, start: datetime, end: datetime) -> "pd.DataFrame":
    return select(
        snapshot,
        """SELECT epoch_ms(window_start) AS time, sum(n)::BIGINT AS n FROM this
           WHERE endpoint_name = $endpoint AND window_start >= $start AND window_start < $end
             AND metric = 'databricks_request_id'
           GROUP BY 1""",
        span=(start, end),
        endpoint=endpoint,
        start=start,
        end=end,
    )
