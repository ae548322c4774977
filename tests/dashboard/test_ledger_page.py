"""The Ledger page: filters in links, evidence on demand, and an export that is recorded itself."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.actions import ledger as actions
from dashboard.queries.changes import LedgerFilter
from lakehouse.ledger import changes, record_done, record_intent, record_outcome
from registry.actors import Actor
from registry.errors import NotAllowed
from settings import Settings
from tests.dashboard import workspace

Opener = Callable[..., AppTest]
BEGUN = datetime.now(UTC) - timedelta(days=2)


@pytest.fixture
def ledger(empty: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr("dashboard.queries.lake._RECHECK_SECONDS", 0.0)
    rows = [
        *workspace.change(BEGUN, "promote", "chatbot", after="version 2", reason="<b>bold</b> [x](http://x)"),
        *workspace.change(BEGUN + timedelta(hours=1), "rollback", "chatbot", actor="ben", after="version 1"),
    ]
    workspace.write_rows(empty, "ledger", rows)
    return empty


def labels(app: AppTest) -> list[str]:
    return [str(step.label) for step in app.expander]


def test_changes_stand_newest_first_and_people_s_words_stay_words(ledger: Settings, page: Opener) -> None:
    shown = labels(page("ledger"))
    assert [("Rollback" in shown[0]), ("Promotion" in shown[1])] == [True, True]
    assert "\\[x\\]" in shown[1]
    assert "\\<b\\>" in shown[1]


def test_a_link_filters_and_a_wrong_one_does_no_harm(ledger: Settings, page: Opener) -> None:
    assert ["Rollback" in label for label in labels(page("ledger", actor="ben"))] == [True]
    assert ["Promotion" in label for label in labels(page("ledger", action="Promotion", time="7 days"))] == [True]
    hostile = page("ledger", actor="' OR 1=1 --", action="nothing", time="; DROP", page="99999")
    assert not hostile.exception
    assert len(labels(hostile)) == 2


def test_a_link_to_a_change_opens_it_with_its_evidence(ledger: Settings, page: Opener) -> None:
    change_id = record_intent(ledger, action="split", target="chatbot", actor="ana", evidence={"shares": [5, 95]})
    record_outcome(ledger, change_id, outcome="succeeded", evidence={"verified": "probe answered"})
    app = page("ledger", change=change_id)
    assert len(labels(app)) == 1
    assert "probe answered" in app.json[0].value
    assert not page("ledger", change="no such change").json


def test_a_request_that_waits_is_not_shown_as_running(ledger: Settings, page: Opener) -> None:
    record_intent(ledger, action="request_promotion", target="chatbot", actor="ana")
    assert "waiting" in labels(page("ledger"))[0]


def test_an_export_holds_what_the_filter_says_is_harmless_and_is_recorded(ledger: Settings) -> None:
    record_done(ledger, action="split", target="chatbot", actor="=cmd|' /C calc'!A0", reason="+1")
    exported = actions.export(LedgerFilter(targets=("chatbot",)))()
    rows = list(csv.DictReader(io.StringIO(exported.decode())))
    assert [row["action"] for row in rows] == ["split", "rollback", "promote"]
    assert (rows[0]["actor"][:2], rows[0]["reason"]) == ("'=", "'+1")
    taken = changes(ledger, 1)[0]
    assert (taken.action, taken.outcome, taken.evidence["rows"]) == ("export", "succeeded", 3)


def test_a_viewer_can_neither_export_nor_reveal(ledger: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "current_actor", lambda: Actor("vera", "viewer"))
    with pytest.raises(NotAllowed):
        actions.export(LedgerFilter())
    with pytest.raises(NotAllowed):
        actions.reveal("test.chatbot version 3", "answers")
    assert len(changes(ledger)) == 2


def test_a_viewer_sees_why_the_export_is_off(ledger: Settings, page: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    from dashboard.panels import recorded_export

    monkeypatch.setattr(recorded_export, "current_actor", lambda: Actor("vera", "viewer"))
    app = page("ledger")
    button = app.get("download_button")[0].proto
    assert button.disabled
    assert "vera is viewer" in button.help


def test_a_reveal_is_recorded_before_anything_is_shown(ledger: Settings) -> None:
    actions.reveal("test.chatbot version 3", "the answers of its evaluation")
    newest = changes(ledger, 1)[0]
    assert (newest.action, newest.target, newest.evidence["what"], newest.outcome) == (
        "reveal",
        "test.chatbot version 3",
        "the answers of its evaluation",
        "succeeded",
    )
