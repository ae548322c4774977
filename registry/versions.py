"""What stands in the model registry: versions, their aliases, and the environments that people know them by.

Two registered models, not stages: `settings.test_model` and `settings.prod_model`. A version of the test model is
None, or Staging while it carries `@challenger`. A version of the production model is Production while it carries
`@champion`, else Archived.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from registry.errors import RegistryError, VersionMissing
from settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

Stage = Literal["None", "Staging", "Production", "Archived"]
CHALLENGER = "challenger"
CHAMPION = "champion"
PREVIOUS = "previous"
_SOURCE_VERSION = re.compile(r"models:/(?P<name>[^/@]+)/(?P<version>\d+)")
_SOURCE_MODEL = re.compile(r"models:/(?P<model_id>m-[0-9a-f]+)")
_LONGEST_CHAIN = 100


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
    """Versions of a registered model, newest first, and where the next page starts."""

    def __init__(self, versions: list[ModelVersion], next_page_token: str | None) -> None:
        super().__init__(versions)
        self.next_page_token = next_page_token


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
    """Versions of the registered model `name`, newest first where the registry can sort; empty if there is none.

    `page_token` is the `next_page_token` of the page before.
    """
    registry = client(settings)
    in_unity_catalog = settings.registry_uri == "databricks-uc"
    # A registered model's name holds no quote, so that a filter cannot be broken out of.
    _check_name(name)
    order = None if in_unity_catalog else ["version_number DESC"]
    found = registry.search_model_versions(f"name='{name}'", limit, order, page_token)
    # Unity Catalog's search tells neither tags nor aliases.
    rows = [registry.get_model_version(name, row.version) for row in found] if in_unity_catalog else found
    aliases = _aliases(registry, name) if rows else {}
    return VersionPage([_model_version(settings, row, aliases) for row in rows], found.token or None)


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
    return _model_version(settings, row, _aliases(registry, name))


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


def _aliases(registry: "MlflowClient", name: str) -> dict[str, tuple[str, ...]]:
    """Version → its aliases. `search_model_versions` does not always tell them."""
    of_version: dict[str, tuple[str, ...]] = {}
    for alias, version in sorted(registry.get_registered_model(name).aliases.items()):
        of_version[str(version)] = (*of_version.get(str(version), ()), alias)
    return of_version


def _model_version(settings: Settings, row: Any, aliases: Mapping[str, tuple[str, ...]]) -> ModelVersion:
    own = aliases.get(str(row.version), ())
    return ModelVersion(
        name=row.name,
        version=str(row.version),
        aliases=own,
        stage=_stage(settings, row.name, own),
        created_at=_time(row.creation_timestamp),
        updated_at=_time(row.last_updated_timestamp or row.creation_timestamp),
        run_id=row.run_id or "",
        source=row.source or "",
        tags=dict(row.tags or {}),
        description=row.description or "",
    )


def _stage(settings: Settings, name: str, aliases: tuple[str, ...]) -> Stage:
    if name == settings.test_model:
        return "Staging" if CHALLENGER in aliases else "None"
    return "Production" if CHAMPION in aliases else "Archived"


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
