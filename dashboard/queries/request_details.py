"""All that is known of one request but its words: its numbers, who gave them, and the requests beside it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.queries.lake import HASH_FUNCS, Snapshot, Span, select_records, shown
from lakehouse.tables import TABLES

if TYPE_CHECKING:
    pass

_MAPS = ("toxicity_labels", "unscored")
_COLUMNS = tuple(name for name in TABLES["request_metrics"].schema.names if name not in (*_MAPS, "request_date"))
_BESIDE = timedelta(days=1)
"""How far a neighbour is looked for."""


@dataclass(frozen=True)
class LaterScore:
    """A score that a request was given after the first scoring; `value` is None where it was tried in vain."""

    metric: str
    scorer: str
    value: float | None
    scored_at: datetime | None
    reason: str


@dataclass(frozen=True)
class RequestDetails:
    """One row of `request_metrics`: its columns (None where nothing stands), its maps, and what was scored later."""

    values: dict[str, Any]
    labels: dict[str, float]
    unscored: dict[str, str]
    later: tuple[LaterScore, ...]

    @property
    def request_id(self) -> str:
        """The endpoint's id of the request."""
        return str(self.values["databricks_request_id"])

    @property
    def time(self) -> datetime:
        """When it was asked, UTC."""
        time: datetime = self.values["request_time"]
        return time


@dataclass(frozen=True)
class Neighbour:
    """The request right before or after one. `of` is `requester` or `endpoint`."""

    of: str
    after: bool
    request_id: str
    time: datetime
    entity_version: str
    status_code: int | None


def request_details(request_id: str, day: str = "") -> RequestDetails | None:
    """The request with this id, of the endpoint or of its client; None where none is scored (yet).

    day: its UTC date as `2026-11-22`, where it is known: then only the files of that time are read.
    Raises: QueryFailed, LakehouseError.
    """
    found: RequestDetails | None = _details(shown("request_metrics"), shown("request_scores"), request_id, day)
    return found


def neighbours(about: RequestDetails) -> list[Neighbour]:
    """The requests before and after one, of the same requester (where it is known) and of the same endpoint, as far as
    a day away.

    Raises: QueryFailed, LakehouseError.
    """
    values = about.values
    found: list[Neighbour] = _neighbours(
        shown("request_metrics"), about.request_id, about.time, values["endpoint_name"] or "", values["requester"] or ""
    )
    return found


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASH_FUNCS)
def _details(snapshot: Snapshot, later: Snapshot, request_id: str, day: str) -> RequestDetails | None:
    spans: list[Span | None] = [_around(day), None] if _around(day) else [None]
    columns = ", ".join(f'"{name}"' for name in (*_COLUMNS, *_MAPS))
    # One id at a time, so that each look skips the parts of files that cannot have it.
    for column in ("databricks_request_id", "client_request_id"):
        for span in spans:
            sql = f"SELECT {columns} FROM this WHERE {column} = $id ORDER BY request_time DESC LIMIT 1"  # noqa: S608
            rows = select_records(snapshot, sql, span=span, id=request_id)
            if rows:
                return _with_later(rows[0], later)
    return None


def _with_later(row: dict[str, Any], later: Snapshot) -> RequestDetails:
    time: datetime = row["request_time"]
    # A day more on each side: the date of a table of others need not be that of its time in UTC.
    near = later.on_dates(time - _BESIDE, time + _BESIDE)
    scores = select_records(
        near,
        """SELECT metric, scorer, value, scored_at, unscored_reason FROM this
               WHERE databricks_request_id = $id ORDER BY scored_at, metric""",
        id=row["databricks_request_id"],
    )
    return RequestDetails(
        values={name: row[name] for name in _COLUMNS},
        labels=dict(row["toxicity_labels"] or ()),
        unscored=dict(row["unscored"] or ()),
        later=tuple(
            LaterScore(
                score["metric"] or "",
                score["scorer"] or "",
                score["value"],
                score["scored_at"],
                score["unscored_reason"] or "",
            )
            for score in scores
        ),
    )


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASH_FUNCS)
def _neighbours(snapshot: Snapshot, request_id: str, time: datetime, endpoint: str, requester: str) -> list[Neighbour]:
    def nearest(of: str, condition: str, after: bool) -> str:
        sign, direction = (">", "ASC") if after else ("<", "DESC")
        return f"""(SELECT '{of}' AS "of", {after} AS "after", databricks_request_id, request_time, entity_version,
                           status_code
                    FROM this WHERE {condition} AND coalesce(endpoint_name, '') = $endpoint
                      AND (request_time, databricks_request_id) {sign} ($time, $id)
                      AND request_time >= $first AND request_time < $last
                    ORDER BY request_time {direction}, databricks_request_id {direction} LIMIT 1)"""  # noqa: S608

    of_requester = "requester = $requester"
    parts = [
        nearest(of, condition, after)
        for of, condition in (("requester", of_requester), ("endpoint", "true"))
        if requester or of == "endpoint"
        for after in (False, True)
    ]
    first, last = time - _BESIDE, time + _BESIDE
    asked: dict[str, Any] = {"requester": requester} if requester else {}
    rows = select_records(
        snapshot,
        " UNION ALL ".join(parts),
        span=(first, last),
        time=time,
        id=request_id,
        endpoint=endpoint,
        first=first,
        last=last,
        **asked,
    )
    return [
        Neighbour(
            row["of"],
            bool(row["after"]),
            row["databricks_request_id"],
            row["request_time"],
            row["entity_version"] or "",
            None if row["status_code"] is None else int(row["status_code"]),
        )
        for row in rows
    ]


def _around(day: str) -> Span | None:
    try:
        start = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
        return start - _BESIDE, start + 2 * _BESIDE
    except (ValueError, OverflowError):
        return None
