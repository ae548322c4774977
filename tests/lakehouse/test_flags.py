"""Decisions about flags are stored as they were made, the last one holds, and none is lost."""

import threading
from datetime import UTC, date, datetime, timedelta

import pytest

from lakehouse import flags
from lakehouse.errors import LakehouseError
from lakehouse.flags import FlaggedRequest, last_decisions, record_decisions
from lakehouse.store import open_table, read_rows
from settings import Settings


def flagged(request_id: str) -> FlaggedRequest:
    return FlaggedRequest(
        request_id, date(2026, 11, 20), "chatbot", "prod.chatbot", "2", 0.91, None, "keyword/alt-profanity-check/1", 0.5
    )


def stored(settings: Settings) -> list[dict]:
    return read_rows(open_table(settings, "flags")).sort_by("time").to_pylist()


def test_a_decision_is_stored_exactly_as_it_was_made(settings: Settings) -> None:
    begun = datetime.now(UTC)
    record_decisions(
        settings, [flagged("r1")], "confirmed", label="hate", remark=" rude ", actor="ana", role="operator"
    )
    (row,) = stored(settings)
    assert len(row.pop("decision_id")) == 32
    assert begun <= row.pop("time") <= datetime.now(UTC)
    assert row == {
        "databricks_request_id": "r1",
        "request_date": date(2026, 11, 20),
        "endpoint_name": "chatbot",
        "entity_name": "prod.chatbot",
        "entity_version": "2",
        "decision": "confirmed",
        "label": "hate",
        "remark": "rude",
        "actor": "ana",
        "role": "operator",
        "prompt_toxicity": 0.91,
        "response_toxicity": None,
        "toxicity_scorer": "keyword/alt-profanity-check/1",
        "threshold": 0.5,
    }


def test_the_last_decision_holds_and_the_earlier_ones_are_kept(settings: Settings) -> None:
    record_decisions(settings, [flagged("r1"), flagged("r2")], "confirmed", actor="ana", role="operator")
    before = record_decisions(settings, [flagged("r1")], "dismissed", actor="ben", role="operator")
    assert {key: (one.actor, one.decision) for key, one in before.items()} == {"r1": ("ana", "confirmed")}
    last = last_decisions(settings, ["r1", "r2", "r3"])
    assert {key: (one.actor, one.decision) for key, one in last.items()} == {
        "r1": ("ben", "dismissed"),
        "r2": ("ana", "confirmed"),
    }
    assert [row["actor"] for row in stored(settings) if row["databricks_request_id"] == "r1"] == ["ana", "ben"]


def test_the_later_decision_holds_though_its_machines_clock_is_late(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_decisions(settings, [flagged("r1")], "confirmed", actor="ana", role="operator")

    class LateClock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return datetime.now(UTC) - timedelta(hours=2)

    monkeypatch.setattr(flags, "datetime", LateClock)
    record_decisions(settings, [flagged("r1")], "dismissed", actor="ben", role="operator")
    assert last_decisions(settings, ["r1"])["r1"].actor == "ben"


def test_people_who_decide_at_once_are_all_kept(settings: Settings) -> None:
    gate, failed = threading.Barrier(4), []

    def decide(number: int) -> None:
        gate.wait()
        try:
            record_decisions(settings, [flagged("r1")], "confirmed", actor=f"person {number}", role="operator")
        except LakehouseError as error:
            failed.append(error)

    threads = [threading.Thread(target=decide, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    rows = stored(settings)
    assert sorted(row["actor"] for row in rows) == [f"person {number}" for number in range(4)]
    newest = max(rows, key=lambda row: (row["time"], row["decision_id"]))
    assert last_decisions(settings, ["r1"])["r1"].actor == newest["actor"]


@pytest.mark.parametrize(("decision", "label"), [("deleted", ""), ("confirmed", "nonsense")])
def test_an_unknown_word_is_refused_and_nothing_is_written(settings: Settings, decision: str, label: str) -> None:
    with pytest.raises(LakehouseError):
        record_decisions(settings, [flagged("r1")], decision, label=label, actor="ana", role="operator")  # type: ignore[arg-type]
    assert stored(settings) == []
