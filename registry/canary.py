"""Canary ramps: a version gets a small share of the traffic, then larger ones, each after a hold, as a person planned.

The first step is taken when the ramp is started; the others by the scheduler (`python -m jobs watch`), as changes of
production like any other. Each is made in the name of the person who planned the ramp, with its reason.
"""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pyarrow.compute as pc

from lakehouse.appends import append
from lakehouse.ledger import recorded
from lakehouse.store import open_to_read, read_rows
from registry.actors import Actor, Role
from registry.errors import ChangeConflict, RegistryError
from registry.plans import ChangePlan
from registry.ramp_steps import ACTIVE, Move, Ramp, RampState, check_plan
from serving.client import EndpointClient
from settings import Settings

USUAL_SHARES = (5, 25, 100)


def start_ramp(
    settings: Settings,
    client: EndpointClient,
    *,
    entity_version: str | None = None,
    source_version: str | None = None,
    shares: Sequence[int] = USUAL_SHARES,
    hold_seconds: float,
    actor: Actor,
    reason: str,
    override_reason: str = "",
    of_change: str = "",
    endpoint: str | None = None,
) -> str:
    """Take the first step of a ramp and leave the others to the scheduler.

    Args:
        entity_version: a version of the production model that is to get the traffic, or
        source_version: a version of the test model that is promoted (through the gate) with the first share.
        shares: whole per cents, each larger than the one before.
        hold_seconds: how long each step is held before the next.
        override_reason: as for `registry.changes.carry_out`, with `source_version` only; so is `of_change`.

    Returns: the ramp's id. Raises: NotAllowed, RegistryError (also for a plan that makes no sense), ChangeConflict (a
    ramp is active already, or production changed meanwhile), GateNotPassed, ServingError, LakehouseError.
    """
    actor.require("start_ramp")
    check_plan(shares, hold_seconds)
    if (entity_version is None) == (source_version is None):
        raise RegistryError("A ramp is for one version: one of the production model, or one to be promoted.")
    name = endpoint or settings.endpoint
    _refuse_a_second(settings, name)
    plan = _first_plan(settings, client, entity_version, source_version, shares[0], name, of_change)
    ramp = Ramp(
        ramp_id=uuid.uuid4().hex,
        endpoint_name=name,
        entity_name=settings.prod_model,
        entity_version=entity_version or "",
        state="starting",
        step=0,
        shares=tuple(shares),
        hold_seconds=float(hold_seconds),
        **_begun_by(actor, reason),
    )
    _write(settings, ramp)
    # Two starts at once both stand in the table now; the exclusive change lets one of them through.
    _carry_out_step(settings, client, ramp, plan, 0, actor, override_reason)
    return ramp.ramp_id


def advance(settings: Settings, client: EndpointClient, ramp: Ramp, step: int) -> Ramp:
    """Take the step with this number, in the name of the person who planned the ramp. For the scheduler.

    Returns: the ramp after it. Raises as `registry.changes.carry_out`; but for a ChangeConflict, which passes, the
    ramp has failed then and says why.
    """
    from registry.changes import plan_split

    share = ramp.shares[step]
    try:
        plan = plan_split(settings, client, _split(settings, client, ramp, share), endpoint=ramp.endpoint_name)
    except RegistryError as error:
        _write(settings, replace(ramp, state="failed", note=str(error)))
        raise
    now = next((one for one in ramps(settings, ramp.endpoint_name) if one.ramp_id == ramp.ramp_id), None)
    if now is None or not now.active:
        # To plan takes seconds in a new process: somebody may have stopped the ramp meanwhile.
        raise ChangeConflict(f"No further step of {ramp.mark}: {now.note if now else 'it is gone.'}")
    return _carry_out_step(settings, client, ramp, plan, step, _planner(ramp))


def record(settings: Settings, ramp: Ramp, move: Move) -> Ramp:
    """Write down what a move says about a ramp. Returns: the ramp after it."""
    moved = replace(
        ramp,
        state=move.state,
        step=move.step,
        change_id=move.change_id,
        note=move.note,
        entity_version=move.entity_version or ramp.entity_version,
        since=datetime.now(UTC),
    )
    _write(settings, moved)
    return moved


def stop_ramp(settings: Settings, ramp_id: str, *, actor: Actor, reason: str) -> Ramp:
    """Take no further step. The traffic stays as it is: to take the canary away, abort it.

    Returns: the stopped ramp. Raises: NotAllowed, RegistryError (no such ramp, or it has ended), LakehouseError.
    """
    actor.require("start_ramp")
    ramp = next((one for one in ramps(settings) if one.ramp_id == ramp_id), None)
    if ramp is None:
        raise RegistryError(f"There is no ramp {ramp_id}: look at the ramps that are there.")
    if not ramp.active:
        raise RegistryError(f"This ramp has ended already ({ramp.state}): {ramp.note or 'nothing is left to stop.'}")
    with recorded(
        settings,
        action="stop_ramp",
        target=ramp.endpoint_name,
        actor=actor.name,
        role=actor.role,
        before=f"step {ramp.step + 1} of {len(ramp.shares)}: version {ramp.entity_version} at {ramp.share} %",
        after=f"no further step; version {ramp.entity_version} stays at {ramp.share} %",
        reason=reason,
        evidence={"ramp_id": ramp.ramp_id},
    ):
        stopped = replace(ramp, state="stopped", note=f"Stopped by {actor.name}: {reason}".rstrip(": "))
        _write(settings, stopped)
    return stopped


def ramps(settings: Settings, endpoint: str | None = None) -> list[Ramp]:
    """Every ramp, the newest first: of one endpoint, or of all. Raises: LakehouseError."""
    where = None if endpoint is None else pc.field("endpoint_name") == endpoint
    rows = read_rows(open_to_read(settings, "ramps"), where=where).to_pylist()
    of_ramp: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: row["time"]):
        of_ramp.setdefault(row["ramp_id"], []).append(row)
    found = [_ramp(history) for history in of_ramp.values()]
    return sorted(found, key=lambda ramp: ramp.started_at, reverse=True)


def active_ramp(settings: Settings, endpoint: str | None = None) -> Ramp | None:
    """The ramp of an endpoint (the settings' own unless named) that may still change it; None if there is none."""
    name = endpoint or settings.endpoint
    return next((ramp for ramp in ramps(settings, name) if ramp.active), None)


def _begun_by(actor: Actor, reason: str) -> dict[str, Any]:
    """The columns of a ramp that begins now."""
    now = datetime.now(UTC)
    who = {"actor": actor.name, "role": actor.role, "reason": reason}
    return {**who, "change_id": "", "note": "", "started_at": now, "since": now}


def _first_plan(
    settings: Settings,
    client: EndpointClient,
    entity_version: str | None,
    source_version: str | None,
    share: int,
    endpoint: str,
    of_change: str,
) -> ChangePlan:
    from registry.changes import plan_promotion, plan_split
    from registry.production import production_state

    state = production_state(settings, client, endpoint)
    has = 0 if entity_version is None else state.traffic.get(entity_version, 0)
    if state.champion is None or state.traffic.get(state.champion, 0) + has != 100:
        raise RegistryError(
            f"A ramp starts where the champion has all the traffic but its canary's, which {endpoint} does not: end "
            "the split of the traffic first, or promote a version."
        )
    if source_version is not None:
        return plan_promotion(settings, client, source_version, share=share, endpoint=endpoint, of_change=of_change)
    version = str(entity_version)
    if version == state.champion:
        raise RegistryError(f"Version {version} is the champion of {endpoint} already.")
    if has >= share:
        raise RegistryError(f"Version {version} has {has} % of the traffic already: begin the ramp with more.")
    traffic = {version: share} if share == 100 else {version: share, state.champion: 100 - share}
    return plan_split(settings, client, traffic, endpoint=endpoint)


def _split(settings: Settings, client: EndpointClient, ramp: Ramp, share: int) -> dict[str, int]:
    """The shares of a step: the canary's, and all the rest to the champion."""
    from registry.production import production_state

    if share == 100:
        return {ramp.entity_version: 100}
    champion = production_state(settings, client, ramp.endpoint_name).champion
    if champion is None:
        raise RegistryError(f"{ramp.entity_name} has no @champion that could keep the rest of the traffic.")
    return {ramp.entity_version: share, champion: 100 - share}


def _carry_out_step(
    settings: Settings,
    client: EndpointClient,
    ramp: Ramp,
    plan: ChangePlan,
    step: int,
    actor: Actor,
    override_reason: str = "",
) -> Ramp:
    from registry.changes import carry_out

    said = f"Step {step + 1} of {len(ramp.shares)} ({ramp.shares[step]} %) of {ramp.mark}: {ramp.reason}"
    try:
        report = carry_out(settings, client, plan, actor=actor, reason=said, override_reason=override_reason)
    except ChangeConflict as error:
        if step == 0:
            _write(settings, replace(ramp, state="failed", note=f"It did not start: {error}"))
        raise
    except Exception as error:  # Whatever it is, the ramp says that it ended, and the error goes on.
        _write(settings, replace(ramp, state="failed", note=f"Step {step + 1} was not carried out: {error}"))
        raise
    state: RampState = "finished" if step + 1 == len(ramp.shares) else "running"
    done = replace(
        ramp,
        state=state if report.outcome == "succeeded" else "failed",
        step=step,
        entity_version=ramp.entity_version or str(report.evidence["target_version"]),
        change_id=report.change_id,
        note=report.sentence,
        since=datetime.now(UTC),
    )
    _write(settings, done)
    return done


def _refuse_a_second(settings: Settings, endpoint: str) -> None:
    ramp = active_ramp(settings, endpoint)
    if ramp is not None:
        raise ChangeConflict(
            f"{ramp.actor} has a ramp of version {ramp.entity_version or 'to be promoted'} on {endpoint} already "
            f"(step {ramp.step + 1} of {len(ramp.shares)}): stop it or abort the canary first."
        )


def _planner(ramp: Ramp) -> Actor:
    return Actor(ramp.actor, cast(Role, ramp.role))


def _write(settings: Settings, ramp: Ramp) -> None:
    row = {
        "ramp_id": ramp.ramp_id,
        "time": datetime.now(UTC),
        "endpoint_name": ramp.endpoint_name,
        "entity_name": ramp.entity_name,
        "entity_version": ramp.entity_version,
        "state": ramp.state,
        "step": ramp.step,
        "shares": list(ramp.shares),
        "hold_seconds": ramp.hold_seconds,
        "actor": ramp.actor,
        "role": ramp.role,
        "reason": ramp.reason,
        "change_id": ramp.change_id,
        "note": ramp.note,
    }
    append(settings, "ramps", [row])


def _ramp(history: list[dict[str, Any]]) -> Ramp:
    """A ramp from its rows, oldest first. One that has ended stays ended, whatever a slower process adds."""
    last = next((row for row in history if row["state"] not in ACTIVE), history[-1])
    return Ramp(
        ramp_id=last["ramp_id"],
        endpoint_name=last["endpoint_name"] or "",
        entity_name=last["entity_name"] or "",
        entity_version=last["entity_version"] or "",
        state=cast(RampState, last["state"]),
        step=int(last["step"] or 0),
        shares=tuple(last["shares"] or ()),
        hold_seconds=float(last["hold_seconds"] or 0.0),
        actor=last["actor"] or "",
        role=last["role"] or "viewer",
        reason=last["reason"] or "",
        change_id=last["change_id"] or "",
        note=last["note"] or "",
        started_at=history[0]["time"],
        since=last["time"],
    )
