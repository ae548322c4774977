"""Alerts, what happened to them and whom they were told, as the tables were at the moment that the pages show."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dashboard.moment import time_now
from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, select_records, shown
from dashboard.queries.operations import parsed_time
from lakehouse.status import read_status
from registry.alerts import Alert, alerts_in
from settings import get_settings

MOST_ALERTS = 200

STATES = ("open", "acknowledged", "silenced", "pending", "closed")
"""In the order in which people care."""
ALERTS_JOB = "alerts"
DELIVERED, GIVEN_UP = "delivered", "given_up"
_LATE_AFTER = 5
_USUAL_SECONDS = 30.0


@dataclass(frozen=True)
class Delivery:
    """How telling somebody of one change of an alert stands. `state` and `error` are those of the last attempt."""

    alert_id: str
    alert_state: str
    event_time: datetime | None
    channel: str
    state: str
    attempt: int
    time: datetime | None
    next_try_at: datetime | None
    error: str

    @property
    def waits(self) -> bool:
        """Whether it has not arrived and is tried again."""
        return self.next_try_at is not None and self.state not in (DELIVERED, GIVEN_UP)


@dataclass(frozen=True)
class RuleLook:
    """What the last look at a rule saw. `status` is breached, between (nearly), within or unknown."""

    rule: str
    subject: str
    status: str
    sentence: str


@dataclass(frozen=True)
class Looking:
    """How the job of the alerts does, now. `error`: why its last look did not succeed; empty if it did.

    channels: how people are told → why that does not work, or nothing.
    """

    running: bool
    looked_at: datetime | None
    every_seconds: float
    error: str
    rules: tuple[RuleLook, ...]
    channels: dict[str, str]

    def late(self, now: datetime) -> bool:
        """Whether nobody has looked at the rules for several times as long as they should be."""
        return self.looked_at is None or (now - self.looked_at).total_seconds() > _LATE_AFTER * self.every_seconds


def looking() -> Looking | None:
    """What the job of the alerts last said about itself; None if it never ran here."""
    told = read_status(get_settings(), ALERTS_JOB)
    if told is None:
        return None
    rules = [one for one in told.get("rules") or [] if isinstance(one, dict)]
    channels = told.get("delivery") if isinstance(told.get("delivery"), dict) else {}
    return Looking(
        running=told.get("state") == "looking",
        looked_at=parsed_time(told.get("updated_at")),
        every_seconds=float(told.get("every_seconds") or _USUAL_SECONDS),
        error=str(told.get("error") or ""),
        rules=tuple(
            RuleLook(*(str(one.get(name) or "") for name in ("rule", "subject", "status", "sentence"))) for one in rules
        ),
        channels={
            str(name): str(one.get("error") or "") if isinstance(one, dict) else ""
            for name, one in (channels or {}).items()
        },
    )


def alerts_between(start: datetime, end: datetime, endpoint: str = "") -> list[Alert]:
    """The alerts that were open at some time from `start` to `end` (UTC), the oldest first; the newest 200.

    Raises: QueryFailed, LakehouseError.
    """
    rows = _rows_between(shown("alert_events"), start, end, endpoint)
    fired = [alert for alert in alerts_in(rows) if alert.fired and _touches(alert, start, end)]
    return fired[:MOST_ALERTS][::-1]


def alerts_opened(snapshot: Snapshot, start: datetime, end: datetime) -> list[Alert] | None:
    """Every alert that fired from `start` to `end` (UTC), the oldest first; None where they are too many to be read.

    Raises: QueryFailed.
    """
    found = alerts_in(_rows_between(snapshot, start, end, ""))
    if len(found) >= MOST_ALERTS:
        return None
    return [alert for alert in found[::-1] if alert.fired and start <= alert.opened_at < end]


def alert(alert_id: str) -> Alert | None:
    """One alert; None where there is no such. Raises: QueryFailed, LakehouseError."""
    found = alerts_in(events(alert_id)) if alert_id else []
    return found[0] if found else None


def alerts_by_state(start: datetime, end: datetime) -> dict[str, list[Alert]]:
    """Every alert that is not resolved, and those that were resolved from `start` to `end` (UTC), by `STATES`.

    Those of every endpoint, the newest first. One whose silence is over fires again.
    Raises: QueryFailed, LakehouseError.
    """
    now = time_now()
    found: dict[str, list[Alert]] = {state: [] for state in STATES}
    for one in alerts_in(_rows_between(shown("alert_events"), start, end, "")):
        state = state_at(one, now)
        if state != "closed" or (one.closed_at is not None and one.closed_at < end):
            found[state].append(one)
    return found


def state_at(shown_alert: Alert, now: datetime) -> str:
    """The state of an alert at a moment: its last one, but a silence ends by itself."""
    if shown_alert.state == "silenced" and not shown_alert.quiet(now):
        return "open"
    return shown_alert.state


def events(alert_id: str) -> list[dict[str, Any]]:
    """What happened to an alert, oldest first, with the columns of `alert_events`.

    Raises: QueryFailed, LakehouseError.
    """
    found: list[dict[str, Any]] = _events(shown("alert_events"), alert_id)
    return found


def told(event: Mapping[str, Any]) -> dict[str, Any]:
    """The evidence of one row of `alert_events`; empty where it holds none that can be read."""
    try:
        found = json.loads(event["evidence"] or "{}")
    except json.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def deliveries(alert_id: str) -> list[Delivery]:
    """Whom an alert was told, in the order in which that began. Raises: QueryFailed, LakehouseError."""
    found: list[Delivery] = _deliveries(shown("alert_deliveries"), alert_id)
    return found


def waiting_deliveries() -> list[Delivery]:
    """What nobody was told yet and is tried again, the oldest first. Raises: QueryFailed, LakehouseError."""
    return [one for one in _deliveries(shown("alert_deliveries"), "") if one.waits]


@kept(max_entries=32)
def _rows_between(snapshot: Snapshot, start: datetime, end: datetime, endpoint: str) -> list[dict[str, Any]]:
    """Every row of the alerts that began before `end` and were not closed before `start`."""
    return select_records(
        snapshot,
        """SELECT * FROM this WHERE alert_id IN (
             SELECT alert_id FROM this WHERE $endpoint = '' OR endpoint_name = $endpoint
             GROUP BY alert_id
             HAVING min(time) < $end AND coalesce(min(time) FILTER (state = 'closed') >= $start, true)
             ORDER BY max(time) FILTER (state = 'closed') IS NULL DESC, min(time) DESC LIMIT $most)""",
        start=start,
        end=end,
        endpoint=endpoint,
        # Pending ones are among them, which most callers leave out.
        most=2 * MOST_ALERTS,
    )


@kept(max_entries=32)
def _events(snapshot: Snapshot, alert_id: str) -> list[dict[str, Any]]:
    return select_records(snapshot, "SELECT * FROM this WHERE alert_id = $alert_id ORDER BY time", alert_id=alert_id)


@kept(max_entries=32)
def _deliveries(snapshot: Snapshot, alert_id: str) -> list[Delivery]:
    rows = select_records(
        snapshot,
        """SELECT * FROM this WHERE $alert_id = '' OR alert_id = $alert_id
           QUALIFY row_number() OVER (PARTITION BY delivery_id ORDER BY time DESC, attempt DESC) = 1
           ORDER BY event_time, channel""",
        alert_id=alert_id,
    )
    texts = ("alert_id", "alert_state", "channel", "state", "error")
    return [
        Delivery(
            **{name: str(row[name] or "") for name in texts},
            event_time=row["event_time"],
            attempt=int(row["attempt"] or 0),
            time=row["time"],
            next_try_at=row["next_try_at"],
        )
        for row in rows
    ]


def _touches(one: Alert, start: datetime, end: datetime) -> bool:
    return one.opened_at < end and (one.closed_at is None or one.closed_at >= start)
