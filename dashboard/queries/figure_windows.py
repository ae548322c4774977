"""What the rollups say of an endpoint in a stretch of time: requests, errors, and the sums of each metric."""

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from dashboard.periods import Period
from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, rollup
from dashboard.queries.rollup_windows import FAILED, milliseconds, rollup_windows
from dashboard.queries.sample import REQUESTS
from lakehouse.rollup_tables import WINDOW_SECONDS

HISTOGRAMS = ("execution_duration_ms", "response_perplexity", "response_toxicity", "prompt_toxicity")
MEANS = ("response_fk_grade", "completion_tokens", "cost_usd")

_PARTS = 12
"""Parts that a stretch is cut into, to see by how much requests vary of themselves."""
_SUMS = ("n", "sum_w", "sum_wx", "sum_wx2", "sum_w2")

Key = tuple[str, str]
"""Metric and scorer."""


@dataclass(frozen=True)
class WindowSums:
    """What the rollups say of one stretch of time. Keys of the dictionaries are (metric, scorer)."""

    hours: float
    requests: tuple[int, ...]
    """In equally long parts of the time."""
    errors: int
    sums: dict[Key, tuple[int, float, float, float, float]] = field(default_factory=dict)
    """n, and the sums of w, w·x, w·x² and w²."""
    buckets: dict[Key, dict[int, float]] = field(default_factory=dict)


def window_sums(endpoint: str, start: datetime, end: datetime) -> WindowSums:
    """The sums of an endpoint from `start` (included) to `end` (not included), both whole minutes, UTC.

    Raises: QueryFailed, LakehouseError.
    """
    if end <= start:
        return WindowSums(0.0, (), 0)
    fitting = (width for width in WINDOW_SECONDS.values() if start.timestamp() % width == end.timestamp() % width == 0)
    seconds = next(fitting, min(WINDOW_SECONDS.values()))
    return _window_sums(rollup(Period(start, end, seconds)), endpoint, start, end)


@kept(max_entries=64)
def _window_sums(snapshot: Snapshot, endpoint: str, start: datetime, end: datetime) -> WindowSums:
    seconds = (end - start).total_seconds()
    window = WINDOW_SECONDS[snapshot.name]
    # Parts of whole rollup windows, so that each holds as many.
    parts = next((count for count in range(_PARTS, 0, -1) if (seconds / count) % window == 0), 1)
    found = rollup_windows(snapshot, endpoint, (start, end), sums=(REQUESTS, *MEANS), histograms=HISTOGRAMS)
    requests = found[REQUESTS].between(start, end)
    part = (requests.starts - milliseconds(start)) * parts // (milliseconds(end) - milliseconds(start))
    failed = requests.of_groups([group.status in FAILED for group in requests.groups]).astype(bool)
    sums: dict[Key, tuple[int, float, float, float, float]] = {}
    buckets: dict[Key, dict[int, float]] = {}
    for metric in (*HISTOGRAMS, *MEANS):
        windows = found[metric].between(start, end)
        key, scorers = windows.coded([group.scorer for group in windows.groups])
        columns = [np.bincount(key, np.nan_to_num(getattr(windows, name)), len(scorers)).tolist() for name in _SUMS]
        histograms = windows.histograms(key, len(scorers))
        for place, scorer in enumerate(scorers):
            n, *others = (column[place] for column in columns)
            if n:
                w, wx, wx2, w2 = others
                sums[metric, scorer] = int(n), w, wx, wx2, w2
            if metric in HISTOGRAMS and histograms[place]:
                buckets[metric, scorer] = histograms[place]
    counts = np.bincount(part, requests.n, parts)
    errors = int(requests.n[failed].sum())
    return WindowSums(seconds / 3600, tuple(int(one) for one in counts), errors, sums, buckets)
