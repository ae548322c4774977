"""Turns a detoxify checkpoint into a prepared folder, without running what a pickle could carry.

The package `detoxify` opens checkpoints with `weights_only=False`, which executes code that a file brings. Here only
tensors and plain values are read, and only the model classes that detoxify publishes are built.
"""

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from metrics.engines.errors import ModelUnusable

CONNECT_SECONDS = 5
RELEASES = "https://github.com/unitaryai/detoxify/releases/download/"
PUBLISHED = {
    "original": "v0.1-alpha/toxic_original-c1212f89.ckpt",
    "unbiased": "v0.3-alpha/toxic_debiased-c7548aa0.ckpt",
    "multilingual": "v0.4-alpha/multilingual_debiased-0b549669.ckpt",
    "original-small": "v0.1.2/original-albert-0e1d6498.ckpt",
    "unbiased-small": "v0.1.2/unbiased-albert-c8519128.ckpt",
}
"""The checkpoints that detoxify 0.5.4 names. They stand here because importing it takes seconds (PyTorch)."""
_MODEL_CLASSES = {
    "BertForSequenceClassification",
    "RobertaForSequenceClassification",
    "XLMRobertaForSequenceClassification",
    "AlbertForSequenceClassification",
}
_LABELS = {"toxic": "toxicity", "identity_hate": "identity_attack", "severe_toxic": "severe_toxicity"}
"""Variants name the same thing differently; these are the names of `detoxify.predict`."""
_MAX_TOKENS = 512


class WeightsOutOfReach(Exception):
    """The weights are not on this machine and cannot be downloaded now."""


def find_checkpoint(variant: str, work: Path) -> Path:
    """The published checkpoint of a variant: from PyTorch's cache, else downloaded into `work`.

    Raises WeightsOutOfReach; ModelUnusable if what was downloaded is not what was published.
    """
    release = PUBLISHED[variant]
    name = release.rsplit("/", 1)[1]
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "torch"
    cached = Path(os.environ.get("TORCH_HOME", cache)).expanduser() / "hub" / "checkpoints" / name
    return cached if cached.exists() else _download(RELEASES + release, work / name)


def _download(url: str, file: Path) -> Path:
    """PyTorch's naming rule puts the beginning of the SHA-256 into the file name."""
    digest = hashlib.sha256()
    try:
        with urllib.request.urlopen(url, timeout=CONNECT_SECONDS) as response, file.open("wb") as out:
            while block := response.read(1 << 20):
                digest.update(block)
                out.write(block)
    except (urllib.error.URLError, OSError, ValueError) as error:
        file.unlink(missing_ok=True)
        raise WeightsOutOfReach(f"its weights could not be downloaded ({getattr(error, 'reason', error)})") from error
    if not digest.hexdigest().startswith(file.stem.rsplit("-", 1)[1]):
        raise ModelUnusable(
            f"The download of {file.name} is not what was published: run `python -m jobs prepare` again."
        )
    return file


def write_detoxify(checkpoint: Path, work: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Writes graph and tokenizer of a checkpoint into `work` and returns what `engine.json` has to say of them.

    The configuration and the tokenizer come from the checkpoint's own folder if it has a `config.json`, else from
    Hugging Face's cache or hub. Raises ModelUnusable, WeightsOutOfReach.
    """
    import openvino as ov
    import torch

    say("reading the toxicity weights")
    content = _read(checkpoint)
    try:
        architecture = content["config"]["arch"]["args"]
        labels = [_LABELS.get(label, label) for label in content["config"]["dataset"]["args"]["classes"]]
        model, tokenizer = _model_and_tokenizer(checkpoint, architecture, content["state_dict"])
    except (KeyError, TypeError) as error:
        raise ModelUnusable(f"{checkpoint} is not a detoxify checkpoint: {error} is missing.") from error
    if "toxicity" not in labels:
        raise ModelUnusable(
            f"The detoxify checkpoint {checkpoint} has no label for toxicity, only {', '.join(labels)}."
        )

    class Probabilities(torch.nn.Module):
        """Only a module can be traced."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, ids: Any, mask: Any) -> Any:
            return torch.sigmoid(self.model(input_ids=ids.long(), attention_mask=mask.long()).logits)

    say("tracing the toxicity model")
    example = torch.ones((2, 8), dtype=torch.int32)
    shapes = [("ids", [-1, -1], ov.Type.i32), ("mask", [-1, -1], ov.Type.i32)]
    with torch.inference_mode():
        graph = ov.convert_model(Probabilities(), example_input=(example, example), input=shapes)
    ov.save_model(graph, work / "model.xml", compress_to_fp16=True)
    tokenizer.backend_tokenizer.save(str(work / "tokenizer.json"))
    limit = min(_MAX_TOKENS, tokenizer.model_max_length)
    return {
        "engine": "openvino",
        "labels": labels,
        "filler": int(tokenizer.pad_token_id or 0),
        "max_tokens": int(limit),
    }


def _read(checkpoint: Path) -> Any:
    import pickle

    import torch

    try:
        return torch.load(checkpoint, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelUnusable(
            f"The detoxify checkpoint {checkpoint} holds more than weights and plain values, so it is not opened: "
            "it could run code."
        ) from error
    except (OSError, RuntimeError, EOFError) as error:
        raise ModelUnusable(f"The detoxify checkpoint {checkpoint} cannot be read: {error}") from error


def _model_and_tokenizer(checkpoint: Path, architecture: dict[str, Any], weights: dict[str, Any]) -> tuple[Any, Any]:
    import transformers

    class_name = architecture["model_name"]
    if class_name not in _MODEL_CLASSES:
        raise ModelUnusable(f"The detoxify checkpoint {checkpoint} wants the unknown model class {class_name!r}.")
    beside = checkpoint.parent if (checkpoint.parent / "config.json").exists() else None
    source = str(beside) if beside else architecture["model_type"]
    model_class = getattr(transformers, class_name)
    try:
        config = model_class.config_class.from_pretrained(
            source, num_labels=architecture["num_classes"], local_files_only=beside is not None
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(source, local_files_only=beside is not None)
    except (OSError, ValueError) as error:
        raise WeightsOutOfReach(f"the configuration and tokenizer of {source} could not be had") from error
    config._attn_implementation = "eager"
    model = model_class(config)
    missing, unexpected = model.load_state_dict(weights, strict=False)
    wrong = [name for name in (*missing, *unexpected) if not name.endswith("position_ids")]
    if wrong:
        raise ModelUnusable(f"The weights in {checkpoint} do not fit its configuration: {wrong[0]} is amiss.")
    return model.eval(), tokenizer
