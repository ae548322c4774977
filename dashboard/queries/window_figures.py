"""The figures of an endpoint in any stretch of time, from the rollups, and how they differ between two of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import numpy as np
import streamlit as st

from dashboard.queries.lake import HASH_FUNCS, Snapshot, select, shown
from dashboard.queries.sample import REQUESTS
from metrics.before_after import Moved, moved, moved_mean, quantile_estimate, rate_estimate, share_estimate
from metrics.buckets import share_at_least
from metrics.comparison import Moments, effective_size, moments_from_sums, shared_scorer
from settings import get_settings

_PARTS = 12
"""Parts that a stretch is cut into, to see by how much requests vary of themselves."""
_HISTOGRAMS = ("execution_duration_ms", "response_perplexity", "response_toxicity", "prompt_toxicity")
_MEANS = ("response_fk_grade", "completion_tokens", "cost_usd")


@dataclass(frozen=True)
class Figure:
    """A figure as people read it: `scale` times what is measured, in `unit`; `better` is empty where neither way is."""

    key: str
    title: str
    unit: str
    decimals: int
    kind: Literal["rate", "errors", "quantile", "mean", "flags"]
    metric: str = ""
    better: Literal["lower", "higher", ""] = ""
    scale: float = 1.0
    quantile: float = 0.5


FIGURES = (
    Figure("requests", "Requests", "an hour", 1, "rate"),
    Figure("errors", "Errors", "% of requests", 2, "errors", better="lower", scale=100),
    Figure("latency", "Latency, p95", "ms", 0, "quantile", "execution_duration_ms", "lower", quantile=0.95),
    Figure("perplexity", "Perplexity, median", "≥ 1", 1, "quantile", "response_perplexity", "lower"),
    Figure("grade", "Flesch-Kincaid grade, average", "US grade", 2, "mean", "response_fk_grade", "lower"),
    Figure("flags", "Toxicity flags of answers", "% of answers", 2, "flags", "response_toxicity", "lower", 100),
    Figure("prompt_flags", "Toxicity flags of prompts", "% of prompts", 2, "flags", "prompt_toxicity", "", 100),
    Figure("tokens", "Tokens out, average", "tokens", 1, "mean", "completion_tokens"),
    Figure("cost", "Cost, average", "US dollars per 1,000 requests", 4, "mean", "cost_usd", "lower", 1000),
)


@dataclass(frozen=True)
class FigureMoved:
    """A figure in two stretches of time, in its own unit and by one scorer (empty where none gave it)."""

    figure: Figure
    moved: Moved
    scorer: str = ""

    @property
    def verdict(self) -> str:
        """In a word or two: better, worse, higher, lower, no clear difference, too few to tell, nothing to compare."""
        found = self.moved
        if not np.isfinite(found.difference):
            return "nothing to compare"
        if found.low is None or found.high is None:
            return "too few to tell"
        if found.low <= 0 <= found.high:
            return "no clear difference"
        if not self.figure.better:
            return "higher" if found.difference > 0 else "lower"
        return "better" if (found.difference < 0) == (self.figure.better == "lower") else "worse"


@dataclass(frozen=True)
class WindowSums:
    """What the rollups say of one stretch of time. Keys of the dictionaries are (metric, scorer)."""

    hours: float
    requests: tuple[int, ...]
    """In equally long parts of the time."""
    errors: int
    sums: dict[tuple[str, str], tuple[int, float, float, float, float]] = field(default_factory=dict)
    """n, and the sums of w, w·x, w·x² and w²."""
    buckets: dict[tuple[str, str], dict[int, float]] = field(default_factory=dict)


def window_sums(endpoint: str, start: datetime, end: datetime) -> WindowSums:
    """The sums of an endpoint from `start` (included) to `end` (not included), both whole minutes, UTC.

    Raises: QueryFailed, LakehouseError.
    """
    quarters = start.timestamp() % 900 == 0 and end.timestamp() % 900 == 0
    found: WindowSums = _window_sums(
        shown("metrics_15min" if quarters else "metrics_minute"), endpoint, start, max(start, end)
    )
    return found


def compared(before: WindowSums, after: WindowSums, figures: Sequence[Figure] = FIGURES) -> list[FigureMoved]:
    """Every figure of two stretches of time: the first is `before`."""
    threshold = get_settings().toxicity_threshold
    return [_compared(figure, before, after, threshold) for figure in figures]


def _compared(figure: Figure, before: WindowSums, after: WindowSums, threshold: float) -> FigureMoved:
    scorer = ""
    if figure.kind == "rate":
        found = moved(*(rate_estimate(side.requests, side.hours) for side in (before, after)))
    elif figure.kind == "errors":
        found = moved(*(share_estimate(side.errors, sum(side.requests)) for side in (before, after)))
    else:
        scorer = _shared_scorer(figure.metric, before, after)
        key = (figure.metric, scorer)
        if figure.kind == "mean":
            found = moved_mean(_moments(before, key), _moments(after, key))
        else:
            sides = []
            for side in (before, after):
                n, sum_w, _, _, sum_w2 = side.sums.get(key, (0, 0.0, 0.0, 0.0, 0.0))
                size, buckets = effective_size(n, sum_w, sum_w2), side.buckets.get(key, {})
                if figure.kind == "quantile":
                    sides.append(quantile_estimate(figure.metric, buckets, figure.quantile, n, size))
                else:
                    share = share_at_least(figure.metric, buckets, threshold) if buckets else 0.0
                    sides.append(share_estimate(share * size, n, size))
            found = moved(*sides)
    return FigureMoved(figure, _scaled(found, figure.scale), scorer)


def _shared_scorer(metric: str, before: WindowSums, after: WindowSums) -> str:
    n = [{scorer: sums[0] for (name, scorer), sums in side.sums.items() if name == metric} for side in (before, after)]
    return shared_scorer(n[0], n[1])


def _moments(side: WindowSums, key: tuple[str, str]) -> Moments:
    return moments_from_sums(*side.sums.get(key, (0, 0.0, 0.0, 0.0, 0.0)))


def _scaled(found: Moved, scale: float) -> Moved:
    low, high = (None if end is None else end * scale for end in (found.low, found.high))
    return Moved(
        found.n_before, found.n_after, found.before * scale, found.after * scale, found.difference * scale, low, high
    )


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=HASH_FUNCS)
def _window_sums(snapshot: Snapshot, endpoint: str, start: datetime, end: datetime) -> WindowSums:
    seconds = (end - start).total_seconds()
    if seconds <= 0:
        return WindowSums(0.0, (), 0)
    window = 60 if snapshot.name == "metrics_minute" else 900
    # Parts of whole rollup windows, so that each holds as many.
    parts = next((count for count in range(_PARTS, 0, -1) if (seconds / count) % window == 0), 1)
    where = """endpoint_name = $endpoint AND window_start >= $start AND window_start < $end"""
    given: dict[str, Any] = {"endpoint": endpoint, "start": start, "end": end}
    sums = select(
        snapshot,
        f"""SELECT metric, coalesce(scorer, '') AS scorer, status_class IN ('4xx', '5xx') AS failed,
                   CASE WHEN metric = $requests
                        THEN ((epoch_ms(window_start) - epoch_ms($start)) // $part)::INTEGER ELSE 0 END AS part,
                   sum(n)::BIGINT AS n, sum(sum_w) AS w, sum(sum_wx) AS wx, sum(sum_wx2) AS wx2,
                   sum(coalesce(sum_w2, sum_w)) AS w2
            FROM this WHERE {where} AND metric = ANY($metrics) GROUP BY ALL""",  # noqa: S608
        span=(start, end),
        requests=REQUESTS,
        part=round(seconds * 1000 / parts),
        metrics=[REQUESTS, *_HISTOGRAMS, *_MEANS],
        **given,
    )
    buckets = select(
        snapshot,
        f"""SELECT metric, scorer, entry.key AS bucket, sum(entry.value) AS weight
            FROM (SELECT metric, coalesce(scorer, '') AS scorer, unnest(map_entries(buckets)) AS entry
                  FROM this WHERE {where} AND metric = ANY($metrics)) GROUP BY ALL""",  # noqa: S608
        span=(start, end),
        metrics=list(_HISTOGRAMS),
        **given,
    )
    counts, errors = [0] * parts, 0
    found: dict[tuple[str, str], tuple[int, float, float, float, float]] = {}
    for row in sums.to_dict("records"):
        if row["metric"] == REQUESTS:
            counts[int(row["part"])] += int(row["n"])
            errors += int(row["n"]) if row["failed"] else 0
        else:
            key = (str(row["metric"]), str(row["scorer"]))
            n, *weights = found.get(key, (0, 0.0, 0.0, 0.0, 0.0))
            added = [one + float(row[name]) for one, name in zip(weights, ("w", "wx", "wx2", "w2"), strict=True)]
            found[key] = (n + int(row["n"]), added[0], added[1], added[2], added[3])
    histograms: dict[tuple[str, str], dict[int, float]] = {}
    for metric, scorer, bucket, weight in buckets.itertuples(index=False):
        histograms.setdefault((metric, scorer), {})[int(bucket)] = float(weight)
    return WindowSums(seconds / 3600, tuple(counts), errors, found, histograms)
