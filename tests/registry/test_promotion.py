import sqlite3
from datetime import UTC, datetime

import pytest

from lakehouse.ledger import Change, changes
from registry.errors import RegistryError, VersionMissing
from registry.promotion import promote, set_challenger
from registry.versions import CHALLENGER, CHAMPION, PREVIOUS, client, get
from settings import Settings


@pytest.fixture
def settings(trained_chatbots: Settings, request: pytest.FixtureRequest) -> Settings:
    """The shared workspace with a production model that no other test touches."""
    return trained_chatbots.model_copy(update={"prod_model": f"prod.{request.node.name[:60]}".replace("[", "-")})


def _changes(settings: Settings) -> list[Change]:
    return [change for change in changes(settings, limit=500) if change.target == settings.prod_model]


def test_production_counts_its_own_versions_and_keeps_the_one_before(settings: Settings) -> None:
    first = promote(settings, "2", actor="ann", reason="first")
    second = promote(settings, "1", actor="bob", reason="second")
    third = promote(settings, get(settings, settings.test_model, "2"), actor="ann", reason="back again")
    assert [first.version, second.version, third.version] == ["1", "2", "3"]
    assert third.copied_from == (settings.test_model, "2")
    assert get(settings, settings.prod_model, CHAMPION) == third
    assert get(settings, settings.prod_model, PREVIOUS).version == "2"
    assert third.aliases == (CHAMPION,)


def test_tags_and_description_travel_with_the_copy_and_aliases_do_not(settings: Settings) -> None:
    set_challenger(settings, "1", actor="ann", reason="to be tried")
    copy = promote(settings, "@challenger", actor="ann", reason="it is good")
    original = get(settings, settings.test_model, CHALLENGER)
    assert (copy.tags, copy.description, copy.run_id) == (original.tags, original.description, original.run_id)
    assert CHALLENGER not in copy.aliases
    assert CHALLENGER in original.aliases


def test_the_ledger_knows_who_promoted_what_and_why(settings: Settings) -> None:
    moment = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
    promote(settings, "1", actor="ann", reason="first version", time=moment)
    promote(settings, f"models:/{settings.test_model}/2", actor="bob", reason="says when it does not know")
    second, first = _changes(settings)
    assert (first.action, first.actor, first.reason, first.outcome) == ("promote", "ann", "first version", "succeeded")
    assert (first.before, first.after) == ("none", "copy of test.chatbot version 1")
    assert first.started_at == moment
    assert (second.before, second.after, second.actor) == ("version 1", "copy of test.chatbot version 2", "bob")


@pytest.mark.parametrize("source", ["77", "@nobody"])
def test_what_does_not_exist_is_not_promoted_and_not_recorded(settings: Settings, source: str) -> None:
    with pytest.raises(VersionMissing):
        promote(settings, source, actor="ann", reason="a slip")
    assert _changes(settings) == []


def test_only_versions_of_the_test_model_are_promoted(settings: Settings) -> None:
    with pytest.raises(RegistryError, match="only its versions are promoted"):
        promote(settings, "models:/somebody.else/1", actor="ann", reason="a slip")


def test_a_promotion_that_breaks_off_leaves_the_old_champion_and_says_why(settings: Settings) -> None:
    promote(settings, "1", actor="ann", reason="first")
    with sqlite3.connect(settings.home / "mlflow.db") as database:
        database.execute(
            "CREATE TRIGGER refuse BEFORE UPDATE ON registered_model_aliases "
            f"WHEN NEW.name = '{settings.prod_model}' AND NEW.alias = 'champion' "
            "BEGIN SELECT RAISE(ABORT, 'the champion is locked'); END"
        )
    try:
        with pytest.raises(RegistryError, match="was not changed"):
            promote(settings, "2", actor="bob", reason="second")
    finally:
        with sqlite3.connect(settings.home / "mlflow.db") as database:
            database.execute("DROP TRIGGER refuse")
    assert get(settings, settings.prod_model, CHAMPION).version == "1"
    failed = _changes(settings)[0]
    assert (failed.actor, failed.outcome) == ("bob", "failed")
    assert "locked" in failed.evidence["error"]


def test_the_challenger_is_one_version_and_its_moves_are_recorded(settings: Settings) -> None:
    set_challenger(settings, "3", actor="ann", reason="to be tried")
    set_challenger(settings, "4", actor="bob", reason="better")
    assert get(settings, settings.test_model, CHALLENGER).version == "4"
    assert CHALLENGER not in get(settings, settings.test_model, "3").aliases
    last = changes(settings, limit=1)[0]
    assert (last.action, last.target, last.before, last.after) == (
        "set_challenger",
        "test.chatbot",
        "version 3",
        "version 4",
    )


def test_aliases_are_read_where_a_person_moved_them_by_hand(settings: Settings) -> None:
    promote(settings, "1", actor="ann", reason="first")
    second = promote(settings, "2", actor="ann", reason="second")
    client(settings).set_registered_model_alias(settings.prod_model, CHAMPION, "1")
    assert get(settings, settings.prod_model, CHAMPION).version == "1"
    assert get(settings, settings.prod_model, second.version).stage == "Archived"
