"""From verdicts to alerts: the whole life of one, with a clock of our own."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from registry.alert_states import Memory, Status, Verdict, steps
from registry.alerts import Alert, Key, alerts_in, next_row

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
KEY: Key = ("errors", "chatbot", "prod.chatbot", "3", "")


@dataclass
class _World:
    """Rows as a table would keep them, and the clock."""

    now: datetime = NOON
    rows: list[dict[str, Any]] = field(default_factory=list)
    memory: Memory = field(default_factory=Memory)
    asked: int = 0

    @property
    def alerts(self) -> list[Alert]:
        return alerts_in(self.rows)

    @property
    def states(self) -> list[str]:
        return [alert.state for alert in sorted(self.alerts, key=lambda alert: alert.began_at or NOON)]

    def look(self, status: Status, minutes: float = 0, sentence: str = "It fails.", **more: Any) -> list[str]:
        """What a look some minutes later writes: the new states."""
        self.now += timedelta(minutes=minutes)
        about = {"for_minutes": 5.0, "clear_minutes": 10.0, "severity": "page", **more}
        verdict = Verdict(KEY, status, sentence, evidence={"n": 40}, **about)
        made = steps(self.alerts, [verdict], self.memory, self.now, by_hand_minutes=60, told=self._told)
        self.rows += made
        return [row["state"] for row in made]

    def person(self, state: Any, **more: Any) -> None:
        self.rows.append(next_row(self.alerts[0], state, time=self.now, actor="ann", **more))

    def _told(self, verdict: Verdict, began: datetime) -> dict[str, Any]:
        self.asked += 1
        return {"began": began.isoformat()}


def test_it_is_pending_for_as_long_as_the_rule_says_then_fires_once() -> None:
    world = _World()
    assert world.look("breached") == ["pending"]
    assert world.look("breached", 4) == []
    assert world.asked == 0, "what is costly is looked up only for what fires"
    assert world.look("breached", 1, "It fails badly.") == ["open"]
    assert world.look("breached", 30) == []
    (alert,) = world.alerts
    assert (alert.state, alert.sentence, alert.severity) == ("open", "It fails badly.", "page")
    assert (alert.began_at, alert.opened_at) == (NOON, NOON + timedelta(minutes=5))
    assert alert.evidence == {"n": 40, "began": NOON.isoformat()}


def test_what_passes_before_it_has_lasted_never_fires() -> None:
    for status in ("within", "between", "unknown", "gone"):
        world = _World()
        world.look("breached")
        assert world.look(status, 3) == ["closed"]
        (alert,) = world.alerts
        assert (alert.fired, alert.open, alert.state) == (False, False, "closed")


def test_a_figure_that_wavers_about_its_limit_has_one_alert() -> None:
    world = _World()
    world.look("breached")
    world.look("breached", 5)
    for status in ("between", "breached", "within", "breached", "within", "between") * 4:
        assert world.look(status, 4) == [], status
    assert world.look("within", 4) == []
    assert world.look("within", 9) == []
    assert world.look("within", 1, "2 % (limit 5 %).") == ["closed"], "kept for ten minutes without a break"
    (alert,) = world.alerts
    assert (alert.sentence, alert.evidence["closed"]) == ("It fails.", "2 % (limit 5 %).")


def test_without_data_an_alert_neither_fires_nor_ends() -> None:
    world = _World()
    assert world.look("unknown") == []
    world.look("breached", for_minutes=0.0)
    assert world.states == ["open"]
    for _ in range(10):
        assert world.look("unknown", 60) == []
    assert world.look("within", 1) == []
    assert world.look("unknown", 9) == []
    assert world.look("within", 9) == [], "the ten minutes begin anew behind a gap"
    assert world.look("within", 10) == ["closed"]


def test_what_an_alert_was_about_can_go_away() -> None:
    world = _World()
    world.look("breached", for_minutes=0.0)
    assert world.look("gone", 1, "Version 3 gets no requests any more.") == ["closed"]
    assert world.alerts[0].evidence["closed"] == "Version 3 gets no requests any more."


def test_a_silence_that_is_over_tells_again_if_it_is_not_over_itself() -> None:
    for status in ("breached", "between"):
        world = _World()
        world.look("breached", for_minutes=0.0)
        world.person("silenced", silenced_until=NOON + timedelta(hours=1))
        assert world.look("breached", 59) == []
        assert world.look(status, 2, "Still so.") == ["open"]  # type: ignore[arg-type]
        (alert,) = world.alerts
        assert (alert.sentence, alert.opened_at) == ("Still so.", NOON)


def test_an_acknowledged_alert_ends_by_itself_and_a_silenced_one_too() -> None:
    for state in ("acknowledged", "silenced"):
        world = _World()
        world.look("breached", for_minutes=0.0)
        world.person(state, silenced_until=NOON + timedelta(days=1) if state == "silenced" else None)
        assert world.look("breached", 30) == []
        world.look("within", 1)
        assert world.look("within", 10) == ["closed"]


def test_what_a_person_resolved_does_not_come_back_at_once_and_what_ended_by_itself_does() -> None:
    world = _World()
    world.look("breached", for_minutes=0.0)
    world.person("closed", evidence={"resolved_by": "ann", "closed": "It was a test."})
    assert world.look("breached", 30, for_minutes=0.0) == []
    assert world.look("breached", 31, for_minutes=0.0) == ["open"]
    world.look("within", 1)
    world.look("within", 10)
    assert world.look("breached", 1, for_minutes=0.0) == ["open"]
    assert world.states == ["closed", "closed", "open"]
