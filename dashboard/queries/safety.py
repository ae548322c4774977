"""How many prompts and answers were flagged as toxic: over time, by version and by requester, from the rollups.

A text is flagged if its toxicity is at least the threshold. Counts come from buckets, so that the threshold can be
moved; they are exact where it is an edge of the buckets (0.5 is), else values up to 2 % above it may be left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dashboard.periods import Period
from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, rollup, select, shown
from dashboard.queries.rollup_windows import Floats, MetricWindows, Whole, rollup_windows
from dashboard.queries.sample import ANSWERS, REQUESTS, Sample, sample_of
from metrics.buckets import bucket_edges, bucket_lower
from metrics.comparison import effective_size
from metrics.proportions import wilson_interval

PROMPT, ANSWER = "prompt_toxicity", "response_toxicity"
MOST_REQUESTERS = 15
SMALL = 30
"""Fewer texts than this say little about a share."""

_FLAGGED = "list_sum([entry.value FOR entry IN map_entries(buckets) IF entry.key >= $first])"


@dataclass(frozen=True)
class FlagShare:
    """The share (0 to 1, NaN of nothing) of `n` scored texts that is flagged, with its 95 % interval (Wilson).

    flagged: how many, or how many the sample stands for where a sample was scored.
    """

    n: int
    flagged: float
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class FlagsOverTime:
    """Flags of prompts and of answers in each bin. `times` are the bins' starts in milliseconds since 1970, UTC.

    Of each side: how many texts were flagged (their weight), and the share of those scored (NaN where none was).
    scored: how many requests have a toxicity.
    """

    times: np.ndarray[Any, np.dtype[np.int64]]
    scored: np.ndarray[Any, np.dtype[np.int64]]
    prompts: np.ndarray[Any, np.dtype[np.float64]]
    answers: np.ndarray[Any, np.dtype[np.float64]]
    prompt_shares: np.ndarray[Any, np.dtype[np.float64]]
    answer_shares: np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class FlagFigures:
    """The flags of prompts and of answers of something that has a name: all together, a version, a requester."""

    name: str
    prompts: FlagShare
    answers: FlagShare


@dataclass(frozen=True)
class Flags:
    """What was flagged on an endpoint in a period, by one scorer. `others`: scorers that are left out.

    by_version: names are keys as links have them, the newest version first. samples: of prompts and of answers, None
    where each was scored.
    """

    scorer: str
    others: tuple[str, ...]
    over_time: FlagsOverTime
    total: FlagFigures
    by_version: tuple[FlagFigures, ...]
    prompt_sample: Sample | None
    answer_sample: Sample | None


@dataclass(frozen=True)
class RequesterFlags:
    """Who sent the most flagged prompts in whole UTC days, how many requesters there are, and from when to when."""

    figures: tuple[FlagFigures, ...]
    requesters: int
    start: datetime
    end: datetime


def flags(endpoint: str, period: Period, threshold: float) -> Flags:
    """What was flagged on an endpoint in a period.

    Raises: QueryFailed, LakehouseError.
    """
    found: Flags = _flags(rollup(period), endpoint, period, threshold)
    return found


def flags_by_requester(endpoint: str, period: Period, threshold: float, scorer: str) -> RequesterFlags:
    """The requesters with the most flagged prompts on the UTC days that the period touches.

    Raises: QueryFailed, LakehouseError.
    """
    found: RequesterFlags = _by_requester(shown("metrics_daily_requester"), endpoint, period, threshold, scorer)
    return found


def is_exact(threshold: float) -> bool:
    """Whether the buckets can be cut at this threshold."""
    first = bucket_lower(PROMPT, threshold)
    return threshold == 0 or bucket_edges(PROMPT, first)[0] == threshold


def flag_share(n: int, weight: float, squared_weight: float, flagged: float) -> FlagShare:
    """The share of n texts, from the sums of their weights and of those of the flagged ones."""
    if n <= 0 or weight <= 0:
        return FlagShare(max(n, 0), 0.0, np.nan, np.nan, np.nan)
    share = min(flagged / weight, 1.0)
    size = effective_size(n, weight, squared_weight)
    return FlagShare(n, flagged, share, *wilson_interval(share * size, size))


@dataclass(frozen=True)
class _Texts:
    """What is summed of scored texts: for each of some windows and versions (or requesters), of each metric. [n]"""

    starts: Whole
    name: NDArray[np.str_]
    metric: NDArray[np.str_]
    scorer: NDArray[np.str_]
    n: Floats
    weight: Floats
    squared_weight: Floats
    flagged: Floats

    def where(self, inside: NDArray[np.bool_]) -> "_Texts":
        return _Texts(*(getattr(self, one.name)[inside] for one in fields(self)))


@kept(max_entries=32)
def _flags(snapshot: Snapshot, endpoint: str, period: Period, threshold: float) -> Flags:
    span = period.start, period.end
    windows = {
        metric: found.between(*span)
        for metric, found in rollup_windows(
            snapshot, endpoint, span, sums=(REQUESTS, ANSWERS), histograms=(PROMPT, ANSWER)
        ).items()
    }
    every = _texts(windows, threshold)
    by_scorer = {str(one): float(every.n[every.scorer == one].sum()) for one in np.unique(every.scorer)}
    scorers = sorted(by_scorer, key=lambda one: (-by_scorer[one], one))
    scored = every.where(every.scorer == (scorers[0] if scorers else ""))
    counts = {one: int(windows[one].n.sum()) for one in (REQUESTS, ANSWERS)}
    # The version that answered last first, as in every list of versions.
    last = {str(one): int(scored.starts[scored.name == one].max()) for one in np.unique(scored.name)}
    return Flags(
        scorer=scorers[0] if scorers else "",
        others=tuple(sorted(scorers[1:])),
        over_time=_over_time(scored, period),
        total=_figures("", scored),
        by_version=tuple(
            _figures(one, scored.where(scored.name == one)) for one in sorted(last, key=lambda one: -last[one])
        ),
        prompt_sample=_sample(scored.where(scored.metric == PROMPT), counts[REQUESTS]),
        answer_sample=_sample(scored.where(scored.metric == ANSWER), counts[ANSWERS]),
    )


def _texts(windows: Mapping[str, MetricWindows], threshold: float) -> _Texts:
    """What is summed of prompts and answers, of all scorers."""
    sides = []
    for metric in (PROMPT, ANSWER):
        own = windows[metric]
        sides.append(
            _Texts(
                own.starts,
                own.of_groups([group.version for group in own.groups]).astype(str),
                np.full(len(own), metric),
                own.of_groups([group.scorer for group in own.groups]).astype(str),
                own.n,
                own.sum_w,
                own.sum_w2,
                own.above(bucket_lower(metric, threshold)),
            )
        )
    columns = ([getattr(side, one.name) for side in sides] for one in fields(_Texts))
    return _Texts(*(np.concatenate(column) for column in columns))


def _over_time(scored: _Texts, period: Period) -> FlagsOverTime:
    start, width = int(period.start.timestamp() * 1000), period.bin_seconds * 1000
    bins = (scored.starts - start) // width

    def summed(metric: str, column: Floats) -> Floats:
        of_metric = scored.metric == metric
        sums = np.bincount(bins[of_metric], column[of_metric], minlength=period.bins)
        return sums[: period.bins].astype(np.float64)

    prompts, answers = summed(PROMPT, scored.flagged), summed(ANSWER, scored.flagged)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = [
            np.where(whole > 0, part / whole, np.nan)
            for part, whole in ((prompts, summed(PROMPT, scored.weight)), (answers, summed(ANSWER, scored.weight)))
        ]
    times = start + np.arange(period.bins, dtype=np.int64) * width
    requests = np.maximum(summed(PROMPT, scored.n), summed(ANSWER, scored.n)).astype(np.int64)
    return FlagsOverTime(times, requests, prompts, answers, *shares)


def _figures(name: str, texts: _Texts) -> FlagFigures:
    sides = []
    for metric in (PROMPT, ANSWER):
        own = texts.where(texts.metric == metric)
        sums = (float(column.sum()) for column in (own.weight, own.squared_weight, own.flagged))
        sides.append(flag_share(int(own.n.sum()), *sums))
    return FlagFigures(name, *sides)


def _sample(texts: _Texts, whole: int) -> Sample | None:
    return sample_of(int(texts.n.sum()), float(texts.weight.sum()), whole)


@kept(max_entries=32)
def _by_requester(snapshot: Snapshot, endpoint: str, period: Period, threshold: float, scorer: str) -> RequesterFlags:
    start, end = period.utc_days
    found = select(
        snapshot,
        f"""SELECT * FROM (WITH sums AS (
              SELECT coalesce(requester, '') AS requester, metric, sum(n)::BIGINT AS n, sum(sum_w) AS weight,
                     sum(coalesce(sum_w2, sum_w)) AS squared_weight, coalesce(sum({_FLAGGED}), 0) AS flagged
              FROM this
              WHERE endpoint_name = $endpoint AND window_start >= $start AND window_start < $end
                AND metric IN ('prompt_toxicity', 'response_toxicity') AND coalesce(scorer, '') = $scorer
              GROUP BY ALL),
            asked AS (
              SELECT requester, flagged AS most, n AS prompts, count(*) OVER () AS requesters FROM sums
              WHERE metric = 'prompt_toxicity')
            SELECT * FROM sums
            JOIN (SELECT * FROM asked ORDER BY most DESC, prompts DESC, requester LIMIT $limit) USING (requester))
            ORDER BY most DESC, prompts DESC, requester""",  # noqa: S608
        span=(start, end),
        endpoint=endpoint,
        start=start,
        end=end,
        scorer=scorer,
        first=bucket_lower(PROMPT, threshold),
        limit=MOST_REQUESTERS,
    )
    sums = (found[column].to_numpy(float) for column in ("n", "weight", "squared_weight", "flagged"))
    named, metric = (found[column].to_numpy(object).astype(str) for column in ("requester", "metric"))
    texts = _Texts(np.zeros(len(found), np.int64), named, metric, np.full(len(found), scorer), *sums)
    return RequesterFlags(
        tuple(_figures(name, texts.where(texts.name == name)) for name in dict.fromkeys(named.tolist())),
        int(found["requesters"].iloc[0]) if len(found) else 0,
        start,
        end,
    )
