"""The Pipeline page: how steps last ran, what is under way, and who may start a retraining."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.actions import retraining as actions
from lakehouse.appends import append
from lakehouse.ledger import changes
from lakehouse.pipelines import Pipeline, begin_step, end_step, find_pipeline, new_pipeline
from lakehouse.runs import finish_run, pending_requests, start_run
from registry.actors import Actor
from registry.canary import ramps
from registry.errors import NotAllowed, RegistryError
from settings import Settings
from tests.dashboard import workspace

Opener = Callable[..., AppTest]
PLAN = ("features", "train", "evaluate", "challenger")
HOSTILE = "Alert drift: <b>bold</b> [x](http://x) $1$"


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.queries.lake._RECHECK_SECONDS", 0.0)


def texts(app: AppTest) -> str:
    shown = [*app.markdown, *app.caption, *app.subheader, *app.warning, *app.error, *app.table]
    return "\n".join(
        str(element.value.to_csv() if hasattr(element.value, "to_csv") else element.value) for element in shown
    )


def pipeline(settings: Settings, *ended: tuple[str, str, str], **details: Any) -> Pipeline:
    """A retraining whose steps ended as given: name, state, sentence."""
    found = new_pipeline(trigger="alert", reason=HOSTILE, requested_by="retraining", plan=PLAN, alert_id="a1")
    for name, state, said in ended:
        found = find_pipeline(settings, found.pipeline_id) or found
        began = begin_step(settings, found, name)
        if state != "running":
            end_step(settings, found, name, began, state, sentence=said, details=details)
    return found


def test_a_retraining_is_told_step_by_step(empty: Settings, page: Opener) -> None:
    stopped = "The gate does not let test.chatbot version 3 pass: 60 of 68 questions got no answer."
    pipeline(
        empty,
        ("features", "succeeded", "Same."),
        ("train", "succeeded", "Trained."),
        ("evaluate", "stopped", stopped),
        version="3",
        chunks_version="5",
    )
    app = page("pipeline")
    assert not app.exception
    shown = texts(app)
    assert "60 of 68 questions got no answer" in shown
    assert "not begun" in shown
    assert "version of handbook" in shown
    assert "No retraining is under way" in shown
    assert "\\<b\\>bold" in shown
    assert "[x](http://x)" not in shown
    assert not app.error


def test_what_is_under_way_says_what_it_waits_for_and_no_second_one_is_started(empty: Settings, page: Opener) -> None:
    pipeline(empty, ("features", "succeeded", "Same."), ("train", "waiting", "Run 7 of job 42 is running."))
    app = page("pipeline")
    assert "Step 2 of 4" in str(app.get("progress")[0].proto.text)
    assert "Run 7 of job 42 is running" in texts(app)
    assert app.button(key="retrain_now").disabled
    assert not app.button(key="retrain_dry_run").disabled


def test_what_waits_can_be_ended_by_a_person(empty: Settings, page: Opener) -> None:
    begun = pipeline(empty, ("features", "succeeded", "Same."), ("train", "waiting", "Run 7 of job 42 is running."))
    app = page("pipeline")
    app.button(key=f"end {begun.pipeline_id}").click().run()
    ended = find_pipeline(empty, begun.pipeline_id)
    assert ended is not None
    assert (ended.state, ended.active) == ("stopped", False)
    assert "No retraining is under way" in texts(app)
    assert [change.action for change in changes(empty)] == ["end_retraining"]
    with pytest.raises(RegistryError, match="has ended already"):
        actions.end_retraining(begun.pipeline_id)


@pytest.mark.parametrize("written", [True, False])
def test_to_end_a_retraining_stops_its_canary_and_no_other(empty: Settings, page: Opener, written: bool) -> None:
    begun = new_pipeline(trigger="command", reason="a test", requested_by="ann", plan=("canary",))
    # Broken off between the ramp and its id, or waiting for it to end.
    about = {"ramp_id": "own"} if written else {}
    end_step(empty, begun, "canary", begin_step(empty, begun, "canary"), "waiting", sentence="Held.", details=about)
    ramp = {"time": datetime.now(UTC), "endpoint_name": empty.endpoint, "entity_version": "3", "state": "running"}
    plan = {"step": 0, "shares": [5, 100], "hold_seconds": 60.0, "actor": "retraining", "role": "approver"}
    own = {"ramp_id": "own", "reason": f"{begun.mark}: a test"}
    other = {"ramp_id": "other", "reason": "by hand", "endpoint_name": "another"}
    append(empty, "ramps", [{**ramp, **plan, **own}, {**ramp, **plan, **other}])
    app = page("pipeline")
    app.button(key=f"end {begun.pipeline_id}").click().run()
    assert {one.ramp_id: one.state for one in ramps(empty)} == {"own": "stopped", "other": "running"}
    assert [change.action for change in changes(empty)] == ["end_retraining", "stop_ramp"]
    ended = find_pipeline(empty, begun.pipeline_id)
    assert ended is not None
    assert ended.state == "stopped"


def test_a_click_asks_the_scheduler_and_then_waits_for_it(empty: Settings, page: Opener) -> None:
    app = page("pipeline")
    app.button(key="retrain_dry_run").click().run()
    (wish,) = pending_requests(empty)
    assert (wish["job"], wish["arguments"]) == ("retrain", {"dry-run": True})
    assert app.button(key="retrain_now").disabled
    assert "the scheduler will start it" in texts(app)
    run_id = start_run(empty, "retrain", "request", wish["request_id"])
    finish_run(empty, run_id, "failed", error="The rules file is wrong.")
    assert [str(error.value) for error in app.run().error] == ["The rules file is wrong\\."]


def test_a_viewer_may_look_and_not_ask(empty: Settings, page: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer = Actor("vera", "viewer")
    monkeypatch.setattr(actions, "current_actor", lambda: viewer)
    monkeypatch.setattr("dashboard.panels.pipeline.current_actor", lambda: viewer)
    app = page("pipeline")
    assert app.button(key="retrain_now").disabled
    assert app.button(key="retrain_dry_run").disabled
    with pytest.raises(NotAllowed):
        actions.retrain_now()
    with pytest.raises(NotAllowed):
        actions.end_retraining("any")
    assert not app.code


def test_each_step_shows_how_it_last_ran(empty: Settings, page: Opener) -> None:
    now = datetime.now(UTC)
    workspace.write_rows(
        empty, "handbook_chunks", [{"page": "a", "refreshed_at": now}, {"page": "b", "refreshed_at": now}]
    )
    run = {"trigger": "schedule", "started_at": now - timedelta(minutes=3), "finished_at": now, "state": "succeeded"}
    runs = [
        {**run, "run_id": "1", "job": "score", "rows_read": 12, "rows_waiting": 3},
        {**run, "run_id": "2", "job": "drift"},
        {**run, "run_id": "3", "job": "batch-score", "state": "failed", "error": "There is no Delta table."},
    ]
    append(empty, "job_runs", runs)
    finding = {"finding_id": "f1", "window_end": now, "endpoint_name": empty.endpoint, "confirmed": True}
    append(empty, "drift_findings", [{**finding, "column_name": "completion_tokens", "sentence": "Words of people."}])
    answered = {"row_id": "r", "entity_version": "2", "answered_at": now}
    append(empty, "batch_scores", [{**answered, "answer": "yes"}, {**answered, "error": "it raised KeyError."}])
    workspace.write_rows(empty, "ledger", workspace.change(now, "promote", empty.endpoint, after="version 2"))
    shown = texts(page("pipeline"))
    for said in (
        "2 passages of 2 pages",
        "12 requests read, 3 waiting",
        "took 3",
        "1 confirmed finding in 24 hours: Answer length.",
        "2 rows answered in all, 1 without an answer",
        "There is no Delta table",
        "Online: promotion, version 2",
    ):
        assert said in shown, said
    assert "Words of people" not in shown


def test_wrong_rules_are_a_sentence_and_the_rest_still_stands(
    empty: Settings, page: Opener, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from tests.dashboard.conftest import use

    wrong = tmp_path / "rules.toml"
    wrong.write_text("[limits]\nmost_per_week = -1\n")
    use(monkeypatch, empty.home, RETRAINING_RULES_FILE=str(wrong))
    app = page("pipeline")
    assert not app.exception
    assert any("most\\_per\\_week" in str(error.value) for error in app.error)
    assert "Steps as they last ran" in texts(app)


def test_triggers_that_could_train_nothing_on_databricks_say_so(
    empty: Settings, page: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = empty.model_copy(update={"host": "http://127.0.0.1:9"})
    monkeypatch.setattr("dashboard.queries.pipeline.get_settings", lambda: own)
    assert "set job\\_id in the rules of retraining" in texts(page("pipeline"))


def test_a_link_opens_a_retraining_and_a_wrong_one_does_no_harm(empty: Settings, page: Opener) -> None:
    first = pipeline(empty, ("features", "stopped", "It was the first."))
    pipeline(empty, ("features", "stopped", "It was the second."))
    assert "It was the second" in texts(page("pipeline"))
    assert "It was the first" in texts(page("pipeline", retraining=first.pipeline_id))
    assert not page("pipeline", retraining="' OR 1=1 --").exception
