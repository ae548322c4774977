"""Perplexity the slow, plain way: Hugging Face in float32, one text at a time."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def reference_perplexity(model: Any, tokenizer: "Tokenizer", first_token: int) -> Callable[[str], float]:
    """A function from a text to its perplexity under a transformers model."""
    import torch

    def perplexity(text: str) -> float:
        ids = torch.tensor([[first_token, *tokenizer.encode(text, add_special_tokens=False).ids[:2048]]])
        with torch.inference_mode():
            log_likelihoods = torch.log_softmax(model(ids).logits[0, :-1].double(), dim=1)
        chosen = log_likelihoods[torch.arange(ids.shape[1] - 1), ids[0, 1:]]
        return float(np.exp(-chosen.mean().item()))

    return perplexity


def relative_errors(got: Sequence[float], expected: Sequence[float]) -> list[float]:
    return [abs(one - other) / other for one, other in zip(got, expected, strict=True)]
