"""An OpenVINO graph of a llama-family model that returns, for each token of a text, how surprising it was.

Building it directly takes a fraction of a second; tracing the same model with PyTorch takes many. The vocabulary is
worked through in pieces, so that the logits of a batch never stand in memory at once. How a matrix is multiplied is
given from outside: in floats, or in eight bits (`eight_bits.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import openvino

_VOCABULARY_PIECES = 24
Weights = dict[str, NDArray[np.float32]]
Multiply = Callable[[Any, str, NDArray[np.float32]], Any]
"""(x, name of the matrix, matrix [out, in]) → x times the matrix transposed, [..., in] → [..., out]."""


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


@dataclass(frozen=True)
class FirstToken:
    """What the model makes of the token that stands before every text: nothing before it, so always the same.

    keys, values: for each layer float32 [key-value heads, 1, head size]; surprise: float32 [vocabulary], the negative
    natural-log likelihood of each token as the first of a text.
    """

    keys: Sequence[NDArray[np.float32]]
    values: Sequence[NDArray[np.float32]]
    surprise: NDArray[np.float32]


def in_floats(x: Any, _name: str, matrix: NDArray[np.float32]) -> Any:
    """Multiply as the processor does best: in f32 or bf16."""
    from openvino import opset13 as op

    return op.matmul(x, op.constant(matrix, shared_memory=True), False, True)


def surprise_graph(
    shape: LlamaShape, weights: Weights, multiply: Multiply = in_floats, first: FirstToken | None = None
) -> "openvino.Model":
    """Builds the graph: token ids, int32 [texts, length] → float32 [texts, length - 1].

    Entry [i, t] is the negative natural-log likelihood of token t + 1 of text i, given its tokens up to t. Texts are
    padded on the right; as attention looks back only, padding changes nothing before it. `weights` are named as in
    GGUF, with the query and key rows of each head split in halves. With `first` the first token of every text is taken
    for that one, and what is known of it is not computed again.
    """
    import openvino as ov
    from openvino import opset13 as op

    ids = op.parameter([-1, -1], np.int32, name="ids")
    table = op.constant(weights["token_embd.weight"], shared_memory=True)
    read = ids if first is None else _from(ids, 1, axis=1)
    turn = _rotary(ids, shape)
    if first is not None:
        turn = (_from(turn[0], 1, axis=0), _from(turn[1], 1, axis=0))
    x = op.gather(table, read, _ints(0))
    for layer in range(shape.layers):
        attended = _norm(x, weights[f"blk.{layer}.attn_norm.weight"], shape)
        before = None if first is None else (first.keys[layer], first.values[layer])
        x = op.add(x, _attention(attended, _Layer(layer, weights, multiply), turn, shape, before))
        normal = _norm(x, weights[f"blk.{layer}.ffn_norm.weight"], shape)
        x = op.add(x, _feed_forward(normal, _Layer(layer, weights, multiply)))
    x = _norm(x, weights["output_norm.weight"], shape)
    surprise = _surprise(x, read, table, weights.get("output.weight"), multiply)
    if first is not None:
        known = op.gather(op.constant(first.surprise), op.slice(read, *_span(0, 1, 1)), _ints(0))
        surprise = op.concat([known, surprise], 1)
    return ov.Model([op.result(surprise)], [ids], "surprise")


@dataclass(frozen=True)
class _Layer:
    """A layer's matrices, each with the way to multiply it."""

    number: int
    weights: Weights
    multiply: Multiply

    def __call__(self, x: Any, part: str) -> Any:
        name = f"blk.{self.number}.{part}.weight"
        return self.multiply(x, name, self.weights[name])


def _ints(*values: int) -> Any:
    from openvino import opset13 as op

    return op.constant(np.array(values if len(values) > 1 else values[0], dtype=np.int64))


def _list(*values: int) -> Any:
    from openvino import opset13 as op

    return op.constant(np.array(values, dtype=np.int64))


def _span(start: int, stop: int, axis: int) -> tuple[Any, Any, Any, Any]:
    """The arguments of a slice along one axis."""
    return _list(start), _list(stop), _list(1), _list(axis)


def _from(x: Any, start: int, axis: int) -> Any:
    """Everything from `start` on along one axis."""
    from openvino import opset13 as op

    return op.slice(x, *_span(start, np.iinfo(np.int32).max, axis))


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


def _attention(
    x: Any,
    layer: _Layer,
    turn: tuple[Any, Any],
    shape: LlamaShape,
    before: tuple[NDArray[np.float32], NDArray[np.float32]] | None,
) -> Any:
    """Every token looks at itself and those before it; `before`: key and value of a first token that x lacks."""
    from openvino import opset13 as op

    def heads(part: str, count: int) -> Any:
        split = op.reshape(layer(x, part), _list(0, 0, count, shape.head_size), True)
        return op.transpose(split, _list(0, 2, 1, 3))

    def for_every_head(y: Any) -> Any:
        copies = shape.heads // shape.key_value_heads
        if copies == 1:
            return y
        repeated = op.tile(op.unsqueeze(y, _ints(2)), _list(1, 1, copies, 1, 1))
        return op.reshape(repeated, _list(0, shape.heads, -1, shape.head_size), True)

    query = _turned(heads("attn_q", shape.heads), turn, shape.head_size)
    key = _turned(heads("attn_k", shape.key_value_heads), turn, shape.head_size)
    value = heads("attn_v", shape.key_value_heads)
    if before is not None:
        # The first token's query is nothing that anybody asks for; with it, rows and columns of the mask agree.
        query = _behind(np.zeros((shape.heads, 1, shape.head_size), np.float32), query)
        key, value = _behind(before[0], key), _behind(before[1], value)
    seen = op.scaled_dot_product_attention(query, for_every_head(key), for_every_head(value), causal=True)
    if before is not None:
        seen = _from(seen, 1, axis=2)
    joined = op.reshape(op.transpose(seen, _list(0, 2, 1, 3)), _list(0, 0, shape.heads * shape.head_size), True)
    return layer(joined, "attn_output")


def _behind(first: NDArray[np.float32], rest: Any) -> Any:
    """[heads, 1, size] for every text before [texts, heads, length, size], along the length."""
    from openvino import opset13 as op

    texts = op.gather(op.shape_of(rest, output_type="i64"), _list(0), _ints(0))
    everywhere = op.broadcast(op.constant(first[None]), op.concat([texts, _list(*first.shape)], 0))
    return op.concat([everywhere, rest], 2)


def _feed_forward(x: Any, layer: _Layer) -> Any:
    from openvino import opset13 as op

    return layer(op.multiply(op.swish(layer(x, "ffn_gate")), layer(x, "ffn_up")), "ffn_down")


def _log_sum_exp(x: Any) -> Any:
    """Over the last axis, which is kept with length 1."""
    from openvino import opset13 as op

    largest = op.reduce_max(x, _list(-1), keep_dims=True)
    total = op.reduce_sum(op.exp(op.subtract(x, largest)), _list(-1), keep_dims=True)
    return op.add(op.log(total), largest)


def _surprise(x: Any, ids: Any, table: Any, head: NDArray[np.float32] | None, multiply: Multiply) -> Any:
    """log Σ exp(logits) - logit of the token that follows. x: [texts, length, hidden]; ids: [texts, length].

    table: the embeddings, which are the rows of the head where the model has no `head` [vocabulary, hidden] of its own.
    """
    from openvino import opset13 as op

    before = op.slice(x, *_span(0, -1, 1))
    following = _from(ids, 1, axis=1)
    rows = table if head is None else op.constant(head, shared_memory=True)
    logit = op.reduce_sum(op.multiply(before, op.gather(rows, following, _ints(0))), _ints(-1))
    if head is None:  # splitting the table in the graph keeps one copy of it
        sizes = [len(piece) for piece in np.array_split(np.arange(table.get_output_shape(0)[0]), _VOCABULARY_PIECES)]
        pieces = op.variadic_split(table, _ints(0), _list(*sizes)).outputs()
        logits = [op.matmul(before, piece, False, True) for piece in pieces]
    else:
        split = enumerate(np.array_split(head, _VOCABULARY_PIECES))
        logits = [multiply(before, f"output.{number}", piece) for number, piece in split]
    partial = [_log_sum_exp(piece) for piece in logits]
    return op.subtract(op.squeeze(_log_sum_exp(op.concat(partial, 2)), _ints(2)), logit)
