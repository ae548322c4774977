"""A model is loaded when the first text needs it, and its name is known before."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.models_on_demand import LanguageOnDemand, OnDemand, language_on_demand, perplexity_on_demand
from jobs.score import run_score
from jobs.scorers import load_scoring_tools
from lakehouse.runs import runs
from metrics.engines import precisions
from metrics.engines.errors import EngineError, ModelUnusable
from metrics.engines.language import load_language_detector
from metrics.engines.preparation import prepare_toxicity
from settings import Settings
from tests.jobs.request_rows import add_requests, chat_response, inference_rows

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"openvino", "tokenizers", "sklearn", "joblib", "profanity_check", "py3langid", "torch"}


def imported_by_a_run(settings: Settings) -> set[str]:
    """The packages that a run in a process of its own imports."""
    environment = {
        **os.environ,
        "LAKEHELM_HOME": str(settings.home),
        "LAKEHELM_TOXICITY_MODEL": settings.toxicity_model,
    }
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "jobs", "score"],
        cwd=ROOT, env=environment, check=False, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    names = (line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:"))
    imported = {name.split(".")[0] for name in names}
    assert {"jobs", "duckdb", "deltalake"} <= imported
    return imported


def test_a_run_whose_texts_are_all_known_loads_no_model(settings: Settings, prepared_models: Path) -> None:
    settings.models_folder.mkdir(parents=True)
    shutil.copytree(prepared_models / "perplexity", settings.models_folder / "perplexity", copy_function=os.symlink)
    prepare_toxicity("keyword", "", settings.models_folder / "toxicity")
    settings = settings.model_copy(update={"toxicity_model": "keyword"})
    answer = chat_response("The gateway starts with one command. It then waits.", usage=None)
    add_requests(settings, inference_rows(0, 2, response=answer))
    run_score(settings, once=True)
    same = [
        {**row, "databricks_request_id": f"again {row['requester']}"} for row in inference_rows(0, 1, response=answer)
    ]
    add_requests(settings, same)
    assert imported_by_a_run(settings) & HEAVY == set()
    assert [run["rows_scored"] for run in runs(settings, "score")] == [1, 2]


def test_a_name_is_known_before_loading_where_the_model_ran_here_before(prepared_models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "perplexity"
    shutil.copytree(prepared_models / "perplexity", folder, copy_function=os.symlink)
    (folder / "precision.json").unlink(missing_ok=True)
    loaded = perplexity_on_demand(folder, 2)
    assert not isinstance(loaded, OnDemand)
    waiting = perplexity_on_demand(folder, 2)
    assert isinstance(waiting, OnDemand)
    assert waiting.name == loaded.name
    assert waiting.count_tokens(["one two"]).tolist() == loaded.count_tokens(["one two"]).tolist()


def test_the_language_detector_says_the_same_under_the_same_name() -> None:
    waiting, loaded = language_on_demand(), load_language_detector()
    texts = ["Das Gateway startet mit einem Befehl und wartet dann.", "It waits for the worker."]
    assert waiting.name == loaded.name
    assert waiting.english(texts) == loaded.english(texts)
    assert waiting.english(texts)[0] is not None


def test_a_model_that_cannot_be_loaded_is_tried_once() -> None:
    tries = []

    def broken() -> LanguageOnDemand:
        tries.append(1)
        raise ModelUnusable("The file is damaged.")

    model = LanguageOnDemand("words/1", broken)
    for _ in range(3):
        with pytest.raises(EngineError, match="damaged"):
            model.english(["a"])
    assert len(tries) == 1


def test_a_model_that_is_another_one_than_its_name_said_scores_nothing() -> None:
    other = LanguageOnDemand("words/2", load_language_detector)
    with pytest.raises(EngineError, match=r"words/2 turned out to be py3langid"):
        other.english(["a"])


def test_only_the_models_that_are_named_are_loaded_ahead(settings: Settings, prepared_models: Path) -> None:
    settings.models_folder.mkdir(parents=True)
    prepare_toxicity("keyword", "", settings.models_folder / "toxicity")
    tools = load_scoring_tools(settings.model_copy(update={"toxicity_model": "keyword", "perplexity_model": "none"}))
    (language,) = tools.models
    tools.load_models({"another/1"})
    assert language._model is None
    tools.load_models({language.name})
    assert language._model is not None


def test_a_precision_is_forgotten_on_another_processor_and_by_another_openvino(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert precisions.remembered_precision(tmp_path) is None
    precisions.remember_precision(tmp_path, "bf16")
    assert precisions.remembered_precision(tmp_path) == "bf16"
    for name in ("openvino", "processor"):
        here = precisions._here()
        with monkeypatch.context() as patch:
            patch.setattr(precisions, "_here", lambda here=here, name=name: {**here, name: "another"})
            assert precisions.remembered_precision(tmp_path) is None
    (tmp_path / "precision.json").write_text("[1")
    assert precisions.remembered_precision(tmp_path) is None
    precisions.remember_precision(tmp_path, "f32")
    assert precisions.remembered_precision(tmp_path) == "f32"
