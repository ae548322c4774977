"""Who lets a promotion pass: the gate, or somebody who overrides it; and, where two people are needed, the second.

A request stands in the ledger as an intent of its own. It waits until another person approves it by carrying the
promotion out, or somebody declines it, or its time is over.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow.compute as pc

from lakehouse.ledger import GIVES_UP_AFTER, Change, changes_of, find_change, record_intent, record_outcome
from lakehouse.store import open_to_read
from registry.actors import Actor
from registry.errors import GateNotPassed, NotAllowed, RegistryError
from registry.plans import ChangePlan
from registry.promotion import source_number
from registry.versions import get
from serving.client import EndpointClient
from settings import Settings

REQUEST = "request_promotion"
REQUEST_SECONDS = 7 * 86_400.0
"""A request that nobody approved in this time has lapsed."""


@dataclass(frozen=True)
class PromotionRequest:
    """Somebody's wish that a version of the test model goes into production."""

    change_id: str
    source_version: str
    endpoint: str
    actor: str
    reason: str
    asked_at: datetime


def request_promotion(
    settings: Settings,
    client: EndpointClient,
    source_version: str,
    actor: Actor,
    reason: str,
    endpoint: str | None = None,
) -> str:
    """Ask for a promotion that another person is to approve. Returns the id of the request.

    Raises: NotAllowed, VersionMissing, RegistryError if the same version waits already; LakehouseError.
    """
    actor.require(REQUEST)
    version = get(settings, settings.test_model, source_number(settings, source_version)).version
    name = endpoint or settings.endpoint
    waiting = [one for one in pending_requests(settings) if (one.source_version, one.endpoint) == (version, name)]
    if waiting:
        raise RegistryError(f"{waiting[0].actor} has asked for version {version} already: it waits for an approval.")
    return record_intent(
        settings,
        action=REQUEST,
        target=name,
        actor=actor.name,
        role=actor.role,
        after=f"copy of {settings.test_model} version {version}",
        reason=reason,
        evidence={"copy_of": version, GIVES_UP_AFTER: REQUEST_SECONDS},
    )


def pending_requests(settings: Settings) -> list[PromotionRequest]:
    """Requests that wait for an approval, newest first. Raises: LakehouseError."""
    return [
        PromotionRequest(
            change_id=change.change_id,
            source_version=str(change.evidence.get("copy_of") or ""),
            endpoint=change.target,
            actor=change.actor,
            reason=change.reason,
            asked_at=change.started_at,
        )
        for change in changes_of(open_to_read(settings, "ledger"), pc.field("action") == REQUEST)
        if _waits(change)
    ]


def decline_request(settings: Settings, change_id: str, actor: Actor, reason: str) -> None:
    """Say no to a request; the one who asked may withdraw it the same way. Raises: NotAllowed, RegistryError."""
    request = _request(settings, change_id)
    own = request.actor.casefold() == actor.name.casefold()
    actor.require(REQUEST if own else "promote")
    outcome = "withdrawn" if own else "declined"
    evidence = {"by": actor.name, "because": reason}
    record_outcome(settings, change_id, outcome=outcome, evidence=evidence, action=REQUEST, target=request.target)


def permission(settings: Settings, plan: ChangePlan, actor: Actor, override_reason: str) -> dict[str, Any]:
    """What lets a promotion pass, as evidence for the ledger; nothing is asked of other changes.

    Raises: GateNotPassed; NotAllowed, for an override without the role or a second person who is the first.
    """
    if plan.action != "promote" or plan.copy_of is None:
        return {}
    return {**_by_two(settings, plan, actor), **_by_gate(settings, plan.copy_of, actor, override_reason)}


def _by_gate(settings: Settings, source_version: str, actor: Actor, override_reason: str) -> dict[str, Any]:
    from registry.verdict import verdict

    # Judged anew: the plan may be old, and what it says is not what decides.
    found = verdict(settings, source_version)
    checks = [
        {"name": check.name, "status": check.status, "blocking": check.blocking, "sentence": check.sentence}
        for check in found.checks
    ]
    evidence: dict[str, Any] = {
        "gate": {"passed": found.passed, "evaluation_id": found.evaluation_id, "checks": checks}
    }
    if found.passed:
        return evidence
    if not override_reason.strip():
        raise GateNotPassed(
            f"The gate does not let version {source_version} of {settings.test_model} pass: {' '.join(found.reasons)}"
        )
    actor.require("override_gate")
    return {**evidence, "override_reason": override_reason.strip()}


def _by_two(settings: Settings, plan: ChangePlan, actor: Actor) -> dict[str, Any]:
    if not plan.of_change:
        if settings.four_eyes:
            raise NotAllowed(
                "A promotion takes two people here (LAKEHELM_FOUR_EYES): ask for it, and let somebody else approve it."
            )
        return {}
    request = _request(settings, plan.of_change)
    if request.actor.casefold() == actor.name.casefold():
        raise NotAllowed(f"{actor.name} has asked for this promotion, so somebody else must approve it.")
    if (str(request.evidence.get("copy_of")), request.target) != (plan.copy_of, plan.before.endpoint):
        raise RegistryError(
            f"The request is for version {request.evidence.get('copy_of')} on {request.target}, "
            f"not for version {plan.copy_of} on {plan.before.endpoint}."
        )
    return {"requested_by": request.actor, "request_reason": request.reason}


def _request(settings: Settings, change_id: str) -> Change:
    found = find_change(settings, change_id)
    if found is None or found.action != REQUEST:
        raise RegistryError(f"There is no request {change_id} in the ledger.")
    if not _waits(found):
        raise RegistryError(f"The request of {found.actor} waits no more: it is {found.outcome}. Ask anew.")
    return found


def _waits(change: Change) -> bool:
    return change.action == REQUEST and change.outcome is None
