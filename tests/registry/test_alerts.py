from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lakehouse.appends import append
from lakehouse.errors import CommitConflict
from registry.alerts import AlertView, alerts, changed, close_alert, first_row, next_row, open_alert, record, view
from registry.errors import RegistryError
from settings import Settings

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def _open(settings: Settings, rule: str = "errors", version: str = "3", **more: object) -> str:
    return open_alert(
        settings,
        rule=rule,
        endpoint_name="chatbot",
        entity_name="prod.chatbot",
        entity_version=version,
        sentence=f"Version {version} fails often.",
        **more,  # type: ignore[arg-type]
    )


def test_an_alert_opens_once_and_its_closing_keeps_what_it_was(settings: Settings) -> None:
    first = _open(settings, evidence={"value": 0.4}, time=NOON)
    assert _open(settings, evidence={"value": 0.9}) == first
    (alert,) = alerts(settings, "chatbot")
    assert (alert.alert_id, alert.opened_at, alert.closed_at, alert.evidence) == (first, NOON, None, {"value": 0.4})
    close_alert(settings, first, sentence="It answers again.", time=NOON + timedelta(minutes=3))
    close_alert(settings, first, sentence="twice", time=NOON + timedelta(minutes=9))
    assert alerts(settings) == []
    (closed,) = alerts(settings, open_only=False)
    assert closed.closed_at == NOON + timedelta(minutes=3)
    assert closed.evidence == {"value": 0.4, "closed": "It answers again."}


def test_rules_versions_and_endpoints_have_alerts_of_their_own(settings: Settings) -> None:
    ids = {_open(settings), _open(settings, rule="latency"), _open(settings, version="4")}
    assert len(ids) == 3
    assert alerts(settings, "another") == []
    assert {alert.alert_id for alert in alerts(settings)} == ids


def test_an_alert_that_was_closed_can_open_anew(settings: Settings) -> None:
    first = _open(settings)
    close_alert(settings, first)
    second = _open(settings)
    assert second != first
    assert [alert.alert_id for alert in alerts(settings)] == [second]


def test_what_is_no_alert_cannot_be_closed(settings: Settings) -> None:
    with pytest.raises(RegistryError, match="no alert nobody"):
        close_alert(settings, "nobody")


def test_of_two_who_open_the_same_alert_one_does(settings: Settings) -> None:
    key = ("errors", "chatbot", "prod.chatbot", "3", "")
    first, second = view(settings), view(settings)
    record(first, [first_row(key, "open", sentence="It fails.", time=NOON)])
    with pytest.raises(CommitConflict):
        record(second, [first_row(key, "open", sentence="It fails.", time=NOON)])
    assert len(alerts(settings)) == 1
    assert _open(settings) == alerts(settings)[0].alert_id, "whoever looks again finds it"


def test_an_alert_goes_from_pending_through_all_its_states(settings: Settings) -> None:
    key = ("latency", "chatbot", "", "", "p95")
    row = first_row(key, "pending", sentence="It is slow.", time=NOON, severity="page", group_key="chatbot")
    record(view(settings), [row])
    assert alerts(settings) == alerts(settings, open_only=False) == [], "it has not fired"
    (pending,) = view(settings).alerts
    assert (pending.state, pending.open, pending.fired, pending.key) == ("pending", False, False, key)
    fired = NOON + timedelta(minutes=5)
    record(view(settings), [next_row(pending, "open", time=fired, sentence="It is very slow.", evidence={"n": 40})])
    (alert,) = alerts(settings)
    assert (alert.began_at, alert.opened_at, alert.severity, alert.group_key) == (NOON, fired, "page", "chatbot")
    until = fired + timedelta(hours=1)
    record(view(settings), [next_row(alert, "silenced", time=fired, actor="ann", silenced_until=until)])
    (silenced,) = alerts(settings)
    assert silenced.open, "silence is no end"
    assert silenced.opened_at == fired
    # A clock that stands still does not change the order of the states.
    assert silenced.changed_at is not None
    assert silenced.changed_at > fired
    assert silenced.quiet(until - timedelta(seconds=1))
    assert not silenced.quiet(until)
    assert silenced.sentence == "It is very slow."
    assert silenced.evidence == {"n": 40, "subject": "p95"}
    close_alert(settings, alert.alert_id, sentence="It is fast again.")
    assert alerts(settings) == []


def test_what_a_rival_wrote_behind_the_end_does_not_open_an_alert_again(settings: Settings) -> None:
    alert_id = _open(settings, time=NOON)
    (alert,) = alerts(settings)
    close_alert(settings, alert_id, time=NOON + timedelta(minutes=1))
    append(settings, "alert_events", [next_row(alert, "acknowledged", time=NOON + timedelta(minutes=2))])
    assert alerts(settings) == []
    assert alerts(settings, open_only=False)[0].closed_at == NOON + timedelta(minutes=1)


def test_whoever_comes_second_looks_again_and_decides_anew(settings: Settings) -> None:
    calls = 0

    def open_unless_there(seen: AlertView) -> tuple[list[dict[str, Any]], str]:
        nonlocal calls
        calls += 1
        if calls == 1:
            _open(settings, time=NOON)  # A rival, between our look and our write.
        if seen.alerts:
            return [], seen.alerts[0].alert_id
        row = first_row(("errors", "chatbot", "prod.chatbot", "3", ""), "open", sentence="Ours.", time=NOON)
        return [row], str(row["alert_id"])

    found = changed(settings, open_unless_there)
    (alert,) = alerts(settings)
    assert (calls, found, alert.sentence) == (2, alert.alert_id, "Version 3 fails often.")
