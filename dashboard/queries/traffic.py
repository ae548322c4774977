"""What went over an endpoint: requests, errors, latency and flagged texts, summed from the rollups."""

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from dashboard.periods import Period
from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, newest, rollup, select, shown
from dashboard.queries.latency_over_time import quantiles
from dashboard.queries.rollup_windows import FAILED, rollup_windows
from dashboard.queries.sample import ANSWERS, REQUESTS, Sample, sample_of
from dashboard.queries.traffic_windows import (
    Latencies,
    Numbers,
    Times,
    bins_of,
    latencies,
    times,
    windows,
)
from metrics.buckets import bucket_lower
from settings import get_settings

ANSWER_TOXICITY, PROMPT_TOXICITY = "response_toxicity", "prompt_toxicity"
TOXICITIES = (ANSWER_TOXICITY, PROMPT_TOXICITY)


@dataclass(frozen=True)
class Indicator:
    """One figure of a period: its value, that of the period before, and one value for each bin (NaN: nothing there)."""

    value: float
    previous: float
    values: np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Traffic:
    """The indicators of an endpoint. `times` are the starts of the bins in milliseconds since 1970, UTC."""

    times: np.ndarray[Any, np.dtype[np.int64]]
    requests: Indicator
    error_share: Indicator
    latency_p95: Indicator
    flagged_answers: Indicator
    flagged_prompts: Indicator
    toxicity_scorer: str
    toxicity_sample: Sample | None = None
    """The answers whose toxicity is known, where they are a sample of all."""


@dataclass(frozen=True)
class Failures:
    """Requests, and how many of them failed, 4xx and 5xx."""

    requests: int
    failed: int

    @property
    def share(self) -> float:
        """The share that failed, 0 to 1; NaN of nothing."""
        return self.failed / self.requests if self.requests else float("nan")


@dataclass(frozen=True)
class VersionSeen:
    """A model version that has answered on an endpoint."""

    entity_name: str
    entity_version: str
    requests: int
    first: datetime
    last: datetime

    @property
    def key(self) -> str:
        """How links name it."""
        return f"{self.entity_name}/{self.entity_version}"


def endpoints() -> list[str]:
    """Every endpoint that has been used, and the one of the settings: first if it was used, else last."""
    own = get_settings().endpoint
    used = _endpoints(newest("metrics_15min"))
    others = [name for name in used if name != own]
    return [own, *others] if own in used else [*others, own]


def versions(endpoint: str) -> list[VersionSeen]:
    """The versions that have answered on an endpoint, the one that was seen last first."""
    found: list[VersionSeen] = _versions(shown("metrics_15min"), endpoint)
    return found


def traffic(endpoint: str, period: Period) -> Traffic:
    """The indicators of an endpoint over a period, beside those of the period before.

    Raises: QueryFailed, LakehouseError.
    """
    found: Traffic = _traffic(rollup(period), endpoint, period, get_settings().toxicity_threshold)
    return found


def failures(endpoint: str, period: Period) -> Failures:
    """Requests of a period and how many of them failed, of now, also where the visitor looks back.

    Raises: QueryFailed, LakehouseError.
    """
    found: Failures = _failures(rollup(period, live=True), endpoint, period.start, period.end)
    return found


@kept(max_entries=8)
def _failures(snapshot: Snapshot, endpoint: str, start: datetime, end: datetime) -> Failures:
    found = rollup_windows(snapshot, endpoint, (start, end), sums=[REQUESTS])[REQUESTS].between(start, end)
    failed = found.of_groups([group.status in FAILED for group in found.groups]).astype(bool)
    return Failures(int(found.n.sum()), int(found.n[failed].sum()))


@kept(max_entries=8)
def _endpoints(snapshot: Snapshot) -> list[str]:
    sql = "SELECT DISTINCT endpoint_name FROM this WHERE endpoint_name <> '' ORDER BY 1"
    return [str(name) for name in select(snapshot, sql)["endpoint_name"]]


@kept(max_entries=32)
def _versions(snapshot: Snapshot, endpoint: str) -> list[VersionSeen]:
    rows = select(
        snapshot,
        """SELECT coalesce(entity_name, '') AS entity_name, entity_version, sum(n)::BIGINT AS requests,
                  min(window_start) AS first, max(window_start) AS last
           FROM this
           WHERE endpoint_name = $endpoint AND metric = 'databricks_request_id' AND entity_version <> ''
           GROUP BY 1, 2
           ORDER BY last DESC, length(entity_version) DESC, entity_version DESC""",
        endpoint=endpoint,
    )
    return [
        VersionSeen(row["entity_name"], row["entity_version"], int(row["requests"]), row["first"], row["last"])
        for row in rows.to_dict("records")
    ]


@dataclass(frozen=True)
class _Scored:
    """A toxicity in windows of a rollup, in no order: n values, what they weigh, and how much of that is flagged."""

    starts: Times
    n: Numbers
    weight: Numbers
    flagged: Numbers

    def between(self, period: Period) -> "_Scored":
        first, last = (int(time.timestamp() * 1000) for time in (period.start, period.end))
        inside = np.flatnonzero((self.starts >= first) & (self.starts < last))
        return _Scored(self.starts[inside], self.n[inside], self.weight[inside], self.flagged[inside])

    def share(self, both: Period) -> Indicator:
        """The share that is flagged of two periods in a row."""
        found = self.between(both)
        return _share(_by_bin(found.starts, found.flagged, both), _by_bin(found.starts, found.weight, both))


@kept(max_entries=32)
def _traffic(snapshot: Snapshot, endpoint: str, period: Period, threshold: float) -> Traffic:
    # Both periods at once: the bins of the one before come first.
    both = Period(period.previous.start, period.end, period.bin_seconds)
    # Beside each other: unpacking histograms is most of what this takes where nothing is kept yet.
    with ThreadPoolExecutor(max_workers=1) as beside:
        reading = beside.submit(_toxicity, snapshot, endpoint, period, threshold)
        found, latency = windows(snapshot, endpoint, period), latencies(snapshot, endpoint, period)
        scores = reading.result()
    requests = found.of(REQUESTS, both)
    total = _by_bin(requests.starts, requests.n, both)
    failed = _by_bin(requests.starts, np.where(requests.failed, requests.n, 0.0), both)
    scorer = _main_scorer(scores, both)
    answers, prompts = (scores.get((metric, scorer), _NOTHING) for metric in (ANSWER_TOXICITY, PROMPT_TOXICITY))
    judged = answers.between(period)
    said = int(found.of(ANSWERS, period).n.sum())
    now = total[period.bins :]
    return Traffic(
        times=times(period),
        requests=Indicator(float(now.sum()), float(total[: period.bins].sum()), now),
        error_share=_share(failed, total),
        latency_p95=_p95(latency, period),
        flagged_answers=answers.share(both),
        flagged_prompts=prompts.share(both),
        toxicity_scorer=scorer,
        toxicity_sample=sample_of(int(judged.n.sum()), float(judged.weight.sum()), said),
    )


_NOTHING = _Scored(np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0), np.zeros(0))


def _toxicity(snapshot: Snapshot, endpoint: str, period: Period, threshold: float) -> dict[tuple[str, str], _Scored]:
    """The toxicity of answers and prompts in each window of two periods: metric and scorer → values."""
    span = period.previous.start, period.end
    found = {}
    for metric, every in rollup_windows(snapshot, endpoint, span, histograms=TOXICITIES).items():
        windows = every.between(*span)
        flagged = windows.above(bucket_lower(metric, threshold))
        for scorer in {group.scorer for group in windows.groups}:
            own = np.flatnonzero(windows.of_groups([group.scorer == scorer for group in windows.groups]))
            weight = np.nan_to_num(windows.sum_w[own])
            found[metric, scorer] = _Scored(windows.starts[own], windows.n[own], weight, flagged[own])
    return found


def _by_bin(starts: Times, amounts: Numbers, period: Period) -> Numbers:
    return np.bincount(bins_of(starts, period), amounts, period.bins).astype(np.float64)


def _share(part: Numbers, whole: Numbers) -> Indicator:
    """A share of two periods in a row."""
    bins = len(whole) // 2
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.where(whole > 0, part / whole, np.nan)
        before, now = (np.divide(part[side].sum(), whole[side].sum()) for side in (slice(bins), slice(bins, None)))
    return Indicator(float(now), float(before), values[bins:])


def _p95(found: Latencies, period: Period) -> Indicator:
    """The 95th percentile of every bin and of both periods."""

    def of(span: Period, count: int) -> Numbers:
        bins, place, weight = found.of(span)
        return quantiles(bins if count > 1 else np.zeros_like(bins), place, weight, found.values, count)["p95"]

    return Indicator(float(of(period, 1)[0]), float(of(period.previous, 1)[0]), of(period, period.bins))


def _main_scorer(scores: Mapping[tuple[str, str], _Scored], both: Period) -> str:
    """The scorer that most values come from: two are never mixed."""
    counted: Counter[str] = Counter()
    for (_, scorer), values in sorted(scores.items()):
        counted[scorer] += int(values.between(both).n.sum())
    return max(sorted(counted), key=lambda scorer: counted[scorer], default="")
