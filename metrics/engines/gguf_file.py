"""Reads a GGUF file of the llama family: its shape, its weights as floats, and its tokenizer.

The key-value part is parsed here because `gguf.GGUFReader` builds several objects for each of the hundred thousand
strings of a vocabulary and takes seconds for it. Weights are turned into floats by the `gguf` package.
Source: the GGUF specification of the ggml project, versions 2 and 3, little endian.
"""

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from metrics.engines.errors import ModelUnusable
from metrics.engines.llama_graph import LlamaShape

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_CONTROL_TOKEN = 3
_EXTRA_ROPE = ("rope.scaling.type", "rope.scaling.factor")


@dataclass(frozen=True)
class _TensorPlace:
    """Where a tensor's bytes stand. `shape` is in GGUF's order: fastest dimension first."""

    shape: tuple[int, ...]
    kind: int
    offset: int


class _Cursor:
    """Reads values one after the other from the start of a file."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.at = 0

    def scalar(self, code: str) -> Any:
        value = struct.unpack_from("<" + code, self.data, self.at)[0]
        self.at += struct.calcsize("<" + code)
        return value

    def string(self) -> str:
        size = self.scalar("Q")
        if size > len(self.data) - self.at:
            raise ValueError("a string runs past the end")
        raw = self.data[self.at : self.at + size]
        self.at += size
        return raw.decode("utf-8", errors="replace")

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.string()
        if kind != _ARRAY:
            return self.scalar(_SCALARS[kind])
        item, count = self.scalar("I"), self.scalar("Q")
        if count > len(self.data) - self.at:
            raise ValueError("an array runs past the end")
        if item in (_STRING, _ARRAY):
            return [self.value(item) for _ in range(count)]
        values = np.frombuffer(self.data, dtype=np.dtype("<" + _SCALARS[item]), count=count, offset=self.at)
        self.at += values.nbytes
        return values.tolist()


@dataclass(frozen=True)
class GgufFile:
    """The key-value pairs of a GGUF file and the places of its tensors."""

    path: Path
    values: dict[str, Any]
    places: dict[str, _TensorPlace]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads everything but the weights. Raises ModelUnusable if this is not a whole GGUF file."""
        try:
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return cls(path, *_read_head(_Cursor(data)))
        except OSError as error:
            raise ModelUnusable(f"The GGUF file {path} cannot be read: {error.strerror or error}.") from error
        except (struct.error, ValueError, KeyError) as error:
            raise ModelUnusable(f"{path} is not a whole GGUF file (version 2 or 3): {error}.") from error

    @property
    def is_plain_llama(self) -> bool:
        """Whether `llama_graph` computes exactly this model: llama layers, byte-level BPE, plain rotary positions."""
        kind = self.values.get("tokenizer.ggml.model")
        scaled = any(f"llama.{key}" in self.values for key in _EXTRA_ROPE) or "rope_freqs.weight" in self.places
        experts = self.values.get("llama.expert_count", 0)
        biased = any(name.endswith(".bias") for name in self.places)
        llama = self.values.get("general.architecture") == "llama"
        return llama and kind == "gpt2" and not scaled and not experts and not biased

    def shape(self) -> LlamaShape:
        """Sizes of the model. Raises ModelUnusable where one is missing."""
        try:
            heads = int(self.values["llama.attention.head_count"])
            hidden = int(self.values["llama.embedding_length"])
            return LlamaShape(
                hidden=hidden,
                heads=heads,
                key_value_heads=int(self.values.get("llama.attention.head_count_kv", heads)),
                head_size=int(self.values.get("llama.attention.key_length", hidden // heads)),
                layers=int(self.values["llama.block_count"]),
                rope_base=float(self.values.get("llama.rope.freq_base", 10_000.0)),
                norm_epsilon=float(self.values["llama.attention.layer_norm_rms_epsilon"]),
            )
        except KeyError as error:
            raise ModelUnusable(f"The GGUF file {self.path} lacks the key {error}.") from error

    @property
    def context_length(self) -> int:
        """How many positions the model was made for."""
        return int(self.values.get("llama.context_length", 2048))

    @property
    def first_token(self) -> int:
        """Id of the token that stands before a text, so that the text's own first token can be scored."""
        return int(self.values.get("tokenizer.ggml.bos_token_id", self.values.get("tokenizer.ggml.eos_token_id", 0)))

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """Every tensor as float32 [rows, columns], query and key rows in the order of half-split rotary positions."""
        shape = self.shape()
        weights = {name: self._weight(place) for name, place in self.places.items()}
        for layer in range(shape.layers):
            for part, heads in (("attn_q", shape.heads), ("attn_k", shape.key_value_heads)):
                name = f"blk.{layer}.{part}.weight"
                weights[name] = _half_split(weights[name], heads)
        return weights

    def _weight(self, place: _TensorPlace) -> NDArray[np.float32]:
        from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
        from gguf.quants import dequantize

        try:
            kind = GGMLQuantizationType(place.kind)
            per_block, block_bytes = GGML_QUANT_SIZES[kind]
            rows = place.shape[::-1]
            row_bytes = rows[-1] // per_block * block_bytes
            count = int(np.prod(rows[:-1], dtype=np.int64)) * row_bytes
            raw = np.memmap(self.path, dtype=np.uint8, mode="r", offset=place.offset, shape=(count,))
            return np.ascontiguousarray(dequantize(raw.reshape(*rows[:-1], row_bytes), kind), dtype=np.float32).reshape(
                rows
            )
        except (ValueError, KeyError, NotImplementedError) as error:
            raise ModelUnusable(f"A weight of the GGUF file {self.path} cannot be read: {error}.") from error

    def tokenizer(self) -> "Tokenizer":
        """The byte-level BPE tokenizer of the file, equal to the one that transformers builds from it."""
        from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

        tokens = self.values["tokenizer.ggml.tokens"]
        merges = [tuple(merge.split(" ", 1)) for merge in self.values["tokenizer.ggml.merges"]]
        tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
        tokenizer.decoder = decoders.ByteLevel()
        kinds = self.values.get("tokenizer.ggml.token_type", [])
        control = [token for token, kind in zip(tokens, kinds, strict=False) if kind == _CONTROL_TOKEN]
        tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in control])
        return tokenizer


def _read_head(cursor: _Cursor) -> tuple[dict[str, Any], dict[str, _TensorPlace]]:
    if cursor.data[:4] != b"GGUF":
        raise ValueError("it does not begin with GGUF")
    cursor.at = 4
    if cursor.scalar("I") not in (2, 3):
        raise ValueError("its version is not supported")
    tensors, pairs = cursor.scalar("Q"), cursor.scalar("Q")
    values = {}
    for _ in range(pairs):
        key = cursor.string()
        values[key] = cursor.value(cursor.scalar("I"))
    places = {}
    for _ in range(tensors):
        name = cursor.string()
        shape = tuple(cursor.scalar("Q") for _ in range(cursor.scalar("I")))
        places[name] = _TensorPlace(shape, cursor.scalar("I"), cursor.scalar("Q"))
    alignment = int(values.get("general.alignment", 32))
    start = -(-cursor.at // alignment) * alignment
    return values, {name: _TensorPlace(p.shape, p.kind, start + p.offset) for name, p in places.items()}


def _half_split(weight: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """GGUF interleaves the two halves of each rotary pair; the graph, like Hugging Face, keeps them apart."""
    rows, columns = weight.shape
    pairs = weight.reshape(heads, rows // heads // 2, 2, columns)
    return np.ascontiguousarray(pairs.swapaxes(1, 2).reshape(rows, columns))
