"""The Alerts page: its lists, one alert with everything about it, triage by role, and its bad days."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.panels.alert_details import links
from dashboard.panels.alerts import grouped
from dashboard.queries import alerts
from dashboard.queries.alerts import alert, alerts_between, alerts_by_state, waiting_deliveries
from dashboard.runbook import anchor_of, section
from lakehouse.alert_tables import ALERT_EVENTS
from lakehouse.ledger import changes
from registry.actors import Actor
from registry.alerts import Alert
from registry.alerts import alerts as stored
from settings import Settings
from tests.dashboard import monitored, workspace
from tests.dashboard.conftest import Month
from tests.dashboard.monitored import FIVE, alert_row
from tests.dashboard.test_drift_page import shown, tables
from tests.dashboard.test_pages import texts

Opener = Callable[..., AppTest]
BY_STATE = {
    "open": ["alert-drift", "alert-errors"],
    "acknowledged": ["alert-flags"],
    "silenced": ["alert-late"],
    "pending": ["alert-spend"],
    "closed": ["alert-old"],
}


@pytest.fixture
def alerted(month: Month, empty: Settings) -> Month:
    """A workspace of its own with an alert in each state, one of drift with its finding."""
    found = monitored.write_findings(empty, month.now, [])
    changed = workspace.change(month.now - timedelta(hours=1), "deploy", "chatbot", before="v1", after="v2")
    workspace.write_rows(empty, "ledger", changed)
    monitored.write_alerts(empty, month.now, str(found[3]["finding_id"]), str(changed[0]["change_id"]))
    return Month(empty, month.rows, month.now)


def sign_in(monkeypatch: pytest.MonkeyPatch, name: str, role: str) -> None:
    for module in ("actions.alerts", "panels.alert_triage"):
        monkeypatch.setattr(f"dashboard.{module}.current_actor", lambda: Actor(name, role))  # type: ignore[arg-type]


def ids(found: dict[str, list[Alert]]) -> dict[str, list[str]]:
    return {state: [one.alert_id for one in group] for state, group in found.items()}


def test_every_alert_stands_in_the_list_of_its_state(alerted: Month, page: Opener) -> None:
    start, end = alerted.now - timedelta(days=7), alerted.now + timedelta(minutes=1)
    assert ids(alerts_by_state(start, end)) == BY_STATE
    # What is not resolved is listed whatever the time; what was resolved before it is not.
    assert ids(alerts_by_state(alerted.now, end)) == {**BY_STATE, "closed": []}
    app = page("alerts")
    assert not app.exception
    assert [metric.value for metric in app.metric] == ["2", "1", "1", "1", "1"]
    lines = shown(app)
    assert "2 alerts of one group: chatbot" in lines
    # The one that pages comes before the newer ticket.
    assert lines.index("8\\.0 % of 300 requests failed") < lines.index("Answers are 30 % longer")
    assert "1 message could not be delivered yet by mail" in lines


def test_a_silence_that_is_over_fires_again(alerted: Month) -> None:
    late = alert("alert-late")
    assert late is not None
    assert alerts.state_at(late, alerted.now) == "silenced"
    assert alerts.state_at(late, alerted.now + timedelta(hours=3)) == "open"


def test_charts_and_reports_are_given_what_fired_and_not_what_was_about_to(alerted: Month) -> None:
    start, end = alerted.now - timedelta(days=7), alerted.now
    found = {one.alert_id: one for one in alerts_between(start, end)}
    assert set(found) == {"alert-old", "alert-late", "alert-flags", "alert-drift", "alert-errors"}
    assert found["alert-flags"].open
    assert found["alert-flags"].closed_at is None
    assert found["alert-old"].closed_at is not None
    assert [one.alert_id for one in alerts_between(start, alerted.now - timedelta(days=1))] == ["alert-old"]
    assert "alert-late" not in {one.alert_id for one in alerts_between(start, end, "chatbot")}


def test_a_link_opens_one_alert_with_everything_about_it(alerted: Month, page: Opener) -> None:
    app = page("alerts", alert="alert-errors")
    said = texts(app) + tables(app)
    assert "could not be shown" not in said
    assert ":material/error: page" in said
    for part in ("**History**", "noticed", "fired", "**Whom it was told**", "webhook", "The receiver did not answer"):
        assert part in said
    # What was measured, with an address of a person masked.
    assert "0.08" in said
    assert "\\[e\\-mail\\]" in said
    assert "anna" not in said
    assert "**The last change before it began**" in said
    assert "v1 → v2" in said
    assert "Runbook: The data is old" in [step.label for step in app.expander]
    assert "This alert is not in the tables" in texts(page("alerts", alert="'; DROP TABLE"))


def test_an_alert_of_drift_shows_what_drifted(alerted: Month, page: Opener) -> None:
    app = page("alerts", alert="alert-drift")
    assert not app.exception
    assert "**What drifted:** Completion tokens moved from 101 to 131" in texts(app)
    assert "Tokens out" in texts(app)


def test_links_lead_to_our_pages_only_and_in_the_time_of_the_page(
    alerted: Month, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.panels.alert_details.time_zone", lambda: "Europe/Berlin")
    row = alert_row(
        "one",
        "open",
        alerted.now,
        evidence={
            "links": {
                "rows": {"page": "requests", "query": {"from": "2026-07-01T12:00:10Z", "to": "2026-07-01T12:04:10Z"}},
                "chart": {
                    "page": "safety",
                    "query": {"version": ["a/1", "a/2"], "from": "yesterday", "threshold": 0.5},
                },
                "script": {"page": "javascript:alert(1)"},
                "outside": {"page": "../../etc/passwd", "query": {}},
                "text": "requests",
            }
        },
    )
    workspace.write_rows(alerted.settings, ALERT_EVENTS.name, [row])
    found = alert("one")
    assert found is not None
    assert links(found) == {
        "rows": ("requests", {"from": "2026-07-01T14:00", "to": "2026-07-01T14:05"}),
        "chart": ("safety", {"version": ["a/1", "a/2"], "from": "yesterday", "threshold": "0.5"}),
    }


def test_an_operator_acknowledges_silences_and_resolves(
    alerted: Month, page: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = alerted.settings
    sign_in(monkeypatch, "olga", "operator")
    app = page("alerts", alert="alert-errors")
    app.text_input(key="note linked").input("looking at the gateway")
    app = app.button(key="acknowledge linked").click().run()
    assert not app.exception
    assert [toast.value for toast in app.toast] == ["You are at it now."]
    assert [metric.value for metric in app.metric] == ["1", "2", "1", "1", "1"]
    assert "looking at the gateway" in tables(app)
    app.selectbox(key="silence for linked").select("4 hours")
    app = app.button(key="silence linked").click().run()
    (silenced,) = [one for one in stored(settings) if one.alert_id == "alert-errors"]
    assert silenced.silenced_until is not None
    assert timedelta(hours=3.9) < silenced.silenced_until - workspace.utc_now() < timedelta(hours=4.1)
    app = app.button(key="resolve linked").click().run()
    assert [metric.value for metric in app.metric] == ["1", "1", "1", "1", "2"]
    assert "Resolved by olga" in texts(app)
    made = [(change.action, change.actor, change.role) for change in changes(settings) if "_alert" in change.action]
    assert made == [(f"{act}_alert", "olga", "operator") for act in ("resolve", "silence", "acknowledge")]


def test_what_somebody_else_did_meanwhile_is_a_sentence(alerted: Month, page: Opener) -> None:
    app = page("alerts", alert="alert-errors")
    workspace.write_rows(alerted.settings, ALERT_EVENTS.name, [alert_row("alert-errors", "closed", alerted.now + FIVE)])
    app = app.button(key="acknowledge linked").click().run()
    assert not app.exception
    assert any("was closed" in toast.value for toast in app.toast)


def test_a_viewer_sees_everything_and_can_do_nothing(
    alerted: Month, page: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(monkeypatch, "vera", "viewer")
    app = page("alerts", alert="alert-errors")
    buttons = [app.button(key=f"{act} linked") for act in ("acknowledge", "silence", "resolve")]
    assert all(button.disabled and "vera is viewer" in button.help for button in buttons)
    assert "**History**" in texts(app)


def test_looking_back_nothing_can_be_done(alerted: Month, page: Opener) -> None:
    app = page("alerts", alert="alert-errors", as_of=workspace.utc_now().isoformat())
    assert app.button(key="resolve linked").disabled
    assert "go back to now" in app.button(key="resolve linked").help


def test_an_empty_workspace_says_that_nothing_fires_and_nobody_looks(empty: Settings, page: Opener) -> None:
    app = page("alerts")
    assert not app.exception
    assert "Nothing fires." in texts(app)
    assert "Nobody looks at the rules of the alerts yet" in texts(app)
    assert "No rule has been looked at yet" in texts(app)


def test_the_rules_and_whether_somebody_looks_at_them_are_said(
    empty: Settings, page: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitored.write_looking(empty)
    app = page("alerts")
    assert app.table[0].value["Rule"].tolist()[0] == "errors"
    assert "broken" in app.table[0].value["State"].iloc[0]
    assert "Rules are looked at every 30" in texts(app)
    assert "People are told by webhook" in texts(app)
    monitored.write_looking(empty, error="The rule `x` has no limit.", delivery={})
    said = texts(page("alerts"))
    assert "The rules could not be looked at: The rule x has no limit" in said
    assert "Nobody is told outside of this page" in said
    monitored.write_looking(empty, every_seconds=1e-9)
    assert "Nobody looks at the rules: the job of the alerts last did just now" in texts(page("alerts"))


def test_a_damaged_table_is_a_sentence(alerted: Month, page: Opener) -> None:
    for file in Path(alerted.settings.lake, ALERT_EVENTS.name).glob("*.parquet"):
        file.write_bytes(b"damaged")
    app = page("alerts")
    assert not app.exception
    assert "The table alert\\_events could not be read" in texts(app)


def test_the_last_attempt_of_a_delivery_holds(alerted: Month) -> None:
    found = {one.channel: one for one in alerts.deliveries("alert-errors")}
    assert (found["webhook"].state, found["webhook"].attempt, found["webhook"].waits) == ("delivered", 2, False)
    assert [one.channel for one in waiting_deliveries()] == ["mail"]


def test_alerts_of_one_group_stand_together(alerted: Month) -> None:
    found = [one for one in (alert(name) for name in ("alert-errors", "alert-flags", "alert-drift")) if one is not None]
    assert [[one.alert_id for one in group] for _, group in grouped(found)] == [
        ["alert-errors", "alert-drift"],
        ["alert-flags"],
    ]


def test_the_runbook_is_found_by_the_anchors_of_its_headings() -> None:
    assert anchor_of("A process restarts again and again") == "a-process-restarts-again-and-again"
    assert anchor_of("What's `new`, in 2?") == "whats-new-in-2"
    found = section("#the-data-is-old")
    assert found is not None
    assert found.title == "The data is old"
    assert "Jobs page" in found.text
    assert "## " not in found.text
    assert section("no-such-thing") is None
    assert section("") is None


def test_the_overview_has_what_fires_with_a_link_and_leaves_out_what_is_silenced(alerted: Month, page: Opener) -> None:
    app = page("overview")
    assert not app.exception
    said = texts(app)
    assert "(/alerts?alert=alert-errors)" in said
    assert "acknowledged by olga" in said
    assert "alert-late" not in said
    assert "alert-spend" not in said
    # The one that pages comes first, and it is about no version.
    assert said.index("alert=alert-errors") < said.index("alert=alert-drift")
    assert "[v," not in said
    assert "3 alerts are open, see below\\." in said
