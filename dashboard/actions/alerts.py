"""Triage of alerts: who may, and that the page sees it at once."""

from datetime import datetime

from dashboard.auth import current_actor
from dashboard.queries.lake import look_again
from lakehouse.alert_tables import ALERT_EVENTS
from registry import alert_triage
from settings import get_settings


def acknowledge(alert_id: str, note: str = "") -> None:
    """Say, under the name of who is signed in, that somebody is at it.

    Raises: NotAllowed, RegistryError, LakehouseError, as all of these.
    """
    alert_triage.acknowledge(get_settings(), alert_id, current_actor(), note)
    look_again(ALERT_EVENTS.name)


def silence(alert_id: str, until: datetime, note: str = "") -> None:
    """Be told nothing of it until a moment (UTC)."""
    alert_triage.silence(get_settings(), alert_id, until, current_actor(), note)
    look_again(ALERT_EVENTS.name)


def resolve(alert_id: str, note: str = "") -> None:
    """Close it by hand."""
    alert_triage.resolve(get_settings(), alert_id, current_actor(), note)
    look_again(ALERT_EVENTS.name)


def reopen(alert_id: str, note: str = "") -> None:
    """Let it fire again: nobody is at it, or its silence is over."""
    alert_triage.reopen(get_settings(), alert_id, current_actor(), note)
    look_again(ALERT_EVENTS.name)
