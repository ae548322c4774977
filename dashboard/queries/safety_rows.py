"""Single requests with their toxicity: all that are flagged, and a random sample of the others.

Values of one scorer only. A toxicity that this scorer gave later (`request_scores`) stands where it gave none before.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.periods import Period
from dashboard.queries.lake import HASH_FUNCS, Snapshot, select, shown
from metrics.sampling import is_sampled

if TYPE_CHECKING:
    import pandas as pd

MOST_FLAGGED, MOST_OTHERS = 10_000, 10_000
"""Rows that are read of each kind; both together are the 20,000 points that a chart may have."""

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
class FlaggedRequests:
    """The most toxic requests first, columns `COLUMNS`; `total` is how many are flagged in all."""

    rows: "pd.DataFrame"
    total: int


@dataclass(frozen=True)
class OtherRequests:
    """Requests that are not flagged, columns `COLUMNS`: all of them, or 1 in `one_in` by a hash of their ids."""

    rows: "pd.DataFrame"
    one_in: int
    total: int


def flagged_requests(endpoint: str, period: Period, threshold: float, scorer: str) -> FlaggedRequests:
    """The requests whose prompt or answer has at least this toxicity by this scorer, the 10,000 most toxic.

    Raises: QueryFailed, LakehouseError.
    """
    found: FlaggedRequests = _flagged(*_snapshots(), endpoint, period, threshold, scorer)
    return found


def other_requests(endpoint: str, period: Period, threshold: float, scorer: str) -> OtherRequests:
    """The scored requests that are not flagged, or a random sample of about 10,000 of them.

    Raises: QueryFailed, LakehouseError.
    """
    found: OtherRequests = _others(*_snapshots(), endpoint, period, threshold, scorer)
    return found


def toxicity_labels(request_id: str, period: Period) -> dict[str, float]:
    """What the model said of the answer of one request beside its toxicity: label → 0 to 1; empty where nothing.

    Raises: QueryFailed, LakehouseError.
    """
    found: dict[str, float] = _labels(shown("request_metrics"), request_id, period)
    return found


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs=HASH_FUNCS)
def _flagged(
    snapshot: Snapshot, later: Snapshot, endpoint: str, period: Period, threshold: float, scorer: str
) -> FlaggedRequests:
    # Only our own texts are put together; what people chose comes in as parameters.
    rows = _rows(
        snapshot,
        later,
        "toxicity >= $threshold ORDER BY toxicity DESC, request_time DESC, databricks_request_id LIMIT $limit",
        {**_wanted(endpoint, period, scorer), "threshold": threshold, "limit": MOST_FLAGGED},
        period,
    )
    if len(rows) < MOST_FLAGGED:
        return FlaggedRequests(rows, len(rows))
    return FlaggedRequests(rows, _count(snapshot, later, endpoint, period, threshold, scorer)[0])


@st.cache_data(max_entries=8, show_spinner=False, hash_funcs=HASH_FUNCS)
def _others(
    snapshot: Snapshot, later: Snapshot, endpoint: str, period: Period, threshold: float, scorer: str
) -> OtherRequests:
    flagged, total = _count(snapshot, later, endpoint, period, threshold, scorer)
    one_in = 1 if flagged + total <= MOST_FLAGGED + MOST_OTHERS else -(-total // MOST_OTHERS)
    rows = _rows(
        snapshot,
        later,
        "toxicity < $threshold AND ($one_in = 1 OR hash(databricks_request_id) % $one_in = 0)",
        {**_wanted(endpoint, period, scorer), "threshold": threshold, "one_in": one_in},
        period,
    )
    return OtherRequests(rows, one_in, total)


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs=HASH_FUNCS)
def _count(
    snapshot: Snapshot, later: Snapshot, endpoint: str, period: Period, threshold: float, scorer: str
) -> tuple[int, int]:
    """How many requests are flagged, and how many scored ones are not."""
    source, beside = _source(later, period)
    found = select(
        snapshot,
        f"""SELECT count(*) FILTER (toxicity >= $threshold) AS flagged, count(*) FILTER (toxicity < $threshold) AS other
            FROM {source}""",  # noqa: S608
        span=(period.start, period.end),
        beside=beside,
        threshold=threshold,
        **_wanted(endpoint, period, scorer),
    )
    return int(found["flagged"].iloc[0]), int(found["other"].iloc[0])


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
    joined = ""
    if later.files:
        given = {name: f"coalesce({value}, later_{name})" for name, value in given.items()}
        newest = ", ".join(
            f"arg_max(value, scored_at) FILTER (metric = '{name}') AS later_{name}" for name in _TOXICITIES
        )
        joined = f"""LEFT JOIN (SELECT databricks_request_id, {newest} FROM later
                     WHERE scorer = $scorer AND value IS NOT NULL GROUP BY ALL) USING (databricks_request_id)"""  # noqa: S608
    columns = ", ".join(f"{value} AS {name}" for name, value in given.items())
    # The partition column is not in the files; the date of the time stands in for it.
    kept = """databricks_request_id, request_time, coalesce(request_date, request_time::DATE) AS request_date,
              coalesce(entity_name, '') AS entity_name, coalesce(entity_version, '') AS entity_version,
              coalesce(requester, '') AS requester,
              CASE WHEN $sampled AND toxicity_scorer = $scorer AND score_weight > 0 THEN score_weight ELSE 1.0 END
                AS weight"""
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


def _snapshots() -> tuple[Snapshot, Snapshot]:
    return shown("request_metrics"), shown("request_scores")
