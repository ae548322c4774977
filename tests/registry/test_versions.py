import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from registry.actors import Actor
from registry.errors import RegistryError
from registry.promotion import promote_in_the_past, set_challenger
from registry.versions import ModelVersion, environments, find, get, logged_model_id, versions
from settings import Settings


def past(settings: Settings, source: str) -> ModelVersion:
    time = datetime(2026, 1, 5, tzinfo=UTC) + timedelta(days=int(source))
    return promote_in_the_past(settings, source, actor="ann", reason="first", time=time)


def test_versions_come_newest_first_a_page_at_a_time(trained_chatbots: Settings) -> None:
    first = versions(trained_chatbots, "test.chatbot", limit=3)
    rest = versions(trained_chatbots, "test.chatbot", limit=3, page_token=first.next_page_token)
    assert [version.version for version in (*first, *rest)] == ["4", "3", "2", "1"]
    assert rest.next_page_token is None


def test_a_version_tells_its_kind_its_data_and_its_age(trained_chatbots: Settings) -> None:
    version = get(trained_chatbots, "test.chatbot", "2")
    assert version.tags == {"kind": "retrieval-threshold", "chunks_version": "1"}
    assert version.description.startswith("Quotes the one to three sentences")
    assert version.uri == "models:/test.chatbot/2"
    assert version.run_id
    assert version.created_at.tzinfo is not None


@pytest.mark.parametrize("wanted", ["99", "@nobody", "nobody", ""])
def test_a_version_that_is_not_there_is_named_in_one_sentence(trained_chatbots: Settings, wanted: str) -> None:
    with pytest.raises(RegistryError, match=r"test\.chatbot"):
        get(trained_chatbots, "test.chatbot", wanted)
    assert find(trained_chatbots, "test.chatbot", wanted) is None


def test_a_model_that_is_not_registered_has_no_versions(trained_chatbots: Settings) -> None:
    assert versions(trained_chatbots, "prod.unheard-of") == []


@pytest.mark.parametrize("name", ["a' OR name LIKE '%", "../mlflow", ""])
def test_a_name_that_could_break_out_of_a_filter_is_refused(trained_chatbots: Settings, name: str) -> None:
    with pytest.raises(RegistryError, match="no name of a registered model"):
        versions(trained_chatbots, name)


def test_environments_have_the_words_people_know(trained_chatbots: Settings) -> None:
    settings = trained_chatbots.model_copy(update={"prod_model": "prod.environments"})
    set_challenger(settings, "3", actor=Actor("ann", "operator"), reason="to be tried")
    old = past(settings, "1")
    new = past(settings, "2")

    found = environments(settings)
    assert found.staging is not None
    assert (found.staging.version, found.staging.stage) == ("3", "Staging")
    assert sorted(version.version for version in found.none) == ["1", "2", "4"]
    assert found.production == new
    assert new.stage == "Production"
    assert [(version.version, version.stage) for version in found.archived] == [(old.version, "Archived")]


def test_a_copy_of_a_copy_leads_back_to_the_model_that_was_logged(trained_chatbots: Settings) -> None:
    settings = trained_chatbots.model_copy(update={"prod_model": "prod.chain"})
    copy = past(settings, "2")
    again = settings.model_copy(update={"test_model": "prod.chain", "prod_model": "prod.chain-again"})
    second = past(again, copy.version)
    assert second.copied_from == ("prod.chain", "1")
    original = get(settings, "test.chatbot", "2")
    assert logged_model_id(settings, second) == original.source.removeprefix("models:/")


def test_a_version_from_elsewhere_has_no_logged_model(trained_chatbots: Settings) -> None:
    version: ModelVersion = dataclasses.replace(get(trained_chatbots, "test.chatbot", "1"), source="s3://bucket/model")
    with pytest.raises(RegistryError, match="no logged model"):
        logged_model_id(trained_chatbots, version)
