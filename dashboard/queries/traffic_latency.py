"""How latency goes with the length of the answer, from single requests: all of a period, or a random sample."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dashboard.periods import Period
from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, rollup, select, shown
from dashboard.queries.traffic_windows import TOKENS_OUT, finer, windows
from lakehouse.notable_requests import NOTABLE_REQUESTS, ONE_IN
from metrics.association import Slope, robust_slope, spearman

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 20_000
"""Single requests that are looked at."""
LEAST_IN_BIN = 20
"""Requests from which on a bin of output tokens is told: fewer have no 95th percentile."""

_BINS = 14

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class VersionLatency:
    """How the latency of a version goes with its output tokens.

    `bins`: columns at_least, below (output tokens), n, tokens (median), p50, p95 (ms). `correlation`: Spearman's;
    `slope`: ms for each further token, None where there is too little to tell.
    """

    version: str
    n: int
    bins: "pd.DataFrame"
    correlation: float
    slope: Slope | None


@dataclass(frozen=True)
class LatencyByTokens:
    """Latency against output tokens, for each version (most requests first), from `rows` of `total` requests."""

    versions: tuple[VersionLatency, ...]
    rows: int
    total: int


def latency_by_tokens(endpoint: str, period: Period) -> LatencyByTokens:
    """Latency against output tokens of answered requests. More than `MOST_ROWS` are sampled by a hash of their time.

    Their time, because ids alone would take longer to read than everything else together. Of very many requests, those
    are sampled that are in the random sample of `notable_requests`, so that not all of them are read.
    Raises: QueryFailed, LakehouseError.
    """
    fine = finer(period)
    total = round(float(windows(rollup(fine), endpoint, fine).of(TOKENS_OUT, fine).n.sum()))
    sample = shown(NOTABLE_REQUESTS.name)
    of_sample = total > MOST_ROWS * ONE_IN and sample.version >= 0
    rows = total / ONE_IN if of_sample else total
    # A little less than may be read, so that none has to be cut off at the end.
    share = 1.0 if rows <= MOST_ROWS else 0.97 * MOST_ROWS / rows
    found: LatencyByTokens = _latency_by_tokens(
        sample if of_sample else shown("request_metrics"), endpoint, period, share, total
    )
    return found


@kept(max_entries=8)
def _latency_by_tokens(snapshot: Snapshot, endpoint: str, period: Period, share: float, total: int) -> LatencyByTokens:
    rows = _rows(snapshot, endpoint, period.start, period.end, share)
    tokens, latency = (rows[name].to_numpy(float) for name in ("tokens", "latency"))
    edges = _edges(tokens)
    found = [
        _version(str(version), tokens[place], latency[place], edges)
        for version, place in rows.groupby("version").indices.items()
    ]
    return LatencyByTokens(tuple(sorted(found, key=lambda part: (-part.n, part.version))), len(rows), total)


def _rows(snapshot: Snapshot, endpoint: str, start: datetime, end: datetime, share: float) -> "pd.DataFrame":
    only = "sampled AND " if snapshot.name == NOTABLE_REQUESTS.name else ""
    return select(
        snapshot,
        f"""SELECT coalesce(entity_name, '') || '/' || coalesce(entity_version, '') AS version,
                  completion_tokens AS tokens, execution_duration_ms AS latency
           FROM this
           WHERE {only}endpoint_name = $endpoint AND request_time >= $start AND request_time < $end
             AND completion_tokens IS NOT NULL AND execution_duration_ms IS NOT NULL
             AND ($share >= 1 OR hash(request_time) < $share * 18446744073709551616.0)
           LIMIT $most""",  # noqa: S608
        span=(start, end),
        endpoint=endpoint,
        start=start,
        end=end,
        share=share,
        most=MOST_ROWS,
    )


def _version(version: str, tokens: Numbers, latency: Numbers, edges: Numbers) -> VersionLatency:
    import pandas as pd

    place = np.searchsorted(edges, tokens, side="right") - 1
    bins = []
    for number in range(len(edges) - 1):
        inside = place == number
        if inside.sum() >= LEAST_IN_BIN:
            p50, p95 = np.quantile(latency[inside], (0.5, 0.95))
            bins.append(
                (edges[number], edges[number + 1], int(inside.sum()), float(np.median(tokens[inside])), p50, p95)
            )
    frame = pd.DataFrame(bins, columns=["at_least", "below", "n", "tokens", "p50", "p95"])
    return VersionLatency(version, len(tokens), frame, spearman(tokens, latency), robust_slope(tokens, latency))


def _edges(tokens: Numbers) -> Numbers:
    """Whole numbers of tokens between which about as many requests are; the last is above all of them."""
    if not len(tokens):
        return np.array([0.0, 1.0])
    inner = np.floor(np.quantile(tokens, np.linspace(0, 1, _BINS + 1)[:-1]))
    return np.unique(np.append(inner, tokens.max() + 1))
