"""Train the chatbot anew, as far as its rules allow: features → train → evaluate → challenger → canary → everybody.

A retraining is a state machine in the table `pipeline_steps`. A run that was asked for or scheduled does one step and
then asks for the next one with a row in `job_requests`, so that the metrics job gets its turn in between. A run from
the command line goes on until the retraining ends or has to wait. A killed step is done again by the next run.
"""

from argparse import ArgumentParser
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from jobs.errors import JobError, StillAtWork, failures_written_down
from jobs.one_at_a_time import one_at_a_time
from jobs.requesters import who_asked
from jobs.retraining_dry_run import say_what_would_be_done
from jobs.retraining_steps import STEPS, plan_of
from jobs.retraining_triggers import start_that_is_due, under_way
from jobs.retraining_work import RETRAINING, Parts, Work
from lakehouse.crash_points import crash_point
from lakehouse.errors import LakehouseError
from lakehouse.pipelines import Pipeline, begin_step, end_step, find_pipeline, new_pipeline
from lakehouse.runs import finish_run, request_run, start_run
from lakehouse.status import write_status
from metrics.engines.errors import EngineError
from registry.errors import RegistryError
from registry.retraining_rules import RetrainingRules, Start, TriggerWord, load_retraining_rules
from serving.errors import ServingError
from settings import Settings, get_settings

MOST_TIMES_BROKEN_OFF = 3
"""A step whose process died so often is not tried again: it may be what kills it."""

LOCK_SECONDS = 5.0
FORESEEN = (LakehouseError, JobError, RegistryError, ServingError, EngineError)


def begin(settings: Settings, start: Start, *, requested_by: str, dry_run: bool = False) -> Pipeline:
    """A new retraining with its plan, of which nothing is written yet.

    Raises: JobError, if another one is under way, or on Databricks no job is configured; RegistryError (wrong rules).
    """
    rules = load_retraining_rules(settings)
    other = under_way(settings)
    if other is not None and not dry_run:
        raise JobError(
            f"A retraining of {other.requested_by or 'somebody'} is under way (step {other.next_step}): wait until it "
            "ends. `python -m jobs retrain --next` goes on with it."
        )
    known = {"alert_id": start.alert_id} if start.alert_id else {}
    return new_pipeline(
        trigger=start.trigger,
        reason=start.reason,
        requested_by=requested_by,
        plan=plan_of(settings, rules),
        dry_run=dry_run,
        **known,
    )


def go_on(settings: Settings, pipeline: Pipeline, parts: Parts | None = None) -> Pipeline:
    """Do the next step of a retraining. Returns the retraining after it.

    Raises: JobError, LakehouseError, RegistryError, ServingError or EngineError, after writing down that it failed.
    CommitConflict or AlreadyCommitted, if another machine is at it: nothing was done.
    """
    name = pipeline.next_step
    if name is None:
        return pipeline
    _refuse_what_kills(settings, pipeline, name)
    began = begin_step(settings, pipeline, name)
    pipeline = _as_written(settings, pipeline)
    write_status(settings, "retrain", {"state": "running", "pipeline_id": pipeline.pipeline_id, "step": name})
    write = partial(end_step, settings, pipeline, name, began)
    with failures_written_down(lambda error: write("failed", error=error), FORESEEN):
        rules = load_retraining_rules(settings)
        done = STEPS[name](Work(settings, pipeline, rules, parts or Parts()))
        crash_point(name)
    write(done.state, sentence=done.sentence, details=done.details)
    crash_point(f"{name}_written")
    write_status(settings, "retrain", {"state": done.state, "pipeline_id": pipeline.pipeline_id, "step": name})
    return _as_written(settings, pipeline)


def retrain(
    settings: Settings,
    pipeline: Pipeline,
    *,
    to_the_end: bool,
    parts: Parts | None = None,
    on_step: Callable[[Pipeline], None] = lambda pipeline: None,
) -> Pipeline:
    """Go on with a retraining: one step and the wish for the next one, or `to_the_end`, that is until it ends or waits.

    `on_step` hears of it after each step. Raises as `go_on`.
    """
    while True:
        pipeline = go_on(settings, pipeline, parts)
        on_step(pipeline)
        if not pipeline.active or pipeline.state == "waiting":
            return pipeline
        if not to_the_end:
            request_run(settings, "retrain", {"next": True}, pipeline.requested_by)
            return pipeline


def _as_written(settings: Settings, pipeline: Pipeline) -> Pipeline:
    return find_pipeline(settings, pipeline.pipeline_id) or pipeline


def _refuse_what_kills(settings: Settings, pipeline: Pipeline, name: str) -> None:
    step = pipeline.step(name)
    if step is None or step.broken_off < MOST_TIMES_BROKEN_OFF:
        return
    error = f"The step {name} was broken off {step.broken_off} times without an end; the log of the job may say why."
    end_step(settings, pipeline, name, datetime.now(UTC), "failed", error=error)
    raise JobError(error)


def run_retrain(
    settings: Settings,
    *,
    trigger: str = "command",
    request_id: str = "",
    reason: str = "",
    dry_run: bool = False,
    next_only: bool = False,
    if_due: bool = False,
    parts: Parts | None = None,
    on_step: Callable[[Pipeline], None] = lambda pipeline: None,
) -> Pipeline | None:
    """One run of the job. It stands in `job_runs`.

    next_only: go on with the retraining that is under way. if_due: begin one only if the rules say so now. dry_run:
    write down what would be done, and do nothing.
    Returns: the retraining as it stands now; None if there was nothing to do.
    Raises: as `go_on`. StillAtWork, if another process of the workspace is at it.
    """
    with one_at_a_time(settings, "retrain", LOCK_SECONDS):
        run_id = start_run(settings, "retrain", trigger, request_id)
        failed = partial(finish_run, settings, run_id, "failed")
        with failures_written_down(lambda error: failed(error=error), FORESEEN):
            found = _chosen(settings, trigger, request_id, reason, dry_run, next_only, if_due)
            if found is not None and found.dry_run:
                found = say_what_would_be_done(settings, found, _rules(settings))
                on_step(found)
            elif found is not None:
                found = retrain(settings, found, to_the_end=trigger == "command", parts=parts, on_step=on_step)
        finish_run(settings, run_id, "succeeded")
        return found


def _chosen(
    settings: Settings, trigger: str, request_id: str, reason: str, dry_run: bool, next_only: bool, if_due: bool
) -> Pipeline | None:
    """The retraining that this run works on."""
    if next_only:
        return under_way(settings)
    if if_due:
        start = start_that_is_due(settings, datetime.now(UTC))
        if start is None:
            return None
        only_said = dry_run or _rules(settings).triggers.dry_run
        return begin(settings, start, requested_by=RETRAINING.name, dry_run=only_said)
    by = who_asked(settings, request_id)
    word: TriggerWord = "request" if trigger == "request" else "command"
    said = reason or f"{by or 'somebody'} asked for it"
    return begin(settings, Start(word, said), requested_by=by, dry_run=dry_run)


def _rules(settings: Settings) -> RetrainingRules:
    return load_retraining_rules(settings)


def _say(pipeline: Pipeline) -> None:
    for step in pipeline.steps if pipeline.dry_run else pipeline.steps[-1:]:
        print(f"{step.name.ljust(10)} {step.state.ljust(9)} {step.sentence or step.error}", flush=True)


def main(arguments: list[str]) -> int:
    """`python -m jobs retrain [--dry-run] [--reason TEXT] [--next | --if-due]`. Returns 1 if it stopped or failed."""
    parser = ArgumentParser(prog="python -m jobs retrain", description="Train the chatbot anew, through the gate.")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument("--reason", default="", help="why, for the ledger and the Pipeline page")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--next", action="store_true", help="go on with the retraining that is under way")
    which.add_argument("--if-due", action="store_true", help="begin one only if the rules of retraining say so now")
    parser.add_argument("--trigger", default="command", choices=["command", "schedule", "request"], help="why it runs")
    parser.add_argument("--request-id", default="", help="the row of job_requests that it fulfils")
    options = parser.parse_args(arguments)
    try:
        found = run_retrain(
            get_settings(),
            trigger=options.trigger,
            request_id=options.request_id,
            reason=options.reason,
            dry_run=options.dry_run,
            next_only=options.next,
            if_due=options.if_due,
            on_step=_say,
        )
    except StillAtWork as error:
        if options.trigger == "command":
            raise
        # The step is being done; the scheduler looks again.
        print(error)
        return 0
    if found is None:
        print("There is nothing to do: no retraining is under way, and no trigger of the rules is due.")
        return 0
    print(f"Retraining {found.pipeline_id[:8]}: {found.state}.")
    return 0 if options.trigger != "command" or found.state not in {"stopped", "failed"} else 1
