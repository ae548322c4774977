from datetime import UTC, datetime, timedelta

import pytest

from lakehouse.ledger import changes, record_intent, record_outcome, recorded
from settings import Settings

NOW = datetime.now(UTC)


def test_a_change_is_one_entry_with_its_intent_and_its_outcome(settings: Settings) -> None:
    change_id = record_intent(
        settings,
        action="promote",
        target="prod.chatbot",
        actor="ada",
        role="operator",
        before="1",
        after="2",
        reason="better answers",
        evidence={"n": 200},
        time=NOW,
    )
    record_outcome(settings, change_id, outcome="succeeded", evidence={"version": "2"}, seconds=1.5)
    (change,) = changes(settings)
    assert (change.change_id, change.action, change.target, change.actor) == (
        change_id,
        "promote",
        "prod.chatbot",
        "ada",
    )
    assert (change.role, change.before, change.after, change.reason) == ("operator", "1", "2", "better answers")
    assert change.evidence == {"n": 200, "version": "2"}
    assert (change.started_at, change.outcome, change.seconds) == (NOW, "succeeded", 1.5)


def test_changes_come_newest_first_and_can_be_narrowed(settings: Settings) -> None:
    for hours, target in ((3, "a"), (1, "b"), (2, "a")):
        record_intent(settings, action=str(hours), target=target, actor="ada", time=NOW - timedelta(hours=hours))
    assert [change.action for change in changes(settings)] == ["1", "2", "3"]
    assert [change.action for change in changes(settings, limit=2)] == ["1", "2"]
    assert [change.action for change in changes(settings, since=NOW - timedelta(hours=2))] == ["1", "2"]
    assert [change.action for change in changes(settings, target="a")] == ["2", "3"]


def test_a_change_without_an_outcome_runs_first_and_reads_interrupted_later(settings: Settings) -> None:
    # Of now, not of when this file was imported: the test may run many minutes later.
    now = datetime.now(UTC)
    record_intent(settings, action="new", target="t", actor="a", time=now - timedelta(seconds=10))
    record_intent(settings, action="old", target="t", actor="a", time=now - timedelta(seconds=1_000))
    assert {change.action: change.outcome for change in changes(settings)} == {"new": None, "old": "interrupted"}
    assert {c.action: c.outcome for c in changes(settings, interrupted_after_seconds=5)}["new"] == "interrupted"


def test_the_last_outcome_holds_also_for_a_change_that_read_interrupted(settings: Settings) -> None:
    change_id = record_intent(settings, action="slow", target="t", actor="a", time=NOW - timedelta(hours=1))
    record_outcome(settings, change_id, outcome="failed", time=NOW - timedelta(minutes=2))
    record_outcome(settings, change_id, outcome="succeeded", time=NOW - timedelta(minutes=1))
    assert [change.outcome for change in changes(settings)] == ["succeeded"]


def test_a_change_around_a_block_is_recorded_with_what_was_found(settings: Settings) -> None:
    with recorded(settings, action="promote", target="t", actor="ada", evidence={"gate": "passed"}) as found:
        assert changes(settings)[0].outcome is None, "the intent stands before the change"
        found["version"] = "3"
    (change,) = changes(settings)
    assert (change.outcome, change.evidence) == ("succeeded", {"gate": "passed", "version": "3"})
    assert change.seconds is not None
    assert change.seconds >= 0


@pytest.mark.parametrize("error", [RuntimeError("The endpoint is gone."), KeyboardInterrupt()])
def test_a_change_that_fails_is_recorded_with_its_error_and_the_error_goes_on(
    settings: Settings, error: BaseException
) -> None:
    with pytest.raises(type(error)), recorded(settings, action="promote", target="t", actor="ada"):
        raise error
    (change,) = changes(settings)
    assert change.outcome == "failed"
    assert change.evidence == {"error": str(error) or "KeyboardInterrupt"}


def test_an_empty_ledger_has_no_changes(settings: Settings) -> None:
    assert changes(settings) == []
