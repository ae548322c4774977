"""A retraining that only says what it would do, step by step, and changes nothing."""

from datetime import UTC, datetime

from jobs.features import handbook_differs
from jobs.retraining_steps import kind_to_train
from lakehouse.pipelines import Pipeline, end_step, find_pipeline
from lakehouse.store import open_to_read
from registry.retraining_rules import RetrainingRules
from registry.versions import CHALLENGER, CHAMPION, find
from settings import Settings


def say_what_would_be_done(settings: Settings, pipeline: Pipeline, rules: RetrainingRules) -> Pipeline:
    """Write a row for each step with what it would do. Returns the retraining with them.

    Raises: JobError, if it is not known what to train; RegistryError, LakehouseError.
    """
    for name in pipeline.plan:
        sentence = _WOULD[name](settings, rules)
        end_step(settings, pipeline, name, datetime.now(UTC), "succeeded", sentence=sentence)
    return find_pipeline(settings, pipeline.pipeline_id) or pipeline


def _features(settings: Settings, rules: RetrainingRules) -> str:
    version = open_to_read(settings, "handbook_chunks").version()
    differs = handbook_differs(settings)
    words = "new passages are there" if differs else "nothing has changed since"
    return f"Would refresh the feature table: handbook_chunks is at version {version}, and {words}."


def _train(settings: Settings, rules: RetrainingRules) -> str:
    kind = kind_to_train(settings, rules)
    return f"Would train a version of {settings.test_model} as {kind}."


def _job(settings: Settings, rules: RetrainingRules) -> str:
    return (
        f"Would start job {rules.databricks.job_id} on Databricks, and wait for its version of {settings.test_model}."
    )


def _evaluate(settings: Settings, rules: RetrainingRules) -> str:
    live = find(settings, settings.prod_model, CHAMPION)
    against = f"against {live.name} version {live.version}, which is live" if live else "with nothing live beside it"
    return f"Would evaluate the version {against}. If the gate does not let it pass, nothing further happens."


def _challenger(settings: Settings, rules: RetrainingRules) -> str:
    before = find(settings, settings.test_model, CHALLENGER)
    instead = f", in place of version {before.version}" if before else ""
    return f"Would put the version into Staging as @challenger{instead}."


def _canary(settings: Settings, rules: RetrainingRules) -> str:
    steps = " → ".join(f"{share} %" for share in rules.shares)
    return f"Would give it {steps} of {settings.endpoint}, each for {rules.canary.hold_minutes:g} minutes."


def _promote(settings: Settings, rules: RetrainingRules) -> str:
    if settings.four_eyes:
        return "Would ask for its promotion, which another person approves."
    return f"Would make it the champion of {settings.endpoint}, with all the traffic."


_WOULD = {
    "features": _features,
    "train": _train,
    "job": _job,
    "evaluate": _evaluate,
    "challenger": _challenger,
    "canary": _canary,
    "promote": _promote,
}
