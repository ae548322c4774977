from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from lakehouse.ledger import Change, changes
from registry.actors import Actor
from registry.errors import NotAllowed, RegistryError, VersionMissing
from registry.known_good import known_good_for
from registry.plans import ProductionState, ServedShare
from registry.promotion import promote_in_the_past, set_challenger
from registry.versions import CHALLENGER, CHAMPION, PREVIOUS, client, get
from settings import Settings

MOMENT = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
NUMBERS = count(1)
ANN = Actor("ann", "operator")


@pytest.fixture
def settings(trained_chatbots: Settings) -> Settings:
    """The shared workspace with a production model and an endpoint that no other test touches."""
    name = f"past-{next(NUMBERS)}"
    return trained_chatbots.model_copy(update={"prod_model": f"prod.{name}", "endpoint": name})


def past(settings: Settings, source: str, days: float = 0, reason: str = "history") -> str:
    time = MOMENT + timedelta(days=days)
    return promote_in_the_past(settings, source, actor="demo", reason=reason, time=time).version


def ledger(settings: Settings) -> list[Change]:
    return changes(settings, limit=500, target=settings.endpoint)


def test_production_counts_its_own_versions_and_keeps_the_one_before(settings: Settings) -> None:
    assert [past(settings, "2"), past(settings, "1", 3)] == ["1", "2"]
    champion = get(settings, settings.prod_model, CHAMPION)
    assert champion.copied_from == (settings.test_model, "1")
    assert champion.aliases == (CHAMPION,)
    assert get(settings, settings.prod_model, PREVIOUS).version == "1"


def test_tags_and_description_travel_with_the_copy_and_aliases_do_not(settings: Settings) -> None:
    set_challenger(settings, "1", actor=ANN, reason="to be tried")
    copy = get(settings, settings.prod_model, past(settings, "@challenger"))
    original = get(settings, settings.test_model, CHALLENGER)
    assert (copy.tags, copy.description, copy.run_id) == (original.tags, original.description, original.run_id)
    assert CHALLENGER not in copy.aliases
    assert CHALLENGER in original.aliases


def test_a_promotion_of_the_past_stands_at_its_time_and_is_marked(settings: Settings) -> None:
    past(settings, "1", reason="first version")
    past(settings, f"models:/{settings.test_model}/2", 3, "says when it does not know")
    second, first = ledger(settings)
    assert (first.action, first.actor, first.reason, first.outcome) == ("promote", "demo", "first version", "succeeded")
    assert (first.before, first.after) == ("no traffic", "version 1 100 %")
    assert (second.before, second.after) == ("version 1 100 %", "version 2 100 %")
    assert (first.started_at, second.started_at) == (MOMENT, MOMENT + timedelta(days=3))
    assert first.evidence["simulated"] is True


def test_the_past_says_which_version_is_known_to_be_good(settings: Settings) -> None:
    past(settings, "1")
    past(settings, "2", 3)
    served = (ServedShare("x-2", settings.prod_model, "2", 100),)
    good = known_good_for(settings, ProductionState(settings.endpoint, served, "2", "1"))
    assert good is not None
    assert (good.version, good.since, good.until) == ("1", MOMENT, MOMENT + timedelta(days=3))
    assert good.sentence == (
        "Version 1 was live from 05 Jan 2026 09:30 to 08 Jan 2026 09:30 UTC, without an alert in that time."
    )


@pytest.mark.parametrize("stopped_before", ["set_aliases", "record_done"])
def test_a_history_that_was_stopped_is_built_on_without_a_second_copy(
    settings: Settings, stopped_before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    past(settings, "1")
    with monkeypatch.context() as patch:
        patch.setattr(f"registry.promotion.{stopped_before}", stop)
        with pytest.raises(KeyboardInterrupt):
            past(settings, "2", 3)
    assert [past(settings, "1"), past(settings, "2", 3)] == ["1", "2"]
    assert get(settings, settings.prod_model, CHAMPION).version == "2"
    assert len(ledger(settings)) == 2
    with pytest.raises(VersionMissing):
        get(settings, settings.prod_model, "3")


@pytest.mark.parametrize("source", ["77", "@nobody"])
def test_what_does_not_exist_is_not_promoted_and_not_recorded(settings: Settings, source: str) -> None:
    with pytest.raises(VersionMissing):
        past(settings, source)
    assert ledger(settings) == []


def test_only_versions_of_the_test_model_are_promoted(settings: Settings) -> None:
    with pytest.raises(RegistryError, match="only its versions are promoted"):
        past(settings, "models:/somebody.else/1")


def test_the_challenger_is_one_version_and_its_moves_are_recorded(settings: Settings) -> None:
    set_challenger(settings, "3", actor=ANN, reason="to be tried")
    set_challenger(settings, "4", actor=ANN, reason="better")
    assert get(settings, settings.test_model, CHALLENGER).version == "4"
    assert CHALLENGER not in get(settings, settings.test_model, "3").aliases
    last = changes(settings, limit=1)[0]
    assert (last.action, last.target, last.role) == ("set_challenger", "test.chatbot", "operator")
    assert (last.before, last.after) == ("version 3", "version 4")


def test_who_may_only_look_moves_no_version_into_staging(settings: Settings) -> None:
    with pytest.raises(NotAllowed, match="takes the role operator"):
        set_challenger(settings, "3", actor=Actor("eve", "viewer"), reason="to be tried")


def test_aliases_are_read_where_a_person_moved_them_by_hand(settings: Settings) -> None:
    past(settings, "1")
    second = past(settings, "2", 3)
    client(settings).set_registered_model_alias(settings.prod_model, CHAMPION, "1")
    assert get(settings, settings.prod_model, CHAMPION).version == "1"
    assert get(settings, settings.prod_model, second).stage == "Archived"
