"""Latency of an endpoint over time, and how latency and tokens are spread: from the histograms of the rollups."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dashboard.periods import Period
from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, rollup
from dashboard.queries.rollup_windows import Places, Weights, rollup_windows
from dashboard.queries.traffic_windows import (
    Numbers,
    Times,
    finer,
    latencies,
    times,
)

if TYPE_CHECKING:
    import pandas as pd

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True)
class LatencyLines:
    """Quantiles of latency over time, in milliseconds (NaN: no request): for all (``""``) and for each version."""

    times: Times
    seconds: int
    lines: Mapping[str, Mapping[str, Numbers]]
    """Version key (`""` for all) → p50, p95, p99 → one value for each bin."""


def latency_lines(endpoint: str, period: Period) -> LatencyLines:
    """Latency over time, within 1 %. Raises: QueryFailed, LakehouseError."""
    period = finer(period)
    found: LatencyLines = _latency_lines(rollup(period), endpoint, period)
    return found


def distribution(endpoint: str, period: Period, metric: str) -> "pd.DataFrame":
    """The histogram of latency or tokens in the period: columns version, bucket, weight, the buckets as they are.

    Raises: QueryFailed, LakehouseError.
    """
    period = finer(period)
    found: pd.DataFrame = _distribution(rollup(period), endpoint, period, metric)
    return found


def quantiles(bins: Places, place: Places, weight: Weights, values: Numbers, count: int) -> dict[str, Numbers]:
    """p50, p95 and p99 of latency in each of `count` bins, as `metrics.buckets.quantile` tells them; NaN for none.

    bins, place, weight: of each entry of a histogram, as `Latencies.of` gives them. values: what stands for each place.
    """
    found = {name: np.full(count, np.nan) for name in QUANTILES}
    if not len(bins):
        return found
    # Of all bins at once: one by one they would take most of the page's time.
    sums = np.bincount(bins * len(values) + place, weight, count * len(values)).reshape(count, len(values))
    cumulated = np.cumsum(sums, axis=1)
    whole = cumulated[:, -1]
    filled = whole > 0
    for name, share in QUANTILES.items():
        # The allowance keeps a rounding error of the sums from pushing an exact share into the next bucket.
        reached = cumulated >= (share * whole * (1 - 1e-9))[:, None]
        found[name][filled] = values[np.argmax(reached, axis=1)][filled]
    return found


@kept(max_entries=16)
def _latency_lines(snapshot: Snapshot, endpoint: str, period: Period) -> LatencyLines:
    found = latencies(snapshot, endpoint, period)
    lines = {"": quantiles(*found.of(period), found.values, period.bins)}
    for version in found.seen(period):
        part = found.of(period, version=version)
        lines[version] = quantiles(*part, found.values, period.bins)
    return LatencyLines(times(period), period.bin_seconds, lines)


@kept(max_entries=16)
def _distribution(snapshot: Snapshot, endpoint: str, period: Period, metric: str) -> "pd.DataFrame":
    import pandas as pd

    # Of the time before, too: so it is the same that the lines over time are made of.
    span = period.previous.start, period.end
    windows = rollup_windows(snapshot, endpoint, span, histograms=[metric])[metric].between(period.start, period.end)
    key, versions = windows.coded([group.version for group in windows.groups])
    parts = [
        {"version": version, "bucket": list(histogram), "weight": list(histogram.values())}
        for version, histogram in zip(versions, windows.histograms(key, len(versions)), strict=True)
        if histogram
    ]
    columns = ["version", "bucket", "weight"]
    return pd.concat([pd.DataFrame(part) for part in parts]) if parts else pd.DataFrame(columns=columns)
