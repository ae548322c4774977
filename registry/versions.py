"""What stands in the model registry: versions, their aliases, and the environments that people know them by.

Two registered models, not stages: `settings.test_model` and `settings.prod_model`. A version of the test model is
None, or Staging while it carries `@challenger`. A version of the production model is Production while it carries
`@champion`, else Archived. Other models whose names begin as those do (`test.`, `prod.`) are told apart likewise.
"""

import os
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from registry.alias_lookup import aliases_of
from registry.errors import RegistryError, VersionMissing
from settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

Stage = Literal["None", "Staging", "Production", "Archived"]
Environment = Literal["test", "production", "other"]
CHALLENGER = "challenger"
CHAMPION = "champion"
PREVIOUS = "previous"
_SOURCE_VERSION = re.compile(r"models:/(?P<name>[^/@]+)/(?P<version>\d+)")
_SOURCE_MODEL = re.compile(r"models:/(?P<model_id>m-[0-9a-f]+)")
_LONGEST_CHAIN = 100
_ROWS_A_LISTING, _MOST_LISTINGS = 100, 20
"""How far Unity Catalog's unsorted list of versions is read before a page of the newest is cut from it."""
_GETS_AT_ONCE = 8


@dataclass(frozen=True)
class ModelVersion:
    """One version of a registered model."""

    name: str
    version: str
    aliases: tuple[str, ...]
    stage: Stage
    created_at: datetime
    updated_at: datetime
    run_id: str
    source: str
    """Where the version came from: a logged model (`models:/m-…`) or the version it is a copy of (`models:/NAME/N`)."""
    tags: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    status: str = "READY"
    """MLflow's word: READY, PENDING_REGISTRATION or FAILED_REGISTRATION. `status_message` may say why."""
    status_message: str = ""
    created_by: str = ""
    """Who registered it, where the registry knows."""

    @property
    def uri(self) -> str:
        """The address that MLflow loads this version from."""
        return f"models:/{self.name}/{self.version}"

    @property
    def copied_from(self) -> tuple[str, str] | None:
        """(registered model, version) that this one is a copy of, or None."""
        match = _SOURCE_VERSION.fullmatch(self.source)
        return (match["name"], match["version"]) if match else None


class VersionPage(list[ModelVersion]):
    """Versions of a registered model, newest first, and where the next page starts.

    `complete`: whether every version was looked at. On Unity Catalog, whose list has no order, 2,000 are.
    """

    def __init__(self, versions: list[ModelVersion], next_page_token: str | None, complete: bool = True) -> None:
        super().__init__(versions)
        self.next_page_token = next_page_token
        self.complete = complete


@dataclass(frozen=True)
class Environments:
    """Where each version stands, in the words people know."""

    none: list[ModelVersion]
    """Latest versions of the test model without the challenger's alias."""
    staging: ModelVersion | None
    production: ModelVersion | None
    archived: list[ModelVersion]
    """Latest versions of the production model but the champion."""


def client(settings: Settings) -> "MlflowClient":
    """An MLflow client on the settings' tracking server and registry, which become this process' own too.

    Importing MLflow takes seconds: call it off a page's thread first.
    """
    import mlflow

    if settings.on_databricks:
        # MLflow's `databricks` address knows host and token from the environment only.
        os.environ["DATABRICKS_HOST"] = settings.host
        os.environ["DATABRICKS_TOKEN"] = settings.token.get_secret_value()
    else:
        settings.home.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(settings.tracking_uri)
    mlflow.set_registry_uri(settings.registry_uri)
    return mlflow.MlflowClient()


def versions(settings: Settings, name: str, limit: int = 50, page_token: str | None = None) -> VersionPage:
    """A page of the versions of the registered model `name`, newest first; empty if there is no such model.

    `page_token` is the `next_page_token` of the page before. Asks the registry twice, on Unity Catalog at most
    20 + `limit` times: its search knows no order and tells neither tags nor aliases.
    Raises: VersionMissing, if that is no name of a model; RegistryError, if the registry did not tell.
    """
    # A registered model's name holds no quote, so that a filter cannot be broken out of.
    _check_name(name)
    registry = client(settings)
    with asking(f"the versions of {name}"):
        if in_unity_catalog(settings):
            return _catalog_page(settings, registry, name, limit, page_token)
        found = registry.search_model_versions(f"name='{name}'", limit, ["version_number DESC"], page_token)
        aliases = _aliases(settings, registry, name) if found else {}
        rows = [_model_version(settings, row, aliases.get(str(row.version), ())) for row in found]
        return VersionPage(rows, found.token or None)


def get(settings: Settings, name: str, version: str) -> ModelVersion:
    """The version of `name` with this number or alias (with or without `@`).

    Raises: VersionMissing.
    """
    from mlflow.exceptions import MlflowException

    registry = client(settings)
    _check_name(name)
    wanted = str(version).removeprefix("@")
    try:
        if wanted.isdecimal():
            row = registry.get_model_version(name, wanted)
        else:
            row = registry.get_model_version_by_alias(name, wanted)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise RegistryError(f"The registry did not tell version {wanted} of {name}: {error.message}") from error
        raise VersionMissing(
            f"Registered model {name} has no version {wanted}: look at the Versions it has."
        ) from error
    return _model_version(settings, row, tuple(sorted(row.aliases or ())))


def find(settings: Settings, name: str, version: str) -> ModelVersion | None:
    """Like `get`, but None where there is no such model, version or alias."""
    try:
        return get(settings, name, version)
    except VersionMissing:
        return None


def environments(settings: Settings, limit: int = 50) -> Environments:
    """The latest `limit` versions of both registered models, by environment."""
    test = versions(settings, settings.test_model, limit)
    prod = versions(settings, settings.prod_model, limit)
    # An alias may sit on a version older than the page.
    return Environments(
        none=[version for version in test if version.stage == "None"],
        staging=find(settings, settings.test_model, CHALLENGER),
        production=find(settings, settings.prod_model, CHAMPION),
        archived=[version for version in prod if version.stage == "Archived"],
    )


def environment_of(settings: Settings, name: str) -> Environment:
    """Which environment a registered model belongs to: by its name, or by what its name begins with."""
    if name in (settings.test_model, settings.prod_model):
        return "test" if name == settings.test_model else "production"
    own, test, prod = (_place(model) for model in (name, settings.test_model, settings.prod_model))
    if test != prod and own in (test, prod):
        return "test" if own == test else "production"
    return "other"


def in_unity_catalog(settings: Settings) -> bool:
    """Whether the registry is Unity Catalog's, which sorts nothing and tells less in a search."""
    return settings.registry_uri.startswith("databricks-uc")


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Ask the registry for `what`. Raises: RegistryError with one sentence, where MLflow raises its own error."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        reason = (str(error.message or "").strip().splitlines() or ["no reason was given"])[0]
        raise RegistryError(f"The registry did not tell {what}: {reason}") from error


def logged_model_id(settings: Settings, version: ModelVersion) -> str:
    """The id (`m-…`) of the logged model behind a version: a copy's source is the version that it was copied from.

    Raises: RegistryError, if the chain of copies ends elsewhere.
    """
    for _ in range(_LONGEST_CHAIN):
        if match := _SOURCE_MODEL.match(version.source):
            return match["model_id"]
        if version.copied_from is None:
            break
        version = get(settings, *version.copied_from)
    raise RegistryError(
        f"{version.name} version {version.version} comes from {version.source}, which is no logged model."
    )


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[\w.\- ]+", name):
        raise VersionMissing(f"{name!r} is no name of a registered model: use letters, digits, '.', '-' and '_'.")


def _catalog_page(
    settings: Settings, registry: "MlflowClient", name: str, limit: int, page_token: str | None
) -> VersionPage:
    """A page of Unity Catalog's versions: the whole list as far as it is read, sorted here, then one look at each."""
    numbers, complete = _numbers_listed(registry, name)
    newest = sorted(numbers, reverse=True)
    start = int(page_token or 0)
    wanted = newest[start : start + limit]
    with ThreadPoolExecutor(_GETS_AT_ONCE) as pool:
        rows = [row for row in pool.map(lambda number: _row(registry, name, str(number)), wanted) if row is not None]
    following = str(start + limit) if start + limit < len(newest) else None
    shown = [_model_version(settings, row, tuple(sorted(row.aliases or ()))) for row in rows]
    return VersionPage(shown, following, complete)


def _numbers_listed(registry: "MlflowClient", name: str) -> tuple[set[int], bool]:
    """Numbers of a model's versions, and whether these are all; none if there is no such model."""
    from mlflow.exceptions import MlflowException

    numbers: set[int] = set()
    token: str | None = None
    try:
        for _ in range(_MOST_LISTINGS):
            found = registry.search_model_versions(f"name='{name}'", _ROWS_A_LISTING, None, token)
            numbers.update(int(row.version) for row in found)
            token = found.token or None
            if token is None:
                break
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    return numbers, token is None


def _row(registry: "MlflowClient", name: str, version: str) -> Any:
    """One version as the registry tells it, or None if it was deleted since it was listed."""
    from mlflow.exceptions import MlflowException

    try:
        return registry.get_model_version(name, version)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def _aliases(settings: Settings, registry: "MlflowClient", name: str) -> dict[str, tuple[str, ...]]:
    """Version → its aliases. `search_model_versions` does not always tell them.

    A model is never asked for by its name alone: MLflow's databases read every version of it for that.
    """
    if settings.registry_uri.startswith("sqlite:///"):
        pointed = aliases_of(settings, [name])[name]
    else:
        pointed = dict(next(iter(registry.search_registered_models(f"name='{name}'", 1))).aliases)
    of_version: dict[str, tuple[str, ...]] = {}
    for alias, version in sorted(pointed.items()):
        of_version[str(version)] = (*of_version.get(str(version), ()), alias)
    return of_version


def _model_version(settings: Settings, row: Any, aliases: tuple[str, ...]) -> ModelVersion:
    return ModelVersion(
        name=row.name,
        version=str(row.version),
        aliases=aliases,
        stage=_stage(settings, row.name, aliases),
        created_at=_time(row.creation_timestamp),
        updated_at=_time(row.last_updated_timestamp or row.creation_timestamp),
        run_id=row.run_id or "",
        source=row.source or "",
        tags=dict(row.tags or {}),
        description=row.description or "",
        status=str(row.status or "READY"),
        status_message=str(row.status_message or ""),
        created_by=str(row.user_id or ""),
    )


def _stage(settings: Settings, name: str, aliases: tuple[str, ...]) -> Stage:
    environment = environment_of(settings, name)
    if environment != "test" and CHAMPION in aliases:
        return "Production"
    if environment == "production":
        return "Archived"
    return "Staging" if CHALLENGER in aliases else "None"


def _place(name: str) -> str:
    """What stands before the last part of a model's name: `test` of `test.chatbot`, catalog and schema elsewhere."""
    return name.rpartition(".")[0]


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
