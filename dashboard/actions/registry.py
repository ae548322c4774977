"""Moves of model versions: evaluating one, Staging, and the promotion to Production. Each checks the person's role."""

from collections.abc import Sequence

from dashboard.actions.running import Running
from dashboard.auth import current_actor
from dashboard.change_words import action_words
from dashboard.queries.client import endpoint_client
from dashboard.queries.watch import look_again
from lakehouse.runs import request_run
from registry import approvals, canary, changes
from registry.plans import ChangePlan, ChangeReport
from registry.promotion import set_challenger as move_to_staging
from registry.versions import ModelVersion
from settings import get_settings


def evaluate(version: str) -> str:
    """Ask the scheduler to evaluate a version of the test model (its number). Returns the id of the wish.

    Raises: NotAllowed, LakehouseError.
    """
    actor = current_actor()
    actor.require("evaluate")
    return request_run(get_settings(), "evaluate", {"version": version}, actor.name)


def begin_set_challenger(version: str, reason: str) -> Running[ModelVersion]:
    """Move a version of the test model into Staging, in the background. Raises: NotAllowed."""
    actor = current_actor()
    actor.require("set_challenger")
    settings = get_settings()

    def work() -> ModelVersion:
        return move_to_staging(settings, version, actor=actor, reason=reason)

    return Running(action_words("set_challenger").title, work, then=look_again)


def begin_promotion(plan: ChangePlan, reason: str, override_reason: str = "") -> Running[ChangeReport]:
    """Promote by a plan that somebody has looked at, in the background.

    `override_reason` is why the version passes although the gate says no. A plan with `of_change` approves the request
    of another person. Raises: NotAllowed.
    """
    actor = current_actor()
    actor.require("promote")
    if override_reason:
        actor.require("override_gate")
    settings, client = get_settings(), endpoint_client()

    def work() -> ChangeReport:
        return changes.carry_out(settings, client, plan, actor=actor, reason=reason, override_reason=override_reason)

    return Running(action_words("promote").title, work, then=look_again)


def begin_canary(
    source_version: str,
    *,
    endpoint: str,
    shares: Sequence[int],
    hold_seconds: float,
    reason: str,
    override_reason: str = "",
    of_change: str = "",
) -> Running[str]:
    """Promote a version of the test model as a canary that grows step by step; the value is the ramp's id.

    Raises: NotAllowed.
    """
    actor = current_actor()
    actor.require("promote")
    actor.require("start_ramp")
    if override_reason:
        actor.require("override_gate")
    settings, client = get_settings(), endpoint_client()

    def work() -> str:
        return canary.start_ramp(
            settings,
            client,
            source_version=source_version,
            shares=tuple(shares),
            hold_seconds=hold_seconds,
            actor=actor,
            reason=reason,
            override_reason=override_reason,
            of_change=of_change,
            endpoint=endpoint,
        )

    return Running(action_words("start_ramp").title, work, then=look_again)


def begin_request(source_version: str, *, endpoint: str, reason: str) -> Running[str]:
    """Ask for a promotion that another person is to approve; the value is the id of the request.

    Raises: NotAllowed.
    """
    actor = current_actor()
    actor.require("request_promotion")
    settings, client = get_settings(), endpoint_client()

    def work() -> str:
        return approvals.request_promotion(settings, client, source_version, actor, reason, endpoint)

    return Running(action_words("request_promotion").title, work, then=look_again)


def decline(change_id: str, reason: str) -> None:
    """Say no to a request, or take one's own back. Raises: NotAllowed, RegistryError, LakehouseError."""
    approvals.decline_request(get_settings(), change_id, current_actor(), reason)
    look_again()
