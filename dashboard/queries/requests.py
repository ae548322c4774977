"""Single requests: those that a filter describes, a page of them at a time, without anybody's words.

A score that was given later (`request_scores`) stands where the first scoring gave none. Which requests are on a page
is decided by the few columns that the filter and the order need; the rest is read for that page alone.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.measures import MEASURES
from dashboard.periods import Period
from dashboard.queries.lake import HASH_FUNCS, Snapshot, select, shown
from dashboard.queries.sample import REQUESTS

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
SORTED = tuple(column for column in COLUMNS if column != "request_date")
"""What a page of requests can be ordered by."""
MOST_REQUESTERS = 500
"""Requesters that a choice is given, at most: those who asked most."""
LATER = ("response_perplexity", "prompt_perplexity", "response_toxicity", "prompt_toxicity")
"""The scores that can be given later."""


@dataclass(frozen=True)
class RequestFilter:
    """Which requests, from `start` (included) to `end` (not included), UTC. What is empty leaves everything in.

    versions: keys as links have them (`prod.chatbot/2`). statuses: classes (`4xx`) or single codes (`429`).
    requesters: "" is a requester who is not known. request_ids: of either kind, the endpoint's or the client's.
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


@dataclass(frozen=True)
class Matching:
    """The SQL of a filter over `request_metrics`: what stands after FROM and WHERE, and what `select` takes beside."""

    source: str
    condition: str
    beside: dict[str, Snapshot]
    parameters: dict[str, Any]


def requests(
    wanted: RequestFilter, *, order: str = "request_time", descending: bool = True, limit: int = 100, offset: int = 0
) -> RequestPage:
    """Requests `offset` to `offset + limit` of those that `wanted` describes; columns `COLUMNS`.

    order: one of `COLUMNS`; requests without a value there come last.
    Raises: QueryFailed, LakehouseError.
    """
    total: int = _total(*snapshots(), wanted)
    rows: pd.DataFrame = _rows(*snapshots(), wanted, order, descending, limit, offset, COLUMNS)
    return RequestPage(rows, total)


def snapshots() -> tuple[Snapshot, Snapshot]:
    """What `request_rows` reads: the tables as the page shows them, for a read that goes on after the page was drawn.

    Raises: QueryFailed, LakehouseError.
    """
    return shown("request_metrics"), shown("request_scores")


def request_rows(
    of: tuple[Snapshot, Snapshot], wanted: RequestFilter, columns: tuple[str, ...], limit: int
) -> "pd.DataFrame":
    """The newest requests that `wanted` describes, with any columns of `request_metrics`; not remembered.

    columns: of a fixed list of ours. Raises: QueryFailed, LakehouseError.
    """
    return _page_of_rows(*of, wanted, "request_time", True, limit, 0, columns)


def count_requests(wanted: RequestFilter) -> int:
    """How many requests `wanted` describes. Raises: QueryFailed, LakehouseError."""
    found: int = _total(*snapshots(), wanted)
    return found


def counts_over_time(wanted: RequestFilter, period: Period) -> "pd.DataFrame":
    """How many requests `wanted` describes in each bin of a period.

    Returns: columns time (int64, start of the bin in ms since 1970 UTC), status_class (`2xx`, "" for none), n; bins
    without requests have no row.
    Raises: QueryFailed, LakehouseError.
    """
    found: pd.DataFrame = _counts(*snapshots(), wanted, period)
    return found


def requesters(endpoint: str, period: Period) -> list[str]:
    """Who asked an endpoint in a period, whoever asked most first, "" for a requester who is not known; at most 500.

    By whole UTC days, as their rollup has them. Raises: QueryFailed, LakehouseError.
    """
    found: list[str] = _requesters(shown("metrics_daily_requester"), endpoint, period.start, period.end)
    return found


def matching_source(wanted: RequestFilter) -> Matching:
    """For other reads of the requests that `wanted` describes. Raises: QueryFailed, LakehouseError."""
    return _matched(shown("request_scores"), wanted)


def _matched(later: Snapshot, wanted: RequestFilter, filled_in: bool = False) -> Matching:
    source, beside = _source(later, wanted, filled_in or wanted.score in LATER)
    return Matching(source, _matching(wanted), beside, _parameters(wanted))


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=HASH_FUNCS)
def _total(snapshot: Snapshot, later: Snapshot, wanted: RequestFilter) -> int:
    matched = _matched(later, wanted)
    sql = f"SELECT count(*) AS total FROM {matched.source} WHERE {matched.condition}"  # noqa: S608
    found = select(snapshot, sql, span=(wanted.start, wanted.end), beside=matched.beside, **matched.parameters)
    return int(found["total"].iloc[0])


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASH_FUNCS)
def _counts(snapshot: Snapshot, later: Snapshot, wanted: RequestFilter, period: Period) -> "pd.DataFrame":
    matched = _matched(later, wanted)
    return select(
        snapshot,
        f"""SELECT $first + (epoch_ms(request_time) - $first) // $width * $width AS time,
                   coalesce((status_code // 100)::VARCHAR || 'xx', '') AS status_class, count(*) AS n
            FROM {matched.source} WHERE {matched.condition} GROUP BY ALL ORDER BY ALL""",  # noqa: S608
        span=(wanted.start, wanted.end),
        beside=matched.beside,
        first=int(period.start.timestamp() * 1000),
        width=period.bin_seconds * 1000,
        **matched.parameters,
    )


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs=HASH_FUNCS)
def _requesters(snapshot: Snapshot, endpoint: str, start: datetime, end: datetime) -> list[str]:
    found = select(
        snapshot,
        """SELECT coalesce(requester, '') AS name, sum(n) AS n FROM this
           WHERE metric = $requests AND window_start >= $start AND window_start < $end
             AND ($endpoint = '' OR endpoint_name = $endpoint)
           GROUP BY ALL ORDER BY n DESC, name LIMIT $most""",
        span=(start - timedelta(days=1), end),
        start=start - timedelta(days=1),
        end=end,
        endpoint=endpoint,
        most=MOST_REQUESTERS,
        requests=REQUESTS,
    )
    return [str(name) for name in found["name"]]


def _page_of_rows(
    snapshot: Snapshot,
    later: Snapshot,
    wanted: RequestFilter,
    order: str,
    descending: bool,
    limit: int,
    offset: int,
    columns: tuple[str, ...],
) -> "pd.DataFrame":
    if order not in SORTED:
        raise ValueError(f"Requests cannot be ordered by {order!r}.")
    matched = _matched(later, wanted, order in LATER)
    direction = "DESC" if descending else "ASC"
    # Only our own texts are put together: columns of a fixed list, never what somebody typed.
    sql = f"""SELECT databricks_request_id, request_time FROM {matched.source} WHERE {matched.condition}
              ORDER BY {order} {direction} NULLS LAST, databricks_request_id LIMIT $limit OFFSET $offset"""  # noqa: S608
    keys = select(
        snapshot,
        sql,
        span=(wanted.start, wanted.end),
        beside=matched.beside,
        limit=limit,
        offset=offset,
        **matched.parameters,
    )
    if keys.empty:
        wanted = RequestFilter(wanted.start, wanted.start)
    else:
        first, last = keys["request_time"].min(), keys["request_time"].max()
        wanted = RequestFilter(first.to_pydatetime(), last.to_pydatetime() + timedelta(microseconds=1))
    source, beside = _source(later, wanted, True)
    sql = f"""SELECT {", ".join(columns)} FROM {source}
              WHERE databricks_request_id IN (SELECT unnest($ids::VARCHAR[]))
                AND request_time >= $first AND request_time < $last"""  # noqa: S608
    rows = select(
        snapshot,
        sql,
        span=(wanted.start, wanted.end),
        beside=beside,
        ids=keys["databricks_request_id"].tolist(),
        first=wanted.start,
        last=wanted.end,
    )
    # DuckDB gives whole numbers with gaps as pandas' own kind, whose NA is no number that a page could test.
    gaps = {str(name): "float64" for name, kind in rows.dtypes.items() if str(kind) in ("Int32", "Int64")}
    # One row each, in the order of the keys.
    rows = rows.astype(gaps).drop_duplicates("databricks_request_id").set_index("databricks_request_id", drop=False)
    return rows.reindex(keys["databricks_request_id"].drop_duplicates()).reset_index(drop=True)


_rows = st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASH_FUNCS)(_page_of_rows)


def _source(later: Snapshot, wanted: RequestFilter, filled_in: bool) -> tuple[str, dict[str, Snapshot]]:
    """What the SELECT reads: the first scores, and where there are later ones these in the gaps, if `filled_in`.

    The partition column is not in the files; the date of the time stands in for it.
    """
    date = "* REPLACE (coalesce(request_date, request_time::DATE) AS request_date)"
    # By date, because a later score has no other time of its request.
    later = later.on_dates(wanted.start, wanted.end)
    if not later.files or not filled_in:
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
        AND (len($request_ids::VARCHAR[]) = 0 OR databricks_request_id IN (SELECT unnest($request_ids::VARCHAR[]))
             OR client_request_id IN (SELECT unnest($request_ids::VARCHAR[])))"""
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
