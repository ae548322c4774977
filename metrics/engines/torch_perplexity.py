"""The language model in PyTorch: on CUDA, where it is the engine, and for models that have to be traced."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from metrics.engines.errors import ModelUnusable
from metrics.engines.gguf_file import GgufFile

if TYPE_CHECKING:
    from metrics.engines.perplexity import Surprise

PIECE_TOKENS = 2048
"""For how many positions logits exist at a time: 400 MB in float32 with a vocabulary of 49,152."""


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
        local = {"local_files_only": True, "trust_remote_code": False, **options}
        tokenizer = AutoTokenizer.from_pretrained(folder, **local)
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=None if options else True, **local
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ModelUnusable(f"transformers cannot load a causal language model from {source}: {error}") from error
    return model.eval(), tokenizer


def llama_model(gguf: GgufFile) -> Any:
    """The model of a plain llama GGUF file (float32, on the CPU) as transformers computes it.

    transformers can read such files itself, but only with the package `accelerate`, and several times slower.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    shape, weights = gguf.shape(), gguf.weights()
    table = weights["token_embd.weight"]
    config = LlamaConfig(
        vocab_size=table.shape[0],
        hidden_size=shape.hidden,
        intermediate_size=weights["blk.0.ffn_up.weight"].shape[0],
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_value_heads,
        head_dim=shape.head_size,
        max_position_embeddings=gguf.context_length,
        rms_norm_eps=shape.norm_epsilon,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope_base},
        tie_word_embeddings="output.weight" not in weights,
    )
    renamed = {_hugging_face_name(name): torch.tensor(weight) for name, weight in weights.items()}
    return LlamaForCausalLM.from_pretrained(None, config=config, state_dict=renamed, dtype=torch.float32).eval()


def _hugging_face_name(name: str) -> str:
    """`blk.3.attn_q.weight` → `model.layers.3.self_attn.q_proj.weight`."""
    if name in _WHOLE_NAMES:
        return _WHOLE_NAMES[name]
    _, layer, part, kind = name.split(".")
    return f"model.layers.{layer}.{_PART_NAMES[part]}.{kind}"


_WHOLE_NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_PART_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def torch_surprise(folder: Path, threads: int) -> "tuple[Surprise, str]":
    """The surprise function of a prepared PyTorch folder, and its precision: `bf16` or `f32`.

    On CUDA where there is one, in bf16 where its processors have it; else on `threads` of the CPU. Logits are float32.
    """
    import torch

    torch.set_num_threads(max(1, threads))
    if not torch.cuda.is_available():
        return surprise_in(folder, "cpu", "f32"), "f32"
    precision: Literal["bf16", "f32"] = "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "f32"
    return surprise_in(folder, "cuda", precision), precision


def surprise_in(folder: Path, device: str, precision: Literal["bf16", "f32"]) -> "Surprise":
    """The surprise function of a prepared PyTorch folder on a device. Raises ModelUnusable."""
    import torch
    from transformers import AutoModelForCausalLM

    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=dtype)
    except (OSError, ValueError) as error:
        raise ModelUnusable(f"The model in {folder} cannot be loaded: delete that folder and prepare again.") from error
    model = model.to(device).eval()
    in_pieces = _surprise_in_pieces(model)

    def surprise(ids: NDArray[np.int32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            table = in_pieces(torch.from_numpy(ids.astype(np.int64)).to(device))
        return np.asarray(table.cpu().numpy(), dtype=np.float32)

    return surprise


def _surprise_in_pieces(model: Any) -> Callable[[Any], Any]:
    """`surprise_of` with the head computed for some positions at a time, so that logits of a whole batch never exist.

    Some models do more with their logits than the head (they scale or cap them): those are taken one text at a time.
    """
    import torch

    body, head = model.base_model, model.get_output_embeddings()

    def hidden_of(ids: Any) -> Any:
        return body(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).last_hidden_state

    probe = torch.arange(4, device=model.device).unsqueeze(0)
    with torch.inference_mode():
        if not isinstance(head, torch.nn.Linear) or not torch.allclose(head(hidden_of(probe)), model(probe).logits):
            return lambda ids: torch.cat([surprise_of(model, row) for row in ids.split(1)])
    weight, bias = head.weight.float(), None if head.bias is None else head.bias.float()

    def in_pieces(ids: Any) -> Any:
        hidden = hidden_of(ids)[:, :-1].flatten(0, 1).split(PIECE_TOKENS)
        chosen = ids[:, 1:].flatten().split(PIECE_TOKENS)
        surprises = [
            _surprise(torch.nn.functional.linear(piece.float(), weight, bias), tokens)
            for piece, tokens in zip(hidden, chosen, strict=True)
        ]
        return torch.cat(surprises).reshape(ids.shape[0], -1)

    return in_pieces


def surprise_of(model: Any, ids: Any) -> Any:
    """Negative log-likelihoods [texts, length - 1] of the tokens from the second on."""
    import torch

    everything = torch.ones_like(ids)  # without a mask transformers looks for packed texts, which cannot be traced
    logits = model(input_ids=ids, attention_mask=everything, use_cache=False).logits[:, :-1].float()
    return _surprise(logits.flatten(0, 1), ids[:, 1:].flatten()).reshape(ids.shape[0], -1)


def _surprise(logits: Any, chosen: Any) -> Any:
    """Negative log-likelihoods [positions] of the chosen tokens under logits [positions, vocabulary]."""
    import torch

    return torch.logsumexp(logits, dim=1) - logits[torch.arange(chosen.numel(), device=chosen.device), chosen]
