"""Staging, and the promotions of a simulated past. Real promotions go through `registry.changes`."""

from datetime import datetime

from lakehouse.ledger import changes, record_done, recorded
from registry.actors import Actor
from registry.errors import RegistryError
from registry.plans import ProductionState
from registry.production import as_evidence, from_evidence, in_words, set_aliases, with_traffic
from registry.versions import CHALLENGER, ModelVersion, client, find, get, versions
from settings import Settings

_MOST_CHANGES = 1_000_000


def set_challenger(settings: Settings, version: ModelVersion | str, *, actor: Actor, reason: str) -> ModelVersion:
    """Move a version of the test model into Staging: `@challenger` points to it afterwards.

    `version` is a version of the test model, its number, alias or `models:/…` address.
    Raises: NotAllowed, VersionMissing, RegistryError, LakehouseError.
    """
    from mlflow.exceptions import MlflowException

    actor.require("set_challenger")
    name = settings.test_model
    wanted = get(settings, name, source_number(settings, version))
    before = find(settings, name, CHALLENGER)
    try:
        with recorded(
            settings,
            action="set_challenger",
            target=name,
            actor=actor.name,
            role=actor.role,
            before=f"version {before.version}" if before else "none",
            after=f"version {wanted.version}",
            reason=reason,
        ):
            client(settings).set_registered_model_alias(name, CHALLENGER, wanted.version)
    except MlflowException as error:
        raise RegistryError(f"@challenger of {name} was not moved: {error.message}") from error
    return get(settings, name, wanted.version)


def promote_in_the_past(
    settings: Settings, source_version: ModelVersion | str, *, actor: str, reason: str, time: datetime
) -> ModelVersion:
    """Let a simulated history have promoted a version at `time`: the copy, the aliases and one entry of the ledger,
    marked as simulated. No endpoint and no gate is asked.

    Done again after a stop it takes what is there: the ledger's entry comes last and says that the rest is done.
    Returns: the version of the production model. Raises: VersionMissing, RegistryError, LakehouseError.
    """
    from mlflow.exceptions import MlflowException

    wanted = get(settings, settings.test_model, source_number(settings, source_version))
    past = [
        one
        for one in changes(settings, _MOST_CHANGES, target=settings.endpoint)
        if one.evidence.get("simulated") and one.evidence.get("model") == settings.prod_model
    ]
    copies = {str(one.evidence.get("copy_of")): str(one.evidence.get("version")) for one in past}
    if wanted.version in copies:
        return get(settings, settings.prod_model, copies[wanted.version])
    before = from_evidence(past[0].evidence.get("state_after")) if past else None
    before = before or ProductionState(settings.endpoint, (), None, None)
    try:
        number = _left_behind(settings, wanted, set(copies.values()))
        number = number or str(client(settings).copy_model_version(wanted.uri, settings.prod_model).version)
    except MlflowException as error:
        raise RegistryError(f"{wanted.uri} could not be copied into {settings.prod_model}: {error.message}") from error
    after = with_traffic(settings, before, {number: 100})
    set_aliases(settings, after)
    states = {"state_before": as_evidence(before), "state_after": as_evidence(after)}
    record_done(
        settings,
        action="promote",
        target=settings.endpoint,
        actor=actor,
        before=in_words(before),
        after=in_words(after),
        reason=reason,
        evidence={
            "simulated": True,
            "model": settings.prod_model,
            "copy_of": wanted.version,
            "version": number,
            **states,
        },
        time=time,
    )
    return get(settings, settings.prod_model, number)


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


def _left_behind(settings: Settings, wanted: ModelVersion, used: set[str]) -> str | None:
    """The copy that a stopped building of the history made of this version, and did not get to write down."""
    for version in versions(settings, settings.prod_model):
        if version.copied_from == (wanted.name, wanted.version) and version.version not in used:
            return version.version
    return None
