"""Every registered model, and which of them are the same model in test and in production."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from registry.versions import Environment, asking, client, environment_of, in_unity_catalog
from settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

_MODELS_A_PAGE, _MOST_PAGES = 100, 10
_GETS_AT_ONCE = 8
_MOST_CATALOG_MODELS = 40


@dataclass(frozen=True)
class RegisteredModel:
    """A registered model. `aliases`: alias → version number."""

    name: str
    environment: Environment
    created_at: datetime
    updated_at: datetime
    description: str = ""
    aliases: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    latest_version: str = ""
    """The newest version's number; empty where the registry does not tell it (Unity Catalog)."""


@dataclass(frozen=True)
class ModelPair:
    """One model in the test and in the production environment; a model of neither stands as `test` alone."""

    title: str
    test: RegisteredModel | None
    production: RegisteredModel | None

    @property
    def models(self) -> tuple[RegisteredModel, ...]:
        """Those of the two that are registered, test before production."""
        return tuple(model for model in (self.test, self.production) if model is not None)


@dataclass(frozen=True)
class ModelList:
    """The registered models, by name. `complete`: whether the registry has no more than were read."""

    models: tuple[RegisteredModel, ...]
    complete: bool = True


def registered_models(settings: Settings) -> ModelList:
    """The registered models, at most 1,000.

    On Unity Catalog, where a search runs over everybody's catalogs: at most 40, those in the catalogs and schemas of
    the two models of the settings. Raises: RegistryError, if the registry did not tell.
    """
    registry = client(settings)
    with asking("its registered models"):
        rows, complete = _listed(registry)
        if in_unity_catalog(settings):
            ours = [row.name for row in rows if environment_of(settings, row.name) != "other"]
            names = sorted({*ours, settings.test_model, settings.prod_model} - {""})
            with ThreadPoolExecutor(_GETS_AT_ONCE) as pool:
                rows = list(pool.map(lambda name: _got(registry, name), names[:_MOST_CATALOG_MODELS]))
            complete = complete and len(names) <= _MOST_CATALOG_MODELS
    models = sorted((_model(settings, row) for row in rows if row is not None), key=lambda model: model.name)
    return ModelList(tuple(models), complete)


def pairs(settings: Settings, models: tuple[RegisteredModel, ...]) -> list[ModelPair]:
    """The models side by side: the pair of the settings first, then the others by title.

    Two models belong together if their names end alike and begin as the settings' test and production models do.
    """
    configured = {settings.test_model, settings.prod_model}
    sides: dict[str, dict[str, RegisteredModel]] = {}
    for model in models:
        if model.name in configured:
            title = ""
        elif model.environment == "other":
            title = model.name
        else:
            title = model.name.rpartition(".")[2]
        sides.setdefault(title, {})["production" if model.environment == "production" else "test"] = model
    found = []
    for title in sorted(sides):
        both = sides[title]
        shown = title or settings.prod_model.rpartition(".")[2]
        found.append(ModelPair(shown, both.get("test"), both.get("production")))
    return found


def _listed(registry: "MlflowClient") -> tuple[list[Any], bool]:
    rows: list[Any] = []
    token: str | None = None
    for _ in range(_MOST_PAGES):
        # Neither filter nor order: Unity Catalog refuses both.
        found = registry.search_registered_models(max_results=_MODELS_A_PAGE, page_token=token)
        rows += found
        token = found.token or None
        if token is None:
            break
    return rows, token is None


def _got(registry: "MlflowClient", name: str) -> Any:
    """A registered model with its aliases and tags, or None if there is none that we may see."""
    from mlflow.exceptions import MlflowException

    try:
        return registry.get_registered_model(name)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "PERMISSION_DENIED"):
            return None
        raise


def _model(settings: Settings, row: Any) -> RegisteredModel:
    # Unity Catalog's answer has no such field and raises when it is read.
    latest = [] if in_unity_catalog(settings) else row.latest_versions or []
    return RegisteredModel(
        name=row.name,
        environment=environment_of(settings, row.name),
        created_at=datetime.fromtimestamp(row.creation_timestamp / 1000, UTC),
        updated_at=datetime.fromtimestamp((row.last_updated_timestamp or row.creation_timestamp) / 1000, UTC),
        description=row.description or "",
        aliases={alias: str(version) for alias, version in sorted((row.aliases or {}).items())},
        tags=dict(row.tags or {}),
        latest_version=str(max((int(version.version) for version in latest), default="")),
    )
