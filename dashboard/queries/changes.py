"""The ledger for pages: one page of it at a time, what it can be filtered by, and the changes that charts mark."""

from bisect import bisect_left
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from dashboard.change_words import ALERT, NOTES, action_words
from dashboard.moment import chosen_moment, time_now
from dashboard.periods import Period
from dashboard.queries import traffic
from dashboard.queries.alerts import alerts_between, alerts_opened
from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, newest, select, select_records, shown
from lakehouse.ledger import INTERRUPTED_AFTER_SECONDS, Change, changes_in
from registry.alerts import Alert

if TYPE_CHECKING:
    import pandas as pd

MOST_MARKERS = 500
"""Changes that one chart is given; a chart merges those that stand too close to be told apart."""

_MOST_READ = 5_000
"""Changes that are read at once for all charts of the last two months."""
_LATELY = timedelta(days=63)


@dataclass(frozen=True)
class LedgerFilter:
    """Which changes to show. What is empty leaves everything in; `since` (UTC) is None for the whole ledger."""

    actions: tuple[str, ...] = ()
    actors: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    since: datetime | None = None
    change_id: str = ""


@dataclass(frozen=True)
class LedgerPage:
    """Some changes, newest first, and how many there are in all."""

    changes: list[Change]
    total: int


@dataclass(frozen=True)
class LedgerChoices:
    """What the ledger can be filtered by: every action, actor and target in it."""

    actions: tuple[str, ...]
    actors: tuple[str, ...]
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Marker:
    """A change or an alert on a time chart. `time` is milliseconds since 1970, UTC; `text` says what, unescaped.

    Of an alert `action` is `ALERT`, `change_id` the alert's own and `target` its endpoint.
    """

    time: int
    action: str
    text: str
    failed: bool
    change_id: str
    target: str = ""

    @property
    def is_change(self) -> bool:
        """Whether somebody changed something; else an alert opened."""
        return self.action != ALERT


def ledger_page(wanted: LedgerFilter, page: int = 1, size: int = 25) -> LedgerPage:
    """Page `page` (from 1) of the changes that `wanted` describes.

    Raises: QueryFailed, LakehouseError.
    """
    # A change that stays without an outcome becomes interrupted when its process ends, which is no new row: so what
    # is kept are the rows, not what they mean.
    rows, total = _page(shown("ledger"), wanted, page, size)
    return LedgerPage(_as_known(rows), total)


def all_changes(wanted: LedgerFilter, ledger: Snapshot) -> list[Change]:
    """Every change that `wanted` describes in a snapshot of the ledger, newest first: for an export.

    Raises: QueryFailed, LakehouseError.
    """
    return _as_known(_matching_rows(ledger, wanted))


def ledger_choices() -> LedgerChoices:
    """What stands in the ledger to filter by.

    Raises: QueryFailed, LakehouseError.
    """
    found: LedgerChoices = _choices(shown("ledger"))
    return found


def markers(period: Period, endpoint: str = "") -> tuple[Marker, ...]:
    """What was changed in a period and which alerts opened, oldest first, for the charts over it; the newest 500.

    With `endpoint`, those of other endpoints are left out. Sign-ins and the like changed nothing that answers.
    Raises: QueryFailed, LakehouseError.
    """
    others = tuple(name for name in traffic.endpoints() if name != endpoint) if endpoint else ()
    ledger, events = shown("ledger"), shown("alert_events")
    tomorrow = time_now().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    earliest = tomorrow - _LATELY
    if earliest <= period.start:
        lately = _all_markers(ledger, events, earliest, max(tomorrow, period.end))
        if lately is not None:
            edges = (round(time.timestamp() * 1000) for time in (period.start, period.end))
            first, last = (bisect_left(lately, edge, key=lambda marker: marker.time) for edge in edges)
            return _newest([one for one in lately[first:last] if _is_about(one, endpoint, others)])
    found = _markers(ledger, period.start, period.end, others, MOST_MARKERS)
    opened = alerts_between(period.start, period.end, endpoint)
    alerts = [_of_alert(one) for one in opened if period.start <= one.opened_at]
    return tuple(sorted((*found, *alerts), key=lambda marker: marker.time))


def changes_between(start: datetime, end: datetime) -> list[Change]:
    """Every change that was begun from `start` (included) to `end` (not included), UTC, oldest first.

    Raises: QueryFailed, LakehouseError.
    """
    return _as_known(_rows_between(shown("ledger"), start, end))[::-1]


def change(change_id: str) -> Change | None:
    """One change; None where there is no such. Raises: QueryFailed, LakehouseError."""
    found = _as_known(_rows_of(shown("ledger"), (change_id,))) if change_id else []
    return found[0] if found else None


def marked_since(start: datetime) -> tuple[Marker, ...]:
    """What was changed since `start` (UTC), oldest first; the newest 500.

    Raises: QueryFailed, LakehouseError.
    """
    # To the end of this minute: a result is kept for as long as neither the ledger nor this has changed.
    end = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
    return _markers(newest("ledger"), start, end, (), MOST_MARKERS)


_MATCHING = """phase = 'intent'
             AND ($change_id = '' OR change_id = $change_id)
             AND (len($actions::VARCHAR[]) = 0 OR action = ANY($actions::VARCHAR[]))
             AND (len($actors::VARCHAR[]) = 0 OR actor = ANY($actors::VARCHAR[]))
             AND (len($targets::VARCHAR[]) = 0 OR target = ANY($targets::VARCHAR[]))
             AND ($since::TIMESTAMPTZ IS NULL OR time >= $since::TIMESTAMPTZ)"""


def strip(wanted: LedgerFilter) -> "pd.DataFrame":
    """The newest 5,000 changes that `wanted` describes, oldest first: columns time (int64, ms), action, target, actor,
    outcome (empty where there is none yet).

    Raises: QueryFailed, LakehouseError.
    """
    found: pd.DataFrame = _strip(shown("ledger"), wanted)
    return found


@kept(max_entries=32)
def _strip(snapshot: Snapshot, wanted: LedgerFilter) -> "pd.DataFrame":
    return select(
        snapshot,
        f"""SELECT epoch_ms(time) AS time, coalesce(action, '') AS action, coalesce(target, '') AS target,
                   coalesce(actor, '') AS actor, coalesce(ended.ending, '') AS outcome
            FROM (SELECT * FROM this WHERE {_MATCHING} ORDER BY time DESC LIMIT 5000)
            LEFT JOIN (SELECT change_id, arg_max(outcome, time) AS ending FROM this WHERE phase = 'outcome'
                       GROUP BY change_id) AS ended USING (change_id)
            ORDER BY time""",  # noqa: S608
        **_parameters(wanted),
    )


@kept(max_entries=32)
def _page(snapshot: Snapshot, wanted: LedgerFilter, page: int, size: int) -> tuple[list[dict[str, Any]], int]:
    found = select(
        snapshot,
        # Only our own texts are put together; what people chose comes in as parameters.
        f"""SELECT change_id, count(*) OVER () AS total FROM this WHERE {_MATCHING}
            ORDER BY time DESC, change_id LIMIT $size OFFSET $skipped""",  # noqa: S608
        size=size,
        skipped=max(page - 1, 0) * size,
        **_parameters(wanted),
    )
    if found.empty:
        return [], 0
    return _rows_of(snapshot, tuple(found["change_id"])), int(found["total"].iloc[0])


def _matching_rows(snapshot: Snapshot, wanted: LedgerFilter) -> list[dict[str, Any]]:
    sql = f"SELECT * FROM this WHERE change_id IN (SELECT change_id FROM this WHERE {_MATCHING})"  # noqa: S608
    return select_records(snapshot, sql, **_parameters(wanted))


def _rows_of(snapshot: Snapshot, change_ids: tuple[str, ...]) -> list[dict[str, Any]]:
    return select_records(snapshot, "SELECT * FROM this WHERE change_id = ANY($ids)", ids=list(change_ids))


@kept(max_entries=8)
def _rows_between(snapshot: Snapshot, start: datetime, end: datetime) -> list[dict[str, Any]]:
    # An outcome stands after the end where the change took longer.
    sql = """SELECT * FROM this WHERE change_id IN
             (SELECT change_id FROM this WHERE phase = 'intent' AND time >= $start AND time < $end)"""
    return select_records(snapshot, sql, start=start, end=end)


@kept(max_entries=4)
def _choices(snapshot: Snapshot) -> LedgerChoices:
    found = select(snapshot, "SELECT DISTINCT action, actor, target FROM this WHERE phase = 'intent'")

    def distinct(column: str) -> tuple[str, ...]:
        return tuple(sorted({str(value) for value in found[column].dropna() if value}))

    return LedgerChoices(distinct("action"), distinct("actor"), distinct("target"))


@kept(max_entries=4, copied=False)
def _all_markers(ledger: Snapshot, events: Snapshot, start: datetime, end: datetime) -> tuple[Marker, ...] | None:
    """All changes and alerts of a span, so that any piece of it needs no query; None where they are too many."""
    changed = _markers(ledger, start, end, (), _MOST_READ)
    opened = alerts_opened(events, start, end)
    if len(changed) == _MOST_READ or opened is None:
        return None
    return tuple(sorted((*changed, *map(_of_alert, opened)), key=lambda marker: marker.time))


def _is_about(marker: Marker, endpoint: str, others: tuple[str, ...]) -> bool:
    return marker.target not in others if marker.is_change else endpoint in ("", marker.target)


def _of_alert(opened: Alert) -> Marker:
    time = round(opened.opened_at.timestamp() * 1000)
    return Marker(time, ALERT, f"Alert: {opened.sentence}", False, opened.alert_id, opened.endpoint_name)


def _newest(found: list[Marker]) -> tuple[Marker, ...]:
    """The same with the newest `MOST_MARKERS` of the changes only."""
    over = sum(marker.is_change for marker in found) - MOST_MARKERS
    if over <= 0:
        return tuple(found)
    first = [place for place, marker in enumerate(found) if marker.is_change][over]
    return tuple(marker for place, marker in enumerate(found) if place >= first or not marker.is_change)


@kept(max_entries=32)
def _markers(
    snapshot: Snapshot, start: datetime, end: datetime, others: tuple[str, ...], most: int
) -> tuple[Marker, ...]:
    """The newest `most` changes of a span, oldest first."""
    found = select_records(
        snapshot,
        """SELECT epoch_ms(intent.time) AS time, intent.action AS action, intent.target AS target,
                  intent.actor AS actor, intent."before" AS old, intent."after" AS new, change_id,
                  coalesce(ended.outcome, '') AS outcome
           FROM this AS intent
           LEFT JOIN (SELECT change_id, arg_max(outcome, time) AS outcome FROM this WHERE phase = 'outcome'
                      GROUP BY change_id) AS ended USING (change_id)
           WHERE intent.phase = 'intent' AND intent.time >= $start AND intent.time < $end
             AND NOT coalesce(intent.action, '') = ANY($notes)
             AND NOT coalesce(intent.target, '') = ANY($others::VARCHAR[])
           ORDER BY intent.time DESC LIMIT $most""",
        start=start,
        end=end,
        notes=list(NOTES),
        others=list(others),
        most=most,
    )
    return tuple(_marker(row) for row in reversed(found))


def _marker(row: dict[str, Any]) -> Marker:
    action, outcome = row["action"] or "", row["outcome"] or ""
    moved = " → ".join(value for value in (row["old"], row["new"]) if value)
    text = f"{action_words(action).title}, {row['target'] or ''}" + (f": {moved}" if moved else "")
    text += f" ({row['actor'] or 'unknown'})" if outcome.startswith("succeeded") else f" ({outcome or 'no outcome'})"
    return Marker(int(row["time"]), action, text, outcome == "failed", row["change_id"], row["target"] or "")


def _as_known(rows: list[dict[str, Any]]) -> list[Change]:
    """The changes, newest first. One that was under way at the moment looked back at was so, whatever became of it."""
    moment, found = chosen_moment(), changes_in(rows)
    if moment is None:
        return found
    latest = moment - timedelta(seconds=INTERRUPTED_AFTER_SECONDS)
    return [replace(one, outcome=None) if one.ended_at is None and one.started_at > latest else one for one in found]


def _parameters(wanted: LedgerFilter) -> dict[str, Any]:
    return {
        "actions": list(wanted.actions),
        "actors": list(wanted.actors),
        "targets": list(wanted.targets),
        "since": wanted.since,
        "change_id": wanted.change_id,
    }
