"""The figures of an endpoint in any stretch of time, from the rollups, and how they differ between two of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dashboard.queries.figure_windows import WindowSums
from metrics.before_after import Moved, moved, moved_mean, quantile_estimate, rate_estimate, share_estimate
from metrics.buckets import share_at_least
from metrics.comparison import Moments, effective_size, moments_from_sums, shared_scorer
from settings import get_settings


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
