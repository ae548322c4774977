"""Wishes that the chatbot is trained anew, and the end of a retraining that nobody wants any more."""

from dashboard.auth import current_actor
from lakehouse.ledger import recorded
from lakehouse.pipelines import Pipeline, begin_step, end_step, find_pipeline
from lakehouse.runs import request_run
from registry import canary
from registry.actors import Actor
from registry.errors import RegistryError
from settings import Settings, get_settings


def retrain_now(dry_run: bool = False) -> str:
    """Ask the scheduler for a retraining, or for one that only says what it would do. Returns the request id.

    Raises: NotAllowed, LakehouseError.
    """
    actor = current_actor()
    actor.require("run_job")
    return request_run(get_settings(), "retrain", {"dry-run": True} if dry_run else {}, actor.name)


def end_retraining(pipeline_id: str) -> None:
    """End a retraining between two steps, or one that waits. What its steps have done stays as it is, but the ramp of
    its canary takes no further step.

    Raises: NotAllowed; RegistryError, if it has ended or a step is being done; CommitConflict, LakehouseError.
    """
    settings, actor = get_settings(), current_actor()
    actor.require("run_job")
    found = find_pipeline(settings, pipeline_id)
    name = found.next_step if found is not None else None
    if found is None or name is None:
        raise RegistryError("This retraining has ended already.")
    if found.last is not None and found.last.state == "running":
        raise RegistryError(f"The step {name} is being done: end the retraining when it is.")
    # First: it goes on to everybody without the retraining. One without an end here can be ended once more.
    _stop_ramps(settings, found, actor)
    with recorded(
        settings,
        action="end_retraining",
        target=settings.test_model,
        actor=actor.name,
        role=actor.role,
        before=f"step {name} was next",
        after="no further step",
        reason=f"{found.mark}: {found.reason}",
        evidence={"pipeline_id": pipeline_id},
    ):
        began = begin_step(settings, found, name)
        end_step(settings, found, name, began, "stopped", sentence=f"{actor.name} has ended it.")


def _stop_ramps(settings: Settings, found: Pipeline, actor: Actor) -> None:
    """Stop what this retraining has started, also where it was broken off before it wrote down the ramp's id."""
    known = found.found("ramp_id")
    for ramp in canary.ramps(settings):
        if ramp.active and (ramp.ramp_id == known or ramp.reason.startswith(found.mark)):
            canary.stop_ramp(settings, ramp.ramp_id, actor=actor, reason=f"{found.mark} was ended.")
