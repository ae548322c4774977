"""The language model in PyTorch: on CUDA, where it is the engine, and for models that have to be traced."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metrics.engines.errors import ModelUnusable

if TYPE_CHECKING:
    from metrics.engines.perplexity import Surprise


def has_cuda() -> bool:
    """Whether PyTorch sees a CUDA device."""
    import torch

    return bool(torch.cuda.is_available())


def causal_model(source: Path) -> tuple[Any, Any]:
    """Model (float32, on the CPU) and tokenizer from a GGUF file or a Hugging Face folder with safetensors.

    No code and no pickle of the folder is run. Raises ModelUnusable if transformers cannot read it.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder, options = (source, {}) if source.is_dir() else (source.parent, {"gguf_file": source.name})
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, **options)
        model = AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, dtype=torch.float32, use_safetensors=None if options else True, **options
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ModelUnusable(f"transformers cannot load a causal language model from {source}: {error}") from error
    return model.eval(), tokenizer


def save_causal_model(model: Any, folder: Path) -> None:
    """Writes the model as a Hugging Face folder, one read from GGUF too, which transformers refuses by itself."""
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
        model.hf_quantizer = None
        model.is_quantized = False
    model.save_pretrained(folder)


def torch_surprise(folder: Path, threads: int) -> "tuple[Surprise, str]":
    """The surprise function of a prepared PyTorch folder: on CUDA where there is one, else on `threads` of the CPU."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(max(1, threads))
    model = causal_model(folder)[0].to(device)

    def surprise(ids: NDArray[np.int32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            table = surprise_of(model, torch.from_numpy(ids.astype(np.int64)).to(device))
        return np.asarray(table.float().cpu().numpy(), dtype=np.float32)

    return surprise, "f32"


def surprise_of(model: Any, ids: Any) -> Any:
    """Negative log-likelihoods [texts, length - 1] of the tokens from the second on."""
    import torch

    logits = model(input_ids=ids, use_cache=False).logits[:, :-1].float()
    chosen = logits.gather(2, ids[:, 1:].unsqueeze(2)).squeeze(2)
    return torch.logsumexp(logits, dim=2) - chosen
