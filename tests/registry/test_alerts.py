from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from registry.alerts import alerts, close_alert, open_alert
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
