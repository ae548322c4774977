"""What a ramp does next: only what was planned, one step at a time, and nothing once anybody decided otherwise."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import RegistryError
from registry.guard import TrafficChange
from registry.ramp_steps import Move, Production, Ramp, check_plan, next_move

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
RAMP = Ramp(
    ramp_id="0123456789abcdef",
    endpoint_name="chatbot",
    entity_name="prod.chatbot",
    entity_version="3",
    state="running",
    step=0,
    shares=(5, 25, 100),
    hold_seconds=600,
    actor="ann",
    role="operator",
    reason="better answers",
    change_id="c1",
    note="",
    started_at=NOON,
    since=NOON,
)
FIRST = TrafficChange("c1", "promote", "ann", NOON, NOON, {"2": 100}, {"2": 95, "3": 5}, "2", "2", reason=RAMP.mark)
IN_PLACE = Production({"2": 95, "3": 5}, False, (FIRST,))
LATER = NOON + timedelta(seconds=601)


def later_change(action: str, after: dict[str, int], **more: object) -> TrafficChange:
    found = TrafficChange("c2", action, "bob", LATER, LATER, {"2": 95, "3": 5}, after, "2", "2")
    return replace(found, **more)  # type: ignore[arg-type]


def with_change(change: TrafficChange, **more: object) -> Production:
    return replace(IN_PLACE, traffic=change.after, changes=(change, FIRST), **more)  # type: ignore[arg-type]


def test_a_step_is_held_and_then_the_next_is_due() -> None:
    assert next_move(RAMP, IN_PLACE, NOON + timedelta(seconds=599)).kind == "wait"
    assert RAMP.next_at == NOON + timedelta(seconds=600)
    assert next_move(RAMP, IN_PLACE, LATER) == Move("advance", "running", 1)


def test_after_the_last_step_it_is_finished() -> None:
    last = replace(RAMP, step=2, change_id="c3")
    done = replace(FIRST, change_id="c3", after={"3": 100})
    move = next_move(last, Production({"3": 100}, False, (done, FIRST)), LATER)
    assert (move.kind, move.state, last.next_at) == ("record", "finished", None)


@pytest.mark.parametrize(
    ("ramp", "production"),
    [
        (RAMP, None),
        (RAMP, replace(IN_PLACE, change_under_way=True)),
        (replace(RAMP, state="stopped"), IN_PLACE),
        (replace(RAMP, state="held"), replace(IN_PLACE, alert="It fails.")),
    ],
)
def test_it_waits_while_it_cannot_see_and_does_nothing_once_it_has_ended(
    ramp: Ramp, production: Production | None
) -> None:
    assert next_move(ramp, production, LATER).kind == "wait"


def test_an_open_alert_holds_it_and_the_hold_begins_anew_after_it() -> None:
    move = next_move(RAMP, replace(IN_PLACE, alert="Version 3 fails often."), LATER)
    assert (move.kind, move.state) == ("record", "held")
    assert "Version 3 fails often." in move.note
    held = replace(RAMP, state="held", since=LATER)
    assert held.next_at is None
    move = next_move(held, IN_PLACE, LATER)
    assert (move.kind, move.state, move.step) == ("record", "running", 0)


@pytest.mark.parametrize(
    ("change", "state"),
    [
        (later_change("abort", {"2": 100}), "aborted"),
        (later_change("rollback", {"2": 100}), "aborted"),
        (later_change("split", {"2": 60, "3": 40}), "overtaken"),
        (later_change("split", {"2": 95, "3": 5}), "overtaken"),
        (later_change("promote", {"4": 100}), "aborted"),
        (later_change("outside", {"3": 100}), "overtaken"),
    ],
)
def test_any_other_decision_ends_it(change: TrafficChange, state: str) -> None:
    move = next_move(RAMP, with_change(change), LATER)
    assert (move.kind, move.state) == ("record", state)
    assert "bob" in move.note


def test_a_change_of_somebody_that_failed_ends_nothing() -> None:
    failed = later_change("rollback", {"2": 100}, outcome="failed")
    assert next_move(RAMP, replace(IN_PLACE, changes=(failed, FIRST)), LATER).kind == "advance"


def test_traffic_that_nobody_explains_ends_it() -> None:
    move = next_move(RAMP, replace(IN_PLACE, traffic={"2": 50, "3": 50}), LATER)
    assert (move.kind, move.state) == ("record", "overtaken")
    assert "version 3 50 %" in move.note


def test_a_step_whose_process_died_before_it_was_written_down_is_found_again() -> None:
    step = later_change("split", {"2": 75, "3": 25}, reason=f"Step 2 of 3 (25 %) of {RAMP.mark}: x", actor="ann")
    move = next_move(RAMP, with_change(step), LATER)
    assert (move.kind, move.state, move.step, move.change_id) == ("record", "running", 1, "c2")
    broken = replace(step, outcome="interrupted")
    assert next_move(RAMP, with_change(broken), LATER).state == "failed"


def test_a_first_step_whose_process_died_is_found_again_with_its_version() -> None:
    starting = replace(RAMP, state="starting", entity_version="", change_id="")
    move = next_move(starting, IN_PLACE, LATER)
    assert (move.kind, move.state, move.step, move.entity_version) == ("record", "running", 0, "3")
    nothing = replace(IN_PLACE, traffic={"2": 100}, changes=())
    assert next_move(starting, nothing, NOON + timedelta(seconds=5)).kind == "wait"
    assert next_move(starting, nothing, LATER).state == "failed"


@pytest.mark.parametrize("shares", [(), (0, 5), (5, 5), (25, 5), (5, 101), (5.0, 25), (True,)])
def test_steps_that_make_no_sense_are_refused(shares: tuple[int, ...]) -> None:
    with pytest.raises(RegistryError):
        check_plan(shares, 60)


@pytest.mark.parametrize("hold", [0, -1, float("inf"), float("nan"), 31 * 86_400])
def test_a_hold_that_makes_no_sense_is_refused(hold: float) -> None:
    with pytest.raises(RegistryError):
        check_plan((5, 100), hold)


shares = st.lists(st.integers(1, 100), min_size=1, max_size=5, unique=True).map(lambda found: tuple(sorted(found)))
changes = st.builds(
    TrafficChange,
    change_id=st.sampled_from(["c1", "c2", "c3"]),
    action=st.sampled_from(["promote", "split", "rollback", "abort", "undo", "outside"]),
    actor=st.sampled_from(["ann", "guard"]),
    started_at=st.just(LATER),
    ended_at=st.just(LATER),
    before=st.just({"2": 95, "3": 5}),
    after=st.dictionaries(st.sampled_from(["2", "3", "4"]), st.integers(1, 100), max_size=2),
    champion_before=st.just("2"),
    outcome=st.sampled_from(["succeeded", "failed", "interrupted"]),
    reason=st.sampled_from(["", RAMP.mark]),
)


@given(
    shares,
    st.integers(0, 4),
    st.sampled_from(["starting", "running", "held", "finished", "stopped", "aborted"]),
    st.dictionaries(st.sampled_from(["2", "3", "4"]), st.integers(1, 100), max_size=2),
    st.booleans(),
    st.lists(changes, max_size=3),
    st.sampled_from(["", "an alert"]),
    st.integers(0, 2000),
)
def test_a_ramp_never_gives_more_than_its_next_planned_step(
    steps: tuple[int, ...],
    step: int,
    state: str,
    traffic: dict[str, int],
    under_way: bool,
    later: list[TrafficChange],
    alert: str,
    seconds: int,
) -> None:
    ramp = replace(RAMP, shares=steps, step=min(step, len(steps) - 1), state=state)  # type: ignore[arg-type]
    production = Production(traffic, under_way, tuple(later), alert)
    move = next_move(ramp, production, NOON + timedelta(seconds=seconds))
    if move.kind == "advance":
        assert ramp.state == "running"
        assert move.step == ramp.step + 1 < len(steps)
        assert traffic.get("3") == ramp.share, "the step before is in place"
        assert seconds >= ramp.hold_seconds
        assert not under_way
        assert not alert
        assert not any(change.succeeded and change.change_id != "c1" for change in _until_own(later))
    elif move.kind == "record":
        assert ramp.active
        assert move.step < len(steps)


def _until_own(changes: list[TrafficChange]) -> list[TrafficChange]:
    """The changes after the ramp's own."""
    own = next((place for place, change in enumerate(changes) if change.change_id == "c1"), len(changes))
    return changes[:own]
