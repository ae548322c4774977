"""The PyTorch engine, on the CPU and in both precisions: where it runs for good (CUDA), only the device differs."""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from metrics.engines import torch_perplexity
from metrics.engines.errors import ModelUnusable
from metrics.engines.torch_perplexity import causal_model, surprise_in, torch_surprise
from tests.metrics.engines.tiny_models import write_tiny_causal_model

IDS = np.array([[0, *range(40, 60)], [0, *range(200, 220)], [0, *[7] * 20]], dtype=np.int32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("torch") / "gpt2"
    write_tiny_causal_model(folder)
    return folder


def expected_surprise(model: Any, ids: np.ndarray) -> np.ndarray:
    """Negative log-likelihoods of the second to last tokens, the plain way."""
    import torch

    table = torch.tensor(ids).long()
    with torch.no_grad():
        likelihoods = torch.log_softmax(model(table).logits.double(), dim=2)
    return -np.take_along_axis(likelihoods.numpy()[:, :-1], ids[:, 1:, None].astype(np.int64), axis=2)[:, :, 0]


@pytest.mark.parametrize(("precision", "tolerance"), [("f32", 1e-4), ("bf16", 0.05)])
@pytest.mark.parametrize("piece", [1, 7, 2048])
def test_a_head_in_pieces_gives_the_numbers_of_the_whole_model(
    folder: Path, precision: Literal["f32", "bf16"], tolerance: float, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch_perplexity, "PIECE_TOKENS", piece)
    surprise = surprise_in(folder, "cpu", precision)(IDS)
    assert surprise.dtype == np.float32
    np.testing.assert_allclose(surprise, expected_surprise(causal_model(folder)[0], IDS), atol=tolerance)


def test_logits_of_no_more_than_a_piece_exist_at_a_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    whole = torch_perplexity._surprise
    monkeypatch.setattr(torch_perplexity, "PIECE_TOKENS", 16)
    monkeypatch.setattr(
        torch_perplexity, "_surprise", lambda logits, ids: (seen.append(len(ids)), whole(logits, ids))[1]
    )
    surprise_in(folder, "cpu", "f32")(IDS)
    assert seen == [16, 16, 16, 12]


def test_a_model_that_caps_its_logits_keeps_its_own_numbers(tmp_path: Path) -> None:
    import torch
    from transformers import Gemma2Config, Gemma2ForCausalLM

    torch.manual_seed(3)
    config = Gemma2Config(
        vocab_size=257,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        final_logit_softcapping=0.5,
        initializer_range=0.5,
    )
    Gemma2ForCausalLM(config).save_pretrained(tmp_path)
    model = Gemma2ForCausalLM.from_pretrained(tmp_path).eval()
    np.testing.assert_allclose(surprise_in(tmp_path, "cpu", "f32")(IDS), expected_surprise(model, IDS), atol=1e-4)


def test_without_cuda_the_precision_is_float32(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert torch_surprise(folder, threads=1)[1] == "f32"


@pytest.mark.parametrize(("native", "precision"), [(True, "bf16"), (False, "f32")])
def test_cuda_gets_bf16_where_it_has_it_and_the_name_says_so(
    native: bool, precision: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda including_emulation: native)
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(torch_perplexity, "surprise_in", lambda _, device, wanted: asked.append((device, wanted)))
    assert torch_surprise(folder, threads=1)[1] == precision
    assert asked == [("cuda", precision)]


def test_code_that_a_folder_brings_is_not_run_even_if_somebody_would_say_yes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda _: "y")
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    ran = tmp_path / "ran"
    own = tmp_path / "own"
    own.mkdir()
    for file in folder.iterdir():
        (own / file.name).write_bytes(file.read_bytes())
    (own / "modeling_own.py").write_text(f"open({str(ran)!r}, 'w').close()\n")
    config = json.loads((own / "config.json").read_text())
    config |= {
        "model_type": "own",
        "auto_map": {"AutoConfig": "modeling_own.C", "AutoModelForCausalLM": "modeling_own.M"},
    }
    (own / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelUnusable, match="cannot load a causal language model"):
        causal_model(own)
    assert not ran.exists()
