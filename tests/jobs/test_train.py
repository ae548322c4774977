import pytest

from jobs.features import refresh_handbook
from jobs.train import RECIPES, main, train
from lakehouse.errors import LakehouseError
from registry.versions import client, get
from settings import Settings


def test_a_run_names_the_data_version_that_its_version_learned_from(trained_chatbots: Settings) -> None:
    version = get(trained_chatbots, "test.chatbot", "2")
    run = client(trained_chatbots).get_run(version.run_id)
    chunks_version = str(refresh_handbook(trained_chatbots).chunks_version)
    assert run.data.params["table"] == "handbook_chunks"
    assert run.data.params["chunks_version"] == version.tags["chunks_version"] == chunks_version
    assert run.data.params["kind"] == "retrieval-threshold"
    assert run.data.tags["registered_version"] == "test.chatbot/2"


def test_golden_questions_show_what_sets_the_two_extractive_versions_apart(trained_chatbots: Settings) -> None:
    runs = [get(trained_chatbots, "test.chatbot", version).run_id for version in ("1", "2")]
    always, honest = (client(trained_chatbots).get_run(run).data.metrics for run in runs)
    assert always["golden_hit_rate"] == honest["golden_hit_rate"] > 0.8
    assert (always["golden_answered_rate"], always["golden_refusal_rate"]) == (1.0, 0.0)
    assert honest["golden_answered_rate"] > 0.8
    assert honest["golden_refusal_rate"] == 1.0


def test_every_version_has_a_signature_an_example_and_exact_requirements(trained_chatbots: Settings) -> None:
    import mlflow

    client(trained_chatbots)
    for number, kind in enumerate(RECIPES, start=1):
        uri = f"models:/test.chatbot/{number}"
        info = mlflow.models.get_model_info(uri)
        assert "input" in info.signature.inputs.input_names()
        assert info.saved_input_example_info is not None
        requirements = mlflow.artifacts.load_text(f"{uri}/requirements.txt").split()
        assert all("==" in requirement for requirement in requirements)
        assert any(requirement.startswith("xllamacpp==") for requirement in requirements) == kind.startswith(
            "generative"
        )


def test_artifacts_stay_in_the_workspace_and_training_leaves_no_trace(trained_chatbots: Settings) -> None:
    registry = client(trained_chatbots)
    version = get(trained_chatbots, "test.chatbot", "1")
    experiment = registry.get_experiment(registry.get_run(version.run_id).info.experiment_id)
    assert experiment.artifact_location == (trained_chatbots.home / "mlflow").as_uri()
    assert list(registry.search_traces(locations=[experiment.experiment_id])) == []


def test_training_without_features_says_what_to_do_first(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = Settings(home=tmp_path_factory.mktemp("empty"))
    with pytest.raises(LakehouseError, match="run the feature refresh first"):
        train(settings, "retrieval")


def test_training_on_a_data_version_that_is_not_there_says_which_there_is(trained_chatbots: Settings) -> None:
    with pytest.raises(LakehouseError, match="has no version 99: it is at 1"):
        train(trained_chatbots, "retrieval", chunks_version=99)


def test_an_unknown_kind_is_refused_before_anything_is_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["oracle"])
    assert "retrieval-threshold" in capsys.readouterr().err
