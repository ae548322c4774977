"""What a canary ramp does next: pure, from the ramp, the clock and what production is.

A ramp is a person's decision about several steps: each gives the canary a larger share, and the next comes when the one
before has held long enough. It only ever does what was planned. It waits while it cannot see production or while a
change is under way, holds while an alert about its version is open, and ends when anybody decides otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal

from registry.errors import RegistryError
from registry.guard import TrafficChange

RampState = Literal["starting", "running", "held", "finished", "aborted", "stopped", "overtaken", "failed"]
ACTIVE: frozenset[RampState] = frozenset({"starting", "running", "held"})
"""The states of a ramp that may still change production."""

LONGEST_HOLD_SECONDS = 30 * 86_400.0
STARTING_SECONDS = 120.0
"""A ramp whose first change has not even begun after this long never will: its process is gone."""


@dataclass(frozen=True)
class Ramp:
    """A canary ramp as its last row tells it. `step` counts from 0; `since` is when its present step or state began."""

    ramp_id: str
    endpoint_name: str
    entity_name: str
    entity_version: str
    """The version of the production model; empty until a promotion has made its copy."""
    state: RampState
    step: int
    shares: tuple[int, ...]
    hold_seconds: float
    actor: str
    role: str
    reason: str
    change_id: str
    """The ledger's id of the change that put the present step in place."""
    note: str
    started_at: datetime
    since: datetime

    @property
    def active(self) -> bool:
        """Whether it may still change production."""
        return self.state in ACTIVE

    @property
    def share(self) -> int:
        """The share of the traffic, in whole per cent, that its present step gives the canary."""
        return self.shares[self.step]

    @property
    def next_share(self) -> int | None:
        """The share of the next step; None after the last one."""
        return self.shares[self.step + 1] if self.step + 1 < len(self.shares) else None

    @property
    def next_at(self) -> datetime | None:
        """When the next step is due; None where nothing is planned or an alert holds it."""
        due = self.state == "running" and self.next_share is not None
        return self.since + timedelta(seconds=self.hold_seconds) if due else None

    @property
    def mark(self) -> str:
        """What the reason of each of its changes holds, by which they are known as its own."""
        return f"ramp {self.ramp_id[:8]}"


@dataclass(frozen=True)
class Production:
    """What a ramp looks at. `traffic` has the versions with a share above 0; `changes` those of it, newest first."""

    traffic: Mapping[str, int]
    change_under_way: bool
    changes: Sequence[TrafficChange] = ()
    alert: str = ""
    """The sentence of an open alert about the ramp's version; empty if there is none."""


@dataclass(frozen=True)
class Move:
    """What to do with a ramp. `advance`: take the step; `record`: only write the state down; `wait`: nothing."""

    kind: Literal["wait", "record", "advance"]
    state: RampState
    step: int
    change_id: str = ""
    note: str = ""
    entity_version: str = ""
    """The canary, where only now it is known which version it is."""


def check_plan(shares: Sequence[int], hold_seconds: float) -> None:
    """Raises: RegistryError, if `shares` are no growing whole per cents, or the hold is none."""
    listed = " → ".join(str(share) for share in shares)
    if not shares or any(type(share) is not int or not 1 <= share <= 100 for share in shares):
        raise RegistryError(f"A ramp's steps are whole per cents from 1 to 100, not {listed or 'nothing'}.")
    if any(later <= earlier for earlier, later in pairwise(shares)):
        raise RegistryError(f"Each step of a ramp is larger than the one before, unlike {listed}: put them in order.")
    if not 0 < hold_seconds <= LONGEST_HOLD_SECONDS:
        raise RegistryError(f"A ramp holds each step for 1 second to 30 days, not for {hold_seconds:g} seconds.")


def next_move(ramp: Ramp, production: Production | None, now: datetime) -> Move:
    """What the ramp does at `now`. `production` is None where it cannot be seen: then nothing."""
    wait = Move("wait", ramp.state, ramp.step, ramp.change_id)
    if not ramp.active or production is None or production.change_under_way:
        return wait
    for change in production.changes:
        if change.change_id == ramp.change_id or change.ended_at < ramp.started_at:
            break
        if ramp.mark in change.reason:
            return _own_change(ramp, change)
        if change.succeeded:
            return _decided_otherwise(ramp, change)
    if ramp.state == "starting":
        if (now - ramp.since).total_seconds() < STARTING_SECONDS:
            return wait
        note = "It was interrupted before its first step; nothing was changed. Start it again."
        return Move("record", "failed", ramp.step, ramp.change_id, note)
    if production.traffic.get(ramp.entity_version, 0) != ramp.share:
        shown = ", ".join(f"version {version} {share} %" for version, share in production.traffic.items())
        note = f"The traffic is no longer what the ramp made it (now {shown or 'nothing serves'}): it ended."
        return Move("record", "overtaken", ramp.step, ramp.change_id, note)
    return _in_place(ramp, production, now)


def _in_place(ramp: Ramp, production: Production, now: datetime) -> Move:
    """The present step is what production is: hold, go on holding, or take the next step."""
    if ramp.next_share is None:
        return Move("record", "finished", ramp.step, ramp.change_id, "All of its steps are done.")
    if production.alert:
        if ramp.state == "held":
            return Move("wait", "held", ramp.step, ramp.change_id)
        note = f"Held at {ramp.share} % while an alert is open: {production.alert}"
        return Move("record", "held", ramp.step, ramp.change_id, note)
    if ramp.state == "held":
        note = f"The alert was closed: {ramp.share} % are held for {ramp.hold_seconds:g} s anew."
        return Move("record", "running", ramp.step, ramp.change_id, note)
    if ramp.next_at is not None and now >= ramp.next_at:
        return Move("advance", "running", ramp.step + 1)
    return Move("wait", ramp.state, ramp.step, ramp.change_id)


def _own_change(ramp: Ramp, change: TrafficChange) -> Move:
    """A change of the ramp's that is not written down in its rows: the process that made it ended first."""
    if not change.succeeded:
        note = "Its last step was not carried out: the ledger says why, and what the traffic is."
        return Move("record", "failed", ramp.step, ramp.change_id, note)
    gained = [version for version, share in change.after.items() if share > change.before.get(version, 0)]
    version = ramp.entity_version or (gained[0] if gained else "")
    share = change.after.get(version, 0)
    if share not in ramp.shares:
        return _decided_otherwise(ramp, change)
    step = ramp.shares.index(share)
    note = f"Step {step + 1} of {len(ramp.shares)} is in place."
    return Move("record", "running", step, change.change_id, note, version)


def _decided_otherwise(ramp: Ramp, change: TrafficChange) -> Move:
    taken_away = change.action in ("abort", "rollback") or not change.after.get(ramp.entity_version)
    state: RampState = "aborted" if taken_away else "overtaken"
    words = "was aborted" if taken_away else "ended"
    return Move("record", state, ramp.step, ramp.change_id, f"It {words}: {change.action} by {change.actor}.")
