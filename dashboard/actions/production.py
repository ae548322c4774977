"""Changes of what answers in production, and questions to it. Each checks the role of whoever is signed in."""

from collections.abc import Callable, Sequence

from dashboard.actions.running import Running
from dashboard.auth import current_actor
from dashboard.change_words import action_words
from dashboard.queries.client import endpoint_client
from dashboard.queries.watch import look_again
from registry import canary, changes
from registry.plans import ChangePlan, ChangeReport
from serving.endpoints import Answer
from settings import get_settings

LONGEST_QUESTION = 4000
"""Characters of a question to the endpoint."""


def begin(plan: ChangePlan, reason: str, override_reason: str = "") -> Running[ChangeReport]:
    """Carry out a plan that somebody has looked at, in the background.

    If production is not what the plan was made on any more, nothing is changed and the change ends with a
    ChangeConflict. Raises: NotAllowed.
    """
    return _begin(plan.action, lambda: plan, reason, override_reason)


def begin_undo(change_id: str, reason: str = "") -> Running[ChangeReport]:
    """Take a change back, in the background. Raises: NotAllowed."""
    plan = _planned(changes.plan_undo, change_id)
    return _begin("undo", plan, reason or "taken back with one click")


def begin_finish(change_id: str, reason: str = "") -> Running[ChangeReport]:
    """Bring an interrupted change to its end, in the background. Raises: NotAllowed."""
    plan = _planned(changes.plan_finish, change_id)
    return _begin("finish", plan, reason or "finished after an interruption")


def roll_back(to_version: str | None = None, *, endpoint: str | None = None, reason: str = "") -> ChangeReport:
    """All traffic to an earlier version, by default the last known good one; returns when it has.

    Raises: NotAllowed, ChangeConflict and others of RegistryError, ServingError, LakehouseError.
    """
    settings, client = get_settings(), endpoint_client()

    def plan() -> ChangePlan:
        return changes.plan_rollback(settings, client, to_version=to_version, endpoint=endpoint)

    return _begin("rollback", plan, reason or "rolled back from the dashboard").result()


def set_split(traffic: dict[str, int], *, endpoint: str | None = None, reason: str = "") -> ChangeReport:
    """Split the traffic: version number of the production model → whole per cent. Errors as `roll_back`."""
    settings, client = get_settings(), endpoint_client()

    def plan() -> ChangePlan:
        return changes.plan_split(settings, client, traffic, endpoint=endpoint)

    return _begin("split", plan, reason or "split from the dashboard").result()


def abort(*, endpoint: str | None = None, reason: str = "") -> ChangeReport:
    """All traffic back to the champion. Errors as `roll_back`."""
    settings, client = get_settings(), endpoint_client()

    def plan() -> ChangePlan:
        return changes.plan_split(settings, client, {}, endpoint=endpoint, action="abort")

    return _begin("abort", plan, reason or "canary taken back from the dashboard").result()


def undo(change_id: str, reason: str = "") -> ChangeReport:
    """Take a change back; returns when it has. Errors as `roll_back`."""
    return begin_undo(change_id, reason).result()


def finish(change_id: str, reason: str = "") -> ChangeReport:
    """Bring an interrupted change to its end; returns when it has. Errors as `roll_back`."""
    return begin_finish(change_id, reason).result()


def ask_endpoint(endpoint: str, question: str, served_entity: str | None = None) -> Answer:
    """Ask one question, of the served entity that is due or of one by its name; returns when it is answered.

    It is logged as every request is, under the person's name: so it stands in the inference table and not in the
    ledger. Raises: NotAllowed, ServingError.
    """
    return begin_question(endpoint, question, served_entity).result()


def begin_ramp(
    version: str, *, endpoint: str, shares: Sequence[int], hold_seconds: float, reason: str = ""
) -> Running[str]:
    """Give a version of the production model a growing share of the traffic, in the background: its first step.

    The value is the ramp's id. Raises: NotAllowed.
    """
    actor = current_actor()
    actor.require("start_ramp")
    settings, client = get_settings(), endpoint_client()

    def start() -> str:
        return canary.start_ramp(
            settings,
            client,
            entity_version=version,
            shares=tuple(shares),
            hold_seconds=hold_seconds,
            actor=actor,
            reason=reason or "started on the Endpoints page",
            endpoint=endpoint,
        )

    return Running(action_words("start_ramp").title, start, then=look_again)


def stop_ramp(ramp_id: str, reason: str = "") -> None:
    """Take no further step of a ramp; the traffic stays as it is. Raises: NotAllowed, RegistryError, LakehouseError."""
    reason = reason or "stopped on the Endpoints page"
    canary.stop_ramp(get_settings(), ramp_id, actor=current_actor(), reason=reason)


def begin_question(endpoint: str, question: str, served_entity: str | None = None) -> Running[Answer]:
    """`ask_endpoint` in the background: an answer may take long. Raises: NotAllowed."""
    actor = current_actor()
    actor.require("ask_endpoint")
    client = endpoint_client()

    def ask() -> Answer:
        return client.ask(endpoint, question[:LONGEST_QUESTION], served_entity=served_entity, requester=actor.name)

    return Running("A question", ask)


def _planned(make: Callable[..., ChangePlan], change_id: str) -> Callable[[], ChangePlan]:
    settings, client = get_settings(), endpoint_client()
    return lambda: make(settings, client, change_id)


def _begin(
    action: str, make_plan: Callable[[], ChangePlan], reason: str, override_reason: str = ""
) -> Running[ChangeReport]:
    # Who clicks is known to the page's thread only; the change asks for the role again where it is carried out.
    actor = current_actor()
    actor.require(action)
    settings, client = get_settings(), endpoint_client()

    def work() -> ChangeReport:
        return changes.carry_out(
            settings, client, make_plan(), actor=actor, reason=reason, override_reason=override_reason
        )

    return Running(action_words(action).title, work, then=look_again)
