"""A page of versions costs the same whether a model has a hundred versions or thousands."""

from collections.abc import Callable, Iterator

import pytest

from registry.models import registered_models
from registry.versions import get, versions
from settings import Settings
from tests.registry.many_versions import NAME, many_versions

COUNT = 3000


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return many_versions(tmp_path_factory.mktemp("many"), COUNT)


@pytest.fixture
def rows_loaded() -> Iterator[Callable[[], int]]:
    """How many rows of versions MLflow has made objects of."""
    from mlflow.store.model_registry.dbmodels.models import SqlModelVersion
    from sqlalchemy import event

    loaded = 0

    def count(_target: object, _context: object) -> None:
        nonlocal loaded
        loaded += 1

    event.listen(SqlModelVersion, "load", count)
    yield lambda: loaded
    event.remove(SqlModelVersion, "load", count)


def test_a_page_reads_its_own_versions_and_few_more(settings: Settings, rows_loaded: Callable[[], int]) -> None:
    first = versions(settings, NAME, limit=50)
    second = versions(settings, NAME, limit=50, page_token=first.next_page_token)
    assert [version.version for version in (*first, *second)] == [str(COUNT - place) for place in range(100)]
    assert rows_loaded() < 120


def test_the_aliases_are_found_wherever_they_stand(settings: Settings, rows_loaded: Callable[[], int]) -> None:
    assert versions(settings, NAME, limit=1)[0].aliases == ("challenger",)
    assert get(settings, NAME, "@challenger").version == str(COUNT)
    assert get(settings, NAME, "17").aliases == ()
    assert rows_loaded() < 20


def test_the_list_of_models_reads_the_newest_version_of_each_only(
    settings: Settings, rows_loaded: Callable[[], int]
) -> None:
    found = {model.name: model for model in registered_models(settings).models}
    assert found[NAME].latest_version == str(COUNT)
    assert found[NAME].aliases == {"challenger": str(COUNT)}
    assert rows_loaded() < 10
