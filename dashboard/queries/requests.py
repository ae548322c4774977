"""Single requests: those that a filter describes, a page of them at a time, without anybody's words.

A score that was given later (`request_scores`) stands where the first scoring gave none.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.measures import MEASURES
from dashboard.queries.lake import HASH_FUNCS, Snapshot, select, shown

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "databricks_request_id",
    "request_time",
    "request_date",
    "endpoint_name",
    "entity_name",
    "entity_version",
    "requester",
    "status_code",
    *MEASURES,
    "toxicity_scorer",
    "perplexity_scorer",
)
"""The columns of `RequestPage.rows`; `request_time` is a pandas timestamp in UTC, what is missing is NaN or None."""
LATER = ("response_perplexity", "prompt_perplexity", "response_toxicity", "prompt_toxicity")
"""The scores that can be given later."""


@dataclass(frozen=True)
class RequestFilter:
    """Which requests, from `start` (included) to `end` (not included), UTC. What is empty leaves everything in.

    versions: keys as links have them (`prod.chatbot/2`). statuses: classes (`4xx`) or single codes (`429`).
    score: a column of `MEASURES`, whose value has to be from `at_least` to below `below`, as far as these are given;
    a request without the score is then not among them.
    """

    start: datetime
    end: datetime
    endpoint: str = ""
    versions: tuple[str, ...] = ()
    requesters: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    request_ids: tuple[str, ...] = ()
    score: str = ""
    at_least: float | None = None
    below: float | None = None


@dataclass(frozen=True)
class RequestPage:
    """Some requests, in the order asked for, and how many fit in all."""

    rows: "pd.DataFrame"
    total: int


def requests(
    wanted: RequestFilter, *, order: str = "request_time", descending: bool = True, limit: int = 100, offset: int = 0
) -> RequestPage:
    """Requests `offset` to `offset + limit` of those that `wanted` describes; columns `COLUMNS`.

    order: one of `COLUMNS`; requests without a value there come last.
    Raises: QueryFailed, LakehouseError.
    """
    snapshots = shown("request_metrics"), shown("request_scores")
    total: int = _total(*snapshots, wanted)
    rows: pd.DataFrame = _rows(*snapshots, wanted, order, descending, limit, offset)
    return RequestPage(rows, total)


def count_requests(wanted: RequestFilter) -> int:
    """How many requests `wanted` describes. Raises: QueryFailed, LakehouseError."""
    found: int = _total(shown("request_metrics"), shown("request_scores"), wanted)
    return found


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=HASH_FUNCS)
def _total(snapshot: Snapshot, later: Snapshot, wanted: RequestFilter) -> int:
    source, beside = _source(later, wanted)
    sql = f"SELECT count(*) AS total FROM {source} WHERE {_matching(wanted)}"  # noqa: S608
    found = select(snapshot, sql, span=(wanted.start, wanted.end), beside=beside, **_parameters(wanted))
    return int(found["total"].iloc[0])


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASH_FUNCS)
def _rows(
    snapshot: Snapshot, later: Snapshot, wanted: RequestFilter, order: str, descending: bool, limit: int, offset: int
) -> "pd.DataFrame":
    if order not in COLUMNS:
        raise ValueError(f"Requests cannot be ordered by {order!r}.")
    source, beside = _source(later, wanted)
    direction = "DESC" if descending else "ASC"
    # Only our own texts are put together: columns of a fixed list, never what somebody typed.
    sql = f"""SELECT {", ".join(COLUMNS)} FROM {source} WHERE {_matching(wanted)}
              ORDER BY {order} {direction} NULLS LAST, databricks_request_id LIMIT $limit OFFSET $offset"""  # noqa: S608
    return select(
        snapshot,
        sql,
        span=(wanted.start, wanted.end),
        beside=beside,
        limit=limit,
        offset=offset,
        **_parameters(wanted),
    )


def _source(later: Snapshot, wanted: RequestFilter) -> tuple[str, dict[str, Snapshot]]:
    """What the SELECT reads: the first scores, and where there are later ones these in the gaps.

    The partition column is not in the files; the date of the time stands in for it.
    """
    date = "* REPLACE (coalesce(request_date, request_time::DATE) AS request_date)"
    # By date, because a later score has no other time of its request.
    later = later.on_dates(wanted.start, wanted.end)
    if not later.files:
        return f"(SELECT {date} FROM this)", {}  # noqa: S608
    given = ", ".join(f"max(value) FILTER (metric = '{name}') AS later_{name}" for name in LATER)
    filled = ", ".join(f"coalesce({name}, later_{name}) AS {name}" for name in LATER)
    newest = """SELECT databricks_request_id, metric, arg_max(value, scored_at) AS value FROM later
                WHERE value IS NOT NULL GROUP BY ALL"""
    pivot = f"SELECT databricks_request_id, {given} FROM ({newest}) GROUP BY ALL"  # noqa: S608
    first = f"SELECT {date} FROM this"  # noqa: S608
    joined = f"(SELECT * REPLACE ({filled}) FROM ({first}) LEFT JOIN ({pivot}) USING (databricks_request_id))"  # noqa: S608
    return joined, {"later": later}


def _matching(wanted: RequestFilter) -> str:
    matching = """request_time >= $start AND request_time < $end
        AND ($endpoint = '' OR endpoint_name = $endpoint)
        AND (len($versions::VARCHAR[]) = 0
             OR coalesce(entity_name, '') || '/' || coalesce(entity_version, '') = ANY($versions::VARCHAR[]))
        AND (len($requesters::VARCHAR[]) = 0 OR coalesce(requester, '') = ANY($requesters::VARCHAR[]))
        AND (len($statuses::VARCHAR[]) = 0 OR (status_code // 100)::VARCHAR || 'xx' = ANY($statuses::VARCHAR[])
             OR status_code::VARCHAR = ANY($statuses::VARCHAR[]))
        AND (len($request_ids::VARCHAR[]) = 0 OR databricks_request_id = ANY($request_ids::VARCHAR[]))"""
    if not wanted.score:
        return matching
    if wanted.score not in MEASURES:
        raise ValueError(f"There is no score called {wanted.score!r}.")
    return f"""{matching} AND {wanted.score} IS NOT NULL
        AND ($at_least::DOUBLE IS NULL OR {wanted.score} >= $at_least::DOUBLE)
        AND ($below::DOUBLE IS NULL OR {wanted.score} < $below::DOUBLE)"""


def _parameters(wanted: RequestFilter) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        "start": wanted.start,
        "end": wanted.end,
        "endpoint": wanted.endpoint,
        "versions": list(wanted.versions),
        "requesters": list(wanted.requesters),
        "statuses": list(wanted.statuses),
        "request_ids": list(wanted.request_ids),
    }
    if wanted.score:
        parameters |= {"at_least": wanted.at_least, "below": wanted.below}
    return parameters
