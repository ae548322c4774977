"""Retrainings for tests: a real registry, gateway, ledger and gate; only the training and the asking are short."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from jobs.features import HandbookRefresh, refresh_handbook
from jobs.retrain import run_retrain
from jobs.retraining_work import Parts
from jobs.train import Kind
from lakehouse.pipelines import Pipeline, pipelines
from lakehouse.runs import pending_requests
from registry.evaluations import Evaluation, record_evaluation
from registry.evidence import Failures
from registry.versions import CHAMPION, ModelVersion, client, find, get
from settings import Settings
from tests.registry.evaluation_evidence import GOOD, evaluation

BAD = GOOD.model_copy(
    update={"failures": Failures(asked=68, failed=60, first="golden question 1: it raised KeyError.")}
)
PAGE = "# A page\n\n## A heading\n{}\n"


def quick_parts(folder: Path, bad: bool = False) -> Parts:
    """Parts that take milliseconds. `folder`: the handbook. `bad`: what is trained answers next to nothing."""

    def refresh(settings: Settings) -> HandbookRefresh:
        return refresh_handbook(settings, folder)

    def train(settings: Settings, kind: Kind, chunks_version: int, tags: Mapping[str, str]) -> ModelVersion:
        about = {"kind": kind, "chunks_version": str(chunks_version), **tags}
        made = client(settings).create_model_version(settings.test_model, "s3://nowhere/echo", tags=about)
        return get(settings, settings.test_model, str(made.version))

    def evaluate(settings: Settings, version: str) -> Evaluation:
        live = find(settings, settings.prod_model, CHAMPION)
        now = datetime.now(UTC)
        found = replace(
            evaluation(BAD if bad else GOOD, live=live.version if live else None, finished_at=now),
            entity_name=settings.test_model,
            entity_version=version,
            live_entity_name=settings.prod_model,
            started_at=now,
        )
        record_evaluation(settings, found, [])
        return found

    return Parts(refresh, train, evaluate)


def write_handbook(folder: Path, text: str = "Some text.") -> Path:
    """A handbook of one page."""
    folder.mkdir(exist_ok=True)
    (folder / "page.md").write_text(PAGE.format(text))
    return folder


def rules_file(path: Path, text: str = "") -> str:
    """A rules file of the user's own, with the recipe that the quick parts take."""
    path.write_text(f'[training]\nkind = "retrieval"\n{text}')
    return str(path)


def let_the_scheduler_go_on(settings: Settings, parts: Parts, most: int = 10) -> Pipeline:
    """Grant wishes for `retrain` as the scheduler does, until none is left. Returns the newest retraining."""
    for _ in range(most):
        wishes = [wish for wish in pending_requests(settings) if wish["job"] == "retrain"]
        if not wishes:
            break
        assert [wish["arguments"] for wish in wishes] == [{"next": True}]
        run_retrain(settings, trigger="request", request_id=wishes[0]["request_id"], next_only=True, parts=parts)
    return pipelines(settings)[0]
