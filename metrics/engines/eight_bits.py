"""A llama-family model in eight bits: its matrices, and what they are multiplied with, as integers from -127 to 127.

Processors with VNNI but without bf16 multiply such integers several times faster than floats. What keeps the numbers
close: channels are mixed first (`rotation.py`); each token has a scale of its own, so nothing is calibrated and nothing
is cut off; the first token of every text, whose numbers are hundreds of times larger than those of any other, is the
same each time and computed once in floats; what goes into the feed-forward's way down, where single numbers stand out
whatever is mixed, has sixteen bits as two times eight. `benchmarks/eight_bits.py` says how close the numbers are.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metrics.engines.llama_graph import FirstToken, LlamaShape, Weights, in_floats, surprise_graph
from metrics.engines.rotation import rotated

if TYPE_CHECKING:
    import openvino

_LARGEST = 127
_SIXTEEN_BITS = "ffn_down"
_LEAST_SCALE = 1e-8
_BEYOND_ALL = 1e30


def eight_bit_graph(shape: LlamaShape, weights: Weights, first_token: int) -> "openvino.Model":
    """`llama_graph.surprise_graph` in eight bits, for texts that begin with `first_token`."""
    mixed = rotated(weights, shape)
    return surprise_graph(shape, mixed, _in_eight_bits, _first_token(shape, mixed, first_token))


def _in_eight_bits(x: Any, name: str, matrix: NDArray[np.float32]) -> Any:
    """x times the matrix transposed, in integers: every token divided by its largest number, every row by its own."""
    from openvino import opset13 as op

    largest = op.reduce_max(op.abs(x), op.constant([-1]), keep_dims=True)
    scale = op.maximum(largest, op.constant(np.float32(_LEAST_SCALE)))
    scaled = op.divide(x, scale)
    rows = _integer_rows(matrix)
    coarse = _rounded(scaled, 1.0)
    product = _product(coarse, rows)
    if _SIXTEEN_BITS in name:
        rest = _rounded(op.subtract(scaled, coarse), 1 / (2 * _LARGEST))
        product = op.add(product, _product(rest, rows))
    return op.multiply(product, scale)


def _integer_rows(matrix: NDArray[np.float32]) -> Any:
    """[out, in] as integers with a scale for each row, in the form that OpenVINO takes for weights of eight bits."""
    from openvino import opset13 as op

    scale = np.maximum(np.abs(matrix).max(axis=1, keepdims=True), np.finfo(np.float32).tiny) / _LARGEST
    integers = np.clip(np.round(matrix / scale), -_LARGEST, _LARGEST).astype(np.int8)
    return op.multiply(op.convert(op.constant(integers), "f32"), op.constant(scale.astype(np.float32)))


def _rounded(x: Any, largest: float) -> Any:
    """x at the nearest of 256 numbers from a little below -`largest` to `largest`, 0 being one of them."""
    from openvino import opset13 as op

    low, high = op.constant(np.float32(-largest * (_LARGEST + 1) / _LARGEST)), op.constant(np.float32(largest))
    return op.fake_quantize(x, low, high, low, high, 256)


def _product(x: Any, rows: Any) -> Any:
    """x times the rows, as floats.

    A limit that no number reaches keeps OpenVINO from moving the rows' scales into what follows, where it would compute
    the product once for each of its readers.
    """
    from openvino import opset13 as op

    return op.clamp(op.matmul(x, rows, False, True), -_BEYOND_ALL, _BEYOND_ALL)


def _first_token(shape: LlamaShape, weights: Weights, token: int) -> FirstToken:
    """What the model makes of a text's first token, computed in floats."""
    import openvino as ov
    from openvino import opset13 as op

    products: dict[str, Any] = {}

    def observed(x: Any, name: str, matrix: NDArray[np.float32]) -> Any:
        products[name] = in_floats(x, name, matrix)
        return products[name]

    # At position 0 the rotary encoding turns nothing, so keys are what their matrix gives.
    graph = surprise_graph(shape, weights, observed)
    watched = ov.Model([op.result(product) for product in products.values()], graph.get_parameters(), "first token")
    compiled = ov.Core().compile_model(watched, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    # A second token is needed for the first one's prediction; as nothing looks ahead, it changes nothing.
    results = compiled([np.array([[token, token]], dtype=np.int32)]).values()
    found = {name: np.array(result[0, 0]) for name, result in zip(products, results, strict=True)}
    keys, values = (
        [found[f"blk.{n}.{part}.weight"].reshape(shape.key_value_heads, 1, -1) for n in range(shape.layers)]
        for part in ("attn_k", "attn_v")
    )
    logits = np.concatenate([found[name] for name in products if name.startswith("output.")]).astype(np.float64)
    surprise = np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits
    return FirstToken(keys, values, surprise.astype(np.float32))
