"""Move versions between environments. Every move stands in the ledger: an intent before it, an outcome after it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from lakehouse.ledger import recorded
from registry.errors import RegistryError
from registry.versions import CHALLENGER, CHAMPION, PREVIOUS, ModelVersion, client, find, get
from settings import Settings


def set_challenger(
    settings: Settings, version: ModelVersion | str, *, actor: str, reason: str, time: datetime | None = None
) -> ModelVersion:
    """Move a version of the test model into Staging: `@challenger` points to it afterwards.

    `time` is when the ledger says it happened: now, unless history is being built.
    Raises: VersionMissing, RegistryError.
    """
    name = settings.test_model
    wanted = get(settings, name, source_number(settings, version))
    before = find(settings, name, CHALLENGER)
    with _recorded(settings, "set_challenger", name, before, f"version {wanted.version}", actor, reason, time):
        client(settings).set_registered_model_alias(name, CHALLENGER, wanted.version)
    return get(settings, name, wanted.version)


def promote(
    settings: Settings, source_version: ModelVersion | str, *, actor: str, reason: str, time: datetime | None = None
) -> ModelVersion:
    """Copy a version of the test model into the production model and make the copy its `@champion`.

    The champion until now becomes `@previous`. A kill at any point leaves a champion that can be served: the old one
    until the last step. Version numbers of the production model are its own; tags travel with the copy, aliases do not.

    `source_version` is a version of the test model, its number, alias or `models:/…` address; `time` as in
    `set_challenger`.
    Returns: the new version of the production model. Raises: VersionMissing, RegistryError.
    """
    name = settings.prod_model
    wanted = get(settings, settings.test_model, source_number(settings, source_version))
    champion = find(settings, name, CHAMPION)
    after = f"copy of {wanted.name} version {wanted.version}"
    with _recorded(settings, "promote", name, champion, after, actor, reason, time) as evidence:
        registry = client(settings)
        copy = registry.copy_model_version(wanted.uri, name)
        evidence.update(source=wanted.uri, version=str(copy.version))
        if champion is not None:
            registry.set_registered_model_alias(name, PREVIOUS, champion.version)
        registry.set_registered_model_alias(name, CHAMPION, copy.version)
    return get(settings, name, str(copy.version))


def source_number(settings: Settings, version: ModelVersion | str) -> str:
    """The number or alias in a version of the test model, in `3`, `@challenger` or `models:/test.chatbot/3`.

    Raises: RegistryError, for an address of another model.
    """
    text = version.uri if isinstance(version, ModelVersion) else str(version)
    if not text.startswith("models:/"):
        return text
    own = f"models:/{settings.test_model}"
    if not text.startswith((f"{own}/", f"{own}@")):
        raise RegistryError(f"{text} is no version of {settings.test_model}: only its versions are promoted.")
    return text[len(own) + 1 :]


@contextmanager
def _recorded(
    settings: Settings,
    action: str,
    target: str,
    before: ModelVersion | None,
    after: str,
    actor: str,
    reason: str,
    time: datetime | None,
) -> Iterator[dict[str, Any]]:
    """`lakehouse.ledger.recorded` for a move of a version. An error of MLflow leaves as a RegistryError."""
    from mlflow.exceptions import MlflowException

    try:
        with recorded(
            settings,
            action=action,
            target=target,
            actor=actor,
            before=f"version {before.version}" if before else "none",
            after=after,
            reason=reason,
            time=time,
        ) as evidence:
            yield evidence
    except MlflowException as error:
        raise RegistryError(f"{target} was not changed ({action}): {error.message}") from error
