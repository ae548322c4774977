"""Turns a detoxify checkpoint into a prepared folder, without running what a pickle could carry.

The package `detoxify` opens checkpoints with `weights_only=False`, which executes code that a file brings. Here only
tensors and plain values are read, and only the model classes that detoxify publishes are built.
"""

import hashlib
import http.client
import os
import tempfile
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from metrics.engines.errors import ModelUnusable
from metrics.engines.model_source import CONNECT_SECONDS, OutOfReach, hub_folder

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
_TOKENIZER_CLASSES = {"BertTokenizer", "RobertaTokenizer", "XLMRobertaTokenizer", "AlbertTokenizer"}
_LABELS = {"toxic": "toxicity", "identity_hate": "identity_attack", "severe_toxic": "severe_toxicity"}
"""Variants name the same thing differently; these are the names of `detoxify.predict`."""
_ARCHITECTURE = ("model_name", "model_type", "tokenizer_name", "num_classes")
_MAX_TOKENS = 512


def find_checkpoint(variant: str) -> Path:
    """The published checkpoint of a variant: from PyTorch's cache, else downloaded into it, as detoxify itself does.

    Raises OutOfReach; ModelUnusable if what was downloaded is not what was published.
    """
    release = PUBLISHED[variant]
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "torch"
    folder = Path(os.environ.get("TORCH_HOME", cache)).expanduser() / "hub" / "checkpoints"
    file = folder / release.rsplit("/", 1)[1]
    if not file.exists():
        _download(RELEASES + release, file)
    return file


def _download(url: str, file: Path) -> None:
    """PyTorch's naming rule puts the beginning of the SHA-256 into the file name."""
    digest = hashlib.sha256()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent, prefix=".download-") as work:
            part = Path(work) / file.name
            with urllib.request.urlopen(url, timeout=CONNECT_SECONDS) as response, part.open("wb") as out:
                while block := response.read(1 << 20):
                    digest.update(block)
                    out.write(block)
            if not digest.hexdigest().startswith(file.stem.rsplit("-", 1)[1]):
                raise ModelUnusable(
                    f"The download of {file.name} is not what was published: run `python -m jobs prepare` again."
                )
            part.replace(file)
    except (OSError, http.client.HTTPException) as error:
        raise OutOfReach(f"its weights could not be downloaded ({getattr(error, 'reason', error)})") from error


def write_detoxify(checkpoint: Path, work: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Writes graph and tokenizer of a checkpoint into `work` and returns what `engine.json` has to say of them.

    The configuration and the tokenizer come from the checkpoint's own folder if it has a `config.json`, else from
    Hugging Face's cache or hub. Raises ModelUnusable, OutOfReach.
    """
    import openvino as ov
    import torch

    say("reading the toxicity weights")
    content = _read(checkpoint)
    try:
        architecture = {name: content["config"]["arch"]["args"][name] for name in _ARCHITECTURE}
        labels = [_LABELS.get(label, label) for label in content["config"]["dataset"]["args"]["classes"]]
        weights = content["state_dict"]
    except (KeyError, TypeError) as error:
        raise ModelUnusable(f"{checkpoint} is not a checkpoint as detoxify writes them: {error}.") from error
    if "toxicity" not in labels or len(labels) > architecture["num_classes"]:
        raise ModelUnusable(
            f"The detoxify checkpoint {checkpoint} has no label for toxicity or more labels than outputs: "
            f"{', '.join(labels)}."
        )
    model, tokenizer = _model_and_tokenizer(checkpoint, architecture, weights)

    class Probabilities(torch.nn.Module):
        """Only a module can be traced."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, ids: Any, mask: Any) -> Any:
            logits = self.model(input_ids=ids.long(), attention_mask=mask.long()).logits
            # The unbiased variants have further outputs, about identities, which no label names.
            return torch.sigmoid(logits[:, : len(labels)])

    say("tracing the toxicity model")
    example = torch.ones((2, 8), dtype=torch.int32)
    shapes = [("ids", [-1, -1], ov.Type.i32), ("mask", [-1, -1], ov.Type.i32)]
    with torch.inference_mode():
        graph = ov.convert_model(Probabilities(), example_input=(example, example), input=shapes)
    ov.save_model(graph, work / "model.xml", compress_to_fp16=False)  # halved weights move scores by some thousandths
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

    model_class, tokenizer_class = architecture["model_name"], architecture["tokenizer_name"]
    if model_class not in _MODEL_CLASSES or tokenizer_class not in _TOKENIZER_CLASSES:
        raise ModelUnusable(
            f"The detoxify checkpoint {checkpoint} wants the unknown class {model_class!r} or {tokenizer_class!r}."
        )
    source = _configuration_folder(checkpoint, architecture["model_type"])
    kind = getattr(transformers, model_class)
    try:
        config = kind.config_class.from_pretrained(
            source, num_labels=architecture["num_classes"], local_files_only=True
        )
        tokenizer = getattr(transformers, tokenizer_class).from_pretrained(source, local_files_only=True)
    except (OSError, ValueError, TypeError) as error:
        raise ModelUnusable(f"transformers cannot read configuration and tokenizer in {source}: {error}") from error
    config._attn_implementation = "eager"
    model = kind(config)
    try:
        # What a checkpoint has beyond the model is ignored, as by detoxify: older releases kept an unused layer.
        missing = model.load_state_dict(weights, strict=False).missing_keys
    except (RuntimeError, TypeError) as error:
        raise ModelUnusable(f"The weights in {checkpoint} do not fit its configuration: {error}") from error
    absent = [name for name in missing if not name.endswith("position_ids")]
    if absent:
        raise ModelUnusable(f"The weights in {checkpoint} do not fit its configuration: {absent[0]} is missing.")
    return model.eval(), tokenizer


def _configuration_folder(checkpoint: Path, model_type: str) -> Path:
    if (checkpoint.parent / "config.json").exists():
        return checkpoint.parent
    try:
        return hub_folder(model_type, weights=False)
    except OutOfReach as error:
        raise OutOfReach(f"the configuration and tokenizer of {model_type} could not be had: {error}") from error
