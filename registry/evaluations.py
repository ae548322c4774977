"""Evaluations of model versions, as the tables have them: what was measured, and every question with its answers."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime

import pyarrow.compute as pc
from pydantic import ValidationError

from lakehouse.appends import append
from lakehouse.store import open_to_read, read_rows
from registry.errors import RegistryError
from registry.evidence import Evidence
from settings import Settings


@dataclass(frozen=True)
class Evaluation:
    """One finished evaluation. `live_entity_version` is the version it was compared with; None where none was live."""

    entity_name: str
    entity_version: str
    live_entity_name: str | None
    live_entity_version: str | None
    started_at: datetime
    finished_at: datetime
    requested_by: str
    evidence: Evidence
    evaluation_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def live(self) -> str:
        """The version that it was compared with, in words; empty where none was live."""
        return f"{self.live_entity_name} version {self.live_entity_version}" if self.live_entity_version else ""


@dataclass(frozen=True)
class EvaluatedAnswer:
    """One question of an evaluation and what the version answered: None, and a note `failure`, where it did not.

    kind: `golden` (the set has an answer), `off_topic` (it has none: a refusal is right) or `replay` (a logged prompt,
    with the live version's answer and the request id it was logged under). Prompts and answers are people's words.
    scores, live_scores: by the names of the columns of `request_metrics`; golden answers have `right` and `grounding`
    (0 to 1), all have `refused` (0 or 1). notes: what a person should know of a score, by its name.
    """

    kind: str
    position: int
    prompt: str
    answer: str | None
    seconds: float | None = None
    live_answer: str | None = None
    databricks_request_id: str | None = None
    scores: dict[str, float] = field(default_factory=dict)
    live_scores: dict[str, float] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


def record_evaluation(settings: Settings, evaluation: Evaluation, answers: Sequence[EvaluatedAnswer]) -> None:
    """Keep an evaluation and its answers. The evaluation comes last: one that can be seen has all its answers."""
    append(
        settings,
        "evaluated_answers",
        [
            {
                **vars(answer),
                "evaluation_id": evaluation.evaluation_id,
                "scores": list(answer.scores.items()),
                "live_scores": list(answer.live_scores.items()),
                "notes": list(answer.notes.items()),
            }
            for answer in answers
        ],
    )
    append(settings, "evaluations", [{**vars(evaluation), "evidence": evaluation.evidence.model_dump_json()}])


def latest_evaluation(settings: Settings, name: str, version: str) -> Evaluation | None:
    """The evaluation of a version that finished last, or None.

    Raises: RegistryError, if its evidence cannot be read.
    """
    found = evaluations(settings, name, version)
    return found[0] if found else None


def evaluations(settings: Settings, name: str, version: str) -> list[Evaluation]:
    """Every evaluation of a version, newest first.

    Raises: RegistryError, if the evidence of one cannot be read.
    """
    mine = (pc.field("entity_name") == name) & (pc.field("entity_version") == str(version))
    columns = [column.name for column in fields(Evaluation)]
    rows = read_rows(open_to_read(settings, "evaluations"), columns, mine).to_pylist()
    rows.sort(key=lambda row: row["finished_at"], reverse=True)
    return [Evaluation(**{**row, "evidence": _evidence(row["evaluation_id"], row["evidence"])}) for row in rows]


def evaluated_answers(settings: Settings, evaluation_id: str) -> list[EvaluatedAnswer]:
    """The questions and answers of an evaluation, by kind and in the order in which they were asked."""
    columns = [column.name for column in fields(EvaluatedAnswer)]
    mine = pc.field("evaluation_id") == evaluation_id
    rows = read_rows(open_to_read(settings, "evaluated_answers"), columns, mine).to_pylist()
    rows.sort(key=lambda row: (row["kind"], row["position"]))
    maps = ("scores", "live_scores", "notes")
    return [EvaluatedAnswer(**{**row, **{name: dict(row[name] or []) for name in maps}}) for row in rows]


def _evidence(evaluation_id: str, text: str | None) -> Evidence:
    try:
        return Evidence.model_validate_json(text or "")
    except ValidationError as error:
        raise RegistryError(
            f"The evidence of evaluation {evaluation_id} cannot be read ({error.error_count()} errors): "
            "ask for a new evaluation."
        ) from error
