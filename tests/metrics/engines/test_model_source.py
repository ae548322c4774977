import json
import math
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metrics.engines.errors import ModelUnusable
from metrics.engines.model_source import OutOfReach, hub_folder, is_hub_name
from metrics.engines.perplexity import PerplexityEngine
from metrics.engines.preparation import prepare_perplexity, prepare_toxicity
from tests.metrics.engines.loopback_hub import GATED, REVISION, LoopbackHub
from tests.metrics.engines.tiny_models import write_tiny_causal_model, write_tiny_detoxify

TEXTS = ["The gateway is down.", "x", "Grüße 🚀", "to be or not to be, that is the question that was asked here"]
CONTEXT = 40
"""Of the tiny GPT-2; the last of the texts is longer."""


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the hub has of the model: also code, a pickle, another format and a second copy, which nobody must take."""
    folder = tmp_path_factory.mktemp("hub") / "gpt2"
    write_tiny_causal_model(folder)
    for name in ("pytorch_model.bin", "modeling_tiny.py", "onnx/model.safetensors", "onnx/config.json", "README.md"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"nobody must take this")
    return folder


@pytest.fixture
def hub(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    (tmp_path / "only-a-pickle").mkdir()
    (tmp_path / "only-a-pickle" / "pytorch_model.bin").write_bytes(b"")
    models = {"gpt2": published, "owner/pickle": tmp_path / "only-a-pickle", GATED: published}
    with LoopbackHub(models) as server:
        use_hub(monkeypatch, server.address, tmp_path / "cache")
        yield server


def use_hub(monkeypatch: pytest.MonkeyPatch, address: str, cache: Path) -> None:
    """What HF_ENDPOINT and HF_HUB_CACHE would do, which are read when the library is imported."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)


@pytest.mark.parametrize(
    ("setting", "could_be"),
    [
        ("gpt2", True),
        ("HuggingFaceTB/SmolLM2-360M-Instruct", True),
        ("/models/gpt2", False),
        ("~/gpt2", False),
        ("../gpt2", False),
        ("a/b/c", False),
        ("models/small.gguf", False),
        ("", False),
        ("gpt2?x=1", False),
    ],
)
def test_paths_are_told_from_names_on_the_hub(setting: str, could_be: bool) -> None:
    assert is_hub_name(setting) == could_be


def test_a_model_is_fetched_once_without_code_and_pickles(hub: LoopbackHub) -> None:
    folder = hub_folder("gpt2", weights=True)
    assert folder.name == REVISION
    assert sorted(hub.sent) == ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    hub.asked.clear()
    assert hub_folder("gpt2", weights=True) == folder
    assert hub.asked == []


def test_what_a_part_of_the_cache_lacks_is_fetched(hub: LoopbackHub) -> None:
    assert not (hub_folder("gpt2", weights=False) / "model.safetensors").exists()
    assert (hub_folder("gpt2", weights=True) / "model.safetensors").exists()
    assert hub.sent.count("config.json") == 1


def test_weights_in_pieces_are_whole_only_with_every_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_hub(monkeypatch, "http://127.0.0.1:9", tmp_path)
    folder = tmp_path / "models--owner--large" / "snapshots" / REVISION
    folder.mkdir(parents=True)
    (tmp_path / "models--owner--large" / "refs").mkdir()
    (tmp_path / "models--owner--large" / "refs" / "main").write_text(REVISION)
    pieces = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    index = {"weight_map": dict(zip(["a", "b"], pieces, strict=True))}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    for name in ("config.json", "tokenizer.json", pieces[0]):
        (folder / name).write_text("{}")
    with pytest.raises(OutOfReach, match="could not be reached"):
        hub_folder("owner/large", weights=True)
    (folder / pieces[1]).write_text("{}")
    assert hub_folder("owner/large", weights=True) == folder


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("owner/no-such-model", "has no public model of that name"),
        (GATED, "log in with `hf auth login`"),
        ("owner/pickle", "without safetensors"),
        ("a--b/c", "no name of a model"),
    ],
)
@pytest.mark.usefixtures("hub")
def test_a_model_that_cannot_be_had_is_explained_in_one_sentence(name: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match=rf"'{name}'.*{reason}.*LAKEHELM_PERPLEXITY_MODEL"):
        prepare_perplexity(name, tmp_path / "models" / "perplexity")
    assert not (tmp_path / "models").exists()


def test_a_hub_that_never_answers_is_given_up_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metrics.engines.model_source.CONNECT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        use_hub(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}", tmp_path / "cache")
        with pytest.raises(ModelUnusable, match=r"'gpt2'.*could not be reached \(ReadTimeout\)"):
            prepare_perplexity("gpt2", tmp_path / "models" / "perplexity")


def test_a_hub_that_may_not_be_asked_is_not_asked(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(OutOfReach, match="HF_HUB_OFFLINE forbids"):
        hub_folder("gpt2", weights=True)
    assert hub.asked == []


@pytest.mark.usefixtures("hub")
def test_gpt2_by_name_gives_the_numbers_of_evaluates_perplexity(published: Path, tmp_path: Path) -> None:
    prepare_perplexity("gpt2", tmp_path / "perplexity")
    engine = PerplexityEngine.load(tmp_path / "perplexity", threads=1)
    assert engine.name.startswith("gpt2/openvino-")
    scores = engine.score(TEXTS)
    np.testing.assert_allclose(
        scores.perplexity, perplexity_as_evaluate_does(published, TEXTS), rtol=2e-3 if "f32" in engine.name else 5e-2
    )
    assert scores.tokens.max() == CONTEXT - 1


def perplexity_as_evaluate_does(folder: Path, texts: list[str]) -> list[float]:
    """The formula of Hugging Face `evaluate`'s metric `perplexity` with its defaults (`add_start_token=True`).

    All texts in one batch, padded with the end token and masked; the begin token before each; the mean over all tokens
    of the text; base e. `max_length` is the model's context, which for GPT-2 it has to be: beyond it the metric fails.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, pad_token="<first>", padding_side="right")
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    encoded: Any = tokenizer(
        texts, add_special_tokens=False, padding=True, truncation=True, max_length=CONTEXT - 1, return_tensors="pt"
    )
    begin = torch.full((len(texts), 1), tokenizer.bos_token_id)
    ids = torch.cat([begin, encoded["input_ids"]], dim=1)
    mask = torch.cat([torch.ones_like(begin), encoded["attention_mask"]], dim=1)
    with torch.no_grad():
        logits = model(ids, attention_mask=mask).logits
    loss = torch.nn.CrossEntropyLoss(reduction="none")(logits[:, :-1].transpose(1, 2), ids[:, 1:])
    means = (loss * mask[:, 1:]).sum(1) / mask[:, 1:].sum(1)
    return [math.exp(mean) for mean in means.tolist()]


def test_detoxifys_configuration_and_tokenizer_come_from_the_hub_too(hub: LoopbackHub, tmp_path: Path) -> None:
    import torch

    checkpoint = write_tiny_detoxify(tmp_path / "published")
    content = torch.load(checkpoint)
    content["config"]["arch"]["args"]["model_type"] = "bert-tiny"
    alone = tmp_path / "alone.ckpt"
    torch.save(content, alone)
    folder = tmp_path / "models" / "toxicity"
    about = prepare_toxicity("original", str(alone), folder)
    assert "configuration and tokenizer of bert-tiny could not be had: " in about["fallback_because"]
    hub.models["bert-tiny"] = tmp_path / "published"
    assert prepare_toxicity("original", str(alone), folder)["engine"] == "openvino"
    assert "tiny.ckpt" not in hub.sent
