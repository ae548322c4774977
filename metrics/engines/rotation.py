"""The same llama model with its channels mixed, so that none of them stands out.

In a trained model a few channels are ten and more times larger than the others; eight bits that have to reach them
leave little for the rest. An orthogonal matrix spreads every channel over all: folded into the weights it changes no
number that the model gives, and costs nothing when it runs. Source: Ashkboos et al. 2024, "QuaRot" (the rotations of
the residual stream and of the values, without those that would have to be computed anew for every text).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.engines.llama_graph import LlamaShape, Weights

_SEED = 2024
Matrix = NDArray[Any]


def rotated(weights: Weights, shape: LlamaShape) -> Weights:
    """Weights (named as in GGUF) of a model that gives the same numbers, with norms of ones and a head of its own."""
    turn = _orthogonal(shape.hidden, _SEED)
    ones = np.ones(shape.hidden, np.float32)
    head = weights.get("output.weight", weights["token_embd.weight"]) * weights["output_norm.weight"]
    found: dict[str, Matrix] = {
        "token_embd.weight": weights["token_embd.weight"] @ turn,
        "output.weight": head @ turn,
        "output_norm.weight": ones,
    }
    for layer in range(shape.layers):
        part = {name: weights[f"blk.{layer}.{name}.weight"] for name in _PARTS}
        values = _orthogonal(shape.head_size, _SEED + 1 + layer)
        new = {"attn_norm": ones, "ffn_norm": ones}
        # A root-mean-square norm does not see a rotation once its own weights have moved into what reads it.
        new |= {name: part[name] * part["attn_norm"] @ turn for name in ("attn_q", "attn_k", "attn_v")}
        new |= {name: part[name] * part["ffn_norm"] @ turn for name in ("ffn_gate", "ffn_up")}
        new["ffn_down"] = turn.T @ part["ffn_down"]
        new["attn_v"] = _of_each_head(new["attn_v"].T, values).T
        new["attn_output"] = _of_each_head(turn.T @ part["attn_output"], values)
        found |= {f"blk.{layer}.{name}.weight": matrix for name, matrix in new.items()}
    return {name: np.ascontiguousarray(matrix) for name, matrix in found.items()}


_PARTS = (
    "attn_norm",
    "attn_q",
    "attn_k",
    "attn_v",
    "attn_output",
    "ffn_norm",
    "ffn_gate",
    "ffn_up",
    "ffn_down",
)


def _of_each_head(matrix: Matrix, turn: Matrix) -> Matrix:
    """[rows, heads x size] with the columns of every head turned alike."""
    size = len(turn)
    return (matrix.reshape(len(matrix), -1, size) @ turn).reshape(matrix.shape)


def _orthogonal(size: int, seed: int) -> Matrix:
    """A random rotation [size, size], the same on every machine up to rounding."""
    matrix, triangle = np.linalg.qr(np.random.default_rng(seed).standard_normal((size, size)))
    return np.asarray(matrix * np.sign(np.diag(triangle)), dtype=np.float32)
