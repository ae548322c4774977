"""How many prompts and answers were flagged as toxic: over time, by version and by requester, from the rollups.

A text is flagged if its toxicity is at least the threshold. Counts come from buckets, so that the threshold can be
moved; they are exact where it is an edge of the buckets (0.5 is), else values up to 2 % above it may be left out.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from dashboard.periods import Period
from dashboard.queries.lake import HASH_FUNCS, Snapshot, select, shown
from dashboard.queries.sample import ANSWERS, REQUESTS, Sample, sample_of
from metrics.buckets import bucket_edges, bucket_lower
from metrics.comparison import effective_size
from metrics.proportions import wilson_interval

if TYPE_CHECKING:
    import pandas as pd

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
    found: Flags = _flags(shown(period.table), endpoint, period, threshold)
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


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASH_FUNCS)
def _flags(snapshot: Snapshot, endpoint: str, period: Period, threshold: float) -> Flags:
    sums = select(
        snapshot,
        f"""SELECT ((epoch_ms(window_start) - epoch_ms($start)) // (1000 * $bin))::INTEGER AS bin,
                   coalesce(entity_name, '') || '/' || coalesce(entity_version, '') AS version, metric,
                   coalesce(scorer, '') AS scorer, max(window_start) AS last, sum(n)::BIGINT AS n,
                   sum(sum_w) AS weight, sum(coalesce(sum_w2, sum_w)) AS squared_weight,
                   coalesce(sum(CASE WHEN metric IN ('prompt_toxicity', 'response_toxicity') THEN {_FLAGGED} END), 0)
                     AS flagged
            FROM this
            WHERE endpoint_name = $endpoint AND window_start >= $start AND window_start < $end
              AND metric IN ('databricks_request_id', 'response_chars', 'response_toxicity', 'prompt_toxicity')
            GROUP BY ALL""",  # noqa: S608
        span=(period.start, period.end),
        endpoint=endpoint,
        start=period.start,
        end=period.end,
        bin=period.bin_seconds,
        first=bucket_lower(PROMPT, threshold),
    )
    toxicities = sums[sums["metric"].isin([PROMPT, ANSWER])]
    by_scorer = toxicities.groupby("scorer")["n"].sum().sort_values(ascending=False)
    scorer = str(by_scorer.index[0]) if len(by_scorer) else ""
    scored = toxicities[toxicities["scorer"] == scorer]
    # The version that answered last first, as in every list of versions.
    versions = scored.groupby("version")["last"].max().sort_values(ascending=False).index
    counts = {name: int(sums.loc[sums["metric"] == name, "n"].sum()) for name in (REQUESTS, ANSWERS)}
    return Flags(
        scorer=scorer,
        others=tuple(sorted(str(name) for name in by_scorer.index[1:])),
        over_time=_over_time(scored, period),
        total=_figures("", scored),
        by_version=tuple(_figures(str(name), scored[scored["version"] == name]) for name in versions),
        prompt_sample=_sample(scored[scored["metric"] == PROMPT], counts[REQUESTS]),
        answer_sample=_sample(scored[scored["metric"] == ANSWER], counts[ANSWERS]),
    )


def _over_time(scored: "pd.DataFrame", period: Period) -> FlagsOverTime:
    bins = period.bins

    def summed(metric: str, column: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        rows = scored[scored["metric"] == metric]
        sums = np.bincount(rows["bin"].to_numpy(int), rows[column].to_numpy(float), minlength=bins)
        return sums[:bins].astype(np.float64)

    prompts, answers = summed(PROMPT, "flagged"), summed(ANSWER, "flagged")
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = [
            np.where(whole > 0, part / whole, np.nan)
            for part, whole in ((prompts, summed(PROMPT, "weight")), (answers, summed(ANSWER, "weight")))
        ]
    start = int(period.start.timestamp() * 1000)
    times = start + np.arange(bins, dtype=np.int64) * period.bin_seconds * 1000
    scored_requests = np.maximum(summed(PROMPT, "n"), summed(ANSWER, "n")).astype(np.int64)
    return FlagsOverTime(times, scored_requests, prompts, answers, *shares)


def _figures(name: str, rows: "pd.DataFrame") -> FlagFigures:
    sides = []
    for metric in (PROMPT, ANSWER):
        sums = rows[rows["metric"] == metric][["n", "weight", "squared_weight", "flagged"]].sum()
        sides.append(
            flag_share(int(sums["n"]), float(sums["weight"]), float(sums["squared_weight"]), float(sums["flagged"]))
        )
    return FlagFigures(name, *sides)


def _sample(rows: "pd.DataFrame", whole: int) -> Sample | None:
    return sample_of(int(rows["n"].sum()), float(rows["weight"].sum()), whole)


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASH_FUNCS)
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
    names = list(dict.fromkeys(found["requester"]))
    return RequesterFlags(
        tuple(_figures(str(name), found[found["requester"] == name]) for name in names),
        int(found["requesters"].iloc[0]) if len(found) else 0,
        start,
        end,
    )
