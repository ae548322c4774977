"""One click on a page changes a real production: a real gateway, a real registry, a real ledger."""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.actions import production as actions
from dashboard.auth import current_actor
from lakehouse.appends import append
from lakehouse.ledger import Change, changes
from registry import changes as registry_changes
from registry.actors import Actor
from registry.alerts import close_alert, open_alert
from registry.errors import NotAllowed
from registry.production import as_evidence, production_state
from settings import get_settings
from tests.dashboard.conftest import use
from tests.dashboard.test_pages import texts
from tests.registry.echo_production import EchoProduction, echo_production
from tests.serving.gateway_process import GatewayProcess

Opener = Callable[..., AppTest]


NAME = "clicks"


@pytest.fixture(scope="module")
def made(echo_gateway: GatewayProcess) -> EchoProduction:
    return echo_production(echo_gateway.settings, NAME)


@pytest.fixture
def world(made: EchoProduction, monkeypatch: pytest.MonkeyPatch) -> Iterator[EchoProduction]:
    """Version 2 has all the traffic, version 1 is warm; nothing is open or interrupted."""
    settings = made.settings
    names = {"ENDPOINT": NAME, "TEST_MODEL": settings.test_model, "PROD_MODEL": settings.prod_model}
    use(monkeypatch, settings.home, GATEWAY_PORT=str(settings.gateway_port), **names)
    monkeypatch.setattr("dashboard.queries.lake._RECHECK_SECONDS", 0.0)
    if made.traffic != {"1": 0, "2": 100}:
        made.do(registry_changes.plan_split(settings, made.client, {"2": 100}))
    yield made
    get_settings.cache_clear()


def has_button(app: AppTest, key: str) -> bool:
    return any(button.key == key for button in app.button)


def shown(app: AppTest, there: Callable[[AppTest], bool]) -> AppTest:
    """The page once the background has seen what it has to see."""
    deadline = time.monotonic() + 60
    while not there(app):
        assert time.monotonic() < deadline, texts(app)
        time.sleep(0.1)
        app.run()
    assert not app.exception
    return app


def said(app: AppTest, text: str) -> AppTest:
    """The page once it says this; a click waits for its report for two seconds only, and goes on then."""
    return shown(app, lambda app: text in texts(app))


def tables(app: AppTest) -> str:
    return "\n".join(table.value.to_string() for table in app.table)


def progress(app: AppTest) -> str:
    return "\n".join(str(element.proto) for element in app.get("progress"))


def last_change(world: EchoProduction) -> Change:
    return changes(world.settings, limit=1, target=NAME)[0]


def test_the_plan_stands_beside_the_button_before_the_click(world: EchoProduction, page: Opener) -> None:
    app = shown(page(), lambda app: has_button(app, "roll_back rollback"))
    assert app.button(key="roll_back rollback").label == "Roll back to v1"
    assert "v1 answers already" in texts(app)
    plan = next(table.value for table in app.table if "Traffic now" in table.value)
    assert plan.to_numpy().tolist() == [["**v1**", "0 %", "**100 %**"], ["v2", "100 %", "0 %, stays warm"]]
    assert "champion from version 2 to version 1" in texts(app)
    assert world.traffic == {"1": 0, "2": 100}


def test_one_click_rolls_back_and_one_click_undoes_it(world: EchoProduction, page: Opener) -> None:
    app = shown(page(), lambda app: has_button(app, "roll_back rollback"))
    app.button(key="roll_back rollback").click().run()
    said(app, "**Rollback: succeeded.**")
    assert world.traffic == {"1": 100, "2": 0}
    assert "clicks\\-1 answered the probe" in texts(app)
    done = last_change(world)
    assert (done.action, done.outcome, done.actor) == ("rollback", "succeeded", current_actor().name)
    # The next plan would stand where the last click was: it waits until the report has been seen.
    assert not has_button(app, "roll_back rollback")
    app.button(key=f"undo rollback {done.change_id}").click().run()
    said(app, "**Undo: succeeded.**")
    assert world.traffic == {"1": 0, "2": 100}
    app.button(key="close rollback").click().run()
    shown(app, lambda app: has_button(app, "roll_back rollback"))


def test_a_plan_that_somebody_overtook_changes_nothing(world: EchoProduction, page: Opener) -> None:
    app = shown(page(), lambda app: has_button(app, "roll_back rollback"))
    world.do(registry_changes.plan_split(world.settings, world.client, {"2": 80, "1": 20}))
    app.button(key="roll_back rollback").click().run()
    said(app, "**Nothing was changed.**")
    assert world.traffic == {"1": 20, "2": 80}


def test_an_alert_brings_its_own_button(world: EchoProduction, page: Opener) -> None:
    sentence = "Version 2: 6.2 % of 412 requests failed."
    about = {"endpoint_name": NAME, "entity_name": world.settings.prod_model, "entity_version": "2"}
    alert = open_alert(world.settings, rule="errors", sentence=sentence, **about)
    app = shown(page(), lambda app: has_button(app, f"alert {alert}"))
    assert "An alert is open" in texts(app)
    said(app.button(key=f"alert {alert}").click().run(), "**Rollback: succeeded.**")
    assert world.traffic == {"1": 100, "2": 0}
    assert last_change(world).reason == f"alert: {sentence}"
    # The version that it is about has no traffic any more.
    app.button(key="close alerts").click().run()
    app = shown(app, lambda app: not has_button(app, f"alert {alert}"))
    assert "An alert is open" not in texts(app)
    close_alert(world.settings, alert)


def test_a_canary_is_set_with_the_slider_and_stopped_with_one_click(world: EchoProduction, page: Opener) -> None:
    app = shown(page("endpoints"), lambda app: bool(app.slider))
    app.slider(key="share_1").set_value(10).run()
    app = shown(app, lambda app: has_button(app, "set_split"))
    said(app.button(key="set_split").click().run(), "**Traffic split: succeeded.**")
    assert world.traffic == {"1": 10, "2": 90}
    app = shown(app, lambda app: has_button(app, "abort rollback"))
    said(app.button(key="abort rollback").click().run(), "**Canary taken back: succeeded.**")
    assert world.traffic == {"1": 0, "2": 100}
    assert last_change(world).action == "abort"


def test_a_ramp_takes_its_first_step_and_can_be_stopped(world: EchoProduction, page: Opener) -> None:
    app = shown(page("endpoints"), lambda app: bool(app.slider))
    app.segmented_control(key="split_how").set_value("As a ramp").run()
    app.text_input(key="ramp_steps").set_value("25, 5").run()
    assert "put them in order" in texts(app)
    app.text_input(key="ramp_steps").set_value("5, 100").run()
    said(app.button(key="start_ramp").click().run(), "taken its first step")
    assert world.traffic == {"1": 5, "2": 95}
    app = shown(app, lambda app: "Step 1 of 2: running" in progress(app))
    stop = next(button for button in app.button if button.label == "Take no further step")
    stop.click().run()
    assert "Step 1 of 2" not in progress(app)
    assert world.traffic == {"1": 5, "2": 95}


def test_any_version_can_be_picked(world: EchoProduction, page: Opener) -> None:
    app = shown(page("endpoints"), lambda app: any(box.key == "pick rollback" for box in app.selectbox))
    app.selectbox(key="pick rollback").set_value("2").run()
    app = shown(app, lambda app: "nothing would change" in texts(app))
    app.selectbox(key="pick rollback").set_value("1").run()
    app = shown(app, lambda app: has_button(app, "roll_back_picked rollback"))
    said(app.button(key="roll_back_picked rollback").click().run(), "**Rollback: succeeded.**")
    assert world.traffic == {"1": 100, "2": 0}


def test_a_question_shows_which_version_answered_and_who_asked(world: EchoProduction, page: Opener) -> None:
    app = shown(page("endpoints"), lambda app: bool(app.text_input))
    app.text_input(key="question").set_value("Are *you* there?")
    ask = next(button for button in app.button if button.label == "Ask")
    ask.click().run()
    app = shown(app, lambda app: "answered in" in texts(app))
    assert "**clicks\\-2** answered" in texts(app)
    assert "heard Are \\*you\\* there?" in texts(app)
    app.text_input(key="question").set_value("raise no")
    app.selectbox(key="asked").set_value(f"{NAME}-1")
    next(button for button in app.button if button.label == "Ask").click().run()
    app = shown(app, lambda app: bool(app.error))
    assert "\n" not in app.error[0].value


def test_each_version_shows_its_last_minute_and_its_log(world: EchoProduction, page: Opener) -> None:
    world.client.ask(NAME, "hello")
    app = shown(page("endpoints"), lambda app: "Latency p95" in tables(app) and bool(app.code))
    requests = next(table.value for table in app.table if "Last minute" in table.value)
    assert dict(requests.to_numpy().tolist())["Requests"] != "0"
    assert app.code


def interrupted_split(world: EchoProduction, echo_gateway: GatewayProcess) -> str:
    """The ledger of a dashboard that was killed between the switch of the traffic and the aliases."""
    before = production_state(world.settings, world.client)
    plan = registry_changes.plan_rollback(world.settings, world.client, to_version="1")
    evidence: dict[str, Any] = {
        "state_before": as_evidence(before),
        "state_after": as_evidence(plan.after),
        "target_version": "1",
        "process_id": 2**22 + 1,
        "host": socket.gethostname(),
    }
    row = {"change_id": "killed" + os.urandom(4).hex(), "phase": "intent", "time": datetime.now(UTC), "actor": "ben"}
    row |= {"action": "rollback", "target": NAME, "before": "version 2 100 %", "after": "version 1 100 %"}
    append(world.settings, "ledger", [row | {"role": "operator", "reason": "errors", "evidence": json.dumps(evidence)}])
    echo_gateway.serve(NAME, 1, 2, model=world.settings.prod_model, live=1)
    return str(row["change_id"])


@pytest.mark.parametrize(("button", "after"), [("finish", {"1": 100, "2": 0}), ("undo", {"1": 0, "2": 100})])
def test_an_interrupted_change_is_explained_and_ended_with_one_click(
    world: EchoProduction, echo_gateway: GatewayProcess, page: Opener, button: str, after: dict[str, int]
) -> None:
    change_id = interrupted_split(world, echo_gateway)
    app = shown(page(), lambda app: has_button(app, f"finish interrupted {change_id}"))
    assert "The rollback of clicks by ben" in texts(app)
    app.button(key=f"{button} interrupted {change_id}").click().run()
    said(app, f"**{'Finish of an interrupted change' if button == 'finish' else 'Undo'}: succeeded.**")
    assert world.traffic == after
    assert production_state(world.settings, world.client).champion == next(v for v, share in after.items() if share)
    app.button(key="close interrupted").click().run()
    shown(app, lambda app: not has_button(app, f"finish interrupted {change_id}"))


def test_a_viewer_sees_why_the_buttons_are_off_and_cannot_do_it_otherwise(
    world: EchoProduction, page: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("panels.changes", "panels.canary", "panels.endpoints", "actions.production"):
        monkeypatch.setattr(f"dashboard.{module}.current_actor", lambda: Actor("vera", "viewer"))
    app = shown(page("endpoints"), lambda app: has_button(app, "roll_back rollback"))
    button = app.button(key="roll_back rollback")
    assert button.disabled
    assert "takes the role operator; vera is viewer" in button.help
    for act in (actions.roll_back, actions.abort, lambda: actions.ask_endpoint(NAME, "Anybody?")):
        with pytest.raises(NotAllowed):
            act()
    assert world.traffic == {"1": 0, "2": 100}


def test_a_gateway_that_is_down_is_one_sentence_and_no_change(
    world: EchoProduction, echo_gateway: GatewayProcess, page: Opener
) -> None:
    app = shown(page(), lambda app: has_button(app, "roll_back rollback"))
    before = last_change(world).change_id
    echo_gateway.kill()
    try:
        said(app.button(key="roll_back rollback").click().run(), "Nothing answers at")
        assert any("Nothing answers at" in error.value and "\n" not in error.value for error in app.error)
        assert last_change(world).change_id == before
    finally:
        echo_gateway.start()
        echo_gateway.wait_until_ready(NAME)
    assert world.traffic == {"1": 0, "2": 100}
