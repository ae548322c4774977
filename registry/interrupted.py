"""Changes of production that began and did not end: what is left of each, and whether it can be finished or undone."""

from dataclasses import dataclass
from typing import get_args

import pyarrow.compute as pc

from lakehouse.claims import is_under_way
from lakehouse.ledger import Change, changes_of
from lakehouse.store import open_to_read
from registry.errors import RegistryError
from registry.plans import Action, ProductionState
from registry.production import NEW, from_evidence, in_words, state_of, with_version
from serving.client import EndpointClient
from serving.endpoints import Endpoint
from serving.errors import ServingError
from settings import Settings

PRODUCTION_ACTIONS: tuple[str, ...] = get_args(Action)
"""The ledger's words for changes of production."""

PARTLY = "unfinished"
"""The outcome of a change that had moved something when it could not go on, and whose process could still say so."""


@dataclass(frozen=True)
class Interrupted:
    """A change that was broken off. `sentence` says who began it, and how far it came."""

    change: Change
    sentence: str
    can_finish: bool
    can_undo: bool


def is_interrupted(change: Change) -> bool:
    """Whether a change began, has no end, and nobody works on it any more."""
    return change.outcome in ("interrupted", PARTLY) or (change.outcome is None and not is_under_way(change))


def interrupted_changes(settings: Settings, client: EndpointClient) -> list[Interrupted]:
    """For each endpoint the newest change of production, if it was broken off and nothing has taken its place since.

    Raises: LakehouseError, RegistryError. An endpoint that does not answer is told in the sentence.
    """
    of_production = changes_of(open_to_read(settings, "ledger"), pc.field("action").isin(PRODUCTION_ACTIONS))
    found = []
    for target in dict.fromkeys(change.target for change in of_production):
        own = (change for change in of_production if change.target == target and _counts(change))
        newest = next(own, None)
        if newest is not None and is_interrupted(newest):
            found.append(_explained(settings, client, newest, of_production))
    return found


def superseded(change: Change, ledger: list[Change]) -> Change | None:
    """The later change of production of the same target that has taken this one's place, or None."""
    later = [
        other
        for other in ledger
        if other.target == change.target
        and other.action in PRODUCTION_ACTIONS
        and other.started_at > change.started_at
        and (other.outcome or "").startswith("succeeded")
    ]
    return min(later, key=lambda other: other.started_at, default=None)


def origin_of(change: Change, ledger: list[Change]) -> Change:
    """The change that this one finishes, through any number of tries; the change itself if it finishes none."""
    known = {other.change_id: other for other in ledger}
    while change.action == "finish" and str(change.evidence.get("of_change")) in known:
        change = known[str(change.evidence["of_change"])]
    return change


def _counts(change: Change) -> bool:
    """Whether a change tells what production is: one that failed has moved nothing."""
    return is_interrupted(change) or (change.outcome or "").startswith("succeeded") or change.outcome is None


def _explained(settings: Settings, client: EndpointClient, change: Change, ledger: list[Change]) -> Interrupted:
    who = f"{_what(change)} of {change.target} by {change.actor}, begun {change.started_at:%d %b %Y %H:%M:%S} UTC,"
    told = f"{who} was interrupted"
    if change.outcome == PARTLY:
        told = f"{who} could not go on ({change.evidence.get('error')})"
    after = from_evidence(change.evidence.get("state_after"))
    before = from_evidence(origin_of(change, ledger).evidence.get("state_before"))
    try:
        endpoint = client.get(change.target)
        state = state_of(settings, change.target, endpoint)
    except (ServingError, RegistryError) as error:
        return Interrupted(change, f"{told}. How far it came cannot be told now: {error}", False, False)
    moved = after is not None and before is not None and state != before
    can_undo = before is not None and any(before.traffic.values()) and moved
    return Interrupted(
        change, f"{told}. {_how_far(change, endpoint, state, before, after)}", after is not None, can_undo
    )


def _what(change: Change) -> str:
    words = {"promote": "The promotion", "rollback": "The rollback", "split": "The split", "abort": "The abort"}
    return words.get(change.action, f"The {change.action}")


def _how_far(
    change: Change,
    endpoint: Endpoint | None,
    state: ProductionState,
    before: ProductionState | None,
    after: ProductionState | None,
) -> str:
    serves = f"{change.target} serves {in_words(state)}."
    if endpoint is not None and endpoint.updating == "IN_PROGRESS":
        return f"The endpoint still brings the new configuration up; until then {serves}"
    if before is not None and state == before:
        return f"Nothing of it has reached production: {serves}"
    reached = with_number(after, before, state)
    if reached is not None and reached.traffic == state.traffic:
        if (state.champion, state.previous) == (reached.champion, reached.previous):
            return f"All of it is done, only its end is not recorded: {serves}"
        return f"The traffic has moved, the aliases have not: {serves}"
    return f"Production is neither as before nor as planned: {serves}"


def with_number(
    after: ProductionState | None, before: ProductionState | None, state: ProductionState
) -> ProductionState | None:
    """The planned state with the number of what was `new` in it: the one that is served now and was not before."""
    if after is None or NEW not in after.traffic:
        return after
    old = before.traffic if before is not None else {}
    made = [version for version in state.traffic if version not in old]
    return with_version(after, made[0]) if len(made) == 1 else None
