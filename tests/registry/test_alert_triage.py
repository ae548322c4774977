from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lakehouse.ledger import changes
from registry import alert_triage
from registry.actors import Actor
from registry.alerts import Alert, alerts, first_row, open_alert, record, view
from registry.errors import ChangeConflict, NotAllowed, RegistryError
from settings import Settings

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ANN = Actor("ann", "operator")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def alert_id(settings: Settings) -> str:
    return open_alert(
        settings,
        rule="errors",
        endpoint_name="chatbot",
        entity_name="prod.chatbot",
        entity_version="3",
        sentence="Version 3 fails often.",
        time=NOON,
    )


def _the_alert(settings: Settings) -> Alert:
    (alert,) = view(settings).alerts
    return alert


def test_somebody_who_is_at_it_stands_with_the_alert_and_in_the_ledger(settings: Settings, alert_id: str) -> None:
    alert_triage.acknowledge(settings, alert_id, ANN, "  I look at it. ", time=NOON + timedelta(minutes=1))
    alert = _the_alert(settings)
    assert (alert.state, alert.actor, alert.open, alert.evidence["note"]) == (
        "acknowledged",
        "ann",
        True,
        "I look at it.",
    )
    (change,) = changes(settings)
    assert (change.action, change.target, change.actor, change.role) == (
        "acknowledge_alert",
        "alert:errors",
        "ann",
        "operator",
    )
    assert (change.before, change.after, change.reason, change.outcome) == (
        "open",
        "acknowledged",
        "I look at it.",
        "succeeded",
    )
    assert change.evidence["alert_id"] == alert_id
    with pytest.raises(ChangeConflict, match="acknowledged by ann already"):
        alert_triage.acknowledge(settings, alert_id, Actor("bob", "operator"))
    alert_triage.reopen(settings, alert_id, ANN)
    assert _the_alert(settings).state == "open"


def test_a_silence_ends_at_a_moment_that_can_be(settings: Settings, alert_id: str) -> None:
    until = NOON + timedelta(hours=2)
    alert_triage.silence(settings, alert_id, until, ANN, time=NOON)
    assert _the_alert(settings).silenced_until == until
    assert changes(settings)[0].after == "silenced until 2026-03-02 14:00 UTC"
    alert_triage.silence(settings, alert_id, until + timedelta(hours=1), ANN, time=NOON)
    assert _the_alert(settings).silenced_until == until + timedelta(hours=1), "it can be made longer"
    for wrong in (NOON, NOON + timedelta(days=31)):
        with pytest.raises(RegistryError, match="up to 30 days from now"):
            alert_triage.silence(settings, alert_id, wrong, ANN, time=NOON)
    with pytest.raises(RegistryError, match="no time zone"):
        alert_triage.silence(settings, alert_id, until.replace(tzinfo=None), ANN, time=NOON)


def test_what_was_resolved_by_hand_says_by_whom_and_nobody_is_at_it_any_more(settings: Settings, alert_id: str) -> None:
    alert_triage.resolve(settings, alert_id, ANN, time=NOON + timedelta(minutes=3))
    assert alerts(settings) == []
    assert _the_alert(settings).evidence == {"resolved_by": "ann", "closed": "Resolved by ann."}
    for again in (alert_triage.resolve, alert_triage.acknowledge, alert_triage.reopen):
        with pytest.raises(ChangeConflict, match="closed by ann at 02 Mar 2026 12:03 UTC already"):
            again(settings, alert_id, ANN)
    assert len(changes(settings)) == 1, "what was refused is no change"


def test_a_viewer_decides_nothing(settings: Settings, alert_id: str) -> None:
    viewer = Actor("eve", "viewer")
    with pytest.raises(NotAllowed, match="To acknowledge an alert takes the role operator; eve is viewer"):
        alert_triage.acknowledge(settings, alert_id, viewer)
    with pytest.raises(NotAllowed, match="silence an alert"):
        alert_triage.silence(settings, alert_id, NOON + timedelta(hours=1), viewer, time=NOON)
    with pytest.raises(NotAllowed, match="resolve an alert"):
        alert_triage.resolve(settings, alert_id, viewer)
    assert _the_alert(settings).state == "open"
    assert changes(settings) == []


def test_what_is_not_there_or_does_not_fire_yet_cannot_be_acknowledged(settings: Settings) -> None:
    with pytest.raises(RegistryError, match="no alert nobody"):
        alert_triage.acknowledge(settings, "nobody", ANN)
    row = first_row(("errors", "chatbot", "", "", ""), "pending", sentence="Soon.", time=NOON)
    record(view(settings), [row])
    with pytest.raises(ChangeConflict, match="does not fire yet"):
        alert_triage.acknowledge(settings, row["alert_id"], ANN)
    alert_triage.resolve(settings, row["alert_id"], ANN)
    assert alerts(settings, open_only=False) == [], "it never fired"
