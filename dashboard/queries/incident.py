"""A stretch of time for a post-mortem: what changed, what moved, which alerts, which requests, which decisions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from dashboard.change_words import action_words
from dashboard.moment import chosen_moment
from dashboard.periods import Period
from dashboard.queries import alerts, changes, traffic
from dashboard.queries.change_effects import scored_until
from dashboard.queries.figure_windows import window_sums
from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, select, shown
from dashboard.queries.request_filters import RequestFilter
from dashboard.queries.requests import request_rows, rows_of, snapshots
from dashboard.queries.traffic import Traffic
from dashboard.queries.window_figures import Figure, FigureMoved, compared
from lakehouse.ledger import Change
from lakehouse.notable_requests import LEAST_TOXICITY, NOTABLE_REQUESTS
from registry.alerts import Alert

if TYPE_CHECKING:
    import pandas as pd

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
    "metrics_hour",
    "request_metrics",
    "notable_requests",
    "flags",
    "job_runs",
)
"""The tables that an incident is read from."""

WORST_COLUMNS = (
    "databricks_request_id",
    "request_time",
    "entity_version",
    "status_code",
    "execution_duration_ms",
    "response_toxicity",
)
"""What is told of each of them."""

_MORE_COLUMNS = (*WORST_COLUMNS, "response_perplexity", "response_fk_grade")
"""The same in the report."""
_KEYS = ("databricks_request_id", "request_time")
_KNOWN = frozenset(WORST_COLUMNS)
"""Those of them that `notable_requests` has."""
_NOTABLE = {"errors": "status_code >= 400", "toxicity": f"response_toxicity >= {LEAST_TOXICITY}"}
"""Key of `WORST_BY` → of which requests `notable_requests` has every one."""
_WEEK = timedelta(days=7)
_DECISIONS = ("override_gate", "request_promotion", "evaluate", "set_challenger", "register")
_MOST_FLAGS = 200
_BY_QUARTERS, _BY_HOURS = timedelta(hours=6), timedelta(days=2)


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
class Stretch:
    """A stretch of time of an endpoint, as it was asked for. end: up to where it is scored."""

    endpoint: str
    start: datetime
    end: datetime
    asked_end: datetime


@dataclass(frozen=True)
class Made:
    """What people did in a stretch of time, oldest first: what they changed about what answers, and decided."""

    changes: Sequence[Change]
    decisions: Sequence[Change]


@dataclass(frozen=True)
class Worst:
    """The requests that stand out most by a measure, by the first scores, without anybody's words or names.

    rows: with the columns `WORST_COLUMNS`. total: how many have the measure in all.
    """

    rows: list[dict[str, Any]]
    total: int


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
    """Key of `WORST_BY` → rows as `Worst` has them, and their perplexity and grade."""
    totals: dict[str, int]
    """Key of `WORST_BY` → how many requests there were in all."""
    traffic: Traffic
    tables: Sequence[TableRead]


def incident(endpoint: str, period: Period) -> Incident:
    """Everything that is known of an endpoint in a period.

    Raises: QueryFailed, LakehouseError.
    """
    of = stretch(endpoint, period)
    people = made(of)
    found = {key: worst(of, key, whole=True) for key in WORST_BY}
    return Incident(
        endpoint,
        of.start,
        of.end,
        of.asked_end,
        chosen_moment(),
        people.changes,
        people.decisions,
        flags(of),
        alerts_of(of),
        figures(of),
        {key: one.rows for key, one in found.items()},
        {key: one.total for key, one in found.items()},
        traffic.traffic(endpoint, period),
        tables_read(),
    )


def stretch(endpoint: str, period: Period) -> Stretch:
    """A period of an endpoint, and up to where it is scored, in whole rollup windows: what is not scored yet would look
    like a collapse. Raises: LakehouseError."""
    until = scored_until()
    if period.end <= until or until <= period.start:
        return Stretch(endpoint, period.start, period.end, period.end)
    step, length = 60, until - period.start
    for seconds, least in ((900, _BY_QUARTERS), (3600, _BY_HOURS)):
        if length >= least and period.start.timestamp() % seconds == 0:
            step = seconds
    return Stretch(endpoint, period.start, until - timedelta(seconds=until.timestamp() % step), period.end)


def figures(of: Stretch) -> list[IncidentFigure]:
    """Every figure beside the time before it and a week before, the clearest first.

    Raises: QueryFailed, LakehouseError.
    """
    length = of.end - of.start
    now = window_sums(of.endpoint, of.start, of.end)
    before = compared(window_sums(of.endpoint, of.start - length, of.start), now)
    week: Sequence[FigureMoved | None] = [None] * len(before)
    if length <= _WEEK:
        week = compared(window_sums(of.endpoint, of.start - _WEEK, of.end - _WEEK), now)
    found = [IncidentFigure(*pair) for pair in zip(before, week, strict=True)]
    return sorted(found, key=lambda one: -one.clearness)


def made(of: Stretch) -> Made:
    """What was changed and decided, without what was done to other endpoints. Raises: QueryFailed, LakehouseError."""
    others = {name for name in traffic.endpoints() if name != of.endpoint}
    here = [change for change in changes.changes_between(of.start, of.asked_end) if change.target not in others]
    return Made(
        [change for change in here if action_words(change.action).kind != "note"],
        [change for change in here if change.action in _DECISIONS],
    )


def alerts_of(of: Stretch) -> Sequence[Alert]:
    """The alerts that were open. Raises: QueryFailed, LakehouseError."""
    return alerts.alerts_between(of.start, of.asked_end, of.endpoint)


def flags(of: Stretch) -> list[FlagDecided]:
    """What was decided about flagged requests. Raises: QueryFailed, LakehouseError."""
    return _flags(shown("flags"), of.endpoint, of.start, of.asked_end)


def failed(of: Stretch) -> int:
    """How many requests failed. Raises: QueryFailed, LakehouseError."""
    return window_sums(of.endpoint, of.start, of.asked_end).errors


def worst(of: Stretch, key: str, *, whole: bool = False) -> Worst:
    """The requests that stand out most by a measure. key: of `WORST_BY`. whole: with perplexity and grade, too.

    Raises: QueryFailed, LakehouseError.
    """
    metrics, _, rollup = snapshots()
    columns = _MORE_COLUMNS if whole else WORST_COLUMNS
    rows = _worst(metrics, shown(NOTABLE_REQUESTS.name), rollup, replace(of, end=of.asked_end), key, columns)
    sums = window_sums(of.endpoint, of.start, of.asked_end)
    if key == "errors":
        return Worst(rows, sums.errors)
    return Worst(rows, max((n for (metric, _), (n, *_) in sums.sums.items() if metric == WORST_BY[key][1]), default=0))


def tables_read() -> list[TableRead]:
    """The versions of the tables that all of this is read from. Raises: QueryFailed, LakehouseError."""
    return [TableRead(name, found.table_id, found.version) for name in READ for found in [shown(name)]]


@kept(max_entries=32)
def _worst(
    metrics: Snapshot, notable: Snapshot, rollup: Snapshot, of: Stretch, key: str, columns: tuple[str, ...]
) -> list[dict[str, Any]]:
    column = WORST_BY[key][1]
    # By the first scores: what was scored later is left out.
    later = Snapshot("request_scores", "", "", -1)
    found = None
    if key in _NOTABLE and notable.version >= 0:
        found = _largest(notable, of, column, _NOTABLE[key], tuple(name for name in columns if name in _KNOWN))
        if key != "errors" and len(found) < WORST:
            found = None
        elif set(columns) > _KNOWN:
            found = rows_of(metrics, later, found, columns)
    elif key == "errors":
        found = rows_of(metrics, later, _largest(metrics, of, column, _NOTABLE[key], _KEYS), columns)
    if found is None:
        wanted = RequestFilter(of.start, of.end, of.endpoint, score=column)
        found = request_rows((metrics, later, rollup), wanted, columns, WORST, column)
    return [{name: _plain(row[name]) for name in columns} for row in found.to_dict("records")]


def _largest(snapshot: Snapshot, of: Stretch, column: str, condition: str, columns: tuple[str, ...]) -> "pd.DataFrame":
    return select(
        snapshot,
        # Only our own texts are put together: columns and conditions of fixed lists.
        f"""SELECT {", ".join(columns)} FROM this
            WHERE {condition} AND request_time >= $start AND request_time < $end AND endpoint_name = $endpoint
            ORDER BY {column} DESC, request_time DESC, databricks_request_id LIMIT {WORST}""",  # noqa: S608
        span=(of.start, of.end),
        start=of.start,
        end=of.end,
        endpoint=of.endpoint,
    )


def _plain(value: Any) -> Any:
    """A cell with None where nothing stands, which a data frame has as NaN or NA."""
    import pandas as pd

    return None if value is None or pd.isna(value) else value


@kept(max_entries=16)
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
