"""Perplexity of texts under a small causal language model: OpenVINO on a CPU, PyTorch where there is CUDA.

Perplexity is exp of the mean negative natural-log likelihood over all tokens of the exact text (nothing stripped), a
beginning-of-text token standing before the first. Source: Jelinek et al. 1977.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from metrics.engines.batches import batches_by_tokens, padded
from metrics.engines.errors import ModelUnusable
from metrics.engines.openvino_models import load_graph
from metrics.engines.precisions import remembered_precision
from metrics.engines.prepared_folder import description
from metrics.engines.tokenization import count_ids, first_ids
from metrics.scorers import OnProgress, PerplexityScores

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MAX_TOKENS = 2048
"""A longer text is scored by its first 2,048 tokens."""
CPU_BATCH_TOKENS = 1024
CUDA_BATCH_TOKENS = 16_384
_VERSION = 1
_TEXTS_AT_ONCE = 4096

Surprise = Callable[[NDArray[np.int32]], NDArray[np.float32]]
"""Token ids [texts, length] → negative log-likelihoods [texts, length - 1] of the tokens from the second on."""


@dataclass(frozen=True)
class PerplexityEngine:
    """A loaded model. `load` makes one from a prepared folder."""

    name: str
    tokenizer: "Tokenizer"
    surprise: Surprise
    first_token: int
    max_tokens: int
    batch_tokens: int

    @classmethod
    def load(cls, folder: Path, threads: int) -> Self:
        """Loads what `preparation.prepare_perplexity` made. Raises ModelNotPrepared or ModelUnusable."""
        from tokenizers import Tokenizer

        about = description(folder)
        if about["engine"] == "torch":
            from metrics.engines.torch_perplexity import torch_surprise

            surprise, precision = torch_surprise(folder, threads)
            batch_tokens = CUDA_BATCH_TOKENS
        else:
            surprise, precision = load_graph(folder, threads)
            batch_tokens = CPU_BATCH_TOKENS
        try:
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # the tokenizers library raises nothing narrower
            raise ModelUnusable(f"{folder / 'tokenizer.json'} cannot be read: prepare the model again.") from error
        return cls(
            name=_name(about, precision),
            tokenizer=tokenizer,
            surprise=surprise,
            first_token=about["first_token"],
            max_tokens=about["max_tokens"],
            batch_tokens=batch_tokens,
        )

    def score(self, texts: Sequence[str], on_progress: OnProgress | None = None) -> PerplexityScores:
        """Perplexity (dimensionless, ≥ 1) of each text by its first 2,048 tokens; NaN and a reason for an empty one."""
        perplexity = np.full(len(texts), np.nan)
        tokens = np.zeros(len(texts), dtype=np.int64)
        reasons: list[str | None] = [None] * len(texts)
        done = 0
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            ids = first_ids(self.tokenizer, texts[start : start + _TEXTS_AT_ONCE], self.max_tokens)
            for i, row in enumerate(ids):
                if len(row) == 0:
                    reasons[start + i] = "the text is empty" if not texts[start + i] else "the text has no tokens"
                    done += 1
            for group in batches_by_tokens([len(row) for row in ids], self.batch_tokens):
                for i, mean in zip(group, self._mean_surprise([ids[i] for i in group]), strict=True):
                    perplexity[start + i], tokens[start + i], reasons[start + i] = _score(mean, len(ids[i]))
                done += len(group)
                if on_progress is not None:
                    on_progress(done, len(texts))
        if on_progress is not None:
            on_progress(len(texts), len(texts))
        return PerplexityScores(perplexity, tokens, reasons)

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """How many tokens each whole text has, int64 [texts], without the beginning-of-text token."""
        return count_ids(self.tokenizer, texts)

    def _mean_surprise(self, rows: list[NDArray[np.int32]]) -> list[float]:
        first = np.array([self.first_token], dtype=np.int32)
        table = self.surprise(padded([np.concatenate([first, row]) for row in rows], self.first_token))
        return [float(np.mean(table[i, : len(row)], dtype=np.float64)) for i, row in enumerate(rows)]


def known_name(folder: Path) -> str | None:
    """The name that the engine in a prepared folder has, where that is known without loading it.

    Raises ModelNotPrepared.
    """
    about = description(folder)
    precision = None if about["engine"] == "torch" else remembered_precision(folder)
    return _name(about, precision) if precision else None


def _name(about: dict[str, Any], precision: str) -> str:
    return f"{about['model']}/{about['engine']}-{precision}/{_VERSION}"


def _score(mean: float, tokens: int) -> tuple[float, int, str | None]:
    try:
        value = math.exp(mean)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        return math.nan, 0, "the model gave no finite likelihood for the text"
    return value, tokens, None
