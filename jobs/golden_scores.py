"""Scores of the answers to golden questions, given through `mlflow.genai.evaluate` with offline scorers.

The run in MLflow carries the averages, so that an evaluation is found where people look for it; the gate counts the
single scores.
"""

import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

from jobs.errors import JobError
from jobs.golden_sets import GoldenItem
from jobs.train import experiment_id
from metrics.grounding import grounding, is_refusal
from registry.versions import ModelVersion
from settings import Settings


@dataclass(frozen=True)
class GoldenScore:
    """What was found out about one answer. `grounding` is None where the question has no sources, or for a refusal."""

    right: bool
    refused: bool
    grounding: float | None


def score_golden(
    settings: Settings,
    version: ModelVersion,
    asked: Sequence[tuple[GoldenItem, str]],
    refusal_phrases: Sequence[str],
    set_name: str,
) -> tuple[list[GoldenScore], str]:
    """Score answers (an empty text where there is none) to golden questions.

    Returns: a score for each, in the same order, and the id of the MLflow run that carries their averages.
    Raises: JobError, if MLflow left answers out.
    """
    import mlflow
    from mlflow.genai.scorers import scorer

    scores: dict[int, GoldenScore] = {}

    def scored(inputs: dict[str, Any], outputs: str) -> GoldenScore:
        place = inputs["position"]
        if place not in scores:
            scores[place] = _score(asked[place][0], outputs, refusal_phrases)
        return scores[place]

    @scorer(name="right")
    def right(inputs: dict[str, Any], outputs: str) -> bool:
        return scored(inputs, outputs).right

    @scorer(name="refused")
    def refused(inputs: dict[str, Any], outputs: str) -> bool:
        return scored(inputs, outputs).refused

    @scorer(name="grounding")
    def grounded(inputs: dict[str, Any], outputs: str) -> float | None:
        return scored(inputs, outputs).grounding

    rows = [
        {"inputs": {"position": place, "question": item.question}, "outputs": answer}
        for place, (item, answer) in enumerate(asked)
    ]
    experiment = experiment_id(settings)
    tags = {"lakehelm.job": "evaluate", "evaluated_version": f"{version.name}/{version.version}"}
    with (
        _quietly(),
        mlflow.start_run(experiment_id=experiment, run_name=f"evaluate {version.version}", tags=tags) as run,
    ):
        mlflow.log_params({"golden_set": set_name, "questions": len(rows)})
        mlflow.genai.evaluate(data=rows, scorers=[right, refused, grounded])
    if len(scores) < len(asked):
        raise JobError(f"MLflow scored only {len(scores)} of {len(asked)} golden answers (run {run.info.run_id}).")
    return [scores[place] for place in range(len(asked))], str(run.info.run_id)


def _score(item: GoldenItem, answer: str, refusal_phrases: Sequence[str]) -> GoldenScore:
    declined = is_refusal(answer, refusal_phrases)
    backed = grounding(answer, item.sources) if item.sources and answer and not (declined or item.refusal) else None
    return GoldenScore(bool(answer) and item.is_right(answer, declined), declined, backed)


@contextmanager
def _quietly() -> Iterator[None]:
    """Without MLflow's progress bar and advice, and without its complaint that no trace was kept: none is wanted.

    Traces would also wait for each other: a second process' worth of them exhausts SQLite's connections for minutes.
    """
    logger = logging.getLogger("mlflow")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
