from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from lakehouse.claims import view
from lakehouse.ledger import record_done, record_intent
from registry.alerts import close_alert, open_alert
from registry.known_good import KnownGood, known_good_for, times_in_production
from registry.plans import ProductionState, ServedShare
from registry.production import as_evidence
from registry.versions import client
from settings import Settings
from tests.serving.gateway_process import GatewayProcess

MODEL = "prod.remembered"
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
NUMBERS = count(1)


@pytest.fixture(scope="module")
def workspace(echo_gateway: GatewayProcess) -> Settings:
    """The shared registry with versions 1 to 5 of a production model; version 5 has been deleted since."""
    settings = echo_gateway.settings.model_copy(update={"prod_model": MODEL})
    registry = client(settings)
    registry.create_registered_model(MODEL)
    for _ in range(5):
        registry.create_model_version(MODEL, "s3://nowhere/echo")
    registry.delete_model_version(MODEL, "5")
    return settings


class History:
    """An endpoint whose changes are written down a day apart."""

    def __init__(self, workspace: Settings) -> None:
        self.settings = workspace.model_copy(update={"endpoint": f"remembered-{next(NUMBERS)}"})
        self.state = ProductionState(self.settings.endpoint, (), None, None)
        self.day = 0
        self.change_id = ""

    def __call__(self, action: str, traffic: dict[str, int], champion: str, **evidence: str) -> "History":
        served = tuple(ServedShare(f"x-{version}", MODEL, version, share) for version, share in traffic.items())
        previous = self.state.champion if champion != self.state.champion else self.state.previous
        self.state = ProductionState(self.settings.endpoint, served, champion, previous)
        self.change_id = record_done(
            self.settings,
            action=action,
            target=self.settings.endpoint,
            actor="ann",
            time=START + timedelta(days=self.day),
            evidence={"state_after": as_evidence(self.state), **evidence},
        )
        self.day += 1
        return self

    def all_to(self, version: str, action: str = "promote", **evidence: str) -> "History":
        return self(action, {version: 100}, version, **evidence)

    def alert(self, version: str, day: float, until: float | None = None) -> "History":
        alert_id = open_alert(
            self.settings,
            rule="toxicity",
            endpoint_name=self.settings.endpoint,
            entity_name=MODEL,
            entity_version=version,
            sentence="Too many answers are toxic.",
            time=START + timedelta(days=day),
        )
        if until is not None:
            close_alert(self.settings, alert_id, time=START + timedelta(days=until))
        return self

    @property
    def good(self) -> KnownGood | None:
        return known_good_for(self.settings, self.state)

    @property
    def version(self) -> str | None:
        return self.good.version if self.good else None


@pytest.fixture
def history(workspace: Settings) -> History:
    return History(workspace)


def test_the_version_before_is_good_if_nothing_speaks_against_it(history: History) -> None:
    good = history.all_to("1").all_to("2").all_to("3").good
    assert good is not None
    assert (good.version, good.since, good.until) == ("2", START + timedelta(days=1), START + timedelta(days=2))


def test_a_version_that_had_an_alert_in_its_time_is_passed_over(history: History) -> None:
    history.all_to("1").all_to("2").all_to("3").alert("2", 1.5)
    assert history.version == "1"


def test_an_alert_that_was_closed_within_its_time_speaks_against_it_too(history: History) -> None:
    assert history.all_to("1").all_to("2").all_to("3").alert("2", 1.2, 1.4).version == "1"


def test_an_alert_before_or_after_its_time_says_nothing_of_its_time(history: History) -> None:
    history.all_to("1").all_to("2").all_to("3").alert("2", 0.2, 0.4).alert("2", 2.5)
    assert history.version == "2"


def test_an_alert_about_the_version_that_is_live_leaves_the_one_before_good(history: History) -> None:
    assert history.all_to("1").all_to("2").alert("2", 1.5).version == "1"


def test_what_was_rolled_back_is_not_gone_back_to(history: History) -> None:
    history.all_to("1").all_to("2").all_to("1", "rollback").all_to("3")
    assert history.version == "1"
    assert history.all_to("1", "rollback").version is None, "3 and 2 were both rolled back, and 1 is live"


def test_a_promotion_that_was_undone_counts_as_rolled_back_and_an_undone_rollback_does_not(history: History) -> None:
    history.all_to("1").all_to("2")
    history.all_to("1", "undo", of_change=history.change_id).all_to("3")
    assert history.version == "1"
    again = History(history.settings).all_to("1").all_to("2").all_to("1", "rollback")
    again.all_to("2", "undo", of_change=again.change_id).all_to("3")
    assert again.version == "2"


def test_an_undo_that_is_undone_speaks_against_nothing(history: History) -> None:
    history.all_to("1").all_to("2").all_to("3")
    history.all_to("2", "undo", of_change=history.change_id)
    history.all_to("3", "undo", of_change=history.change_id)
    assert history.version == "2"


def test_a_rollback_that_had_to_be_finished_is_a_rollback(history: History) -> None:
    history.all_to("1").all_to("2").all_to("3")
    begun = record_intent(history.settings, action="rollback", target=history.settings.endpoint, actor="ann")
    assert history.all_to("2", "finish", of_change=begun).version == "1"


def test_a_version_that_was_deleted_is_passed_over(history: History) -> None:
    assert history.all_to("1").all_to("5").all_to("3").version == "1"


def test_while_a_canary_runs_the_champion_is_the_way_back(history: History) -> None:
    history.all_to("1").all_to("2")("promote", {"2": 90, "3": 10}, "2")
    good = history.good
    assert good is not None
    assert (good.version, good.until) == ("2", None)
    assert "is the champion since 02 Mar 2026" in good.sentence
    assert history.alert("2", 2.5).version == "1", "unless it has an alert itself"


def test_a_split_is_no_time_of_its_own(history: History) -> None:
    history.all_to("1")("promote", {"1": 75, "2": 25}, "1")("split", {"1": 0, "2": 100}, "2")
    spans = times_in_production(view(history.settings, history.settings.endpoint).changes)
    assert [(span.version, span.since.day) for span in spans] == [("1", 1), ("2", 3)]
    assert history.version == "1"


def test_without_any_record_the_alias_is_taken_at_its_word(history: History) -> None:
    served = (ServedShare("x-2", MODEL, "2", 100),)
    history.state = ProductionState(history.settings.endpoint, served, "2", "1")
    good = history.good
    assert good is not None
    assert (good.version, good.since) == ("1", None)
    assert "is not recorded here" in good.sentence
    assert history.alert("1", 0).version is None


def test_with_nothing_before_there_is_nothing_to_go_back_to(history: History) -> None:
    assert history.good is None
    assert history.all_to("1").version is None


def test_what_moved_outside_of_lakehelm_is_said(history: History) -> None:
    history.all_to("1").all_to("2")
    history.state = ProductionState(history.settings.endpoint, (ServedShare("x-4", MODEL, "4", 100),), "2", "1")
    assert history.version == "2"
    history.state = ProductionState(history.settings.endpoint, (ServedShare("x-4", MODEL, "4", 100),), "4", "2")
    assert history.good is not None
    assert "until something outside of Lakehelm took its place" in history.good.sentence
