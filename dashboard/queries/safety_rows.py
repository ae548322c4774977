"""Single requests with their toxicity: all that are flagged, and a random sample of the others.

Values of one scorer only. A toxicity that this scorer gave later (`request_scores`) stands where it gave none before.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from dashboard.periods import Period
from dashboard.queries.lake import HASH_FUNCS, Snapshot, select, shown
from dashboard.queries.requests import snapshots
from dashboard.queries.safety import Flags
from metrics.sampling import is_sampled

if TYPE_CHECKING:
    import pandas as pd

MOST_FLAGGED, MOST_OTHERS = 10_000, 5_000
"""Rows that are read of each kind: a chart of them stays quick, and within the 20,000 rows that a page may read."""
ALL_UP_TO = 12_000
"""Up to so many scored requests none is left out."""
MOST_READ = 500_000
"""Single requests that are looked through for them: the newest of the period."""

COLUMNS = (
    "databricks_request_id",
    "request_time",
    "request_date",
    "entity_name",
    "entity_version",
    "requester",
    "prompt_toxicity",
    "response_toxicity",
    "toxicity",
    "weight",
)
"""`request_time` is a pandas timestamp in UTC; `toxicity` is the larger of the two; `weight` is how many requests the
row stands for where the model scored a random sample, else 1."""


@dataclass(frozen=True)
class ScoredRequests:
    """Requests of a period with their toxicity by one scorer; both frames have the columns `COLUMNS`.

    period: which part of the time was looked through: all of it, or the newest that has at most 500,000 requests.
    flagged: those at or above the threshold, the most toxic first, at most 10,000 of `flagged_total`.
    others: those below it: all of them, or 1 in `one_in` by a hash of their ids; `others_total` is how many there are.
    Both frames are shared between visitors: change a copy only.
    """

    period: Period
    flagged: "pd.DataFrame"
    flagged_total: int
    others: "pd.DataFrame"
    others_total: int
    one_in: int


def scored_requests(endpoint: str, period: Period, threshold: float, of: Flags) -> ScoredRequests:
    """The requests whose texts the scorer of `of` has scored. `of`: the flags of the same endpoint and period.

    Raises: QueryFailed, LakehouseError.
    """
    found: ScoredRequests = requests_read(*snapshots(), endpoint, threshold, of.scorer, plan(period, of))
    return found


@dataclass(frozen=True)
class Plan:
    """How single requests are read, as the rollups tell: which part of the time, and how many are scored in it.

    one_in: 1 in how many of those below the threshold is taken. many: so many are flagged that only the most toxic are.
    """

    period: Period
    scored: int
    one_in: int
    many: bool


def plan(period: Period, of: Flags) -> Plan:
    """The plan for a period whose flags are `of`."""
    over_time = of.over_time
    since = np.cumsum(over_time.scored[::-1])[::-1]
    # The first bin from which on there are few enough; the last bin is read whatever it has.
    first = min(int(np.searchsorted(-since, -MOST_READ)), len(since) - 1)
    scored = int(since[first])
    flagged = float(over_time.prompts[first:].sum() + over_time.answers[first:].sum())
    part = Period(period.start + first * timedelta(seconds=period.bin_seconds), period.end, period.bin_seconds)
    return Plan(part, scored, 1 if scored <= ALL_UP_TO else -(-scored // MOST_OTHERS), flagged > 0.9 * MOST_FLAGGED)


def toxicity_labels(request_id: str, period: Period) -> dict[str, float]:
    """What the model said of the answer of one request beside its toxicity: label → 0 to 1; empty where nothing.

    Raises: QueryFailed, LakehouseError.
    """
    found: dict[str, float] = _labels(shown("request_metrics"), request_id, period)
    return found


# A resource, not data: what is kept is not copied for every rerun.
@st.cache_resource(max_entries=12, show_spinner=False, hash_funcs=HASH_FUNCS)
def requests_read(
    snapshot: Snapshot, later: Snapshot, endpoint: str, threshold: float, scorer: str, how: Plan
) -> ScoredRequests:
    """What `scored_requests` gives, by a plan."""
    wanted = {**_wanted(endpoint, how.period, scorer), "threshold": threshold}
    some = "toxicity < $threshold AND ($one_in = 1 OR hash(databricks_request_id) % $one_in = 0)"
    condition = some if how.many else f"(toxicity >= $threshold OR ({some}))"
    rows = _rows(snapshot, later, condition, {**wanted, "one_in": how.one_in}, how.period)
    flagged = rows[rows["toxicity"] >= threshold]
    others = rows[rows["toxicity"] < threshold]
    total = len(flagged)
    if how.many:
        worst = "toxicity >= $threshold ORDER BY toxicity DESC LIMIT $limit"
        flagged = _rows(snapshot, later, worst, {**wanted, "limit": MOST_FLAGGED}, how.period)
        total = _count_flagged(snapshot, later, endpoint, how.period, threshold, scorer)
    # DuckDB promises no order. Of equally toxic ones the last first.
    flagged, others = (
        part.sort_values(
            ["toxicity", "request_time", "databricks_request_id"], ascending=[False, False, True], ignore_index=True
        )
        for part in (flagged, others)
    )
    others_total = len(others) if how.one_in == 1 else max(how.scored - total, len(others))
    return ScoredRequests(how.period, flagged, total, others, others_total, how.one_in)


def _count_flagged(
    snapshot: Snapshot, later: Snapshot, endpoint: str, period: Period, threshold: float, scorer: str
) -> int:
    source, beside = _source(later, period)
    found = select(
        snapshot,
        f"SELECT count(*) AS flagged FROM {source} WHERE toxicity >= $threshold",  # noqa: S608
        span=(period.start, period.end),
        beside=beside,
        threshold=threshold,
        **_wanted(endpoint, period, scorer),
    )
    return int(found["flagged"].iloc[0])


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=HASH_FUNCS)
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


def _rows(
    snapshot: Snapshot, later: Snapshot, condition: str, parameters: dict[str, Any], period: Period
) -> "pd.DataFrame":
    source, beside = _source(later, period)
    sql = f"SELECT {', '.join(COLUMNS)} FROM {source} WHERE {condition}"  # noqa: S608
    return select(snapshot, sql, span=(period.start, period.end), beside=beside, **parameters)


def _source(later: Snapshot, period: Period) -> tuple[str, dict[str, Snapshot]]:
    """What the SELECTs read: the period's requests with the toxicities that one scorer gave, and the larger of both."""
    later = later.on_dates(period.start, period.end)
    given = {name: f"CASE WHEN toxicity_scorer = $scorer THEN {name} END" for name in _TOXICITIES}
    known = f"toxicity_scorer = $scorer AND coalesce({', '.join(_TOXICITIES)}) IS NOT NULL"
    weight = (
        f"CASE WHEN NOT coalesce({known}, false) THEN 0.0 WHEN $sampled THEN coalesce(score_weight, 1.0) ELSE 1.0 END"
    )
    joined = ""
    if later.files:
        # Of a sampled request that was scored with all others later, the first weight is taken back there.
        weight += " + coalesce(weight_response_toxicity, weight_prompt_toxicity, 0.0)"
        given = {name: f"coalesce({value}, later_{name})" for name, value in given.items()}
        newest = ", ".join(
            f"arg_max(value, scored_at) FILTER (metric = '{name}') AS later_{name}, "
            f"sum(weight) FILTER (metric = '{name}') AS weight_{name}"
            for name in _TOXICITIES
        )
        joined = f"""LEFT JOIN (SELECT databricks_request_id, {newest} FROM later
                     WHERE scorer = $scorer AND value IS NOT NULL GROUP BY ALL) USING (databricks_request_id)"""  # noqa: S608
    columns = ", ".join(f"{value} AS {name}" for name, value in given.items())
    # The partition column is not in the files; the date of the time stands in for it.
    kept = f"""databricks_request_id, request_time, coalesce(request_date, request_time::DATE) AS request_date,
              coalesce(entity_name, '') AS entity_name, coalesce(entity_version, '') AS entity_version,
              coalesce(requester, '') AS requester,
              {weight} AS weight"""
    inner = f"""SELECT {kept}, {columns} FROM this {joined}
                WHERE endpoint_name = $endpoint AND request_time >= $start AND request_time < $end"""  # noqa: S608
    source = f"(SELECT *, greatest(prompt_toxicity, response_toxicity) AS toxicity FROM ({inner}))"  # noqa: S608
    return source, ({"later": later} if later.files else {})


_TOXICITIES = ("prompt_toxicity", "response_toxicity")


def _wanted(endpoint: str, period: Period, scorer: str) -> dict[str, Any]:
    return {
        "endpoint": endpoint,
        "start": period.start,
        "end": period.end,
        "scorer": scorer,
        "sampled": is_sampled("prompt_toxicity", scorer),
    }
