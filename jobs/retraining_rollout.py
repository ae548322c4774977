"""The last steps of a retraining: a canary, and everybody. Production is only changed through `registry.changes`."""

from datetime import UTC, datetime, timedelta

from jobs.retraining_work import RETRAINING, Done, Work
from lakehouse.ledger import changes
from lakehouse.pipelines import Step
from registry.approvals import pending_requests, request_promotion
from registry.canary import ramps, start_ramp
from registry.changes import carry_out
from registry.errors import ChangeConflict, GateNotPassed
from registry.interrupted import PRODUCTION_ACTIONS, is_interrupted
from registry.planning import plan_finish, plan_promotion
from registry.ramp_steps import Ramp
from registry.versions import CHAMPION, find
from serving.client import EndpointClient
from serving.errors import GatewayDown

PATIENCE = timedelta(hours=24)
"""For so long a step waits for production that somebody else is changing, or that does not answer."""

_LAST_CHANGES = 100


def canary(work: Work) -> Done:
    """Start a ramp of the version, once, and wait until it ends."""
    step = work.pipeline.step("canary")
    try:
        _finish_broken_change(work)
        ramp = _own_ramp(work)
        if ramp is None:
            start_ramp(
                work.settings,
                EndpointClient(work.settings),
                source_version=work.source_version,
                shares=work.rules.shares,
                hold_seconds=work.rules.canary.hold_minutes * 60,
                actor=RETRAINING,
                reason=work.reason,
            )
            ramp = _own_ramp(work)
    except (GateNotPassed, ChangeConflict, GatewayDown) as error:
        return _not_now(error, step)
    if ramp is None:
        return Done("waiting", "The canary's ramp is not to be seen yet.")
    return _told(work, ramp)


def promote(work: Work) -> Done:
    """Give the version to everybody, or say that the ramp of its canary has."""
    settings, step = work.settings, work.pipeline.step("promote")
    try:
        _finish_broken_change(work)
        if done := _is_champion(work):
            return done
        if "canary" in work.pipeline.plan:
            return Done(
                "stopped",
                f"Version {work.source_version} of {settings.test_model} is not the champion, although its canary "
                "ended: somebody has changed production since.",
            )
        endpoints = EndpointClient(settings)
        if settings.four_eyes:
            return _asked_for(work, endpoints)
        plan = plan_promotion(settings, endpoints, work.source_version)
        report = carry_out(settings, endpoints, plan, actor=RETRAINING, reason=work.reason)
    except (GateNotPassed, ChangeConflict, GatewayDown) as error:
        return _not_now(error, step)
    return _is_champion(work) or Done("stopped", report.sentence, {"change_id": report.change_id})


def _not_now(error: Exception, step: Step | None) -> Done:
    """What comes of a change that was refused: the gate's refusal ends it, what passes by itself is waited for.

    Raises: the error, where the step has waited for too long.
    """
    if isinstance(error, GateNotPassed):
        return Done("stopped", str(error))
    if _waited_too_long(step.started_at if step else None):
        raise error
    return Done("waiting", f"Not yet: {error}")


def _told(work: Work, ramp: Ramp) -> Done:
    """What the ramp of the canary has come to."""
    about = {"ramp_id": ramp.ramp_id, "production_version": ramp.entity_version}
    name = f"{ramp.entity_name} version {ramp.entity_version or 'to be copied'}"
    if ramp.active:
        steps = " → ".join(f"{share} %" for share in ramp.shares)
        return Done("waiting", f"{name} has {ramp.share} % of the traffic ({steps}). {ramp.note}".strip(), about)
    if ramp.state != "finished":
        return Done("stopped", f"The canary of {name} ended at {ramp.share} %: {ramp.note}", about)
    if work.rules.shares[-1] == 100 or ramp.share == 100:
        return Done("succeeded", f"{name} went through its canary and has all the traffic.", about)
    then = "A person promotes it, or takes it back, on the Endpoints page."
    return Done("succeeded", f"{name} went through its canary and has {ramp.share} % of the traffic. {then}", about)


def _own_ramp(work: Work) -> Ramp | None:
    """The ramp that this retraining has started; the newest, should there be several."""
    return next((one for one in ramps(work.settings) if one.reason.startswith(work.pipeline.mark)), None)


def _is_champion(work: Work) -> Done | None:
    settings = work.settings
    live = find(settings, settings.prod_model, CHAMPION)
    if live is None or live.copied_from != (settings.test_model, work.source_version):
        return None
    about = {"production_version": live.version}
    return Done("succeeded", f"{live.name} version {live.version} is the champion and has all the traffic.", about)


def _asked_for(work: Work, endpoints: EndpointClient) -> Done:
    """Where a promotion takes two people, the retraining is the first of them."""
    settings, version = work.settings, work.source_version
    waiting = [one for one in pending_requests(settings) if one.source_version == version]
    if waiting:
        change_id = waiting[0].change_id
    else:
        change_id = request_promotion(settings, endpoints, version, RETRAINING, work.reason)
    return Done(
        "succeeded",
        f"The promotion of {settings.test_model} version {version} is asked for: it takes two people here, and a "
        "person approves it on the Promotion page.",
        {"change_id": change_id},
    )


def _finish_broken_change(work: Work) -> None:
    """Carry the change of production to its end that this retraining had begun when it was broken off."""
    settings = work.settings
    own = (
        change
        for change in changes(settings, _LAST_CHANGES, target=settings.endpoint)
        if change.action in PRODUCTION_ACTIONS and work.pipeline.mark in change.reason
    )
    newest = next(own, None)
    if newest is None or not is_interrupted(newest):
        return
    ramp = _own_ramp(work)
    if ramp is not None and not ramp.active:
        return  # Whoever watches ramps has ended it: what is left of it is for a person to finish or undo.
    endpoints = EndpointClient(settings)
    plan = plan_finish(settings, endpoints, newest.change_id)
    carry_out(settings, endpoints, plan, actor=RETRAINING, reason=newest.reason)


def _waited_too_long(since: datetime | None) -> bool:
    return since is not None and datetime.now(UTC) - since > PATIENCE
