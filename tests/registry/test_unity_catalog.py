"""The same code on Unity Catalog, whose search knows no order and tells neither tags nor aliases."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from registry.artifacts import artifact_text, artifact_tree
from registry.details import details
from registry.errors import RegistryError
from registry.models import pairs, registered_models
from registry.versions import get, versions
from settings import Settings
from tests.registry.catalog_server import Catalog, catalog_server

PROD, TEST = "main.prod.chatbot", "main.test.chatbot"
_GET = "/api/2.0/mlflow/unity-catalog/model-versions/get"
_SEARCH = "/api/2.0/mlflow/unity-catalog/model-versions/search"


@pytest.fixture
def catalog() -> Catalog:
    numbered = {str(number): {"kind": f"kind-{number}"} for number in range(1, 131)}
    others = {"main.prod.summary": {"1": {}}, "somebody.elses.model": {"1": {}}}
    return Catalog(
        {PROD: numbered, TEST: {"1": {}, "2": {}}, **others},
        aliases={PROD: {"champion": "129", "previous": "7"}, TEST: {"challenger": "2"}},
        files={"MLmodel": b"mlflow_version: 3.17.2\n", "artifacts/handbook/passages.json": b"[]", "weights": b"\xff\0"},
    )


@pytest.fixture
def settings(catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    # MLflow's addresses are this process' own: they are put back for the tests that follow.
    for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("MLFLOW_USE_DATABRICKS_SDK_MODEL_ARTIFACTS_REPO_FOR_UC", "true")
    with catalog_server(catalog) as address:
        yield Settings(home=tmp_path, host=address, token=SecretStr("for this test"), test_model=TEST, prod_model=PROD)


def test_the_newest_versions_come_first_although_the_catalog_sorts_nothing(settings: Settings) -> None:
    first = versions(settings, PROD, limit=50)
    rest = versions(settings, PROD, limit=50, page_token=first.next_page_token)
    last = versions(settings, PROD, limit=50, page_token=rest.next_page_token)
    found = [version.version for version in (*first, *rest, *last)]
    assert found == [str(number) for number in range(130, 0, -1)]
    assert last.next_page_token is None
    assert first.complete


def test_tags_aliases_and_stages_are_those_of_each_version(settings: Settings) -> None:
    shown = {version.version: version for version in versions(settings, PROD, limit=3)}
    assert shown["129"].aliases == ("champion",)
    assert [shown[number].stage for number in ("130", "129", "128")] == ["Archived", "Production", "Archived"]
    assert shown["130"].tags == {"kind": "kind-130"}
    assert shown["130"].created_by == "ann@example.com"
    assert get(settings, PROD, "@previous").version == "7"


def test_a_page_asks_the_catalog_a_bounded_number_of_times(settings: Settings, catalog: Catalog) -> None:
    versions(settings, PROD, limit=25)
    assert catalog.asked[_GET] == 25
    assert catalog.asked[_SEARCH] == 4


def test_more_versions_than_are_listed_are_said_to_be_more(
    settings: Settings, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.versions._MOST_LISTINGS", 2)
    found = versions(settings, PROD, limit=5)
    assert not found.complete
    assert catalog.asked[_SEARCH] == 2


def test_only_the_models_beside_ours_are_listed_each_with_its_aliases(settings: Settings) -> None:
    found = registered_models(settings)
    assert [model.name for model in found.models] == [PROD, "main.prod.summary", TEST]
    chatbot, summary = pairs(settings, found.models)
    assert chatbot.test is not None
    assert chatbot.production is not None
    assert (chatbot.title, chatbot.test.aliases) == ("chatbot", {"challenger": "2"})
    assert chatbot.production.aliases == {"champion": "129", "previous": "7"}
    assert (summary.title, summary.test) == ("summary", None)


def test_a_model_that_is_not_in_the_catalog_has_no_versions(settings: Settings) -> None:
    assert versions(settings, "main.prod.unheard-of") == []


def test_what_cannot_be_read_is_a_sentence_and_the_rest_stands(settings: Settings) -> None:
    found = details(settings, get(settings, PROD, "1"))
    assert "a-run-of-another-workspace" in found.problems["run"]
    assert found.run is None
    assert found.mlflow_version == "3.17.2"
    assert [file.path for file in found.artifacts.files] == ["MLmodel", "weights", "artifacts/handbook/passages.json"]
    assert found.origin == "dbfs:/databricks/mlflow/models/somewhere"


def test_files_are_read_through_the_catalog(settings: Settings) -> None:
    version = get(settings, PROD, "1")
    tree = artifact_tree(settings, version)
    assert artifact_text(settings, version, tree, "artifacts/handbook/passages.json") == "[]"
    with pytest.raises(RegistryError, match="no text"):
        artifact_text(settings, version, tree, "weights")
