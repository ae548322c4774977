"""What production is, and how it is brought into another state: an endpoint's served versions and the aliases."""

import time
from dataclasses import replace
from typing import Any

from registry.errors import ChangeConflict, ChangeFailed, RegistryError
from registry.plans import ProductionState, ServedShare
from registry.versions import CHAMPION, PREVIOUS
from registry.versions import client as registry_client
from serving.client import EndpointClient
from serving.endpoints import Endpoint, Served
from serving.errors import GatewayDown, RequestRejected, ServingError, UpdateInProgress
from settings import Settings

NEW = "new"
"""Stands in a plan for the version that a promotion has yet to make."""

_POLL_SECONDS = 0.1
_PATIENCE_SECONDS = 30.0
"""How long a change that has begun waits for a gateway that went away in the middle of it."""

_DATABRICKS_UPDATE_SECONDS = 1200.0


def production_state(settings: Settings, client: EndpointClient, endpoint: str | None = None) -> ProductionState:
    """What the endpoint (the settings' own unless named) serves, and where the production model's aliases point.

    An endpoint that does not exist serves nothing.
    Raises: ServingError, RegistryError.
    """
    name = endpoint or settings.endpoint
    return state_of(settings, name, client.get(name))


def state_of(settings: Settings, name: str, endpoint: Endpoint | None) -> ProductionState:
    """`production_state` of an endpoint that was asked for already (None: there is none of that name).

    Raises: RegistryError.
    """
    aliases = production_aliases(settings)
    shares = [ServedShare(one.name, one.entity_name, one.entity_version, one.traffic) for one in _served(endpoint)]
    return ProductionState(
        endpoint=name,
        served=tuple(sorted(shares, key=lambda share: share.name)),
        champion=aliases.get(CHAMPION),
        previous=aliases.get(PREVIOUS),
        config_version=endpoint.config_version if endpoint else 0,
    )


def production_aliases(settings: Settings) -> dict[str, str]:
    """Alias → version number of the production model; empty where it is not registered yet. Raises: RegistryError."""
    from mlflow.exceptions import MlflowException

    try:
        model = registry_client(settings).get_registered_model(settings.prod_model)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return {}
        raise RegistryError(
            f"The registry did not tell the aliases of {settings.prod_model}: {error.message}"
        ) from error
    return {str(alias): str(version) for alias, version in model.aliases.items()}


def refuse_foreign(settings: Settings, state: ProductionState) -> None:
    """Raises: RegistryError, if the endpoint serves something that is no version of the production model."""
    for share in state.served:
        if share.entity_name != settings.prod_model:
            raise RegistryError(
                f"Endpoint {state.endpoint} serves {share.entity_name} version {share.entity_version}, which is no "
                f"version of {settings.prod_model}: change it where it was set up, or set LAKEHELM_PROD_MODEL."
            )


def with_traffic(settings: Settings, before: ProductionState, traffic: dict[str, int]) -> ProductionState:
    """The state in which these versions of the production model have these shares (whole per cent, together 100).

    What loses its traffic by that stays at 0 %, ready to go back to; if nothing does, what stood at 0 % stays.
    A version with all the traffic becomes the champion, and the champion until now the one before.
    Raises: RegistryError, for shares that are no whole per cent or do not sum to 100.
    """
    if any(type(share) is not int or not 0 <= share <= 100 for share in traffic.values()):
        raise RegistryError(f"Shares of the traffic are whole per cent from 0 to 100, not {shares_in_words(traffic)}.")
    if sum(traffic.values()) != 100:
        raise RegistryError(f"The shares {shares_in_words(traffic)} sum to {sum(traffic.values())} %, not to 100 %.")
    getting = {version: share for version, share in traffic.items() if share}
    losing = [share for share in before.served if share.traffic and share.entity_version not in getting]
    idle = [share for share in before.served if not share.traffic and share.entity_version not in getting]
    names = {share.entity_version: share.name for share in before.served}
    shares = [
        ServedShare(names.get(version, f"{before.endpoint}-{version}"), settings.prod_model, version, share)
        for version, share in getting.items()
    ]
    shares += [replace(share, traffic=0) for share in losing or idle]
    champion, previous = before.champion, before.previous
    whole = next((version for version, share in getting.items() if share == 100), None)
    if whole is not None and whole != champion:
        champion, previous = whole, champion or previous
    return replace(
        before, served=tuple(sorted(shares, key=lambda share: share.name)), champion=champion, previous=previous
    )


def shares_in_words(traffic: dict[str, int]) -> str:
    """`version 2 90 %, version 3 10 %`, the largest share first; `no traffic` for none."""
    ordered = sorted(traffic.items(), key=lambda item: -item[1])
    return ", ".join(f"version {version} {share} %" for version, share in ordered if share) or "no traffic"


def in_words(state: ProductionState) -> str:
    """A state as the ledger's columns `before` and `after` say it."""
    return shares_in_words(state.traffic)


def as_evidence(state: ProductionState) -> dict[str, Any]:
    """A state as the ledger keeps it in the evidence of a change, for `from_evidence`."""
    served = [[share.name, share.entity_name, share.entity_version, share.traffic] for share in state.served]
    return {"endpoint": state.endpoint, "served": served, "champion": state.champion, "previous": state.previous}


def from_evidence(kept: Any) -> ProductionState | None:
    """The state that `as_evidence` kept, or None if this is none."""
    if not isinstance(kept, dict) or not isinstance(kept.get("served"), list):
        return None
    shares = [
        ServedShare(str(name), str(model), str(version), int(share)) for name, model, version, share in kept["served"]
    ]
    return ProductionState(str(kept.get("endpoint")), tuple(shares), kept.get("champion"), kept.get("previous"))


def with_version(state: ProductionState, version: str) -> ProductionState:
    """A planned state with the number of the version that was `new` in it."""
    served = tuple(
        replace(share, name=f"{state.endpoint}-{version}", entity_version=version)
        if share.entity_version == NEW
        else share
        for share in state.served
    )
    return replace(
        state,
        served=tuple(sorted(served, key=lambda share: share.name)),
        champion=version if state.champion == NEW else state.champion,
        previous=version if state.previous == NEW else state.previous,
    )


def serves(endpoint: Endpoint | None, wanted: ProductionState) -> bool:
    """Whether exactly the wanted versions are configured with exactly the wanted shares."""
    return _shares(_served(endpoint)) == {(s.name, s.entity_name, s.entity_version, s.traffic) for s in wanted.served}


def is_coming(endpoint: Endpoint | None, wanted: ProductionState) -> bool:
    """Whether exactly this update runs already: asked for by a process that died, for example."""
    if endpoint is None or endpoint.updating != "IN_PROGRESS" or endpoint.pending is None:
        return False
    return _shares(endpoint.pending) == {(s.name, s.entity_name, s.entity_version, s.traffic) for s in wanted.served}


def expects_other_update(endpoint: Endpoint, wanted: ProductionState) -> bool:
    """Whether an update runs on the endpoint that leads elsewhere than to the wanted state."""
    return endpoint.updating == "IN_PROGRESS" and not is_coming(endpoint, wanted)


def bring_up(settings: Settings, client: EndpointClient, wanted: ProductionState) -> Endpoint:
    """Make the endpoint serve the wanted versions with the wanted shares; what serves already is left alone.

    Waits until the new configuration is live. A gateway that is started again meanwhile is waited for, and asked once
    more if it lost the update.

    Raises: ChangeConflict: somebody else's update runs. ChangeFailed: a version did not become ready, or nothing
    answers any more. ServingError.
    """
    endpoint = _patiently(client, wanted.endpoint)
    problem: ServingError | None = None
    longest = _DATABRICKS_UPDATE_SECONDS if settings.on_databricks else settings.worker_start_seconds + 60
    # One time for both attempts: a change that took longer would be taken for interrupted while it lives.
    deadline = time.monotonic() + longest
    for attempt in (1, 2):
        if serves(endpoint, wanted) and (endpoint is None or endpoint.updating != "IN_PROGRESS"):
            break
        if not is_coming(endpoint, wanted):
            problem = _ask_for(client, endpoint, wanted)
        endpoint = _awaited(settings, client, wanted, deadline)
        lost = endpoint is not None and endpoint.updating in ("NOT_UPDATING", "UPDATE_CANCELED")
        if serves(endpoint, wanted) or not lost or attempt == 2:
            break
    if endpoint is None or not serves(endpoint, wanted):
        raise ChangeFailed(_why_not(endpoint, wanted, problem))
    return endpoint


def set_aliases(settings: Settings, wanted: ProductionState) -> None:
    """Let the production model's aliases point where the wanted state says. Raises: RegistryError."""
    from mlflow.exceptions import MlflowException

    name, found = settings.prod_model, production_aliases(settings)
    registry = registry_client(settings)
    try:
        # The champion last: until then the one who was it can be read.
        for alias, version in ((PREVIOUS, wanted.previous), (CHAMPION, wanted.champion)):
            if version is not None and found.get(alias) != version:
                registry.set_registered_model_alias(name, alias, version)
            elif version is None and alias in found:
                registry.delete_registered_model_alias(name, alias)
    except MlflowException as error:
        raise RegistryError(f"The aliases of {name} could not be moved: {error.message}") from error


def _ask_for(client: EndpointClient, endpoint: Endpoint | None, wanted: ProductionState) -> ServingError | None:
    """Ask for the new configuration. Returns the error after which nobody knows whether it was taken, or None."""
    served = [Served(share.name, share.entity_name, share.entity_version) for share in wanted.served]
    traffic = {share.name: share.traffic for share in wanted.served}
    try:
        if endpoint is None:
            client.create(wanted.endpoint, served, traffic, wait=False)
        else:
            client.update(wanted.endpoint, served, traffic, wait=False, present=endpoint)
    except UpdateInProgress as error:
        if is_coming(_patiently(client, wanted.endpoint), wanted):
            return None
        raise ChangeConflict(
            f"Endpoint {wanted.endpoint} is being updated by somebody else, and takes one update at a time: "
            "wait until that has ended, then look again."
        ) from error
    except (GatewayDown, RequestRejected) as error:
        if isinstance(error, RequestRejected) and error.status_code < 500:
            raise
        return error
    return None


def _awaited(settings: Settings, client: EndpointClient, wanted: ProductionState, deadline: float) -> Endpoint | None:
    """The endpoint once no update runs any more."""
    while True:
        endpoint = _patiently(client, wanted.endpoint)
        if endpoint is None or endpoint.updating != "IN_PROGRESS":
            return endpoint
        if time.monotonic() > deadline:
            raise ChangeFailed(
                f"Endpoint {wanted.endpoint} was not brought up in time, and is still being updated: "
                "look at its state, then finish or undo this change."
            )
        time.sleep(_POLL_SECONDS if not settings.on_databricks else 10 * _POLL_SECONDS)


def _patiently(client: EndpointClient, name: str) -> Endpoint | None:
    """The endpoint, asked for again while a gateway is on its way back or has too much to do."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return client.get(name)
        except (GatewayDown, RequestRejected) as error:
            passing = isinstance(error, GatewayDown) or error.status_code == 429 or error.status_code >= 500
            if not passing or time.monotonic() > deadline:
                raise
        time.sleep(5 * _POLL_SECONDS)


def _why_not(endpoint: Endpoint | None, wanted: ProductionState, problem: ServingError | None) -> str:
    told = f"Endpoint {wanted.endpoint} did not take the new configuration:"
    if endpoint is None:
        return f"{told} {problem}" if problem else f"Endpoint {wanted.endpoint} is gone: somebody deleted it meanwhile."
    if endpoint.updating in ("UPDATE_FAILED", "UPDATE_CANCELED"):
        return f"{told} {endpoint.update_message or 'no reason was given.'}"
    return f"{told} {problem or 'somebody else has changed it meanwhile.'}"


def _served(endpoint: Endpoint | None) -> list[Any]:
    return list(endpoint.served) if endpoint else []


def _shares(served: list[Any]) -> set[tuple[str, str, str, int]]:
    return {(one.name, one.entity_name, one.entity_version, one.traffic) for one in served}
