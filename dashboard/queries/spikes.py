"""Sudden rises of requests and tokens in a period, judged by four weeks, and who asked then."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dashboard.periods import Period
from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, rollup, select, shown
from dashboard.queries.rollup_windows import rollup_windows
from dashboard.queries.sample import REQUESTS
from dashboard.queries.traffic_windows import TOKENS_IN, TOKENS_OUT, bins_of
from lakehouse.rollup_tables import METRICS_15MIN, METRICS_HOUR
from metrics.spikes import Spike, spikes

if TYPE_CHECKING:
    import pandas as pd

HISTORY = timedelta(days=28)
"""How far back the hours are looked at that say what is usual, counted from the period's end."""
LEAST_REQUESTS = {900: 10, 3600: 20}
"""Bin (seconds) → requests above the expected number from which on a rise matters."""
MOST_ROWS = 20_000
"""Single requests that are looked at to say who asked."""

_SHORT = timedelta(days=2)
_DAY_SECONDS = 86_400


@dataclass(frozen=True)
class TrafficSpike:
    """A rise from `start` to `end` (UTC): neighbouring bins that are each far above what was to be expected.

    `of` is requests or tokens (in and out together), in which unit `value` and `expected` are.
    """

    of: str
    start: datetime
    end: datetime
    value: float
    expected: float
    score: float


@dataclass(frozen=True)
class Spikes:
    """What rose in a period, the largest rise first, and the series that it was looked for in.

    `times` are the starts of the period's bins in milliseconds since 1970, UTC; `history_days` is how much there was
    to judge by, the period included.
    """

    found: tuple[TrafficSpike, ...]
    times: NDArray[np.int64]
    seconds: int
    series: Mapping[str, NDArray[np.float64]]
    history_days: float


@dataclass(frozen=True)
class Asker:
    """Who, or which version, most of the requests of a stretch of time belong to, and their share (0 to 1)."""

    name: str
    share: float


@dataclass(frozen=True)
class Askers:
    """The requester and the version with most in a stretch of time; None where no single request is there.

    `rows` requests were looked at, which are all of them unless it says `MOST_ROWS`.
    """

    requester: Asker | None
    version: Asker | None
    rows: int


def traffic_spikes(endpoint: str, period: Period) -> Spikes:
    """Spikes of requests and of tokens in a period: quarters of an hour up to two days, hours from then on.

    Raises: QueryFailed, LakehouseError.
    """
    hours = rollup(period)
    # The hours of the spikes end with the period: only where that are hours of the clock, they are those of the rollup.
    by_hours = period.length > _SHORT and hours.name == METRICS_HOUR.name
    table = hours if by_hours else shown(METRICS_15MIN.name)
    found: Spikes = _traffic_spikes(table, endpoint, period)
    return found


@kept(max_entries=16)
def _traffic_spikes(snapshot: Snapshot, endpoint: str, period: Period) -> Spikes:
    seconds = 900 if period.length <= _SHORT else 3600
    # Bins are counted back from the end; before the period they are only what to judge by.
    end = -(-int(period.end.timestamp()) // 900) * 900
    first = min(period.start, period.end - HISTORY).timestamp()
    count = int(np.ceil((end - first) / seconds))
    start = datetime.fromtimestamp(end - count * seconds, UTC)
    series = _series(snapshot, endpoint, Period(start, datetime.fromtimestamp(end, UTC), seconds))
    starts = (int(start.timestamp()) + np.arange(count, dtype=np.int64) * seconds) * 1000
    inside = starts >= int(period.start.timestamp() * 1000)
    used = np.flatnonzero(series["requests"])
    found: list[TrafficSpike] = []
    for of, minimum in _minima(series, seconds).items():
        each = spikes(starts, series[of], season_bins=_DAY_SECONDS // seconds, minimum=minimum)
        found += _joined(of, [spike for spike in each if inside[spike.index]], starts, seconds)
    return Spikes(
        found=tuple(sorted(found, key=lambda spike: (-spike.value / max(spike.expected, 1.0), spike.start))),
        times=starts[inside],
        seconds=seconds,
        series={of: values[inside] for of, values in series.items()},
        history_days=float((count - used[0]) * seconds / _DAY_SECONDS) if len(used) else 0.0,
    )


def askers(endpoint: str, spike: TrafficSpike) -> Askers:
    """Who most of a spike's requests, or tokens, belong to. Raises: QueryFailed, LakehouseError."""
    found: Askers = _askers(shown("request_metrics"), endpoint, spike)
    return found


def _series(snapshot: Snapshot, endpoint: str, period: Period) -> dict[str, NDArray[np.float64]]:
    """Requests and tokens in each bin of a period."""
    span = period.start, period.end
    found = rollup_windows(snapshot, endpoint, span, sums=(REQUESTS, TOKENS_IN, TOKENS_OUT))
    parts = {metric: windows.between(*span) for metric, windows in found.items()}
    bins = {metric: bins_of(part.starts, period) for metric, part in parts.items()}
    tokens = [_by_bin(bins[one], np.nan_to_num(parts[one].sum_wx), period) for one in (TOKENS_IN, TOKENS_OUT)]
    return {"requests": _by_bin(bins[REQUESTS], parts[REQUESTS].n, period), "tokens": tokens[0] + tokens[1]}


@kept(max_entries=64)
def _askers(snapshot: Snapshot, endpoint: str, spike: TrafficSpike) -> Askers:
    rows = select(
        snapshot,
        """SELECT coalesce(requester, '') AS requester,
                  coalesce(entity_name, '') || '/' || coalesce(entity_version, '') AS version,
                  count(*)::DOUBLE AS requests,
                  sum(coalesce(prompt_tokens, 0) + coalesce(completion_tokens, 0))::DOUBLE AS tokens
           FROM (SELECT requester, entity_name, entity_version, prompt_tokens, completion_tokens FROM this
                 WHERE endpoint_name = $endpoint AND request_time >= $start AND request_time < $end LIMIT $most)
           GROUP BY ALL""",
        span=(spike.start, spike.end),
        endpoint=endpoint,
        start=spike.start,
        end=spike.end,
        most=MOST_ROWS,
    )
    return Askers(_most(rows, "requester", spike.of), _most(rows, "version", spike.of), int(rows["requests"].sum()))


def _by_bin(bins: ArrayLike, amounts: ArrayLike, period: Period) -> NDArray[np.float64]:
    places, values = np.asarray(bins, dtype=np.int64), np.asarray(amounts, dtype=np.float64)
    return np.bincount(places, values, period.bins).astype(np.float64)


def _minima(series: Mapping[str, NDArray[np.float64]], seconds: int) -> dict[str, float]:
    """The least rise that matters: so many requests, and the tokens of as many average requests."""
    requests = float(LEAST_REQUESTS[seconds])
    count, tokens = series["requests"].sum(), series["tokens"].sum()
    return (
        {"requests": requests, "tokens": requests * float(tokens / count)}
        if count and tokens
        else {"requests": requests}
    )


def _joined(of: str, found: Sequence[Spike], starts: NDArray[np.int64], seconds: int) -> list[TrafficSpike]:
    """Neighbouring bins as one spike."""
    groups: list[list[Spike]] = []
    for spike in found:
        if groups and spike.index == groups[-1][-1].index + 1:
            groups[-1].append(spike)
        else:
            groups.append([spike])
    return [
        TrafficSpike(
            of,
            datetime.fromtimestamp(starts[group[0].index] / 1000, UTC),
            datetime.fromtimestamp(starts[group[-1].index] / 1000 + seconds, UTC),
            sum(spike.value for spike in group),
            sum(spike.expected for spike in group),
            max(spike.score for spike in group),
        )
        for group in groups
    ]


def _most(rows: "pd.DataFrame", column: str, of: str) -> Asker | None:
    totals = rows.groupby(column)[of].sum()
    whole = float(totals.sum())
    return Asker(str(totals.idxmax()), float(totals.max()) / whole) if whole else None
