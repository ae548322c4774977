"""The steps of a retraining. Each can be done again after it was broken off, and finds what it had done by then."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

from jobs import databricks_job
from jobs.errors import JobError
from jobs.retraining_rollout import PATIENCE, canary, promote
from jobs.retraining_work import PIPELINE_TAG, RETRAINING, Done, Work
from jobs.train import RECIPES, Kind, experiment_id
from registry.evaluations import Evaluation, evaluations
from registry.gate import GateVerdict
from registry.promotion import set_challenger
from registry.retraining_rules import BY_RULES, RetrainingRules, why_no_job
from registry.verdict import verdict
from registry.versions import CHALLENGER, CHAMPION, ModelVersion, client, find, get, versions
from settings import Settings

_NEWEST = 50
"""A retraining's own version is looked for among so many of the newest of the test model."""
_DOWN_SINCE = "databricks_down_since"
"""Since when Databricks could not be asked, as ISO 8601; empty once it could."""


def plan_of(settings: Settings, rules: RetrainingRules) -> tuple[str, ...]:
    """The steps that a retraining will go through, by the rules that hold now.

    Raises: JobError, if on Databricks no job is configured.
    """
    if why_not := why_no_job(settings, rules):
        raise JobError(why_not)
    first = ("job",) if settings.on_databricks else ("features", "train")
    # Where a promotion takes two people, a canary does, too: the last step then asks for both.
    share = ("canary",) if rules.canary.on and not settings.four_eyes else ()
    everybody = ("promote",) if rules.promotion.on or (rules.canary.on and settings.four_eyes) else ()
    return (*first, "evaluate", "challenger", *share, *everybody)


def features(work: Work) -> Done:
    """Refresh the feature table."""
    found = work.parts.refresh(work.settings)
    words = "changed" if found.changed else "unchanged"
    return Done(
        "succeeded",
        f"The feature table is {words}: {found.chunks} passages of {found.pages} pages, version "
        f"{found.chunks_version} of handbook_chunks.",
        {
            "chunks_version": str(found.chunks_version),
            "pages_version": str(found.pages_version),
            "chunks": str(found.chunks),
            "changed": "yes" if found.changed else "no",
        },
    )


def train(work: Work) -> Done:
    """Train a version in the test environment, unless this retraining has trained one already."""
    settings, pipeline = work.settings, work.pipeline
    version = trained_version(settings, pipeline.pipeline_id)
    if version is None:
        kind = kind_to_train(settings, work.rules)
        chunks_version = pipeline.found("chunks_version")
        same = _learned_already(settings, kind, chunks_version)
        if same is not None and pipeline.trigger in BY_RULES and work.rules.training.if_nothing_is_new == "stop":
            return Done(
                "stopped",
                f"There is nothing new to learn: {same.name} version {same.version} was trained as {kind} from version "
                f"{chunks_version} of handbook_chunks already, and the same would come out "
                "(if_nothing_is_new in the rules).",
                {"kind": kind, "same_as": same.version},
            )
        _end_broken_runs(settings, pipeline.pipeline_id)
        version = work.parts.train(settings, kind, int(chunks_version), {PIPELINE_TAG: pipeline.pipeline_id})
    if not version.description and version.tags.get("kind") in RECIPES:
        # Broken off between the version and its description.
        recipe = RECIPES[cast(Kind, version.tags["kind"])]
        client(settings).update_model_version(version.name, version.version, description=recipe.description)
    return Done(
        "succeeded",
        f"{version.name} version {version.version} was trained as {version.tags.get('kind', 'unknown')} from version "
        f"{version.tags.get('chunks_version', '?')} of handbook_chunks.",
        {"version": version.version, "run_id": version.run_id, "kind": version.tags.get("kind", "")},
    )


def job(work: Work) -> Done:
    """Have Databricks' job train a version: start it once, then look at it until it ends.

    While Databricks cannot be asked it waits, for so long as a step waits for production.
    """
    down_since = work.pipeline.found(_DOWN_SINCE)
    try:
        done = _job_as_told(work)
    except databricks_job.DatabricksDown as error:
        now = datetime.now(UTC)
        if down_since and now - datetime.fromisoformat(down_since) > PATIENCE:
            raise
        return Done("waiting", f"Not yet: {error}", {_DOWN_SINCE: down_since or now.isoformat()})
    return replace(done, details={**done.details, _DOWN_SINCE: ""}) if down_since else done


def _job_as_told(work: Work) -> Done:
    settings, pipeline, job_id = work.settings, work.pipeline, work.rules.databricks.job_id
    known = pipeline.found("databricks_run_id")
    if not known:
        # Databricks itself sees to it that a token starts one run, however often it is sent.
        parameter = work.rules.databricks.pipeline_parameter
        parameters = {parameter: pipeline.pipeline_id} if parameter else {}
        run_id = databricks_job.run_now(settings, job_id, pipeline.pipeline_id, parameters)
        about = {"databricks_run_id": str(run_id), "databricks_job_id": str(job_id)}
        return Done("waiting", f"Run {run_id} of job {job_id} was started on Databricks.", about)
    run = databricks_job.look(settings, int(known))
    page = {"databricks_run_page": run.page} if run.page else {}
    if not run.ended:
        return Done("waiting", f"Run {run.run_id} on Databricks is {run.life_cycle_state.lower()}.", page)
    if not run.succeeded:
        said = f": {run.message}" if run.message else "."
        raise JobError(
            f"Run {run.run_id} on Databricks ended as {run.result_state or run.life_cycle_state}{said} "
            f"Its page says more: {run.page or 'in the workspace under Jobs'}"
        )
    return _registered_by(work, run, page)


def _registered_by(work: Work, run: databricks_job.DatabricksRun, page: dict[str, str]) -> Done:
    """Which version a run has registered: that with the retraining's tag, else the only one that came while it ran."""
    settings, pipeline = work.settings, work.pipeline
    since = run.started_at or pipeline.started_at or datetime.now(UTC)
    made = [one for one in _newest(settings) if one.created_at >= since]
    found = [one for one in made if one.tags.get(PIPELINE_TAG) == pipeline.pipeline_id]
    tagged = (
        f" with the tag {PIPELINE_TAG} = {pipeline.pipeline_id}" if work.rules.databricks.pipeline_parameter else ""
    )
    if not found and not tagged:
        found = [one for one in made if PIPELINE_TAG not in one.tags]
        if len(found) > 1:
            numbers = ", ".join(one.version for one in found)
            return Done(
                "stopped",
                f"While run {run.run_id} on Databricks ran, the versions {numbers} of {settings.test_model} were "
                f"registered, and none has the tag {PIPELINE_TAG} that says whose it is: have the job set it "
                "(pipeline_parameter in the rules of retraining).",
                page,
            )
    if not found:
        return Done(
            "stopped",
            f"Run {run.run_id} on Databricks succeeded, but registered no version of {settings.test_model}{tagged}: "
            "look at what the job registers.",
            page,
        )
    version = max(found, key=lambda one: int(one.version))
    about = {**page, "version": version.version, "run_id": version.run_id}
    return Done("succeeded", f"Run {run.run_id} on Databricks registered {version.name} {version.version}.", about)


def evaluate(work: Work) -> Done:
    """Evaluate the version for the gate, unless that was done in this step before it was broken off."""
    settings, version = work.settings, work.source_version
    evaluation = _evaluated_here(work) or work.parts.evaluate(settings, version)
    found = verdict(settings, version)
    about = {"evaluation_id": evaluation.evaluation_id, "against": evaluation.live or "nothing live"}
    return _judged(found, about)


def challenger(work: Work) -> Done:
    """Put the version into Staging. The gate is asked once more: its rules, or what is live, may have changed."""
    settings, number = work.settings, work.source_version
    found = verdict(settings, number)
    if not found.passed:
        return _judged(found, {})
    version = get(settings, settings.test_model, number)
    if CHALLENGER not in version.aliases:
        version = set_challenger(settings, number, actor=RETRAINING, reason=work.reason)
    ends = work.pipeline.plan[-1] == "challenger"
    then = " A person promotes it, or lets it be, on the Promotion page." if ends else ""
    return Done("succeeded", f"{version.name} version {number} is @challenger, in Staging.{then}", {})


STEPS: dict[str, Callable[[Work], Done]] = {
    "features": features,
    "train": train,
    "job": job,
    "evaluate": evaluate,
    "challenger": challenger,
    "canary": canary,
    "promote": promote,
}
"""What is done in each step. After each a test may have the process killed: after the work (`train`) and after it was
written down (`train_written`)."""


def trained_version(settings: Settings, pipeline_id: str) -> ModelVersion | None:
    """The version of the test model that a retraining has trained; None if it has not."""
    return next((one for one in _newest(settings) if one.tags.get(PIPELINE_TAG) == pipeline_id), None)


def kind_to_train(settings: Settings, rules: RetrainingRules) -> Kind:
    """The recipe that is trained: that of the rules, else that of the champion.

    Raises: JobError, if it is none of `jobs.train.RECIPES`.
    """
    kind, told = rules.training.kind, "the rules of retraining say {!r}"
    if not kind:
        live = find(settings, settings.prod_model, CHAMPION)
        kind = live.tags.get("kind", "") if live else ""
        if live is not None and not kind and live.copied_from:
            source = find(settings, *live.copied_from)
            kind = source.tags.get("kind", "") if source else ""
        told = f"{settings.prod_model} has no @champion whose recipe could be taken"
        if live is not None:
            told = f"{live.name} version {live.version} is tagged as kind {{!r}}"
    if kind not in RECIPES:
        raise JobError(
            f"It is not known what to train: {told.format(kind)}. Set kind under [training] in the rules of retraining "
            f"to one of {', '.join(RECIPES)}."
        )
    return kind


def _newest(settings: Settings) -> Sequence[ModelVersion]:
    return versions(settings, settings.test_model, _NEWEST)


def _learned_already(settings: Settings, kind: str, chunks_version: str) -> ModelVersion | None:
    """A version of the same recipe from the same data; None if there is none."""
    wanted = (kind, chunks_version)
    tags = ((one, one.tags.get("kind"), one.tags.get("chunks_version")) for one in _newest(settings))
    return next((one for one, *has in tags if tuple(has) == wanted), None)


def _end_broken_runs(settings: Settings, pipeline_id: str) -> None:
    """Say of runs that a killed training left behind that they were killed."""
    registry = client(settings)
    mine = f"tags.`{PIPELINE_TAG}` = '{pipeline_id}' and attributes.status = 'RUNNING'"
    for run in registry.search_runs([experiment_id(settings)], mine):
        registry.set_terminated(run.info.run_id, "KILLED")


def _evaluated_here(work: Work) -> Evaluation | None:
    """The evaluation that this step has made already; one that was made before the step counts for nothing."""
    step = work.pipeline.step("evaluate")
    if step is None:
        return None
    made = evaluations(work.settings, work.settings.test_model, work.source_version)
    return next((one for one in made if one.started_at >= step.started_at), None)


def _judged(found: GateVerdict, about: dict[str, str]) -> Done:
    checks = {check.name: check.status for check in found.checks}
    about = {**about, "checks": json.dumps(checks)}
    name = f"{found.entity_name} version {found.entity_version}"
    if found.passed:
        passed = sum(status == "passed" for status in checks.values())
        return Done("succeeded", f"{name} passes the gate: {passed} of {len(checks)} checks passed.", about)
    return Done("stopped", f"The gate does not let {name} pass: {' '.join(found.reasons)}", about)
