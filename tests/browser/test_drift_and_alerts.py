"""Drift and Alerts in a real browser: opened and decided with the keyboard alone, and whole on a phone."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import expect

from registry.alerts import alerts
from settings import Settings
from tests.browser.conftest import SETTLED, Visit, running_app
from tests.browser.screenshots import take
from tests.browser.test_monitoring_keyboard import tab_to
from tests.browser.test_pages import assert_whole
from tests.dashboard import monitored, workspace

pytestmark = pytest.mark.browser
Opener = Callable[..., Visit]


@pytest.fixture(scope="module")
def monitored_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of requests with drift and with an alert in each state."""
    now, home = datetime.now(UTC), tmp_path_factory.mktemp("monitored")
    settings = workspace.build(home, days=2, per_day=120, now=now)
    # The window that drifted last holds the three example requests and no others, whatever the clock says.
    start = pd.Timestamp(monitored.five_minutes_before(now, 1))
    rows = workspace.with_requesters(workspace.requests(now, 2, 120))
    rows = rows[rows["request_time"] < start]
    examples = rows.tail(3).assign(
        request_time=start + timedelta(minutes=1),
        databricks_request_id=["example-1", "example-2", "example-3"],
    )
    workspace.write_requests(settings, examples)
    monitored.fill(settings, pd.concat([rows, examples]), now)
    return home


@pytest.fixture(scope="module")
def address(monitored_home: Path) -> Iterator[str]:
    with running_app(monitored_home, LAKEHELM_GATEWAY_PORT="9") as found:
        yield found


def test_a_drift_and_an_alert_are_opened_with_the_keyboard(address: str, monitored_home: Path, visit: Opener) -> None:
    window = visit(address)
    page = window.open("drift", "Drift")
    tab_to(page, "element.tagName === 'SUMMARY' && element.textContent.includes('Completion tokens moved')")
    page.keyboard.press("Enter")
    expect(page.get_by_text("3 example requests")).to_be_visible()
    expect(page.locator("a[href*='request=example-']").first).to_be_visible()
    assert_whole(page)
    take(page, "drift-opened-light-1280")
    page = window.open("alerts", "Alerts")
    tab_to(page, "element.tagName === 'SUMMARY' && element.textContent.includes('of 300 requests failed')")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Whom it was told")).to_be_visible()
    page.wait_for_selector(SETTLED)
    tab_to(page, "element.tagName === 'BUTTON' && element.textContent.includes('Acknowledge')")
    page.keyboard.press("Enter")
    expect(page.get_by_text("You are at it now.")).to_be_visible()
    states = {alert.alert_id: alert.state for alert in alerts(Settings(home=monitored_home))}
    assert states["alert-errors"] == "acknowledged"
    assert_whole(page)
    assert window.foreign == []


@pytest.mark.soak
def test_drift_and_alerts_are_whole_on_a_phone(address: str, visit: Opener) -> None:
    window = visit(address, theme="dark", width=390)
    page = window.open("drift", "Drift")
    page.get_by_text("Completion tokens moved").first.click()
    expect(page.get_by_text("3 example requests")).to_be_visible()
    assert_whole(page)
    take(page, "drift-opened-dark-390")
    page = window.open("alerts?alert=alert-drift", "Alerts")
    expect(page.get_by_text("What drifted:")).to_be_visible()
    assert_whole(page)
    take(page, "alert-opened-dark-390")
