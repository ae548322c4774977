"""What is changed without Lakehelm is written into the ledger once; what Lakehelm changes itself is no news."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jobs.watch_look import Looker
from lakehouse.ledger import Change, changes, record_intent, record_outcome
from lakehouse.status import write_status
from registry.alias_lookup import aliases_of
from registry.changes import plan_promotion, plan_rollback, plan_split, plan_undo
from registry.outside import OUTSIDE, OUTSIDE_ACTOR, Seen, notice, read_seen
from registry.plans import ProductionState, ServedShare
from registry.production import NEW, as_evidence, from_evidence, production_state, with_traffic
from registry.versions import CHAMPION, client
from serving.client import EndpointClient, Served
from settings import Settings
from tests.registry.echo_production import EchoProduction
from tests.serving.gateway_process import GatewayProcess

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SERVED = (("chatbot-2", "prod.chatbot", "2", 100),)


@pytest.fixture(autouse=True)
def nothing_was_seen_yet(echo_gateway: GatewayProcess) -> None:
    """The tests share a workspace, and another's endpoint is none of this one's business."""
    (echo_gateway.settings.home / "watch" / "seen.json").unlink(missing_ok=True)


def look(production: EchoProduction) -> list[str]:
    found = Looker(production.settings, production.client).look(act=False)
    assert found.errors == []
    mine = (production.settings.endpoint, production.settings.prod_model, production.settings.test_model)
    return [sentence for sentence in found.noticed if sentence.startswith(mine)]


def settled_look(production: EchoProduction) -> list[str]:
    """A look that is not so soon after a change of ours that it judges nothing yet."""
    time.sleep(1.05)
    return look(production)


def noticed(production: EchoProduction, target: str | None = None) -> list[Change]:
    name = target or production.settings.endpoint
    return [one for one in changes(production.settings, limit=10_000, target=name) if one.action == OUTSIDE]


def serve_directly(production: EchoProduction, **traffic: int) -> None:
    """Change the endpoint as somebody does who knows nothing of Lakehelm."""
    name, model = production.settings.endpoint, production.settings.prod_model
    served = [Served(f"{name}-{version[1:]}", model, version[1:]) for version in traffic]
    production.client.update(name, served, {f"{name}-{version[1:]}": share for version, share in traffic.items()})


def test_a_changed_endpoint_is_noticed_once_with_before_and_after(production: EchoProduction) -> None:
    assert look(production) == [], "the first look has nothing to compare with"
    serve_directly(production, v2=60, v1=40)
    assert len(look(production)) == 1
    assert look(production) == []
    (change,) = noticed(production)
    model = production.settings.prod_model
    assert (change.actor, change.outcome) == (OUTSIDE_ACTOR, "succeeded")
    assert change.before == f"{model} version 1 0 %, {model} version 2 100 %"
    assert change.after == f"{model} version 1 40 %, {model} version 2 60 %"
    state = from_evidence(change.evidence["state_after"])
    assert state == production_state(production.settings, production.client)
    serve_directly(production, v2=100, v1=0)
    look(production)
    serve_directly(production, v2=60, v1=40)
    look(production)
    assert len(noticed(production)) == 3, "the same change later is another change"


def test_a_moved_alias_is_noticed(production: EchoProduction) -> None:
    look(production)
    model = production.settings.prod_model
    client(production.settings).set_registered_model_alias(model, CHAMPION, "1")
    look(production)
    (change,) = noticed(production, model)
    assert change.before == "@champion version 2, @previous version 1"
    assert change.after == "@champion version 1, @previous version 1"
    assert noticed(production) == []


def test_what_lakehelm_changes_is_no_news(production: EchoProduction) -> None:
    settings, endpoint = production.settings, production.client
    look(production)
    report = production.do(plan_rollback(settings, endpoint, to_version="1"))
    assert look(production) == []
    production.do(plan_undo(settings, endpoint, report.change_id))
    production.do(plan_promotion(settings, endpoint, "3", share=10))
    production.do(plan_split(settings, endpoint, {"2": 50, "3": 50}))
    assert look(production) == []
    serve_directly(production, v2=90, v3=10)
    assert len(settled_look(production)) == 1, "but somebody who goes back to what it was once is"


def test_a_change_that_is_taken_back_at_once_from_outside_is_noticed(production: EchoProduction) -> None:
    look(production)
    production.do(plan_rollback(production.settings, production.client, to_version="1"))
    serve_directly(production, v2=100, v1=0)
    assert len(settled_look(production)) == 1
    (change,) = noticed(production)
    assert change.before.endswith("version 1 100 %, " + f"{production.settings.prod_model} version 2 0 %")


def test_an_interrupted_change_explains_what_it_has_moved(production: EchoProduction) -> None:
    look(production)
    state = production_state(production.settings, production.client)
    plan = plan_split(production.settings, production.client, {"2": 60, "1": 40})
    serve_directly(production, v2=60, v1=40)
    evidence = {"state_before": as_evidence(state), "state_after": as_evidence(plan.after), "process_id": 2**22 + 1}
    record_intent(
        production.settings,
        action="split",
        target=production.settings.endpoint,
        actor="ann",
        evidence={**evidence, "gives_up_after_seconds": 0},
    )
    assert look(production) == []
    assert noticed(production) == []


def test_an_interrupted_promotion_explains_a_copy_whose_number_it_could_not_write_down(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, endpoint="chatbot")
    before = ProductionState("chatbot", (ServedShare("chatbot-2", "prod.chatbot", "2", 100),), "2", "1")
    after = with_traffic(settings, before, {NEW: 100})
    notice(settings, Seen(NOON, {"chatbot": SERVED}, {"prod.chatbot": {"champion": "2", "previous": "1"}}))
    evidence = {"state_before": as_evidence(before), "state_after": as_evidence(after), "gives_up_after_seconds": 0}
    record_intent(settings, action="promote", target="chatbot", actor="ann", evidence=evidence, time=NOON)
    served = (("chatbot-2", "prod.chatbot", "2", 0), ("chatbot-3", "prod.chatbot", "3", 100))
    reached = Seen(
        NOON + timedelta(minutes=1), {"chatbot": served}, {"prod.chatbot": {"champion": "3", "previous": "2"}}
    )
    assert notice(settings, reached) == []


def test_a_change_of_another_production_neither_explains_nor_delays_what_is_seen(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    aliases = {"prod.chatbot": {"champion": "2", "previous": "1"}}
    notice(settings, Seen(NOON, {"chatbot": SERVED}, aliases))
    before = ProductionState("other", (ServedShare("other-2", "prod.other", "2", 100),), "2", "1")
    after = ProductionState("other", (ServedShare("other-3", "prod.other", "3", 100),), "3", "2")
    evidence = {"state_before": as_evidence(before), "state_after": as_evidence(after)}
    minute_later = NOON + timedelta(minutes=1)
    change_id = record_intent(
        settings, action="promote", target="other", actor="ann", evidence=evidence, time=minute_later
    )
    record_outcome(settings, change_id, outcome="succeeded", seconds=0.0, time=minute_later)
    other = (("chatbot-1", "prod.chatbot", "1", 100),)
    (found,) = notice(settings, Seen(minute_later, {"chatbot": other}, aliases))
    assert found.target == "chatbot"


def test_a_request_that_waits_explains_nothing(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    notice(settings, Seen(NOON, {"chatbot": SERVED}))
    record_intent(settings, action="request_promotion", target="chatbot", actor="ann", time=datetime.now(UTC))
    other = (("chatbot-1", "prod.chatbot", "1", 100),)
    assert len(notice(settings, Seen(NOON + timedelta(minutes=1), {"chatbot": other}))) == 1


def test_endpoints_that_others_make_and_delete_are_noticed(production: EchoProduction) -> None:
    look(production)
    name = f"{production.settings.endpoint}-of-others"
    served = Served(f"{name}-1", production.settings.prod_model, "1")
    production.client.create(name, [served], {served.name: 100})
    look(production)
    production.client.delete(name)
    look(production)
    look(production)
    deleted, made = noticed(production, name)
    model = production.settings.prod_model
    assert (made.before, made.after) == ("no endpoint", f"{model} version 1 100 %")
    assert (deleted.before, deleted.after) == (f"{model} version 1 100 %", "no endpoint")


def test_a_gateway_that_is_down_has_deleted_nothing(production: EchoProduction) -> None:
    look(production)
    down = production.settings.model_copy(update={"gateway_port": 1})
    for _ in range(2):
        assert Looker(down, EndpointClient(down)).look(act=False).noticed == []
    assert look(production) == []
    assert noticed(production) == []


def test_what_the_demo_makes_is_only_remembered(production: EchoProduction) -> None:
    look(production)
    write_status(production.settings, "demo", {"state": "building"})
    try:
        serve_directly(production, v2=50, v1=50)
        assert look(production) == []
    finally:
        write_status(production.settings, "demo", {"state": "ready"})
    assert look(production) == []
    assert noticed(production) == []


def test_a_change_made_while_nothing_ran_is_noticed_at_the_next_start_and_a_cut_off_look_repeats_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path)
    before = Seen(NOON, {"chatbot": SERVED}, {"prod.chatbot": {"champion": "2"}})
    after = Seen(NOON + timedelta(days=2), {"chatbot": (("chatbot-1", "prod.chatbot", "1", 100),)}, before.aliases)
    assert notice(settings, before) == []
    with monkeypatch.context() as patched:
        patched.setattr("registry.outside.write_seen", _killed)
        with pytest.raises(KeyboardInterrupt):
            notice(settings, after)
    notice(settings, Seen(after.time + timedelta(seconds=9), after.endpoints, after.aliases))
    (change,) = changes(settings)
    assert (change.target, change.started_at) == ("chatbot", after.time)
    assert (read_seen(settings) or before).endpoints == after.endpoints


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_other_models_in_the_settings_are_no_change(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    notice(settings, Seen(NOON, {}, {"prod.chatbot": {"champion": "2"}}))
    other = Seen(NOON + timedelta(minutes=1), {}, {"prod.other": {"champion": "7"}})
    assert notice(settings, other) == []
    gone = Seen(NOON + timedelta(minutes=2), {}, {"prod.other": {}})
    assert [one.after for one in notice(settings, gone)] == ["no alias"]


def test_a_damaged_memory_is_begun_anew(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    notice(settings, Seen(NOON, {"chatbot": SERVED}))
    (tmp_path / "watch" / "seen.json").write_text('{"time": "', encoding="utf-8")
    assert notice(settings, Seen(NOON, {})) == []
    assert changes(settings) == []


def test_aliases_are_read_without_mlflow_as_mlflow_tells_them(production: EchoProduction) -> None:
    model = production.settings.prod_model
    assert aliases_of(production.settings, [model, "no.such"]) == {
        model: {"champion": "2", "previous": "1"},
        "no.such": {},
    }
    assert aliases_of(Settings(home=Path("/nowhere")), ["a"]) == {"a": {}}
