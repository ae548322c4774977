import dataclasses
from pathlib import Path

import pytest

from registry.artifacts import MOST_BYTES, Artifact, ArtifactTree, artifact_text, artifact_tree
from registry.details import details, requirement
from registry.errors import RegistryError
from registry.version_comparison import ComparedValue, compare_versions
from registry.versions import ModelVersion, client, get
from settings import Settings


@pytest.fixture(scope="module")
def settings(trained_chatbots: Settings) -> Settings:
    return trained_chatbots.model_copy(update={"prod_model": "prod.details"})


@pytest.fixture(scope="module")
def copy(settings: Settings) -> ModelVersion:
    made = client(settings).copy_model_version("models:/test.chatbot/2", settings.prod_model)
    return get(settings, settings.prod_model, str(made.version))


def test_a_copy_tells_everything_of_the_version_that_it_is_a_copy_of(settings: Settings, copy: ModelVersion) -> None:
    found = details(settings, copy)
    assert found.problems == {}
    assert [(one.name, one.version) for one in found.chain] == [("prod.details", "1"), ("test.chatbot", "2")]
    assert found.origin.startswith("models:/m-")
    assert found.run is not None
    assert (found.run.name, found.run.status) == ("retrieval-threshold", "finished")
    assert found.run.parameters["least_coverage"] == "0.5"
    assert 0 < found.run.metrics["golden_hit_rate"] <= 1
    assert "mlflow.user" not in found.run.tags
    assert {field.path for field in found.signature.inputs} >= {"input", "context.user_id"}
    assert {field.path for field in found.signature.outputs} >= {"output", "usage.input_tokens"}
    assert [requirement(line)[0] for line in found.requirements] == ["mlflow", "bm25s", "numpy"]
    assert found.python_version.startswith("3.")
    assert found.mlmodel.startswith("artifact_path:")


def test_the_tree_has_every_file_with_the_size_that_it_has_on_disk(settings: Settings, copy: ModelVersion) -> None:
    tree = artifact_tree(settings, copy)
    (folder,) = (settings.home / "mlflow" / "models").glob(f"{details(settings, copy).origin.rpartition('/')[2]}/")
    root = folder / "artifacts"
    on_disk = {str(path.relative_to(root)): path.stat().st_size for path in root.rglob("*") if path.is_file()}
    assert {file.path: file.size for file in tree.files} == on_disk
    assert tree.complete
    assert tree.size == sum(on_disk.values())


def test_a_tree_that_is_cut_short_says_so(
    settings: Settings, copy: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.artifacts._MOST_FOLDERS", 2)
    few = artifact_tree(settings, copy)
    assert not few.complete
    assert few.find("MLmodel") is not None


@pytest.mark.parametrize("path", ["../../../mlflow.db", "/etc/passwd", "unheard-of.txt"])
def test_only_files_of_the_version_are_read(settings: Settings, copy: ModelVersion, path: str) -> None:
    with pytest.raises(RegistryError, match="choose one of its files"):
        artifact_text(settings, copy, artifact_tree(settings, copy), path)


def test_a_large_file_is_not_fetched_and_no_text_is_said_to_be_none(settings: Settings, copy: ModelVersion) -> None:
    large = ArtifactTree((Artifact("MLmodel", MOST_BYTES + 1), Artifact("odd", None)))
    with pytest.raises(RegistryError, match="only files up to"):
        artifact_text(settings, copy, large, "MLmodel")
    with pytest.raises(RegistryError, match="unknown size"):
        artifact_text(settings, copy, large, "odd")
    tree = artifact_tree(settings, copy)
    binary = next(file.path for file in tree.files if file.path.endswith(".npy"))
    with pytest.raises(RegistryError, match="no text"):
        artifact_text(settings, copy, tree, binary)


def test_a_version_whose_artifacts_are_gone_still_tells_the_rest(
    settings: Settings, copy: ModelVersion, tmp_path: Path
) -> None:
    folder = settings.home / "mlflow" / "models" / details(settings, copy).origin.rpartition("/")[2]
    kept = folder.rename(tmp_path / "elsewhere")
    try:
        found = details(settings, copy)
    finally:
        kept.rename(folder)
    assert found.run is not None
    assert found.mlmodel == ""
    assert found.signature.is_empty
    assert not found.artifacts.files


def test_a_source_that_was_deleted_is_told(settings: Settings, copy: ModelVersion) -> None:
    orphan = dataclasses.replace(copy, source="models:/test.chatbot/4711")
    found = details(settings, orphan)
    assert "not in the registry any more" in found.problems["chain"]
    assert found.chain == (orphan,)


def test_a_run_that_is_gone_is_told(settings: Settings, copy: ModelVersion) -> None:
    found = details(settings, dataclasses.replace(copy, run_id="0" * 32))
    assert "training run 0000" in found.problems["run"]
    assert found.run is None
    assert details(settings, dataclasses.replace(copy, run_id="")).problems == {}


def test_two_versions_differ_in_what_they_were_trained_with(settings: Settings) -> None:
    quotes, invents = (details(settings, get(settings, "test.chatbot", number)) for number in ("2", "3"))
    found = compare_versions(quotes, invents)
    assert ComparedValue("kind", "retrieval-threshold", "generative") in found.parameters
    assert [value.same for value in found.parameters] == sorted(value.same for value in found.parameters)
    (needed,) = [value for value in found.dependencies if not value.same]
    assert (needed.name, needed.a) == ("xllamacpp", None)
    assert all(value.same for value in (*found.inputs, *found.outputs))
    assert {value.name for value in found.artifacts if value.a is None} >= {"generative.py"}
    assert found.metrics[0].difference is None
    assert not found.same_model


def test_a_copy_differs_in_nothing(settings: Settings, copy: ModelVersion) -> None:
    found = compare_versions(details(settings, get(settings, "test.chatbot", "2")), details(settings, copy))
    assert found.same_model
    parts = (found.parameters, found.inputs, found.outputs, found.dependencies, found.artifacts)
    assert all(value.same for part in parts for value in part)
    assert all(metric.difference == 0 for metric in found.metrics)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("mlflow==3.17.2", ("mlflow", "==3.17.2")),
        ("Typing_Extensions>=4", ("typing-extensions", ">=4")),
        ("uvicorn[standard] == 1.0", ("uvicorn", "[standard] == 1.0")),
        ("git+https://example.com/x.git", ("git", "+https://example.com/x.git")),
        ("./wheels/own.whl", ("./wheels/own.whl", "")),
    ],
)
def test_a_line_of_requirements_names_its_package(line: str, expected: tuple[str, str]) -> None:
    assert requirement(line) == expected
