import re
from pathlib import Path

import numpy as np
import pytest

from metrics.engines.detoxify_checkpoint import PUBLISHED, RELEASES
from metrics.engines.errors import ModelNotPrepared, ModelUnusable
from metrics.engines.preparation import prepare_toxicity
from metrics.engines.prepared_folder import description
from metrics.engines.toxicity import load_toxicity
from metrics.scorers import ToxicityScorer
from tests.metrics.engines.tiny_models import write_tiny_detoxify

TEXTS = ["You are an idiot!", "hello", "the gateway is down, hello " * 12, "unknown words only", "you"]


@pytest.fixture(scope="module")
def keyword(prepared_models: Path) -> ToxicityScorer:
    return load_toxicity(prepared_models / "toxicity", threads=1)


def test_the_fallback_is_labelled_as_a_keyword_classifier_and_as_english(keyword: ToxicityScorer) -> None:
    assert re.fullmatch(r"keyword/alt-profanity-check-[\d.]+/1", keyword.name)
    assert keyword.english_only


def test_the_fallback_tells_an_insult_from_a_question(keyword: ToxicityScorer) -> None:
    scores = keyword.score(["You are a stupid idiot", "How do I start the gateway?"])
    assert scores.values[0] > 0.9
    assert scores.values[1] < 0.2
    assert [set(labels) for labels in scores.labels] == [{"profanity"}, {"profanity"}]


def test_the_fallback_answers_empty_and_strange_texts_each_for_itself(keyword: ToxicityScorer) -> None:
    scores = keyword.score(["", "You are a stupid idiot", "😀" * 1000, "\x00\x01", "\ud800", ""])
    assert np.isnan(scores.values).tolist() == [True, False, False, False, False, True]
    assert list(scores.reasons) == ["the text is empty", None, None, None, None, "the text is empty"]
    assert scores.labels[0] == {}
    assert np.isnan(keyword.score([""] * 10_000).values).all()
    assert len(keyword.score([]).values) == 0


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A tiny detoxify checkpoint and the folder prepared from it."""
    checkpoint = write_tiny_detoxify(tmp_path_factory.mktemp("detoxify"))
    folder = tmp_path_factory.mktemp("models") / "toxicity"
    prepare_toxicity("original", str(checkpoint), folder)
    return checkpoint, folder


def test_a_checkpoint_gives_the_numbers_of_detoxify_itself(tiny: tuple[Path, Path]) -> None:
    from detoxify import Detoxify

    checkpoint, folder = tiny
    engine = load_toxicity(folder, threads=1)
    peer = Detoxify(checkpoint=str(checkpoint), huggingface_config_path=str(checkpoint.parent))
    scores = engine.score(TEXTS)
    for text, labels in zip(TEXTS, scores.labels, strict=True):
        expected = peer.predict(text)
        assert labels.keys() == expected.keys()
        np.testing.assert_allclose(list(labels.values()), list(expected.values()), atol=0.01)
    assert scores.values.tolist() == [labels["toxicity"] for labels in scores.labels]
    assert np.ptp(scores.values) > 0.01


def test_a_checkpoint_scores_an_empty_text_as_missing_and_names_the_variant(tiny: tuple[Path, Path]) -> None:
    engine = load_toxicity(tiny[1], threads=1)
    scores = engine.score(["", "hello"])
    assert np.isnan(scores.values).tolist() == [True, False]
    assert engine.name.startswith("detoxify-original/openvino-")


def test_a_checkpoint_that_could_run_code_is_not_opened(tmp_path: Path) -> None:
    checkpoint = write_tiny_detoxify(tmp_path / "bad", extra=re.compile("x"))
    with pytest.raises(ModelUnusable, match="could run code"):
        prepare_toxicity("original", str(checkpoint), tmp_path / "models" / "toxicity")
    assert list((tmp_path / "models").iterdir()) == []


def test_a_checkpoint_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match=r"nowhere\.ckpt does not exist: correct LAKEHELM_DETOXIFY_CHECKPOINT"):
        prepare_toxicity("original", str(tmp_path / "nowhere.ckpt"), tmp_path / "toxicity")


def test_weights_out_of_reach_give_the_fallback_with_its_reason_and_are_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "no-cache"))
    monkeypatch.setattr("metrics.engines.detoxify_checkpoint.RELEASES", "http://127.0.0.1:9/")
    said: list[str] = []
    folder = tmp_path / "toxicity"
    about = prepare_toxicity("auto", "", folder, said.append)
    assert "could not be downloaded" in about["fallback_because"]
    assert "keyword classifier" in said[-1]
    assert load_toxicity(folder, threads=1).name.startswith("keyword/")
    said.clear()
    prepare_toxicity("auto", "", folder, said.append)
    assert said


def test_a_download_that_is_not_what_was_published_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published = tmp_path / "releases" / PUBLISHED["original"]
    published.parent.mkdir(parents=True)
    published.write_bytes(b"not the weights")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "no-cache"))
    monkeypatch.setattr("metrics.engines.detoxify_checkpoint.RELEASES", (tmp_path / "releases").as_uri() + "/")
    with pytest.raises(ModelUnusable, match="not what was published"):
        prepare_toxicity("original", "", tmp_path / "toxicity")


def test_the_published_checkpoints_are_those_of_the_installed_detoxify() -> None:
    from detoxify.detoxify import MODEL_URLS

    assert {variant: RELEASES + release for variant, release in PUBLISHED.items()} == MODEL_URLS


def test_a_folder_without_a_prepared_model_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelNotPrepared, match="run `python -m jobs prepare`"):
        load_toxicity(tmp_path, threads=1)


def test_a_prepared_folder_is_left_alone(tiny: tuple[Path, Path]) -> None:
    checkpoint, folder = tiny
    before = (folder / "model.bin").stat().st_mtime_ns
    prepare_toxicity("original", str(checkpoint), folder)
    assert (folder / "model.bin").stat().st_mtime_ns == before
    assert description(folder)["labels"] == ["toxicity", "severe_toxicity", "identity_attack"]
