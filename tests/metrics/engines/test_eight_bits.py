"""A small random model with channels that stand out: mixing changes nothing, eight bits little."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from metrics.engines import precisions
from metrics.engines.eight_bits import eight_bit_graph
from metrics.engines.errors import ModelUnusable
from metrics.engines.llama_graph import LlamaShape, Weights, in_floats, surprise_graph
from metrics.engines.preparation import PACKAGED_MODEL, prepare_perplexity
from metrics.engines.rotation import rotated
from tests.metrics.engines.processors import multiplies_eight_bits

SHAPE = LlamaShape(hidden=64, heads=4, key_value_heads=2, head_size=16, layers=3, rope_base=10_000.0, norm_epsilon=1e-5)
FIRST = 1
VOCABULARY, WIDE = 200, 160
Surprise = Callable[[NDArray[np.int32]], NDArray[np.float32]]


@pytest.fixture(scope="module")
def weights() -> Weights:
    random = np.random.default_rng(5)

    def matrix(rows: int, columns: int) -> NDArray[np.float32]:
        return (random.standard_normal((rows, columns)) / np.sqrt(columns)).astype(np.float32)

    outstanding = np.full(SHAPE.hidden, 0.3, np.float32)
    outstanding[[3, 40]] = 3.0
    found = {"token_embd.weight": matrix(VOCABULARY, SHAPE.hidden) * 3, "output_norm.weight": outstanding}
    for layer in range(SHAPE.layers):
        parts = {
            "attn_norm": outstanding,
            "attn_q": matrix(64, 64),
            "attn_k": matrix(32, 64),
            "attn_v": matrix(32, 64),
            "attn_output": matrix(64, 64),
            "ffn_norm": outstanding[::-1].copy(),
            "ffn_gate": matrix(WIDE, 64),
            "ffn_up": matrix(WIDE, 64),
            "ffn_down": matrix(64, WIDE),
        }
        found |= {f"blk.{layer}.{name}.weight": weight for name, weight in parts.items()}
    return found


@pytest.fixture(scope="module")
def ids() -> NDArray[np.int32]:
    drawn = np.random.default_rng(6).integers(2, VOCABULARY, (4, 90)).astype(np.int32)
    drawn[:, 0] = FIRST
    return drawn


def run(graph: object) -> Surprise:
    import openvino as ov

    compiled = ov.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda ids: np.array(compiled([ids])[0])


@pytest.fixture(scope="module")
def exact(weights: Weights, ids: NDArray[np.int32]) -> NDArray[np.float32]:
    return run(surprise_graph(SHAPE, weights))(ids)


@pytest.fixture(scope="module")
def in_eight_bits(weights: Weights) -> Surprise:
    return run(eight_bit_graph(SHAPE, weights, FIRST))


def test_mixed_channels_give_the_same_numbers(
    weights: Weights, ids: NDArray[np.int32], exact: NDArray[np.float32]
) -> None:
    mixed = rotated(weights, SHAPE)
    assert not np.allclose(mixed["blk.0.attn_q.weight"], weights["blk.0.attn_q.weight"])
    np.testing.assert_allclose(run(surprise_graph(SHAPE, mixed, in_floats))(ids), exact, atol=2e-3)


@pytest.mark.skipif(not multiplies_eight_bits(), reason="needs a processor with VNNI")
def test_eight_bits_are_near_the_floats_token_by_token_and_in_the_mean(
    in_eight_bits: Surprise, ids: NDArray[np.int32], exact: NDArray[np.float32]
) -> None:
    near = in_eight_bits(ids)
    assert near.shape == exact.shape
    assert not np.array_equal(near, exact), "this is another arithmetic"
    np.testing.assert_allclose(near[:, 0], exact[:, 0], atol=1e-3, err_msg="the first token is computed in floats")
    scale = exact.std()
    assert np.median(np.abs(near - exact)) < 0.02 * scale
    assert np.abs(near.mean(axis=1) - exact.mean(axis=1)).max() < 0.03 * scale


def test_in_eight_bits_a_text_scores_the_same_alone_and_beside_longer_ones(
    in_eight_bits: Surprise, ids: NDArray[np.int32]
) -> None:
    padded = ids.copy()
    padded[0, 12:] = FIRST
    together = in_eight_bits(padded)[0, :11]
    np.testing.assert_allclose(in_eight_bits(padded[:1, :12])[0], together, rtol=0.05, atol=0.05)


def test_a_text_of_one_token_has_its_surprise(
    in_eight_bits: Surprise, ids: NDArray[np.int32], exact: NDArray[np.float32]
) -> None:
    np.testing.assert_allclose(in_eight_bits(ids[:, :2]), exact[:, :1], atol=1e-3)


@pytest.mark.parametrize(
    ("machine", "processor", "fits"),
    [
        ("x86_64", "x86_64\nflags : fma avx2", False),
        ("x86_64", "x86_64\nflags : avx2 avx_vnni", True),
        ("x86_64", "x86_64\nflags : avx512f avx512_vnni", True),
        ("AMD64", "AMD64 a processor that tells nothing", True),
        ("aarch64", "aarch64\nFeatures : asimd", True),
    ],
)
def test_eight_bits_are_refused_where_their_sums_overflow(
    machine: str, processor: str, fits: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precisions.platform, "machine", lambda: machine)
    monkeypatch.setattr(precisions, "_processor", lambda: processor)
    if fits:
        precisions.require_eight_bits()
        return
    with pytest.raises(ModelUnusable, match=r"no VNNI.*LAKEHELM_PERPLEXITY_PRECISION=float"):
        prepare_perplexity(PACKAGED_MODEL, tmp_path / "perplexity", precision="int8")
    assert not (tmp_path / "perplexity").exists()
