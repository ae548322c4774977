"""Every change of production goes through here: promotion, canary, split, abort, rollback, undo, finish.

A plan is made and shown first (`plan_…`), then `carry_out` does it: a claim in the ledger, the copy of a promotion,
the endpoint, a probe, the aliases, the outcome in the ledger. Every step can be done again after a crash.
"""

import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from lakehouse.appends import append
from lakehouse.claims import LedgerView, claim, let_go, view
from lakehouse.crash_points import crash_point
from lakehouse.errors import CommitConflict, LakehouseError
from lakehouse.ledger import GIVES_UP_AFTER, Change, outcome_row, record_done
from registry.actors import Actor
from registry.approvals import REQUEST, permission
from registry.copies import copy_for
from registry.errors import ChangeConflict, ChangeFailed, RegistryError
from registry.interrupted import PARTLY, PRODUCTION_ACTIONS, is_interrupted, origin_of
from registry.planning import plan_finish, plan_promotion, plan_rollback, plan_split, plan_undo
from registry.plans import ChangePlan, ChangeReport, ProductionState, Verification
from registry.probe import probe
from registry.production import (
    NEW,
    as_evidence,
    bring_up,
    expects_other_update,
    in_words,
    is_coming,
    production_aliases,
    set_aliases,
    shares_in_words,
    state_of,
    with_version,
)
from serving.client import EndpointClient
from serving.endpoints import Endpoint
from serving.errors import ServingError
from settings import Settings

__all__ = ["carry_out", "plan_finish", "plan_promotion", "plan_rollback", "plan_split", "plan_undo"]

STEPS = ("intent", "copy", "endpoint", "probe", "aliases", "outcome")
"""The steps of a change in their order; a test may kill the process after each (`lakehouse.crash_points`)."""

_LONGEST_ON_DATABRICKS = 1_500.0


def carry_out(
    settings: Settings,
    client: EndpointClient,
    plan: ChangePlan,
    *,
    actor: Actor,
    reason: str,
    override_reason: str = "",
    evidence: dict[str, Any] | None = None,
) -> ChangeReport:
    """Do what a plan says, and only on the production that it was made on. Blocks until it is done.

    `override_reason` is why a promotion passes although the gate says no. `evidence` is kept in the ledger beside what
    the change itself knows.

    Raises:
        NotAllowed: the actor's role is not enough, or a second person is needed.
        GateNotPassed: a promotion that the gate stops, without a reason to override it.
        ChangeConflict: production has changed since the plan was made, or somebody is changing it right now.
        ChangeFailed: it was begun and could not be carried out; the sentence says what production is now.
        RegistryError, ServingError, LakehouseError: it was not begun.
    """
    actor.require(plan.action)
    allowed_by = permission(settings, plan, actor, override_reason)
    seen = view(settings, plan.before.endpoint)
    _refuse_while_another_runs(seen)
    endpoint = client.get(plan.before.endpoint)
    _refuse_other_ground(settings, plan, endpoint)
    change_id = _claimed(settings, seen, plan, actor, reason, {**(evidence or {}), **allowed_by})
    change = _Change(settings, client, plan, actor, change_id, seen.changes)
    try:
        if "override_reason" in allowed_by:
            change.record_override(str(allowed_by["override_reason"]), allowed_by["gate"])
        return change.carry_out()
    except BaseException as error:
        # Also Ctrl-C: whatever ends the change, the ledger says so, and what production is now.
        sentence = change.broke_off(error)
        if isinstance(error, ChangeConflict) or not isinstance(error, Exception):
            raise
        raise ChangeFailed(sentence) from error
    finally:
        let_go(change_id)


def _refuse_while_another_runs(seen: LedgerView) -> None:
    running = seen.running(PRODUCTION_ACTIONS)
    if running is not None:
        raise ChangeConflict(_who_is_at_it(running))


def _refuse_other_ground(settings: Settings, plan: ChangePlan, endpoint: Endpoint | None) -> None:
    state = state_of(settings, plan.before.endpoint, endpoint)
    if state != plan.before:
        raise ChangeConflict(
            f"{state.endpoint} is not as it was when this was planned: it serves {in_words(state)} with @champion on "
            f"version {state.champion or 'none'}. Look again, then decide anew."
        )
    if endpoint is not None and expects_other_update(endpoint, plan.after):
        raise ChangeConflict(
            f"Endpoint {endpoint.name} is being updated, and takes one update at a time: wait for its end, then look "
            "again."
        )


def _claimed(
    settings: Settings,
    seen: LedgerView,
    plan: ChangePlan,
    actor: Actor,
    reason: str,
    known: dict[str, Any],
) -> str:
    evidence = {
        **known,
        "state_before": as_evidence(plan.before),
        "state_after": as_evidence(plan.after),
        "target_version": plan.target_version,
        "copy_of": plan.copy_of,
        "of_change": plan.of_change,
        "steps": plan.steps,
        GIVES_UP_AFTER: _LONGEST_ON_DATABRICKS if settings.on_databricks else settings.worker_start_seconds + 180,
    }
    try:
        return claim(
            seen,
            {key: value for key, value in evidence.items() if value},
            action=plan.action,
            actor=actor.name,
            role=actor.role,
            before=in_words(plan.before),
            after=in_words(plan.after),
            reason=reason,
        )
    except CommitConflict as error:
        rival = next((one for one in view(settings, seen.target).changes if one.action in PRODUCTION_ACTIONS), None)
        told = _who_is_at_it(rival) if rival else f"Somebody else has just begun to change {seen.target}."
        raise ChangeConflict(told) from error


def _who_is_at_it(change: Change) -> str:
    how = "is changing" if change.outcome is None else "has just changed"
    return (
        f"{change.actor} {how} {change.target} ({change.action}: {change.before or 'nothing'} → {change.after}, begun "
        f"{change.started_at:%H:%M:%S} UTC): look what comes of it, then decide anew."
    )


@dataclass
class _Change:
    """A change that is being carried out."""

    settings: Settings
    client: EndpointClient
    plan: ChangePlan
    actor: Actor
    change_id: str
    ledger: list[Change]
    verified: list[Verification] = field(default_factory=list)
    evidence: dict[str, Any] = field(default_factory=dict)
    switch_seconds: float = 0.0
    started: float = field(default_factory=time.monotonic)
    wanted: ProductionState | None = None
    """The state to reach, once the version of a promotion's copy is known."""

    def carry_out(self) -> ChangeReport:
        """Go through the steps."""
        plan = self.plan
        crash_point("intent")
        wanted, target = self._made_real()
        self.wanted = wanted
        crash_point("copy")
        begun = time.monotonic()
        endpoint = bring_up(self.settings, self.client, wanted)
        self.switch_seconds = time.monotonic() - begun
        self._verify_configuration(endpoint, wanted)
        crash_point("endpoint")
        served = next(share.name for share in wanted.served if share.entity_version == target)
        self.verified.append(probe(self.client, plan.before.endpoint, served, self.change_id))
        crash_point("probe")
        set_aliases(self.settings, wanted)
        self._verify_aliases(wanted)
        crash_point("aliases")
        passed = all(one.passed for one in self.verified)
        outcome = "succeeded" if passed else "succeeded, unverified"
        seconds = time.monotonic() - self.started
        self.evidence.update(self._findings(), state_after=as_evidence(wanted), target_version=target)
        self._record(outcome, seconds, after=in_words(wanted))
        crash_point("outcome")
        return ChangeReport(
            change_id=self.change_id,
            action=plan.action,
            outcome=outcome,
            seconds=seconds,
            switch_seconds=self.switch_seconds,
            state=replace(wanted, config_version=endpoint.config_version),
            verified=tuple(self.verified),
            sentence=self._sentence(wanted, passed),
            evidence=self.evidence,
        )

    def record_override(self, override_reason: str, gate: dict[str, Any]) -> None:
        """Keep the override as an act of its own: it is what people look for later."""
        record_done(
            self.settings,
            action="override_gate",
            target=self.plan.before.endpoint,
            actor=self.actor.name,
            role=self.actor.role,
            after=f"{self.settings.test_model} version {self.plan.copy_of} may pass",
            reason=override_reason,
            evidence={"change_id": self.change_id, "gate": gate},
        )

    def broke_off(self, error: BaseException) -> str:
        """Write down that the change could not go on, and say what production is now."""
        told = str(error) or type(error).__name__
        outcome, now = PARTLY, "What production is now cannot be told: look at the endpoint, then finish or undo this."
        try:
            endpoint = self.client.get(self.plan.before.endpoint)
            state = state_of(self.settings, self.plan.before.endpoint, endpoint)
            self.evidence["state_now"] = as_evidence(state)
            now = f"{state.endpoint} serves {in_words(state)}."
            if self.wanted is not None and is_coming(endpoint, self.wanted):
                # The endpoint goes on by itself: what is as before now will not stay so.
                now = f"{now} It still brings the new configuration up: finish or undo this change after that."
            elif state == self.plan.before:
                outcome, now = "failed", f"Nothing has changed: {now}"
            else:
                now = f"{now} Finish or undo this change."
        except (RegistryError, ServingError) as unknown:
            self.evidence["state_now_unknown"] = str(unknown)
        self.evidence.update(self._findings(), error=told)
        try:
            self._record(outcome, time.monotonic() - self.started)
        except LakehouseError as unwritten:
            now = f"{now} The ledger could not be written either: {unwritten}"
        return f"The {self.plan.action} was not carried out: {told} {now}"

    def _made_real(self) -> tuple[ProductionState, str]:
        """The state to reach and the version to probe, with the copy made if there is one to make."""
        plan = self.plan
        if plan.copy_of is None or plan.target_version != NEW:
            return plan.after, plan.target_version
        version = copy_for(self.settings, plan, self.ledger)
        self.evidence["version"] = version
        return with_version(plan.after, version), version

    def _verify_configuration(self, endpoint: Endpoint, wanted: ProductionState) -> None:
        shares = shares_in_words(wanted.traffic)
        told = f"Configuration {endpoint.config_version} of {endpoint.name} is live: {shares}."
        self.verified.append(Verification("configuration", True, told))

    def _verify_aliases(self, wanted: ProductionState) -> None:
        found = production_aliases(self.settings)
        passed = (found.get("champion"), found.get("previous")) == (wanted.champion, wanted.previous)
        told = (
            f"@champion is version {found.get('champion', 'none')}, @previous version {found.get('previous', 'none')}."
        )
        self.verified.append(Verification("aliases", passed, told))

    def _findings(self) -> dict[str, Any]:
        verified = [{"name": one.name, "passed": one.passed, "sentence": one.sentence} for one in self.verified]
        return {"verified": verified, "switch_seconds": round(self.switch_seconds, 3)}

    def _record(self, outcome: str, seconds: float, after: str = "") -> None:
        """The outcome; of a change that succeeded (`after` says to what) in the same commit also the end of what it
        finishes, undoes, approves or replaces.
        """
        target, action = self.plan.before.endpoint, self.plan.action
        ended = partial(outcome_row, target=target)
        rows = [ended(self.change_id, outcome, self.evidence, seconds, action=action, after=after or None)]
        by = {"by": self.change_id, "actor": self.actor.name}
        if after:
            word, tried = {"finish": "finished", "undo": "undone"}.get(action, "superseded"), self._tried_before()
            for change in self.ledger:
                if change.action in PRODUCTION_ACTIONS and is_interrupted(change):
                    end = word if change.change_id in tried else "superseded"
                    rows.append(ended(change.change_id, f"interrupted, {end}", by, action=change.action))
            if request := self._request():
                rows.append(ended(request, "approved", by, action=REQUEST))
        append(self.settings, "ledger", rows)

    def _request(self) -> str:
        """The request that still waits for this promotion, or for the one that this change finishes; empty if none."""
        known = {change.change_id: change for change in self.ledger}
        request = self.plan.of_change if self.plan.action == "promote" else ""
        if self.plan.action == "finish" and self.plan.of_change in known:
            request = str(origin_of(known[self.plan.of_change], self.ledger).evidence.get("of_change") or "")
        found = known.get(request)
        return request if found is not None and found.action == REQUEST and found.outcome is None else ""

    def _tried_before(self) -> set[str]:
        """The interrupted change that this one is about, with the tries to finish it that were interrupted too."""
        known = {change.change_id: change for change in self.ledger}
        found: set[str] = set()
        change = known.get(self.plan.of_change)
        while change is not None and change.change_id not in found:
            found.add(change.change_id)
            change = known.get(str(change.evidence.get("of_change")))
        return found

    def _sentence(self, wanted: ProductionState, passed: bool) -> str:
        done = f"{wanted.endpoint} serves {in_words(wanted)}, switched in {self.switch_seconds:.2f} seconds."
        doubts = [one.sentence for one in self.verified if not one.passed]
        return done if passed else f"{done} Not verified: {' '.join(doubts)}"
