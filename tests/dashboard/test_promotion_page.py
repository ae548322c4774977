"""The Promotion page's panels: what may be clicked and when, what is masked, and how far an evaluation is."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard.actions import ledger as ledger_actions
from dashboard.actions import registry as actions
from dashboard.panels import promote as promote_panel
from dashboard.panels import revealed
from dashboard.queries import promotion
from dashboard.queries.watch import Seen
from lakehouse.ledger import changes
from lakehouse.runs import finish_run, pending_requests, start_run
from lakehouse.status import write_status
from registry.actors import Actor
from registry.approvals import PromotionRequest
from registry.errors import NotAllowed
from registry.gate import Check, GateVerdict
from registry.plans import ChangePlan, ProductionState, ServedShare
from registry.versions import Environments, ModelVersion
from settings import Settings
from tests.dashboard import evaluations

PASSED = Check("golden", "Golden answers", "passed", "28 of 30 were right.", blocking=False)
FAILED = Check("grounding", "Grounding", "failed", "On average 7% stands in the *handbook*.", blocking=True)
UNRUN = Check("cost", "Cost", "could_not_run", "Nothing was replayed.", blocking=False)
LIVE = ServedShare("chatbot-2", "prod.chatbot", "2", 100)
BEFORE = ProductionState("chatbot", (LIVE,), "2", "1")
AFTER = ProductionState("chatbot", (ServedShare("chatbot-new", "prod.chatbot", "new", 100),), "new", "2")


@pytest.fixture
def workspace_of(empty: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr("dashboard.queries.lake._RECHECK_SECONDS", 0.0)
    return empty


def gate_of(*checks: Check) -> GateVerdict:
    return GateVerdict("test.chatbot", "3", checks, "an evaluation", datetime.now(UTC))


def drawn(call: str, **parts: Any) -> AppTest:
    """A panel on its own. `call` is what is drawn; `parts` are its arguments."""
    script = f"""
import streamlit as st
from dashboard.panels import answers, promote, promotion
parts = st.session_state["parts"]
{call}
"""
    app = AppTest.from_string(script, default_timeout=30)
    app.session_state["parts"] = parts
    return app.run()


def words(app: AppTest) -> str:
    tables = [table.value.to_string() for table in app.table]
    said = [*app.markdown, *app.caption, *app.success, *app.error, *app.info, *app.warning]
    return "\n".join([*(str(element.value) for element in said), *tables])


def promoting(monkeypatch: pytest.MonkeyPatch, verdict: GateVerdict, role: str = "approver") -> AppTest:
    plan = ChangePlan("promote", BEFORE, AFTER, "new", copy_of="3", warm=False, gate=verdict)
    monkeypatch.setattr(promotion, "plan", lambda *_: Seen(False, plan, datetime.now(UTC)))
    monkeypatch.setattr(promote_panel, "current_actor", lambda: Actor("vera", role))  # type: ignore[arg-type]
    return drawn("promote.promote('chatbot', '3', parts['verdict'])", verdict=verdict)


def test_what_the_gate_found_is_told_in_words_the_reasons_first(workspace_of: Settings) -> None:
    seen = Seen(False, gate_of(PASSED, UNRUN, FAILED), datetime.now(UTC))
    app = drawn("promotion.gate(parts['seen'], '3')", seen=seen)
    shown = app.table[0].value
    assert ["Grounding" in text for text in shown["What was found"]] == [True, False, False]
    assert ["stops it" in text for text in shown["Check"]] == [True, False, False]
    assert "could not run" in shown["Check"][1]
    assert "\\*handbook\\*" in shown["What was found"][0]
    assert "for 1 reason" in words(app)
    assert "passes the gate" in words(drawn("promotion.gate(parts['seen'], '3')", seen=Seen(False, gate_of(PASSED))))


def test_a_version_that_passes_is_promoted_by_one_click_of_an_approver(
    workspace_of: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not promoting(monkeypatch, gate_of(PASSED)).button(key="promote").disabled
    off = promoting(monkeypatch, gate_of(PASSED), "operator").button(key="promote")
    assert off.disabled
    assert "vera is operator" in off.help


def test_a_plan_that_is_looked_at_again_stays_in_sight_but_cannot_be_carried_out(
    workspace_of: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = promoting(monkeypatch, gate_of(PASSED))
    app.text_input(key="promotion reason 3").input("better answers").run()
    old = promotion.plan("chatbot", "3", 100)
    monkeypatch.setattr(promotion, "plan", lambda *_: Seen(True, old.value, datetime.now(UTC)))
    app.run()
    assert app.button(key="promote").disabled
    assert app.text_input(key="promotion reason 3").value == "better answers"


def test_a_version_that_the_gate_stops_needs_a_reason_and_the_right_to_override(
    workspace_of: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = promoting(monkeypatch, gate_of(FAILED))
    assert app.button(key="promote").disabled
    app.text_input(key="override 3").input("   ").run()
    assert app.button(key="promote").disabled
    app.text_input(key="override 3").input("the handbook is wrong").run()
    assert not app.button(key="promote").disabled
    assert "Override the gate" in app.button(key="promote").label
    assert promoting(monkeypatch, gate_of(FAILED), "operator").text_input(key="override 3").disabled


def test_the_role_is_asked_for_where_it_is_done(workspace_of: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = ChangePlan("promote", BEFORE, AFTER, "new", copy_of="3")
    monkeypatch.setattr(actions, "current_actor", lambda: Actor("vera", "viewer"))
    forbidden: list[Callable[[], object]] = [
        lambda: actions.evaluate("3"),
        lambda: actions.begin_set_challenger("3", "why"),
        lambda: actions.begin_promotion(plan, "why"),
        lambda: actions.begin_canary("3", endpoint="chatbot", shares=(5, 100), hold_seconds=60, reason="why"),
        lambda: actions.begin_request("3", endpoint="chatbot", reason="why"),
    ]
    for action in forbidden:
        with pytest.raises(NotAllowed):
            action()
    assert pending_requests(workspace_of) == []


def test_with_four_eyes_one_asks_and_another_approves(workspace_of: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promotion, "four_eyes", lambda: True)
    app = promoting(monkeypatch, gate_of(PASSED))
    assert "promote" not in {button.key for button in app.button}
    assert app.button(key="request_promotion").disabled, "the other person is told why"
    app.text_input(key="promotion reason 3").input("better answers").run()
    assert not app.button(key="request_promotion").disabled
    for name, own in (("vera", True), ("ana", False)):
        request = PromotionRequest("id", "3", "chatbot", name, "better", datetime.now(UTC))
        waiting = drawn("promote.waiting(parts['requests'])", requests=[request])
        assert waiting.button(key="approve id").disabled is own
        assert waiting.button(key="decline id").label == ("Take it back" if own else "Decline")


def test_steps_of_a_canary_that_make_no_sense_are_told(workspace_of: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    app = promoting(monkeypatch, gate_of(PASSED))
    app.segmented_control(key="promote_how").set_value("As a canary").run()
    assert "5 %" in app.button(key="promote").label
    for wrong in ("50, 20", "a, b", "", "5, 200"):
        app.text_input(key="canary_steps").input(wrong).run()
        assert app.warning
        assert "promote" not in {button.key for button in app.button}


def test_people_s_words_are_masked_until_somebody_reveals_them_which_the_ledger_keeps(
    workspace_of: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluations.record(workspace_of, "3", good=True)
    call = "answers.side_by_side(parts['found'])"
    app = drawn(call, found=promotion.evaluation("3"))
    people = (evaluations.PROMPT, evaluations.LIVE_ANSWER, "one click on the first screen")
    assert "masked" in words(app)
    assert not any(text in words(app) for text in people)
    assert not changes(workspace_of)
    app.button(key="reveal").click().run()
    plain_words = words(app).replace("\\", "")
    assert all(text in plain_words for text in people)
    (taken,) = changes(workspace_of)
    assert (taken.action, taken.target) == ("reveal", "test.chatbot version 3")
    for module in (revealed, ledger_actions):
        monkeypatch.setattr(module, "current_actor", lambda: Actor("vera", "viewer"))
    assert drawn(call, found=promotion.evaluation("3")).button(key="reveal").disabled


def test_an_evaluation_is_followed_from_the_wish_to_its_failure(workspace_of: Settings) -> None:
    assert promotion.evaluation_run("3") is None
    request_id = actions.evaluate("3")
    (wish,) = pending_requests(workspace_of)
    assert (wish["job"], wish["arguments"]) == ("evaluate", {"version": "3"})

    def run() -> promotion.EvaluationRun:
        st.cache_data.clear()
        found = promotion.evaluation_run("3")
        assert found is not None
        return found

    assert run().state == "waiting"
    assert promotion.evaluation_run("4") is None
    run_id = start_run(workspace_of, "evaluate", "request", request_id)
    asking = {"state": "running", "version": "3", "stage": "Asking it", "questions_done": 12, "questions": 40}
    write_status(workspace_of, "evaluate", asking)
    assert (run().state, run().done, run().questions) == ("running", 12, 40)
    assert promotion.evaluation_run("4") is None
    finish_run(workspace_of, run_id, "failed", error="The version has gone.")
    assert (run().state, run().error) == ("failed", "The version has gone.")
    app = drawn("promotion.evaluation('3', None, parts['run'])", run=run())
    assert "The version has gone." in words(app).replace("\\", "")
    assert not app.button(key="evaluate").disabled


def test_a_link_names_the_version_by_its_number(workspace_of: Settings) -> None:
    now = datetime.now(UTC)
    known = [ModelVersion("test.chatbot", number, (), "None", now, now, "", "") for number in ("4", "3")]
    app = AppTest.from_string(
        """
import streamlit as st
from dashboard.panels import promotion
st.write("chosen: " + promotion.version_choice(st.session_state["found"]).version)
""",
        default_timeout=30,
    )
    app.session_state["found"] = Environments(none=known, staging=None, production=None, archived=[])
    app.query_params["version"] = "3"
    assert "chosen: 3" in words(app.run())
