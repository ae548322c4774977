"""What every step of a retraining gets, and what it says when it is done."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from jobs.evaluate import evaluate
from jobs.features import HandbookRefresh, refresh_handbook
from jobs.train import Kind, train
from lakehouse.pipelines import Pipeline
from registry.actors import Actor
from registry.evaluations import Evaluation
from registry.retraining_rules import RetrainingRules
from registry.versions import ModelVersion
from settings import Settings

RETRAINING = Actor("retraining", "approver")
"""In whose name a retraining changes something. What it may do by itself is decided by its rules."""

PIPELINE_TAG = "lakehelm.pipeline_id"
"""The tag by which runs and versions are known as those of a retraining."""


def _train(settings: Settings, kind: Kind, chunks_version: int, tags: Mapping[str, str]) -> ModelVersion:
    return train(settings, kind, chunks_version, tags)


def _evaluate(settings: Settings, version: str) -> Evaluation:
    return evaluate(settings, version, trigger="schedule", requested_by=RETRAINING.name)


@dataclass(frozen=True)
class Parts:
    """The slow parts of the steps. A test that kills a step a dozen times gives quick ones."""

    refresh: Callable[[Settings], HandbookRefresh] = refresh_handbook
    train: Callable[[Settings, Kind, int, Mapping[str, str]], ModelVersion] = _train
    evaluate: Callable[[Settings, str], Evaluation] = _evaluate


@dataclass(frozen=True)
class Work:
    """What a step works on: the retraining as it stands, and the rules that hold now."""

    settings: Settings
    pipeline: Pipeline
    rules: RetrainingRules
    parts: Parts = field(default_factory=Parts)

    @property
    def reason(self) -> str:
        """What the ledger says of each change: the retraining's mark, and why it was begun."""
        return f"{self.pipeline.mark}: {self.pipeline.reason}"

    @property
    def source_version(self) -> str:
        """The number of the version of the test model that was trained."""
        return self.pipeline.found("version")


@dataclass(frozen=True)
class Done:
    """How a step ended, or that it waits. `sentence` is for people; `details` are kept with the step."""

    state: Literal["succeeded", "stopped", "waiting"]
    sentence: str
    details: dict[str, str] = field(default_factory=dict)
