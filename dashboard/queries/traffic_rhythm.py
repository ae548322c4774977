"""At which hours of which weekdays people ask, from the quarters of an hour of the rollup."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from dashboard.periods import Period
from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, rollup
from dashboard.queries.sample import REQUESTS
from dashboard.queries.traffic_windows import finer, windows

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
    fine = finer(period)
    found: Rhythm = _rhythm(rollup(fine, zone=zone), endpoint, fine, zone)
    return found


@kept(max_entries=16)
def _rhythm(snapshot: Snapshot, endpoint: str, period: Period, zone: str) -> Rhythm:
    import pandas as pd

    rows = windows(snapshot, endpoint, period).of(REQUESTS, period)
    start = int(period.start.timestamp()) // 900 * 900
    clock = pd.date_range(datetime.fromtimestamp(start, ZoneInfo("UTC")), period.end, freq=QUARTER, inclusive="left")
    counts = np.bincount((rows.starts // 1000 - start) // 900, rows.n, len(clock))
    shown_clock = clock.tz_convert(zone)
    place = shown_clock.dayofweek.to_numpy() * 24 + shown_clock.hour.to_numpy()
    quarters = np.bincount(place, minlength=7 * 24)
    hours = quarters / 4
    with np.errstate(invalid="ignore", divide="ignore"):
        per_hour = np.where(quarters > 0, np.bincount(place, counts, 7 * 24) / hours, np.nan)
    # By the local clock, whose hours begin at half past in some zones.
    began = clock - pd.to_timedelta(shown_clock.minute, unit="min")
    last_of = np.full(7 * 24, -1)
    last_of[place] = np.arange(len(place))
    last = {(cell // 24, cell % 24): began[at].to_pydatetime() for cell, at in enumerate(last_of.tolist()) if at >= 0}
    return Rhythm(per_hour.reshape(7, 24), hours.reshape(7, 24), last)
