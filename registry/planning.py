"""Plans of changes of production: what each will do, on the state that was read, before anybody agrees to it."""

from dataclasses import replace
from typing import Any

from lakehouse.claims import LedgerView, view
from lakehouse.ledger import Change, find_change
from registry.errors import RegistryError, VersionMissing
from registry.expectations import expected_differences
from registry.interrupted import is_interrupted, origin_of, superseded
from registry.known_good import known_good_for
from registry.plans import Action, ChangePlan, ProductionState
from registry.production import (
    NEW,
    from_evidence,
    in_words,
    refuse_foreign,
    shares_in_words,
    state_of,
    with_traffic,
)
from registry.promotion import source_number
from registry.versions import get
from serving.client import EndpointClient
from serving.endpoints import Endpoint
from settings import Settings


def plan_promotion(
    settings: Settings,
    client: EndpointClient,
    source_version: str,
    *,
    share: int = 100,
    endpoint: str | None = None,
    of_change: str = "",
) -> ChangePlan:
    """Copy a version of the test model into Production and give the copy `share` per cent of the traffic.

    Below 100 it is a canary: the champion keeps the rest, and stays the champion. `source_version` is a number, alias
    or `models:/…` address; `of_change` the request that this promotion approves, where two people are needed.

    Raises: VersionMissing, RegistryError, ServingError, LakehouseError.
    """
    from registry.verdict import verdict

    if not 1 <= share <= 100:
        raise RegistryError(f"The share of a promoted version is 1 to 100 % of the traffic, not {share} %.")
    seen, before = _look(settings, client, endpoint)
    source = get(settings, settings.test_model, source_number(settings, source_version))
    if share < 100 and not any(before.traffic.values()):
        raise RegistryError(f"Endpoint {before.endpoint} serves nothing yet, so a canary has nobody to share with.")
    rest = _scaled({v: s for v, s in before.traffic.items() if s}, 100 - share)
    after = with_traffic(settings, before, {**rest, NEW: share})
    steps = [f"Copy {source.name} version {source.version} into {settings.prod_model} as a new version."]
    if seen is None:
        steps.append(f"Make the endpoint {before.endpoint} with the new version.")
    plan = ChangePlan(
        action="promote",
        before=before,
        after=after,
        target_version=NEW,
        copy_of=source.version,
        steps=(*steps, *_steps(before, after, seen is not None)),
        warm=False,
        expected=expected_differences(settings, before, copy_of=source.version),
        gate=verdict(settings, source.version),
        of_change=of_change,
    )
    return replace(plan, warnings=_warnings(settings, plan, seen))


def plan_rollback(
    settings: Settings, client: EndpointClient, *, to_version: str | None = None, endpoint: str | None = None
) -> ChangePlan:
    """Give all the traffic back to an earlier version of the production model: the last known good one, if none is
    picked.

    Raises: RegistryError with a sentence, if there is none to go back to; VersionMissing, ServingError, LakehouseError.
    """
    seen, before = _look(settings, client, endpoint)
    if to_version is None:
        good = known_good_for(settings, before)
        if good is None:
            raise RegistryError(
                f"No earlier version of {settings.prod_model} is known to be good on {before.endpoint}: each had an "
                "alert in its time, was itself rolled back, or is gone. Pick the version to go back to."
            )
        to_version = good.version
    target = get(settings, settings.prod_model, to_version).version
    return _plan_traffic(settings, "rollback", seen, before, {target: 100}, target)


def plan_split(
    settings: Settings,
    client: EndpointClient,
    traffic: dict[str, int],
    *,
    endpoint: str | None = None,
    action: Action = "split",
) -> ChangePlan:
    """Split the traffic: version of the production model → whole per cent, together 100.

    With `action` = `abort` the shares do not matter: all the traffic goes back to the champion.
    Raises: RegistryError, VersionMissing, ServingError, LakehouseError.
    """
    seen, before = _look(settings, client, endpoint)
    if action == "abort":
        if before.champion is None:
            raise RegistryError(f"{settings.prod_model} has no @champion to go back to: pick a version.")
        traffic = {before.champion: 100}
    for version in traffic:
        if version not in before.traffic:
            get(settings, settings.prod_model, version)
    gained = {version: share - before.traffic.get(version, 0) for version, share in traffic.items()}
    target = max(gained, key=lambda version: gained[version], default="")
    return _plan_traffic(settings, action, seen, before, traffic, target)


def plan_undo(settings: Settings, client: EndpointClient, change_id: str) -> ChangePlan:
    """Take a change back: the traffic and the aliases as they were before it.

    Raises: RegistryError, if others have changed production since, or the change left nothing to take back.
    """
    change, ledger = _change_of(settings, change_id)
    seen, before = _look(settings, client, ledger.target)
    kept = from_evidence(origin_of(change, ledger.changes).evidence.get("state_before"))
    if kept is None:
        raise RegistryError(f"The ledger does not say what production was before this {change.action}.")
    later = superseded(change, ledger.changes)
    if later is not None:
        raise RegistryError(
            f"This {change.action} cannot be undone any more: {later.actor} has changed {ledger.target} since "
            f"({later.action}). Pick the version to go back to instead."
        )
    ended = from_evidence(change.evidence.get("state_after"))
    if (change.outcome or "").startswith("succeeded") and ended is not None and ended != before:
        raise RegistryError(
            f"{ledger.target} is not as this {change.action} left it: it serves {in_words(before)}. "
            "Pick the version to go back to instead."
        )
    if not any(kept.traffic.values()):
        raise RegistryError(
            f"Before this {change.action}, {ledger.target} served nothing: there is nothing to go back to."
        )
    traffic = {version: share for version, share in kept.traffic.items() if share}
    target = max(traffic, key=lambda version: traffic[version])
    after = replace(with_traffic(settings, before, traffic), champion=kept.champion, previous=kept.previous)
    return _plan_state(settings, "undo", seen, before, after, target, change)


def plan_finish(settings: Settings, client: EndpointClient, change_id: str) -> ChangePlan:
    """Carry an interrupted change to its end. Steps that were done are not done again.

    Raises: RegistryError, if the change has ended, or others have changed production since.
    """
    change, ledger = _change_of(settings, change_id)
    seen, before = _look(settings, client, ledger.target)
    if not is_interrupted(change):
        raise RegistryError(
            f"This {change.action} has ended ({change.outcome or 'it is under way'}): nothing is left to finish."
        )
    later = superseded(change, ledger.changes)
    if later is not None:
        raise RegistryError(
            f"This {change.action} cannot be finished any more: {later.actor} has changed {ledger.target} since "
            f"({later.action}). Start it anew, if it is still wanted."
        )
    after = from_evidence(change.evidence.get("state_after"))
    if after is None:
        raise RegistryError(f"The ledger does not say what this {change.action} was to lead to.")
    target = str(change.evidence.get("target_version") or "")
    plan = _plan_state(settings, "finish", seen, before, after, target, change)
    copy_of = change.evidence.get("copy_of")
    return replace(plan, copy_of=str(copy_of) if copy_of else None)


def _look(settings: Settings, client: EndpointClient, endpoint: str | None) -> tuple[Endpoint | None, ProductionState]:
    name = endpoint or settings.endpoint
    seen = client.get(name)
    state = state_of(settings, name, seen)
    refuse_foreign(settings, state)
    return seen, state


def _change_of(settings: Settings, change_id: str) -> tuple[Change, LedgerView]:
    found = find_change(settings, change_id)
    if found is None:
        raise VersionMissing(f"The ledger has no change {change_id}.")
    return found, view(settings, found.target)


def _plan_traffic(
    settings: Settings,
    action: Action,
    seen: Endpoint | None,
    before: ProductionState,
    traffic: dict[str, int],
    target: str,
) -> ChangePlan:
    after = with_traffic(settings, before, traffic)
    if after.traffic == before.traffic and (after.champion, after.previous) == (before.champion, before.previous):
        raise RegistryError(f"{before.endpoint} serves {shares_in_words(traffic)} already: nothing would change.")
    return _plan_state(settings, action, seen, before, after, target)


def _plan_state(
    settings: Settings,
    action: Action,
    seen: Endpoint | None,
    before: ProductionState,
    after: ProductionState,
    target: str,
    of: Change | None = None,
) -> ChangePlan:
    plan = ChangePlan(
        action=action,
        before=before,
        after=after,
        target_version=target,
        steps=_steps(before, after, seen is not None),
        warm=_warm(settings, seen, after),
        expected=expected_differences(settings, before, target=target),
        of_change=of.change_id if of else "",
    )
    return replace(plan, warnings=_warnings(settings, plan, seen))


def _steps(before: ProductionState, after: ProductionState, endpoint_exists: bool) -> tuple[str, ...]:
    """What the endpoint and the aliases will go through, a sentence each."""
    steps = []
    old = {share.entity_version for share in before.served}
    started = [share.entity_version for share in after.served if share.entity_version not in old]
    for version in started:
        named = "the new version" if version == NEW else f"version {version}"
        steps.append(f"Start {named} beside what serves now, and wait until it has warmed up.")
    if after.traffic != before.traffic:
        steps.append(f"Switch the traffic from {in_words(before)} to {in_words(after)}." if endpoint_exists else "")
    idle = [share.entity_version for share in after.served if not share.traffic]
    if idle:
        steps.append(f"Keep version {', '.join(idle)} warm at 0 %, to go back to.")
    dropped = sorted(old - {share.entity_version for share in after.served})
    if dropped:
        steps.append(f"Take version {', '.join(dropped)} out of the endpoint; it stays in the registry.")
    steps.append("Ask the version one question, to see that it answers.")
    for alias, was, will in (
        ("champion", before.champion, after.champion),
        ("previous", before.previous, after.previous),
    ):
        if was != will:
            steps.append(f"Move @{alias} from {_named(was)} to {_named(will)}.")
    return tuple(step for step in steps if step)


def _named(version: str | None) -> str:
    return "nothing" if version is None else "the new version" if version == NEW else f"version {version}"


def _warm(settings: Settings, seen: Endpoint | None, after: ProductionState) -> bool | None:
    """Whether every version that is to get traffic answers already."""
    if seen is None:
        return False
    wanted = [share for share in after.served if share.traffic]
    if all(seen.running(share.entity_name, share.entity_version) is not None for share in wanted):
        return True
    # What Databricks keeps running after it was taken out of an endpoint, nobody tells.
    return None if settings.on_databricks else False


def _warnings(settings: Settings, plan: ChangePlan, seen: Endpoint | None) -> tuple[str, ...]:
    found = []
    if seen is not None and seen.updating == "IN_PROGRESS":
        found.append(f"Endpoint {seen.name} is being updated now, and takes one update at a time: wait for its end.")
    if plan.warm is False and plan.action != "promote":
        limit = f"{settings.worker_start_seconds:.0f} seconds"
        found.append(
            f"Version {plan.target_version} is not running: it is started first, for up to {limit}; "
            "until it answers, the traffic stays where it is."
        )
    champion_share = plan.before.traffic.get(plan.before.champion or "", 0)
    if plan.before.served and not champion_share:
        found.append(
            f"@champion is {_named(plan.before.champion)}, which has no traffic: "
            "something outside of Lakehelm has moved one of them."
        )
    if plan.gate is not None and not plan.gate.passed:
        found.append("The gate does not let this version pass: to promote it takes a reason and the right to override.")
    return tuple(found)


def _scaled(traffic: dict[str, int], whole: int) -> dict[str, int]:
    """The shares in proportion, as whole per cent that sum to `whole`: the largest takes what rounding leaves."""
    if not whole or not traffic:
        return {}
    total: Any = sum(traffic.values())
    scaled = {version: share * whole // total for version, share in traffic.items()}
    largest = max(traffic, key=lambda version: traffic[version])
    scaled[largest] += whole - sum(scaled.values())
    return scaled
