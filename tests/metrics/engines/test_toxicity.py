import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.engines.detoxify_checkpoint import PUBLISHED, RELEASES, find_checkpoint
from metrics.engines.errors import ModelNotPrepared, ModelUnusable
from metrics.engines.preparation import prepare_toxicity
from metrics.engines.toxicity import load_toxicity
from metrics.scorers import ToxicityScorer
from tests.metrics.engines.tiny_models import DETOXIFY_FAMILIES, write_tiny_detoxify

TEXTS = [
    "You are an idiot!",
    "hello",
    "the gateway is down, hello " * 12,
    "unknown words only",
    "you",
    "🚀😀 idiot",
    "шлюз не работает",
    "你 is down",
    " \n\t ",
    "<pad> [SEP] </s> [PAD] you",
    "naïve É\u0301 ``quoted''",
]
PIECES = [
    "you ",
    "are",
    " an",
    "idiot",
    "hello, ",
    "😀",
    "你",
    "шлюз ",
    "\n",
    " ",
    "<s>",
    "[MASK]",
    "é",
    "\x00",
    "ﬁ",
    "İ",
]


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


@dataclass(frozen=True)
class Tiny:
    """A tiny detoxify model: its checkpoint, the folder prepared from it, the engine, and detoxify itself with it."""

    variant: str
    checkpoint: Path
    folder: Path
    engine: ToxicityScorer
    peer: Any

    def differences(self, texts: list[str]) -> list[float]:
        """How far the engine's labels of each text are from detoxify's, of texts that are not empty."""
        labels = self.engine.score(texts).labels
        expected = [self.peer.predict(text) for text in texts]
        assert [list(one) for one in labels] == [list(one) for one in expected]
        return [
            max(abs(one[name] - other[name]) for name in other) for one, other in zip(labels, expected, strict=True)
        ]


@pytest.fixture(scope="module", params=DETOXIFY_FAMILIES)
def tiny(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    from detoxify import Detoxify

    checkpoint = write_tiny_detoxify(tmp_path_factory.mktemp("detoxify"), request.param)
    folder = tmp_path_factory.mktemp("models") / "toxicity"
    prepare_toxicity(request.param, str(checkpoint), folder)
    peer = Detoxify(checkpoint=str(checkpoint), huggingface_config_path=str(checkpoint.parent))
    return Tiny(request.param, checkpoint, folder, load_toxicity(folder, threads=1), peer)


def tolerance(engine: ToxicityScorer) -> float:
    return 1e-4 if "f32" in engine.name else 0.02


def test_every_published_kind_of_model_gives_the_numbers_of_detoxify_itself(tiny: Tiny) -> None:
    assert max(tiny.differences(TEXTS)) < tolerance(tiny.engine)
    scores = tiny.engine.score(TEXTS)
    assert scores.values.tolist() == [labels["toxicity"] for labels in scores.labels]
    assert np.ptp(scores.values) > 0.01


@settings(max_examples=12)
@given(
    texts=st.lists(
        st.one_of(st.text(min_size=1), st.lists(st.sampled_from(PIECES), min_size=1).map("".join)), max_size=6
    )
)
def test_generated_texts_score_as_in_detoxify_one_by_one(tiny: Tiny, texts: list[str]) -> None:
    assert max(tiny.differences(texts), default=0) < tolerance(tiny.engine)


def test_a_text_scores_the_same_alone_and_in_any_company(tiny: Tiny) -> None:
    together = tiny.engine.score(TEXTS).values
    alone = [tiny.engine.score([text]).values[0] for text in TEXTS]
    np.testing.assert_allclose(together, alone, atol=tolerance(tiny.engine))


def test_what_comes_after_the_last_token_read_changes_nothing(tiny: Tiny) -> None:
    beginning = "you are an idiot, " * 20
    scores = tiny.engine.score([beginning, beginning + "hello " * 50_000])
    assert scores.values[0] == pytest.approx(scores.values[1], abs=tolerance(tiny.engine))


def test_an_empty_text_is_missing_and_harms_no_other(tiny: Tiny) -> None:
    scores = tiny.engine.score(["", "hello", ""])
    assert np.isnan(scores.values).tolist() == [True, False, True]
    assert scores.labels[0] == {}
    assert list(scores.reasons) == ["the text is empty", None, "the text is empty"]
    assert len(tiny.engine.score([]).values) == 0


def test_the_scorer_names_the_variant_and_only_the_multilingual_one_takes_other_languages(tiny: Tiny) -> None:
    assert tiny.engine.name.startswith(f"detoxify-{tiny.variant}@")
    assert tiny.engine.english_only == (tiny.variant != "multilingual")


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
    assert [path.name for path in tmp_path.rglob("*.ckpt")] == [published.name]


def test_published_weights_are_fetched_once_and_kept_where_detoxify_keeps_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = write_tiny_detoxify(tmp_path / "made")
    release = f"v0/tiny-{hashlib.sha256(made.read_bytes()).hexdigest()[:8]}.ckpt"
    served = tmp_path / "releases" / release
    served.parent.mkdir(parents=True)
    made.rename(served)
    monkeypatch.setitem(PUBLISHED, "original", release)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("metrics.engines.detoxify_checkpoint.RELEASES", (tmp_path / "releases").as_uri() + "/")
    kept = tmp_path / "cache" / "hub" / "checkpoints"
    kept.mkdir(parents=True)
    for file in (tmp_path / "made").iterdir():
        (kept / file.name).write_bytes(file.read_bytes())
    assert prepare_toxicity("original", "", tmp_path / "models" / "toxicity")["engine"] == "openvino"
    served.unlink()
    assert find_checkpoint("original") == kept / served.name


def test_the_published_checkpoints_are_those_of_the_installed_detoxify() -> None:
    from detoxify.detoxify import MODEL_URLS

    assert {variant: RELEASES + release for variant, release in PUBLISHED.items()} == MODEL_URLS


def test_a_folder_without_a_prepared_model_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelNotPrepared, match="run `python -m jobs prepare`"):
        load_toxicity(tmp_path, threads=1)


def test_a_prepared_folder_is_left_alone(tiny: Tiny) -> None:
    before = (tiny.folder / "model.bin").stat().st_mtime_ns
    prepare_toxicity(tiny.variant, str(tiny.checkpoint), tiny.folder)
    assert (tiny.folder / "model.bin").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"config": {}}, "is not a checkpoint as detoxify writes them: 'arch'"),
        ({"config": 3}, "is not a checkpoint as detoxify writes them"),
        ({"state_dict": {}}, "is missing"),
        ({"state_dict": 3}, "do not fit"),
    ],
    ids=["no architecture", "no configuration", "no weights", "no table of weights"],
)
def test_a_checkpoint_of_another_make_is_refused_in_one_sentence(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    import torch

    checkpoint = write_tiny_detoxify(tmp_path / "bad")
    torch.save({**torch.load(checkpoint), **change}, checkpoint)
    with pytest.raises(ModelUnusable, match=message):
        prepare_toxicity("original", str(checkpoint), tmp_path / "models" / "toxicity")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("num_classes", 8, "do not fit its configuration: .*size mismatch"),
        ("num_classes", 5, "more labels than outputs"),
        ("model_name", "GPT2LMHeadModel", "unknown class 'GPT2LMHeadModel'"),
        ("tokenizer_name", "AutoTokenizer", "unknown class .* 'AutoTokenizer'"),
    ],
)
def test_an_architecture_that_is_not_detoxifys_is_refused_in_one_sentence(
    name: str, value: Any, message: str, tmp_path: Path
) -> None:
    import torch

    checkpoint = write_tiny_detoxify(tmp_path / "bad")
    content = torch.load(checkpoint)
    content["config"]["arch"]["args"][name] = value
    torch.save(content, checkpoint)
    with pytest.raises(ModelUnusable, match=f"(?s){message}"):
        prepare_toxicity("original", str(checkpoint), tmp_path / "models" / "toxicity")
