"""Which single requests the Safety page shows: all that are flagged, and a random sample of the others."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from dashboard.periods import Period
from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, select, shown
from dashboard.queries.safety import Flags
from dashboard.queries.safety_toxicities import Source, Toxicities, toxicities
from dashboard.queries.shared_arrays import shared
from lakehouse.notable_requests import LEAST_TOXICITY, NOTABLE_REQUESTS, ONE_IN

MOST_FLAGGED, MOST_OTHERS = 10_000, 5_000
"""Rows that are shown of each kind: a chart of them stays quick, and within the 20,000 rows that a page may show."""
ALL_UP_TO = 12_000
"""Up to so many scored requests none is left out."""
MOST_READ = 500_000
"""Single requests that are looked through for them: the newest of the period, where `notable_requests` does not do."""


@dataclass(frozen=True)
class ScoredRequests:
    """Requests of a period with their toxicity by one scorer.

    period: which part of the time was looked through: all of it, or the newest that has at most 500,000 requests.
    flagged: those at or above the threshold, the most toxic first, at most 10,000 of `flagged_total`.
    others: those below it, in the same order: all of them, or 1 in `one_in` by a hash of their times; `others_total`
    is how many there are. source: where they were read, for their whole rows.
    """

    period: Period
    source: Source
    flagged: Toxicities
    flagged_total: int
    others: Toxicities
    others_total: int
    one_in: int


def scored_requests(endpoint: str, period: Period, threshold: float, of: Flags) -> ScoredRequests:
    """The requests whose texts the scorer of `of` has scored. `of`: the flags of the same endpoint and period.

    Raises: QueryFailed, LakehouseError.
    """
    how, source = plan(endpoint, period, of, threshold)
    found: ScoredRequests = requests_read(
        how, source.requests, source.later, endpoint, threshold, of.scorer, MOST_FLAGGED
    )
    return found


@dataclass(frozen=True)
class Plan:
    """How single requests are read, as the rollups tell: which part of the time, and how many are scored in it.

    one_in: 1 in how many of those below the threshold is taken.
    """

    period: Period
    scored: int
    one_in: int


def plan(endpoint: str, period: Period, of: Flags, threshold: float) -> tuple[Plan, Source]:
    """The plan for a period whose flags are `of`, and where it reads.

    Of very many requests `notable_requests` is read, which has all that can be flagged and a sample of the others.
    Raises: QueryFailed, LakehouseError.
    """
    later = shown("request_scores")
    notable = shown(NOTABLE_REQUESTS.name)
    counted = of.over_time.scored
    scored = int(counted.sum())
    # What was given later may be flagged and is not in that table.
    known = notable.version >= 0 and not later.on_dates(period.start, period.end).files
    if scored > ONE_IN * MOST_OTHERS and threshold >= LEAST_TOXICITY and known:
        one_in = ONE_IN * max(1, -(-scored // (ONE_IN * MOST_OTHERS)))
        return Plan(period, scored, one_in), Source(notable, later, endpoint, of.scorer)
    since = np.cumsum(counted[::-1])[::-1]
    # The first bin from which on there are few enough; the last bin is read whatever it has.
    first = min(int(np.searchsorted(-since, -MOST_READ)), len(since) - 1)
    scored = int(since[first])
    part = Period(period.start + first * timedelta(seconds=period.bin_seconds), period.end, period.bin_seconds)
    one_in = 1 if scored <= ALL_UP_TO else -(-scored // MOST_OTHERS)
    return Plan(part, scored, one_in), Source(shown("request_metrics"), later, endpoint, of.scorer)


def toxicity_labels(request_id: str, period: Period) -> dict[str, float]:
    """What the model said of the answer of one request beside its toxicity: label → 0 to 1; empty where nothing.

    Raises: QueryFailed, LakehouseError.
    """
    return _labels(shown("request_metrics"), request_id, period)


@shared
def requests_read(
    how: Plan, requests: Snapshot, later: Snapshot, endpoint: str, threshold: float, scorer: str, most: int
) -> ScoredRequests:
    """What `scored_requests` gives, by a plan. most: flagged requests that are taken."""
    source = Source(requests, later, endpoint, scorer)
    found = toxicities(source, (how.period.start, how.period.end))
    larger = found.larger
    flagged = np.flatnonzero(larger >= threshold)
    below = larger < threshold
    one_in = how.one_in
    if requests.name == NOTABLE_REQUESTS.name:
        below, one_in = below & found.sampled, one_in // ONE_IN
    others = np.flatnonzero(below)
    others = others[_drawn(found.times[others], one_in)]
    total = len(flagged)
    others_total = len(others) if how.one_in == 1 else max(how.scored - total, len(others))
    taken, rest = (_most_toxic_first(found.at(places)) for places in (flagged, others))
    return ScoredRequests(how.period, source, taken.at(slice(most)), total, rest, others_total, how.one_in)


def _most_toxic_first(some: Toxicities) -> Toxicities:
    """The most toxic first; of equally toxic ones the last."""
    return some.at(np.lexsort((-some.times, -some.larger)))


def _drawn(times: NDArray[np.int64], one_in: int) -> NDArray[np.bool_]:
    """Which requests are in a random sample of 1 in `one_in`: by a hash of their times, so the same ones each time.

    Source: the finalizer of SplitMix64, Steele, Lea, Flood (2014).
    """
    mixed = times.astype(np.uint64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    return np.asarray(mixed % np.uint64(one_in) == 0)


@kept(max_entries=64)
def _labels(snapshot: Snapshot, request_id: str, period: Period) -> dict[str, float]:
    found = select(
        snapshot,
        """SELECT entry.key AS label, entry.value AS value
           FROM (SELECT unnest(map_entries(toxicity_labels)) AS entry FROM this
                 WHERE databricks_request_id = $id AND request_time >= $start AND request_time < $end)""",
        span=(period.start, period.end),
        id=request_id,
        start=period.start,
        end=period.end,
    )
    return {str(row["label"]): float(row["value"]) for row in found.to_dict("records")}
