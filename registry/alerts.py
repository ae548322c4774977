"""Alerts: what happened to each, from the first doubt to its end, kept for ever.

An alert is a row for each of its states, with the same id: `pending` (its rule is broken, but not for long enough
yet), `open` (it fires), `acknowledged` (somebody is at it), `silenced` (nobody wants to hear of it until a moment) and
`closed`. The last row by time holds. The last known good version is found by them: a version whose time in production
had no alert.

What is written next depends on what was read, so every row is committed on the snapshot in which its alert was seen:
of two processes that would open the same alert, one does.
"""

import json
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import pyarrow.compute as pc

from lakehouse.alert_tables import ALERT_EVENTS
from lakehouse.appends import append_once, from_records, position
from lakehouse.errors import CommitConflict
from lakehouse.store import open_table, open_to_read, read_rows
from registry.errors import RegistryError
from settings import Settings

if TYPE_CHECKING:
    from deltalake import DeltaTable

T = TypeVar("T")
State = Literal["pending", "open", "acknowledged", "silenced", "closed"]
Key = tuple[str, str, str, str, str]
"""What an alert is about: rule, endpoint, model, version, and what of it (a column that drifted, for example)."""

_APP_ID = "alerts"
_TRIES = 20


@dataclass(frozen=True)
class Alert:
    """One alert. `closed_at` is None while it is open; `evidence` is what was measured, from all of its rows.

    `opened_at` is when it fired; of one that never did, when it was noticed. `began_at` is when it was noticed.
    """

    alert_id: str
    rule: str
    endpoint_name: str
    entity_name: str
    entity_version: str
    sentence: str
    opened_at: datetime
    closed_at: datetime | None
    evidence: dict[str, Any] = field(default_factory=dict)
    state: State = "open"
    severity: str = ""
    group_key: str = ""
    began_at: datetime | None = None
    changed_at: datetime | None = None
    """When its last row was written."""
    actor: str = ""
    """Who wrote it; empty for a job."""
    silenced_until: datetime | None = None
    fired: bool = True

    @property
    def open(self) -> bool:
        """Whether it has fired, and nobody and nothing has closed it."""
        return self.fired and self.closed_at is None

    @property
    def key(self) -> Key:
        """What it is about: of alerts with the same key, at most one is not closed."""
        subject = str(self.evidence.get("subject") or "")
        return (self.rule, self.endpoint_name, self.entity_name, self.entity_version, subject)

    def quiet(self, now: datetime) -> bool:
        """Whether somebody silenced it beyond `now`."""
        return self.state == "silenced" and self.silenced_until is not None and self.silenced_until > now


@dataclass(frozen=True)
class AlertView:
    """What a snapshot of the table tells: every alert, newest first."""

    alerts: tuple[Alert, ...]
    table: "DeltaTable"

    def find(self, alert_id: str) -> Alert:
        """The alert with this id. Raises: RegistryError, if there is none."""
        for alert in self.alerts:
            if alert.alert_id == alert_id:
                return alert
        raise RegistryError(f"There is no alert {alert_id}: look at the alerts that are there.")


def view(settings: Settings) -> AlertView:
    """The alerts in the newest snapshot, to be changed by `record`. Raises: LakehouseError."""
    table = open_table(settings, ALERT_EVENTS.name)
    return AlertView(tuple(alerts_in(read_rows(table).to_pylist())), table)


def record(seen: AlertView, rows: list[dict[str, Any]]) -> None:
    """Append rows (of `first_row` and `next_row`) in one commit, unless a rival changed an alert since `seen` was read.

    Raises: CommitConflict, if a rival won: nothing was written; look again. LakehouseError.
    """
    if not rows:
        return
    last = position(seen.table, _APP_ID)
    number = 0 if last is None else last[0] + 1
    append_once(seen.table, from_records(rows, ALERT_EVENTS.schema), app_id=_APP_ID, source_version=number)


def changed(settings: Settings, change: Callable[[AlertView], tuple[list[dict[str, Any]], T]]) -> T:
    """Read the alerts, let `change` say what to write, and write it; again, as long as rivals come first.

    change: returns the rows and what the caller wants to have.
    Raises: what `change` raises; LakehouseError, if rivals win again and again.
    """
    for _ in range(_TRIES - 1):
        seen = view(settings)
        rows, result = change(seen)
        try:
            record(seen, rows)
        except CommitConflict:
            continue
        return result
    seen = view(settings)
    rows, result = change(seen)
    record(seen, rows)
    return result


def first_row(
    key: Key,
    state: State,
    *,
    sentence: str,
    time: datetime,
    severity: str = "",
    group_key: str = "",
    evidence: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The row with which a new alert begins: `pending` or `open`."""
    rule, endpoint_name, entity_name, entity_version, subject = key
    told = {**(evidence or {}), **({"subject": subject} if subject else {})}
    return {
        "alert_id": uuid.uuid4().hex,
        "state": state,
        "time": time,
        "rule": rule,
        "endpoint_name": endpoint_name,
        "entity_name": entity_name,
        "entity_version": entity_version,
        "sentence": sentence,
        "evidence": _as_json(told),
        "severity": severity or None,
        "group_key": group_key or None,
    }


def next_row(
    alert: Alert,
    state: State,
    *,
    time: datetime,
    sentence: str = "",
    evidence: dict[str, Any] | None = None,
    actor: str = "",
    silenced_until: datetime | None = None,
) -> dict[str, Any]:
    """The row of an alert's next state. It is later than the one before, whatever the clocks of the machines say.

    `sentence` takes the place of the alert's own; `evidence` is added to what is known.
    """
    before = alert.changed_at or alert.opened_at
    return {
        "alert_id": alert.alert_id,
        "state": state,
        "time": max(time, before + timedelta(microseconds=1)),
        "rule": alert.rule,
        "endpoint_name": alert.endpoint_name,
        "entity_name": alert.entity_name,
        "entity_version": alert.entity_version,
        "sentence": sentence or alert.sentence,
        "evidence": _as_json(evidence or {}),
        "severity": alert.severity or None,
        "group_key": alert.group_key or None,
        "actor": actor or None,
        "silenced_until": silenced_until,
    }


def open_alert(
    settings: Settings,
    *,
    rule: str,
    endpoint_name: str,
    entity_name: str,
    entity_version: str,
    sentence: str,
    evidence: dict[str, Any] | None = None,
    time: datetime | None = None,
    severity: str = "",
    group_key: str = "",
) -> str:
    """Open an alert, unless one of the same rule is open for this version on this endpoint: then that one stands.

    `sentence` is for people: which version, which value, which limit. `time` is now unless given.
    Returns: the id of the alert that is open now.
    """
    key: Key = (rule, endpoint_name, entity_name, entity_version, str((evidence or {}).get("subject") or ""))

    def opened(seen: AlertView) -> tuple[list[dict[str, Any]], str]:
        for alert in seen.alerts:
            if alert.open and alert.key == key:
                return [], alert.alert_id
        row = first_row(
            key,
            "open",
            sentence=sentence,
            time=time or datetime.now(UTC),
            severity=severity,
            group_key=group_key,
            evidence=evidence,
        )
        return [row], str(row["alert_id"])

    return changed(settings, opened)


def close_alert(
    settings: Settings,
    alert_id: str,
    *,
    sentence: str = "",
    evidence: dict[str, Any] | None = None,
    time: datetime | None = None,
) -> None:
    """Close an alert; one that is closed stays as it is. `sentence` says why, and is kept as evidence `closed`.

    Raises: RegistryError, if there is no such alert.
    """

    def closed(seen: AlertView) -> tuple[list[dict[str, Any]], None]:
        alert = seen.find(alert_id)
        if alert.closed_at is not None:
            return [], None
        told = {**(evidence or {}), "closed": sentence}
        return [next_row(alert, "closed", time=time or datetime.now(UTC), evidence=told)], None

    changed(settings, closed)


def alerts(settings: Settings, endpoint: str | None = None, open_only: bool = True) -> list[Alert]:
    """The alerts that fired, newest first: of one endpoint or of all, the open ones or all.

    One that somebody is at, or silenced, is open; one that is only pending has not fired.
    """
    where = None if endpoint is None else pc.field("endpoint_name") == endpoint
    rows = read_rows(open_to_read(settings, ALERT_EVENTS.name), where=where).to_pylist()
    return [alert for alert in alerts_in(rows) if alert.fired and (alert.open or not open_only)]


def alerts_in(rows: Iterable[dict[str, Any]]) -> list[Alert]:
    """The alerts that rows of `alert_events` tell of, newest first, those that never fired included."""
    by_id: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: row["time"]):
        by_id.setdefault(row["alert_id"], []).append(row)
    found = [_alert(of_alert) for of_alert in by_id.values()]
    return sorted(found, key=lambda alert: alert.opened_at, reverse=True)


def _alert(rows: list[dict[str, Any]]) -> Alert:
    """The alert that its rows tell of, oldest first. What comes behind its end is a rival's that came too late."""
    end = next((number for number, row in enumerate(rows) if row["state"] == "closed"), len(rows) - 1)
    rows = rows[: end + 1]
    first, last = rows[0], rows[-1]
    fired = [row for row in rows if row["state"] not in ("pending", "closed")]
    evidence: dict[str, Any] = {}
    for row in rows:
        evidence |= _from_json(row["evidence"])
    return Alert(
        alert_id=first["alert_id"],
        rule=first["rule"] or "",
        endpoint_name=first["endpoint_name"] or "",
        entity_name=first["entity_name"] or "",
        entity_version=first["entity_version"] or "",
        sentence=last["sentence"] or first["sentence"] or "",
        opened_at=(fired[0] if fired else first)["time"],
        closed_at=last["time"] if last["state"] == "closed" else None,
        evidence=evidence,
        state=last["state"],
        severity=last.get("severity") or "",
        group_key=last.get("group_key") or "",
        began_at=first["time"],
        changed_at=last["time"],
        actor=last.get("actor") or "",
        silenced_until=last.get("silenced_until"),
        fired=bool(fired),
    )


def _as_json(evidence: dict[str, Any]) -> str:
    return json.dumps(evidence, default=str, sort_keys=True)


def _from_json(text: str | None) -> dict[str, Any]:
    told = json.loads(text) if text else {}
    return told if isinstance(told, dict) else {}
