"""An OpenVINO graph of a llama-family model that returns, for each token of a text, how surprising it was.

Building it directly takes a fraction of a second; tracing the same model with PyTorch takes many. The vocabulary is
worked through in pieces, so that the logits of a batch never stand in memory at once.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import openvino

_VOCABULARY_PIECES = 8
Weights = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class LlamaShape:
    """Sizes of a llama-family model."""

    hidden: int
    heads: int
    key_value_heads: int
    head_size: int
    layers: int
    rope_base: float
    norm_epsilon: float


def surprise_graph(shape: LlamaShape, weights: Weights) -> "openvino.Model":
    """Builds the graph: token ids, int32 [texts, length] → float32 [texts, length - 1].

    Entry [i, t] is the negative natural-log likelihood of token t + 1 of text i, given its tokens up to t. Texts are
    padded on the right; as attention looks back only, padding changes nothing before it. `weights` are named as in
    GGUF, with the query and key rows of each head split in halves.
    """
    import openvino as ov
    from openvino import opset13 as op

    ids = op.parameter([-1, -1], np.int32, name="ids")
    table = op.constant(weights["token_embd.weight"], shared_memory=True)
    x = op.gather(table, ids, _ints(0))
    turn = _rotary(ids, shape)
    for layer in range(shape.layers):
        part = {name: weights[f"blk.{layer}.{name}.weight"] for name in _LAYER_PARTS}
        x = op.add(x, _attention(_norm(x, part["attn_norm"], shape), part, turn, shape))
        x = op.add(x, _feed_forward(_norm(x, part["ffn_norm"], shape), part))
    x = _norm(x, weights["output_norm.weight"], shape)
    head = weights.get("output.weight")
    rows = table if head is None else op.constant(head, shared_memory=True)
    return ov.Model([op.result(_surprise(x, ids, rows))], [ids], "surprise")


_LAYER_PARTS = (
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


def _ints(*values: int) -> Any:
    from openvino import opset13 as op

    return op.constant(np.array(values if len(values) > 1 else values[0], dtype=np.int64))


def _list(*values: int) -> Any:
    from openvino import opset13 as op

    return op.constant(np.array(values, dtype=np.int64))


def _linear(x: Any, weight: NDArray[np.float32]) -> Any:
    from openvino import opset13 as op

    return op.matmul(x, op.constant(weight, shared_memory=True), False, True)


def _norm(x: Any, weight: NDArray[np.float32], shape: LlamaShape) -> Any:
    """Root-mean-square normalisation."""
    from openvino import opset13 as op

    mean = op.reduce_mean(op.multiply(x, x), _list(-1), keep_dims=True)
    root = op.sqrt(op.add(mean, op.constant(np.float32(shape.norm_epsilon))))
    return op.multiply(op.divide(x, root), op.constant(weight))


def _rotary(ids: Any, shape: LlamaShape) -> tuple[Any, Any]:
    """Cosine and sine of the rotary position encoding, float32 [length, head_size]."""
    from openvino import opset13 as op

    length = op.gather(op.shape_of(ids, output_type="i64"), _ints(1), _ints(0))
    position = op.convert(op.range(_ints(0), length, _ints(1), output_type="i64"), "f32")
    exponent = np.arange(0, shape.head_size, 2, dtype=np.float32) / shape.head_size
    frequency = (1.0 / shape.rope_base**exponent).astype(np.float32)
    angle = op.multiply(op.unsqueeze(position, _ints(1)), op.constant(frequency[None]))
    angle = op.concat([angle, angle], 1)
    return op.cos(angle), op.sin(angle)


def _turned(x: Any, turn: tuple[Any, Any], size: int) -> Any:
    """The rotary encoding applied to [texts, heads, length, size]."""
    from openvino import opset13 as op

    first = op.slice(x, _list(0), _list(size // 2), _list(1), _list(3))
    second = op.slice(x, _list(size // 2), _list(size), _list(1), _list(3))
    swapped = op.concat([op.negative(second), first], 3)
    return op.add(op.multiply(x, turn[0]), op.multiply(swapped, turn[1]))


def _attention(x: Any, part: Weights, turn: tuple[Any, Any], shape: LlamaShape) -> Any:
    from openvino import opset13 as op

    def heads(weight: NDArray[np.float32], count: int) -> Any:
        split = op.reshape(_linear(x, weight), _list(0, 0, count, shape.head_size), True)
        return op.transpose(split, _list(0, 2, 1, 3))

    def for_every_head(y: Any) -> Any:
        copies = shape.heads // shape.key_value_heads
        if copies == 1:
            return y
        repeated = op.tile(op.unsqueeze(y, _ints(2)), _list(1, 1, copies, 1, 1))
        return op.reshape(repeated, _list(0, shape.heads, -1, shape.head_size), True)

    query = _turned(heads(part["attn_q"], shape.heads), turn, shape.head_size)
    key = for_every_head(_turned(heads(part["attn_k"], shape.key_value_heads), turn, shape.head_size))
    value = for_every_head(heads(part["attn_v"], shape.key_value_heads))
    seen = op.scaled_dot_product_attention(query, key, value, causal=True)
    joined = op.reshape(op.transpose(seen, _list(0, 2, 1, 3)), _list(0, 0, shape.heads * shape.head_size), True)
    return _linear(joined, part["attn_output"])


def _feed_forward(x: Any, part: Weights) -> Any:
    from openvino import opset13 as op

    gate = op.swish(_linear(x, part["ffn_gate"]))
    return _linear(op.multiply(gate, _linear(x, part["ffn_up"])), part["ffn_down"])


def _log_sum_exp(x: Any) -> Any:
    """Over the last axis, which is kept with length 1."""
    from openvino import opset13 as op

    largest = op.reduce_max(x, _list(-1), keep_dims=True)
    total = op.reduce_sum(op.exp(op.subtract(x, largest)), _list(-1), keep_dims=True)
    return op.add(op.log(total), largest)


def _surprise(x: Any, ids: Any, rows: Any) -> Any:
    """log Σ exp(logits) - logit of the token that follows. x: [texts, length, hidden]; rows: [vocabulary, hidden]."""
    from openvino import opset13 as op

    before = op.slice(x, _list(0), _list(-1), _list(1), _list(1))
    following = op.slice(ids, _list(1), _list(np.iinfo(np.int32).max), _list(1), _list(1))
    logit = op.reduce_sum(op.multiply(before, op.gather(rows, following, _ints(0))), _ints(-1))
    vocabulary = rows.get_output_shape(0)[0]
    sizes = [len(piece) for piece in np.array_split(np.arange(vocabulary), _VOCABULARY_PIECES)]
    pieces = op.variadic_split(rows, _ints(0), _list(*sizes))
    partial = [_log_sum_exp(op.matmul(before, piece, False, True)) for piece in pieces.outputs()]
    return op.subtract(op.squeeze(_log_sum_exp(op.concat(partial, 2)), _ints(2)), logit)
