"""Retrainings and their steps, as the rows of `pipeline_steps` tell them.

A step is a row when it starts and a row when it ends or begins to wait, with the same pipeline id and name. A step
whose process is gone without a last row reads `interrupted`, and can be done again. Another machine's process cannot be
looked at: its step counts as interrupted once it has taken twice as long as a run may.
"""

import os
import socket
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from lakehouse.appends import append, append_once, from_records
from lakehouse.errors import CommitConflict
from lakehouse.liveness import process_is_gone
from lakehouse.pipeline_tables import PIPELINE_STEPS
from lakehouse.store import open_table, open_to_read, read_rows
from settings import Settings

StepState = Literal["running", "waiting", "succeeded", "stopped", "failed", "interrupted"]
"""`waiting`: for something outside, and looked at again later. `stopped`: it ended as it should, before the end."""

ENDED: frozenset[str] = frozenset({"stopped", "failed"})
"""States of a step after which no further step comes."""

_PLAN = "plan"
"""Where the first step keeps the names of all steps that are to come."""
_APP_ID = "pipeline_steps"
_RUNS_LONGEST = 2
"""A step of another machine counts as gone after so many times what a run may take."""


@dataclass(frozen=True)
class Step:
    """One step of a retraining. `attempts`: how often it was begun; `broken_off`: how often it had no end."""

    name: str
    state: StepState
    started_at: datetime
    """When it was begun first."""
    finished_at: datetime | None
    """When it ended or was last looked at while it waits; None while it runs."""
    sentence: str
    details: dict[str, str]
    error: str
    attempts: int
    broken_off: int


@dataclass(frozen=True)
class Pipeline:
    """One retraining."""

    pipeline_id: str
    trigger: str
    reason: str
    requested_by: str
    dry_run: bool
    plan: tuple[str, ...]
    steps: tuple[Step, ...] = ()
    """Those that were begun, in the order of the plan."""
    known: dict[str, str] = field(default_factory=dict)
    """Details that it began with."""

    @property
    def mark(self) -> str:
        """What the reason of each of its changes holds, by which they are known as its own."""
        return f"retraining {self.pipeline_id[:8]}"

    @property
    def last(self) -> Step | None:
        """The step that it has come to."""
        return self.steps[-1] if self.steps else None

    @property
    def next_step(self) -> str | None:
        """The step that is to be done next, also one that waits or was broken off; None if it has ended."""
        if self.last is not None and self.last.state in ENDED:
            return None
        done = {step.name for step in self.steps if step.state == "succeeded"}
        return next((name for name in self.plan if name not in done), None)

    @property
    def active(self) -> bool:
        """Whether there is anything left to do."""
        return self.next_step is not None

    @property
    def state(self) -> StepState:
        """How it stands: `running` also between two steps; as its last step otherwise."""
        if self.last is None:
            return "running"
        return "running" if self.active and self.last.state == "succeeded" else self.last.state

    @property
    def started_at(self) -> datetime | None:
        """When its first step began."""
        return self.steps[0].started_at if self.steps else None

    @property
    def finished_at(self) -> datetime | None:
        """When its last step ended; None while there is anything left to do."""
        return None if self.active or self.last is None else self.last.finished_at

    def step(self, name: str) -> Step | None:
        """The step with this name, if it was begun."""
        return next((step for step in self.steps if step.name == name), None)

    def found(self, detail: str) -> str:
        """What the latest step that knows `detail` says; empty if none does."""
        for step in reversed(self.steps):
            if detail in step.details:
                return step.details[detail]
        return self.known.get(detail, "")


def new_pipeline(
    *, trigger: str, reason: str, requested_by: str, plan: Sequence[str], dry_run: bool = False, **known: str
) -> Pipeline:
    """A retraining that nothing was written of yet. `known`: details that it begins with."""
    return Pipeline(uuid.uuid4().hex, trigger, reason, requested_by, dry_run, tuple(plan), known=known)


def begin_step(settings: Settings, pipeline: Pipeline, name: str) -> datetime:
    """Write down that this process begins a step of the retraining as it was read. Returns when it did, which
    `end_step` asks for.

    Raises: CommitConflict or AlreadyCommitted, if it is not as it was read any more, a step of it is being done, or
    another one was begun meanwhile; LakehouseError.
    """
    now = datetime.now(UTC)
    table = open_table(settings, PIPELINE_STEPS.name)
    _refuse_other_ground(pipelines_in(settings, read_rows(table).to_pylist()), pipeline)
    rows = from_records([_row(pipeline, name, "running", now, None)], PIPELINE_STEPS.schema)
    append_once(table, rows, app_id=_APP_ID, source_version=int(table.version()))
    return now


def end_step(
    settings: Settings,
    pipeline: Pipeline,
    name: str,
    began: datetime,
    state: StepState,
    *,
    sentence: str = "",
    details: dict[str, str] | None = None,
    error: str | None = None,
) -> None:
    """Write down how a step ended, or that it waits."""
    row = _row(pipeline, name, state, began, datetime.now(UTC), details)
    append(settings, PIPELINE_STEPS.name, [{**row, "sentence": sentence, "error": error}])


def pipelines(settings: Settings) -> list[Pipeline]:
    """Every retraining, newest first. Raises: LakehouseError."""
    return pipelines_in(settings, read_rows(open_to_read(settings, PIPELINE_STEPS.name)).to_pylist())


def find_pipeline(settings: Settings, pipeline_id: str) -> Pipeline | None:
    """The retraining with this id, as the table has it now."""
    return next((one for one in pipelines(settings) if one.pipeline_id == pipeline_id), None)


def pipelines_in(settings: Settings, rows: Sequence[dict[str, Any]]) -> list[Pipeline]:
    """The retrainings that rows of `pipeline_steps` tell of, newest first."""
    longest = timedelta(seconds=_RUNS_LONGEST * settings.job_timeout_seconds)
    of_pipeline: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=_row_order):
        of_pipeline.setdefault(row["pipeline_id"], []).append(row)
    found = [_pipeline(history, longest) for history in of_pipeline.values()]
    return sorted(found, key=lambda one: one.steps[0].started_at, reverse=True)


def _refuse_other_ground(there: Sequence[Pipeline], pipeline: Pipeline) -> None:
    """What follows is committed on the snapshot that `there` was read from, so that nothing slips in between."""
    as_there = next((one for one in there if one.pipeline_id == pipeline.pipeline_id), None)
    if (as_there.steps if as_there else ()) != pipeline.steps:
        raise CommitConflict(f"Somebody else went on with {pipeline.mark} meanwhile: look again.")
    if as_there is not None and as_there.last is not None and as_there.last.state == "running":
        # Read a moment after another process began it, it looks the same and is still not ours.
        raise CommitConflict(f"The step {as_there.last.name} of {pipeline.mark} is being done: wait until it ends.")
    if as_there is None and any(one.active and not one.dry_run for one in there):
        raise CommitConflict("Another retraining was begun meanwhile: wait until it ends.")


def _row(
    pipeline: Pipeline,
    name: str,
    state: str,
    began: datetime,
    finished: datetime | None,
    details: dict[str, str] | None = None,
) -> dict[str, Any]:
    kept = {**pipeline.known, _PLAN: ",".join(pipeline.plan)} if name == pipeline.plan[0] else {}
    return {
        "pipeline_id": pipeline.pipeline_id,
        "pipeline_step": name,
        "state": state,
        "trigger": pipeline.trigger,
        "reason": pipeline.reason,
        "requested_by": pipeline.requested_by,
        "dry_run": pipeline.dry_run,
        "started_at": began,
        "finished_at": finished,
        "details": list({**kept, **(details or {})}.items()),
        "process_id": os.getpid(),
        "host": socket.gethostname(),
    }


def _row_order(row: dict[str, Any]) -> tuple[datetime, bool]:
    """By when it was written; where the clock did not move, a row that ends comes after one that begins."""
    return (row["finished_at"] or row["started_at"], row["state"] != "running")


def _pipeline(history: list[dict[str, Any]], longest: timedelta) -> Pipeline:
    first = history[0]
    begun = dict(first["details"] or [])
    plan = tuple(name for name in begun.pop(_PLAN, "").split(",") if name)
    names = dict.fromkeys(row["pipeline_step"] for row in history)
    plan = plan or tuple(names)
    steps = [_step(name, [row for row in history if row["pipeline_step"] == name], longest) for name in names]
    return Pipeline(
        pipeline_id=first["pipeline_id"],
        trigger=first["trigger"] or "",
        reason=first["reason"] or "",
        requested_by=first["requested_by"] or "",
        dry_run=bool(first["dry_run"]),
        plan=plan,
        steps=tuple(sorted(steps, key=lambda step: plan.index(step.name) if step.name in plan else len(plan))),
        known=begun,
    )


def _step(name: str, history: list[dict[str, Any]], longest: timedelta) -> Step:
    last = history[-1]
    begun = [row for row in history if row["state"] == "running"]
    details: dict[str, str] = {}
    for row in history:
        details |= dict(row["details"] or [])
    details.pop(_PLAN, None)
    step = Step(
        name=name,
        state=last["state"],
        started_at=min(row["started_at"] for row in history),
        finished_at=last["finished_at"],
        sentence=last["sentence"] or "",
        details=details,
        error=last["error"] or "",
        attempts=len(begun),
        broken_off=max(len(begun) - (len(history) - len(begun)), 0),
    )
    if last["state"] != "running":
        return step
    gone = _is_gone(last, longest)
    # The attempt that is under way has no end yet, and is not broken off.
    return replace(step, state="interrupted") if gone else replace(step, broken_off=max(step.broken_off - 1, 0))


def _is_gone(row: dict[str, Any], longest: timedelta) -> bool:
    if process_is_gone(row["process_id"], row["host"], row["started_at"]):
        return True
    return bool(row["host"] != socket.gethostname() and datetime.now(UTC) - row["started_at"] > longest)
