"""A stretch of time for a post-mortem: what changed, what moved, which alerts, which requests, which decisions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import streamlit as st

from dashboard.change_words import action_words
from dashboard.moment import chosen_moment
from dashboard.periods import Period
from dashboard.queries import alerts, changes, traffic
from dashboard.queries.change_effects import scored_until
from dashboard.queries.lake import HASH_FUNCS, Snapshot, select, shown
from dashboard.queries.traffic import Traffic
from dashboard.queries.window_figures import Figure, FigureMoved, compared, window_sums
from lakehouse.ledger import Change
from registry.alerts import Alert

WORST = 10
"""Requests that are listed by each measure."""
WORST_BY = {
    "errors": ("Errors", "status_code"),
    "toxicity": ("Toxicity of the answer", "response_toxicity"),
    "latency": ("Latency", "execution_duration_ms"),
}
"""Key → what the list is called, and the column of `request_metrics` that it is ordered by, the largest first."""
READ = (
    "ledger",
    "alert_events",
    "metrics_minute",
    "metrics_15min",
    "request_metrics",
    "flags",
    "job_runs",
)
"""The tables that an incident is read from."""

_WORST_COLUMNS = (
    "databricks_request_id",
    "request_time",
    "entity_version",
    "status_code",
    "execution_duration_ms",
    "response_toxicity",
    "response_perplexity",
    "response_fk_grade",
)
_WEEK = timedelta(days=7)
_DECISIONS = ("override_gate", "request_promotion", "evaluate", "set_challenger", "register")
_MOST_FLAGS = 200
_FAILED = 400
_BY_QUARTERS = timedelta(hours=6)


@dataclass(frozen=True)
class IncidentFigure:
    """A figure of the time beside the same length before it, and beside the same hours a week before it.

    week: None where the time is longer than a week, which would then be compared with itself.
    """

    before: FigureMoved
    week: FigureMoved | None

    @property
    def figure(self) -> Figure:
        """Which figure it is."""
        return self.before.figure

    @property
    def clearness(self) -> float:
        """How clearly it moved, by the clearer of the two comparisons; above 1 an interval leaves zero out."""
        return max(one.moved.clearness for one in (self.before, self.week) if one is not None)


@dataclass(frozen=True)
class FlagDecided:
    """What somebody decided about a flagged request, without a word of it."""

    time: datetime
    request_id: str
    decision: str
    label: str
    actor: str


@dataclass(frozen=True)
class TableRead:
    """A version of a table that was read: with its id and version anybody can read the same again. -1: not there."""

    name: str
    table_id: str
    version: int


@dataclass(frozen=True)
class Incident:
    """All of it, oldest first where it has a time; `figures` by how clearly they moved.

    end: where the time that was asked for is not all scored, up to where it is. as_of: the moment that was looked
    back at, None for now.
    """

    endpoint: str
    start: datetime
    end: datetime
    asked_end: datetime
    as_of: datetime | None
    changes: Sequence[Change]
    decisions: Sequence[Change]
    flags: Sequence[FlagDecided]
    alerts: Sequence[Alert]
    figures: Sequence[IncidentFigure]
    worst: dict[str, list[dict[str, Any]]]
    """Key of `WORST_BY` → rows with the columns `_WORST_COLUMNS`, by the first scores; nobody's words or names."""
    totals: dict[str, int]
    """Key of `WORST_BY` → how many requests there were in all."""
    traffic: Traffic
    tables: Sequence[TableRead]


def incident(endpoint: str, period: Period) -> Incident:
    """What is known of an endpoint in a period.

    Raises: QueryFailed, LakehouseError.
    """
    end = _scored_end(period)
    made = changes.changes_between(period.start, period.end)
    others = {name for name in traffic.endpoints() if name != endpoint}
    here = [change for change in made if change.target not in others]
    worst: dict[str, list[dict[str, Any]]] = _worst(shown("request_metrics"), endpoint, period.start, period.end)
    figures = _figures(endpoint, period.start, end)
    return Incident(
        endpoint,
        period.start,
        end,
        period.end,
        chosen_moment(),
        [change for change in here if action_words(change.action).kind != "note"],
        [change for change in here if change.action in _DECISIONS],
        _flags(shown("flags"), endpoint, period.start, period.end),
        alerts.alerts_between(period.start, period.end, endpoint),
        figures,
        worst,
        _totals(endpoint, period.start, period.end),
        traffic.traffic(endpoint, period),
        [TableRead(name, found.table_id, found.version) for name in READ for found in [shown(name)]],
    )


def _scored_end(period: Period) -> datetime:
    """Up to where the time is scored, in whole rollup windows: what is not scored yet would look like a collapse."""
    until = scored_until()
    if period.end <= until or until <= period.start:
        return period.end
    step = 900 if until - period.start >= _BY_QUARTERS and period.start.timestamp() % 900 == 0 else 60
    return until - timedelta(seconds=until.timestamp() % step)


def _figures(endpoint: str, start: datetime, end: datetime) -> list[IncidentFigure]:
    length = end - start
    now = window_sums(endpoint, start, end)
    before = compared(window_sums(endpoint, start - length, start), now)
    week: Sequence[FigureMoved | None] = [None] * len(before)
    if length <= _WEEK:
        week = compared(window_sums(endpoint, start - _WEEK, end - _WEEK), now)
    found = [IncidentFigure(*pair) for pair in zip(before, week, strict=True)]
    return sorted(found, key=lambda one: -one.clearness)


def _totals(endpoint: str, start: datetime, end: datetime) -> dict[str, int]:
    sums = window_sums(endpoint, start, end)
    scored = {metric: n for (metric, _), (n, *_) in sorted(sums.sums.items(), key=lambda one: one[1][0])}
    return {
        "errors": sums.errors,
        "toxicity": scored.get("response_toxicity", 0),
        "latency": scored.get("execution_duration_ms", 0),
    }


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs=HASH_FUNCS)
def _worst(snapshot: Snapshot, endpoint: str, start: datetime, end: datetime) -> dict[str, list[dict[str, Any]]]:
    where = "request_time >= $start AND request_time < $end AND endpoint_name = $endpoint"
    given: dict[str, Any] = {"span": (start, end), "start": start, "end": end, "endpoint": endpoint}
    # Only our own texts are put together: columns of fixed lists. The smallest of the largest values is found first,
    # by which the files are then read for the few rows that matter only.
    columns = {key: column for key, (_, column) in WORST_BY.items()}
    largest = ", ".join(f"list_min(max({column}, {WORST})) AS {key}" for key, column in columns.items())
    least = select(snapshot, f"SELECT {largest} FROM this WHERE {where}", **given).iloc[0]  # noqa: S608
    lowest = {key: _plain(least[key]) for key in columns}
    reached = " OR ".join(f"{column} >= ${key}" for key, column in columns.items())
    ranks = ", ".join(
        f"""row_number() OVER (ORDER BY {column} DESC NULLS LAST, request_time DESC, databricks_request_id)
            AS {key}_rank"""
        for key, column in columns.items()
    )
    listed = " OR ".join(f"{key}_rank <= {WORST}" for key in columns)
    rows = select(
        snapshot,
        f"""SELECT {", ".join(_WORST_COLUMNS)}, {ranks} FROM this WHERE {where} AND ({reached})
            QUALIFY {listed}""",  # noqa: S608
        **lowest,
        **given,
    ).to_dict("records")
    return {key: _ranked(rows, key, column) for key, column in columns.items()}


def _ranked(rows: list[dict[Any, Any]], key: str, column: str) -> list[dict[str, Any]]:
    """Of the rows those that are listed by one measure, the largest first; by errors only what failed."""
    ranked = sorted((row for row in rows if row[f"{key}_rank"] <= WORST), key=lambda row: row[f"{key}_rank"])
    plain = [{name: _plain(row[name]) for name in _WORST_COLUMNS} for row in ranked]
    return [row for row in plain if row[column] is not None and (key != "errors" or row[column] >= _FAILED)]


def _plain(value: Any) -> Any:
    """A cell with None where nothing stands, which a data frame has as NaN or NA."""
    import pandas as pd

    return None if value is None or pd.isna(value) else value


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs=HASH_FUNCS)
def _flags(snapshot: Snapshot, endpoint: str, start: datetime, end: datetime) -> list[FlagDecided]:
    rows = select(
        snapshot,
        """SELECT time, databricks_request_id, decision, label, actor FROM this
           WHERE time >= $start AND time < $end AND ($endpoint = '' OR endpoint_name = $endpoint)
           ORDER BY time LIMIT $most""",
        start=start,
        end=end,
        endpoint=endpoint,
        most=_MOST_FLAGS,
    )
    return [
        FlagDecided(row["time"].to_pydatetime(), *(str(_plain(row[name]) or "") for name in list(row)[1:]))
        for row in rows.to_dict("records")
    ]
