"""What people do about alerts: say that they are at it, silence it for a while, resolve it, or take that back.

Each takes the role of an operator, is written on the snapshot in which the alert was seen, and stands in the ledger.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from lakehouse.ledger import record_done
from registry.actors import Actor
from registry.alerts import Alert, AlertView, State, changed, next_row
from registry.errors import ChangeConflict, RegistryError
from settings import Settings

LONGEST_SILENCE = timedelta(days=30)
LONGEST_NOTE = 1_000
"""Characters of a note that are kept."""

BY_HAND = "resolved_by"
"""In the evidence of an alert that a person resolved: who."""


def acknowledge(
    settings: Settings, alert_id: str, actor: Actor, note: str = "", *, time: datetime | None = None
) -> None:
    """Say that somebody is at it: it stays open, and nobody is told of it again until it ends.

    Raises: NotAllowed; RegistryError, if there is no such alert; ChangeConflict, if it is closed. LakehouseError.
    """
    _move(settings, alert_id, actor, "acknowledge_alert", "acknowledged", note, time)


def silence(
    settings: Settings,
    alert_id: str,
    until: datetime,
    actor: Actor,
    note: str = "",
    *,
    time: datetime | None = None,
) -> None:
    """Be told nothing of it until a moment (with a time zone); if it still fires then, people are told again.

    Raises: as `acknowledge`; RegistryError for a moment that is past, or more than 30 days away.
    """
    now = time or datetime.now(UTC)
    if until.tzinfo is None:
        raise RegistryError(f"{until} has no time zone: say until when in UTC.")
    if not now < until <= now + LONGEST_SILENCE:
        raise RegistryError(
            f"An alert is silenced for up to {LONGEST_SILENCE.days} days from now, not until "
            f"{until.astimezone(UTC):%d %b %Y %H:%M} UTC."
        )
    _move(settings, alert_id, actor, "silence_alert", "silenced", note, now, until.astimezone(UTC))


def resolve(settings: Settings, alert_id: str, actor: Actor, note: str = "", *, time: datetime | None = None) -> None:
    """Close it by hand. Its rule opens no other one for the same thing for as long as `[general]` of the rules says.

    Raises: as `acknowledge`.
    """
    _move(settings, alert_id, actor, "resolve_alert", "closed", note, time)


def reopen(settings: Settings, alert_id: str, actor: Actor, note: str = "", *, time: datetime | None = None) -> None:
    """Take back that somebody is at it, or that it is silenced: it fires again.

    Raises: as `acknowledge`; ChangeConflict, if it fires already.
    """
    _move(settings, alert_id, actor, "reopen_alert", "open", note, time)


def _move(
    settings: Settings,
    alert_id: str,
    actor: Actor,
    action: str,
    state: State,
    note: str,
    time: datetime | None,
    until: datetime | None = None,
) -> None:
    actor.require(action)
    now, note = time or datetime.now(UTC), note.strip()[:LONGEST_NOTE]
    evidence: dict[str, Any] = {"note": note} if note else {}
    if state == "closed":
        evidence |= {BY_HAND: actor.name, "closed": note or f"Resolved by {actor.name}."}

    def moved(seen: AlertView) -> tuple[list[dict[str, Any]], Alert]:
        alert = seen.find(alert_id)
        _require_open(alert, state)
        return [next_row(alert, state, time=now, evidence=evidence, actor=actor.name, silenced_until=until)], alert

    alert = changed(settings, moved)
    record_done(
        settings,
        action=action,
        target=f"alert:{alert.rule}",
        actor=actor.name,
        role=actor.role,
        before=alert.state,
        after=state if until is None else f"{state} until {until:%Y-%m-%d %H:%M} UTC",
        reason=note,
        evidence={
            "alert_id": alert_id,
            "endpoint": alert.endpoint_name,
            "version": alert.entity_version,
            "sentence": alert.sentence,
        },
        time=now,
    )


def _require_open(alert: Alert, wanted: State) -> None:
    """Raises: ChangeConflict, if the alert is not in a state that `wanted` can follow."""
    if alert.closed_at is not None:
        who = f" by {alert.actor}" if alert.actor else ""
        raise ChangeConflict(
            f"The alert was closed{who} at {alert.closed_at.astimezone(UTC):%d %b %Y %H:%M} UTC already: look again."
        )
    if alert.state == "pending" and wanted != "closed":
        raise ChangeConflict("The alert does not fire yet: wait, or resolve it.")
    if wanted == alert.state and wanted in ("open", "acknowledged"):
        who = f" by {alert.actor}" if alert.actor else ""
        words = "is acknowledged" if wanted == "acknowledged" else "fires"
        raise ChangeConflict(f"The alert {words}{who} already: look again.")
