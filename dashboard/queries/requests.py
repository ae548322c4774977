"""Single requests: those that a filter describes, a page of them at a time, without anybody's words.

A score that was given later (`request_scores`) stands where the first scoring gave none. Which requests are on a page
is decided by the few columns that the filter and the order need; the rest is read for that page alone.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.measures import MEASURES
from dashboard.periods import Period
from dashboard.queries.lake import HASH_FUNCS, Snapshot, select, shown
from dashboard.queries.request_counts import count_requests
from dashboard.queries.request_filters import LATER, RequestFilter, matching_source, source_of
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
    rows: pd.DataFrame = _rows(*snapshots(), wanted, order, descending, limit, offset, COLUMNS)
    return RequestPage(rows, count_requests(wanted))


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


def requesters(endpoint: str, period: Period) -> list[str]:
    """Who asked an endpoint in a period, whoever asked most first, "" for a requester who is not known; at most 500.

    By whole UTC days, as their rollup has them. Raises: QueryFailed, LakehouseError.
    """
    found: list[str] = _requesters(shown("metrics_daily_requester"), endpoint, period.start, period.end)
    return found


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
    matched = matching_source(wanted, later, order in LATER)
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
    source, beside = source_of(later, wanted, True)
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
    # One row each, in the order of the keys.
    rows = _plain(rows).drop_duplicates("databricks_request_id").set_index("databricks_request_id", drop=False)
    return rows.reindex(keys["databricks_request_id"].drop_duplicates()).reset_index(drop=True)


def _plain(rows: "pd.DataFrame") -> "pd.DataFrame":
    """The rows with what a page can test where nothing stands: NaN among numbers, None among texts.

    DuckDB gives whole numbers with gaps as pandas' own kind, and pandas has NaN, which is true, in a column of texts.
    """
    gaps = {str(name): "float64" for name, kind in rows.dtypes.items() if str(kind) in ("Int32", "Int64")}
    texts = {
        str(name): column.astype(object).where(column.notna(), None)
        for name, column in rows.items()
        if str(column.dtype) in ("object", "str", "string")
    }
    return rows.astype(gaps).assign(**texts)


_rows = st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASH_FUNCS)(_page_of_rows)
