"""What the answers of an endpoint cost: by version over time from the rollups, and by requester from the daily ones."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np

from dashboard.periods import Period, midnight
from dashboard.queries.cost_sums import SUMS, CostSums, edges_of, requester_sums, version_sums
from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, rollup, shown
from dashboard.queries.rollup_windows import milliseconds

if TYPE_CHECKING:
    import pandas as pd

BY_DAY_FROM = timedelta(days=3)
"""Ranges of this length and longer are shown by day."""
MOST_REQUESTERS = 25
"""Requesters that are listed; the rest is one sum."""
MOST_LINES = 6
"""Requesters that a chart tells apart; the rest is one colour."""
OTHERS = "\x00others"
"""Stands for all requesters that a chart does not tell apart; nobody can be called so."""

_DAY = 86_400_000
"""Milliseconds of a day of UTC."""


@dataclass(frozen=True)
class Spend:
    """What an endpoint cost over a period, as `SUMS` of each version and step. Not to be written to.

    starts, ends: of the steps, in milliseconds since 1970 (UTC); the first and the last may be cut off by the period.
    steps: columns version, start (of its step), `SUMS`. versions: columns version, `SUMS`, mean_in and mean_out (tokens
    of a request that did not fail), the one that cost most first. now, before: `SUMS` of all versions, in the period
    and in the one before it; usd is NaN where no cost is known.
    """

    starts: np.ndarray[Any, np.dtype[np.int64]]
    ends: np.ndarray[Any, np.dtype[np.int64]]
    by_day: bool
    steps: "pd.DataFrame"
    versions: "pd.DataFrame"
    now: dict[str, float]
    before: dict[str, float]


@dataclass(frozen=True)
class RequesterSpend:
    """What an endpoint cost by requester, over whole UTC days. Not to be written to.

    starts, ends: of the days, in milliseconds since 1970. requesters: columns requester (empty if not known) and
    `SUMS`, the one that cost most first, at most `MOST_REQUESTERS`. steps: columns requester (or `OTHERS`), start, usd.
    count, usd, requests: of all requesters.
    """

    starts: np.ndarray[Any, np.dtype[np.int64]]
    ends: np.ndarray[Any, np.dtype[np.int64]]
    requesters: "pd.DataFrame"
    steps: "pd.DataFrame"
    count: int
    usd: float
    requests: int


def spend(endpoint: str, period: Period, zone: str) -> Spend:
    """What the versions of an endpoint cost, by day in the time zone `zone` or by the period's bins where it is short.

    Raises: QueryFailed, LakehouseError.
    """
    return _spend(rollup(period, zone=zone), endpoint, period, zone)


def requester_spend(endpoint: str, period: Period) -> RequesterSpend:
    """What the requesters of an endpoint cost, over the UTC days that the period touches.

    Raises: QueryFailed, LakehouseError.
    """
    return _requester_spend(shown("metrics_daily_requester"), endpoint, *period.utc_days)


@kept(max_entries=16, copied=False)
def _spend(snapshot: Snapshot, endpoint: str, period: Period, zone: str) -> Spend:
    found = version_sums(snapshot, endpoint, period.previous.start, period.end)
    inside = found.between(period.start, period.end)
    by_day = period.length >= BY_DAY_FROM
    # The days of the page's zone begin at its midnights, which are borders of the windows.
    edges = _midnights(period, zone) if by_day else edges_of(period)
    return Spend(
        edges[:-1],
        edges[1:],
        by_day,
        _by_step(inside, edges),
        _by_version(inside),
        inside.together(),
        found.between(period.previous.start, period.start).together(),
    )


@kept(max_entries=16, copied=False)
def _requester_spend(snapshot: Snapshot, endpoint: str, start: datetime, end: datetime) -> RequesterSpend:
    import pandas as pd

    found = requester_sums(snapshot, endpoint, start, end)
    sums = found.summed(found.key, len(found.keys))
    usd, requests = sums["usd"], sums["requests"]
    # Those of the days only: the arrays may know more of them.
    asked = np.flatnonzero(np.bincount(found.key, minlength=len(found.keys)))
    # Keys are in the order of the alphabet, which two of the same cost keep.
    order = asked[np.lexsort((-requests[asked], -np.nan_to_num(usd[asked], nan=-1.0)))]
    listed = order[:MOST_REQUESTERS]
    edges = np.arange(milliseconds(start), milliseconds(end) + 1, _DAY, dtype=np.int64)
    return RequesterSpend(
        edges[:-1],
        edges[1:],
        pd.DataFrame(
            {"requester": [found.keys[place] for place in listed], **{name: sums[name][listed] for name in SUMS}}
        ),
        _requester_steps(found, order[:MOST_LINES], edges),
        len(order),
        np.nan if np.isnan(usd).all() else float(np.nansum(usd)),
        int(requests.sum()),
    )


def _requester_steps(found: CostSums, told: np.ndarray[Any, Any], edges: np.ndarray[Any, Any]) -> "pd.DataFrame":
    """What the requesters at some places spent each day, and all others together."""
    import pandas as pd

    line = np.full(len(found.keys), len(told))
    line[told] = np.arange(len(told))
    spent = found.spent()
    names = np.array([*(found.keys[place] for place in told), OTHERS], dtype=object)
    cell = line[spent.key] * (len(edges) - 1) + np.searchsorted(edges, spent.starts, side="right") - 1
    usd = np.bincount(cell, np.nan_to_num(spent.total), len(names) * (len(edges) - 1))
    filled = np.flatnonzero(np.bincount(cell, minlength=len(usd)))
    places, days = np.divmod(filled, len(edges) - 1)
    return pd.DataFrame({"requester": names[places], "start": edges[days], "usd": usd[filled]})


def _by_step(found: CostSums, edges: np.ndarray[Any, np.dtype[np.int64]]) -> "pd.DataFrame":
    import pandas as pd

    steps = len(edges) - 1
    cell = (np.searchsorted(edges, found.starts, side="right") - 1) * len(found.keys) + found.key
    sums = found.summed(cell, steps * len(found.keys))
    filled = np.flatnonzero(np.bincount(cell, minlength=steps * len(found.keys)))
    places, versions = np.divmod(filled, max(len(found.keys), 1))
    names = np.array(found.keys, dtype=object)[versions]
    return pd.DataFrame({"version": names, "start": edges[places], **{name: sums[name][filled] for name in SUMS}})


def _by_version(found: CostSums) -> "pd.DataFrame":
    import pandas as pd

    sums = found.summed(found.key, len(found.keys))
    seen = np.flatnonzero(np.bincount(found.key, minlength=len(found.keys)))
    order = seen[np.lexsort((-sums["requests"][seen], -np.nan_to_num(sums["usd"][seen], nan=-1.0)))]
    with np.errstate(invalid="ignore", divide="ignore"):
        # Nothing over nothing is NaN: not known.
        means = {f"mean_{side}": sums[f"answered_{side}"] / sums[f"answers_{side}"] for side in ("in", "out")}
    columns = {name: sums[name] for name in SUMS} | means
    versions = [found.keys[place] for place in order]
    return pd.DataFrame({"version": versions, **{name: values[order] for name, values in columns.items()}})


def _midnights(period: Period, zone: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Where the days of a time zone begin that a period touches, and where the last ends; not all have 24 hours."""
    day = period.start.astimezone(ZoneInfo(zone)).date()
    midnights: list[datetime] = []
    while not midnights or midnights[-1] < period.end:
        midnights.append(midnight(day, zone))
        day += timedelta(days=1)
    return np.array([milliseconds(time) for time in midnights], dtype=np.int64)
