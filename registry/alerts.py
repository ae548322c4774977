"""Alerts about a version on an endpoint: opened once, closed once, kept for ever.

An alert is a row when it opens and a row when it closes, with the same id. The last known good version is found by
them: a version whose time in production had no alert.
"""

import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow.compute as pc

from lakehouse.appends import append
from lakehouse.store import open_to_read, read_rows
from registry.errors import RegistryError
from settings import Settings


@dataclass(frozen=True)
class Alert:
    """One alert. `closed_at` is None while it is open; `evidence` is what was measured, from both of its rows."""

    alert_id: str
    rule: str
    endpoint_name: str
    entity_name: str
    entity_version: str
    sentence: str
    opened_at: datetime
    closed_at: datetime | None
    evidence: dict[str, Any] = field(default_factory=dict)

    @property
    def open(self) -> bool:
        """Whether nobody and nothing has closed it."""
        return self.closed_at is None


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
) -> str:
    """Open an alert, unless one of the same rule is open for this version on this endpoint: then that one stands.

    `sentence` is for people: which version, which value, which limit. `time` is now unless given.
    Returns: the id of the alert that is open now.
    """
    for alert in alerts(settings, endpoint_name):
        if (alert.rule, alert.entity_name, alert.entity_version) == (rule, entity_name, entity_version):
            return alert.alert_id
    alert_id = uuid.uuid4().hex
    row = {
        "alert_id": alert_id,
        "state": "open",
        "time": time or datetime.now(UTC),
        "rule": rule,
        "endpoint_name": endpoint_name,
        "entity_name": entity_name,
        "entity_version": entity_version,
        "sentence": sentence,
        "evidence": json.dumps(evidence or {}, default=str, sort_keys=True),
    }
    append(settings, "alert_events", [row])
    return alert_id


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
    found = [alert for alert in alerts(settings, open_only=False) if alert.alert_id == alert_id]
    if not found:
        raise RegistryError(f"There is no alert {alert_id}: look at the alerts that are there.")
    (alert,) = found
    if not alert.open:
        return
    row = {
        "alert_id": alert_id,
        "state": "closed",
        "time": time or datetime.now(UTC),
        "rule": alert.rule,
        "endpoint_name": alert.endpoint_name,
        "entity_name": alert.entity_name,
        "entity_version": alert.entity_version,
        "sentence": alert.sentence,
        "evidence": json.dumps({**(evidence or {}), "closed": sentence}, default=str, sort_keys=True),
    }
    append(settings, "alert_events", [row])


def alerts(settings: Settings, endpoint: str | None = None, open_only: bool = True) -> list[Alert]:
    """The alerts, newest first: of one endpoint or of all, the open ones or all."""
    where = None if endpoint is None else pc.field("endpoint_name") == endpoint
    rows = read_rows(open_to_read(settings, "alert_events"), where=where).to_pylist()
    opened: dict[str, dict[str, Any]] = {}
    closed: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: row["time"]):
        (opened if row["state"] == "open" else closed).setdefault(row["alert_id"], row)
    found = [_alert(row, closed.get(alert_id)) for alert_id, row in opened.items()]
    found.sort(key=lambda alert: alert.opened_at, reverse=True)
    return [alert for alert in found if alert.open or not open_only]


def _alert(opened: dict[str, Any], closed: dict[str, Any] | None) -> Alert:
    return Alert(
        alert_id=opened["alert_id"],
        rule=opened["rule"] or "",
        endpoint_name=opened["endpoint_name"] or "",
        entity_name=opened["entity_name"] or "",
        entity_version=opened["entity_version"] or "",
        sentence=opened["sentence"] or "",
        opened_at=opened["time"],
        closed_at=closed["time"] if closed else None,
        evidence={**json.loads(opened["evidence"] or "{}"), **json.loads((closed or {}).get("evidence") or "{}")},
    )
