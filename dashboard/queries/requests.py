"""Single requests: those that a filter describes, a page of them at a time, without anybody's words.

A score that was given later (`request_scores`) stands where the first scoring gave none. Which requests are on a page
is decided by the few columns that the filter and the order need; the rest is read for that page alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dashboard.measures import MEASURES
from dashboard.periods import Period
from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, Span, select, select_rows, shown
from dashboard.queries.request_counts import count_requests
from dashboard.queries.request_filters import LATER, RequestFilter, matching_source, source_of
from dashboard.queries.request_windows import Places, places
from dashboard.queries.row_groups import rows_between
from dashboard.queries.sample import REQUESTS
from dashboard.queries.shared_arrays import read_at_once, shared

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
SORTED = ("request_time", *MEASURES)
"""What a page of requests can be ordered by; for a version, a requester or a status there are filters."""
MOST_REQUESTERS = 500
"""Requesters that a choice is given, at most: those who asked most."""

_READ_AT_ONCE = timedelta(days=33)
"""A month of any calendar and the day before it."""
_MATCHED = ("databricks_request_id", "request_time", "endpoint_name", "entity_name", "entity_version", "status_code")
_TOGETHER = timedelta(hours=1)
"""Requests of so short a time are read by its ends, others by the time of each."""
_LITTLE = timedelta(hours=6)
_MOST_BYTES = 32 * 2**20
"""Of the files of requesters' days that are read at once; of a larger table only what is asked for."""
_MOST_TIMES = 200
_LACKING = 8
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class RequestPage:
    """Some requests that fit, in the order asked for."""

    rows: "pd.DataFrame"
    wanted: RequestFilter

    @property
    def total(self) -> int:
        """How many fit in all. Raises: QueryFailed, LakehouseError."""
        return count_requests(self.wanted)


def requests(
    wanted: RequestFilter,
    *,
    order: str = "request_time",
    descending: bool = True,
    limit: int = 100,
    offset: int = 0,
    columns: tuple[str, ...] = COLUMNS,
) -> RequestPage:
    """Requests `offset` to `offset + limit` of those that `wanted` describes.

    columns: of `COLUMNS`, the id among them. order: one of `SORTED`; requests without a value there come last, those
    with the same value newest first.
    Raises: QueryFailed, LakehouseError.
    """
    return RequestPage(_rows(snapshots(), wanted, order, descending, limit, offset, columns), wanted)


def snapshots() -> tuple[Snapshot, Snapshot, Snapshot]:
    """What `request_rows` reads: the tables as the page shows them, for a read that goes on after the page was drawn.

    Raises: QueryFailed, LakehouseError.
    """
    return shown("request_metrics"), shown("request_scores"), shown("metrics_15min")


def request_rows(
    of: tuple[Snapshot, Snapshot, Snapshot],
    wanted: RequestFilter,
    columns: tuple[str, ...],
    limit: int,
    order: str = "request_time",
) -> "pd.DataFrame":
    """The newest requests that `wanted` describes, or those with the largest values of a measure, with any columns of
    `request_metrics`; not remembered.

    columns: of a fixed list of ours. Raises: QueryFailed, LakehouseError.
    """
    return _page_of_rows(of, wanted, order, True, limit, 0, columns)


def requesters(endpoint: str, period: Period) -> list[str]:
    """Who asked an endpoint in a period, whoever asked most first, "" for a requester who is not known; at most 500.

    By whole UTC days, as their rollup has them. Raises: QueryFailed, LakehouseError.
    """
    snapshot, first, last = shown("metrics_daily_requester"), period.start - timedelta(days=1), period.end
    # Whoever looks at a day looks at a month next: both are in what is read at once.
    span = read_at_once(snapshot, (first, last), _READ_AT_ONCE)
    if not snapshot.is_local or sum(file.size for file in snapshot.files_between(span)) > _MOST_BYTES:
        return _requesters(snapshot, endpoint, first, last)
    days, places, names, n = _requester_days(snapshot, endpoint, span)
    inside = slice(*np.searchsorted(days, [time.timestamp() for time in (first, last)]))
    counts = np.bincount(places[inside], n[inside], len(names))
    # Names rise, so those with as many requests do, too.
    asked = np.argsort(-counts, kind="stable")[: min(MOST_REQUESTERS, int(np.count_nonzero(counts)))]
    return [names[place] for place in asked.tolist()]


@kept(max_entries=16)
def _requesters(snapshot: Snapshot, endpoint: str, first: datetime, last: datetime) -> list[str]:
    rows = select(
        snapshot,
        """SELECT coalesce(requester, '') AS name, sum(n) AS n FROM this
           WHERE metric = $requests AND window_start >= $first AND window_start < $last
             AND ($endpoint = '' OR endpoint_name = $endpoint)
           GROUP BY ALL ORDER BY n DESC, name LIMIT $most""",
        span=(first, last),
        first=first,
        last=last,
        endpoint=endpoint,
        requests=REQUESTS,
        most=MOST_REQUESTERS,
    )
    return [str(name) for name in rows["name"]]


@shared
def _requester_days(
    snapshot: Snapshot, endpoint: str, span: Span
) -> tuple[NDArray[np.float64], NDArray[np.int64], tuple[str, ...], NDArray[np.float64]]:
    """How often each requester asked on each day, in the order of time: starts of days in seconds since 1970, places in
    the names, which rise, the names, and how often. Not to be written to."""
    rows = select(
        snapshot,
        """SELECT epoch(window_start) AS day, coalesce(requester, '') AS name, n::DOUBLE AS n FROM this
           WHERE metric = $requests AND window_start >= $start AND window_start < $end
             AND ($endpoint = '' OR endpoint_name = $endpoint)
           ORDER BY window_start""",
        span=span,
        start=span[0],
        end=span[1],
        endpoint=endpoint,
        requests=REQUESTS,
    )
    names, places = np.unique(rows["name"].to_numpy(object), return_inverse=True)
    found = tuple(str(name) for name in names)
    return rows["day"].to_numpy(float), places.astype(np.int64), found, rows["n"].to_numpy(float)


def _page_of_rows(
    of: tuple[Snapshot, Snapshot, Snapshot],
    wanted: RequestFilter,
    order: str,
    descending: bool,
    limit: int,
    offset: int,
    columns: tuple[str, ...],
) -> "pd.DataFrame":
    if order not in SORTED:
        raise ValueError(f"Requests cannot be ordered by {order!r}.")
    snapshot, later, quarters = of
    ordered = (order, descending, limit, offset)
    keys: pd.DataFrame | None = None
    # A score that was given later is not in the rows of the first scoring.
    given_later = {order, wanted.score} & set(LATER) and later.on_dates(wanted.start, wanted.end).files
    # A few windows more where some of their first requests may lack the score that is asked for.
    last = offset + limit
    counts = (last,) if wanted.score in ("", order) else (last + _LACKING, 4 * last)
    # What the rollups do not have yet is read whole: that is to be little.
    behind = min(wanted.end, snapshot.newest) - quarters.newest > _LITTLE
    for count in counts if snapshot.is_local and not given_later and not behind else ():
        near = places(quarters, wanted, order, descending, count) if keys is None else None
        if near:
            keys = _keys_near(snapshot, wanted, ordered, near.spans)
            keys = keys if len(keys) == limit and _surely_first(keys, near) else None
    if keys is None:
        keys = _keys(snapshot, later, wanted, ordered)
    return rows_of(snapshot, later, keys, columns)


def _surely_first(keys: "pd.DataFrame", near: Places) -> bool:
    value, time = keys["value"].iloc[-1], keys["request_time"].iloc[-1].to_pydatetime()
    if keys["value"].isna().iloc[-1]:
        return False
    return near.reaches(time.timestamp() if isinstance(value, datetime) else float(value), time)


def _keys(
    snapshot: Snapshot, later: Snapshot, wanted: RequestFilter, ordered: tuple[str, bool, int, int]
) -> "pd.DataFrame":
    """Ids, times and the value that orders of a page of the requests."""
    order, descending, limit, offset = ordered
    matched = matching_source(wanted, later, order in LATER)
    return select(
        snapshot,
        f"""SELECT databricks_request_id, request_time, {order} AS value FROM {matched.source}
            WHERE {matched.condition} {_first(descending)}""",  # noqa: S608
        span=(wanted.start, wanted.end),
        beside=matched.beside,
        limit=limit,
        offset=offset,
        **matched.parameters,
    )


def _keys_near(
    snapshot: Snapshot, wanted: RequestFilter, ordered: tuple[str, bool, int, int], spans: Sequence[Span]
) -> "pd.DataFrame":
    """The same, by the requests of some spans of time only; `wanted` is known to rollups."""
    order, descending, limit, offset = ordered
    score = [wanted.score] if wanted.score else []
    rows = rows_between(snapshot, spans, tuple(dict.fromkeys((*_MATCHED, order, *score))))
    return select_rows(
        rows,
        f"""SELECT databricks_request_id, request_time, {order} AS value FROM this
            WHERE request_time >= $start AND request_time < $end AND endpoint_name = $endpoint
              AND (len($versions::VARCHAR[]) = 0
                   OR coalesce(entity_name, '') || '/' || coalesce(entity_version, '') = ANY($versions::VARCHAR[]))
              AND (len($statuses::VARCHAR[]) = 0 OR (status_code // 100)::VARCHAR || 'xx' = ANY($statuses::VARCHAR[]))
              {"".join(f"AND {name} IS NOT NULL" for name in score)} {_first(descending)}""",  # noqa: S608
        start=wanted.start,
        end=wanted.end,
        endpoint=wanted.endpoint,
        versions=list(wanted.versions),
        statuses=list(wanted.statuses),
        limit=limit,
        offset=offset,
    )


def _first(descending: bool) -> str:
    return f"""ORDER BY value {"DESC" if descending else "ASC"} NULLS LAST, request_time DESC, databricks_request_id
               LIMIT $limit OFFSET $offset"""


def rows_of(snapshot: Snapshot, later: Snapshot, keys: "pd.DataFrame", columns: tuple[str, ...]) -> "pd.DataFrame":
    """The rows of some requests, in their order.

    keys: columns databricks_request_id and request_time. columns: of a fixed list of ours, the id among them.
    Raises: QueryFailed.
    """
    times = [time.to_pydatetime() for time in keys["request_time"]]
    first, last = min(times, default=_NEVER), max(times, default=_NEVER) + timedelta(microseconds=1)
    source, beside = source_of(later, RequestFilter(first, last), True)
    given: dict[str, Any] = {"first": first, "last": last}
    at = "request_time >= $first AND request_time < $last"
    if last - first > _TOGETHER and len(times) <= _MOST_TIMES:
        # By name, so that parts of files are passed over which have none of these times.
        given |= {f"time_{number}": time for number, time in enumerate(times)}
        at += f" AND request_time IN ({', '.join(f'$time_{number}' for number in range(len(times)))})"
    rows = select(
        snapshot.at_times(times),
        f"""SELECT {", ".join(columns)} FROM {source}
            WHERE databricks_request_id IN (SELECT unnest($ids::VARCHAR[])) AND {at}""",  # noqa: S608
        beside=beside,
        ids=keys["databricks_request_id"].tolist(),
        **given,
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


_rows = kept(max_entries=32)(_page_of_rows)
