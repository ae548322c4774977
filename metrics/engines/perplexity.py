"""Perplexity of texts under a small causal language model: OpenVINO on a CPU, PyTorch where there is CUDA.

Perplexity is exp of the mean negative natural-log likelihood over all tokens of the exact text (nothing stripped), a
beginning-of-text token standing before the first. Source: Jelinek et al. 1977.
"""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from metrics.engines.batches import batches_by_tokens, padded
from metrics.engines.errors import ModelUnusable
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
_log = logging.getLogger(__name__)

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
            surprise, precision = _openvino_surprise(folder, threads)
            batch_tokens = CPU_BATCH_TOKENS
        try:
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # the tokenizers library raises nothing narrower
            raise ModelUnusable(f"{folder / 'tokenizer.json'} cannot be read: prepare the model again.") from error
        return cls(
            name=f"{about['model']}/{about['engine']}-{precision}/{_VERSION}",
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


def _score(mean: float, tokens: int) -> tuple[float, int, str | None]:
    try:
        value = math.exp(mean)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        return math.nan, 0, "the model gave no finite likelihood for the text"
    return value, tokens, None


def _openvino_surprise(folder: Path, threads: int) -> tuple[Surprise, str]:
    import openvino as ov

    core = ov.Core()
    precision = cpu_precision(core)
    options = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": max(1, threads),
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled, memory = _compiled(core, folder, options)
    request = compiled.create_infer_request()

    def surprise(ids: NDArray[np.int32], _keep_alive: Any = memory) -> NDArray[np.float32]:
        (table,) = request.infer([ids], share_inputs=True).values()
        return np.asarray(table, dtype=np.float32)

    return surprise, precision


def cpu_precision(core: Any) -> str:
    """`bf16` where the processor multiplies it natively, else `f32`: emulated it would be slower and less exact."""
    return "bf16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"


def _compiled(core: Any, folder: Path, options: dict[str, Any]) -> tuple[Any, Any]:
    """The compiled model: from its file beside the graph if one fits this OpenVINO and precision, else compiled now.

    Also returns the memory that the model goes on reading from, which has to live as long as the model.
    """
    import openvino as ov

    release = "".join(c if c.isalnum() or c in ".-" else "_" for c in ov.__version__)
    kept = folder / f"compiled-{release}-{options['INFERENCE_PRECISION_HINT']}.blob"
    if kept.exists():
        try:
            content = ov.Tensor(np.memmap(kept, dtype=np.uint8, mode="c"), shared_memory=True)
            return core.import_model(content, "CPU", options), content
        except (RuntimeError, ValueError) as error:
            _log.warning("The compiled model %s cannot be used and is made again: %s", kept, error)
    try:
        compiled = core.compile_model(folder / "model.xml", "CPU", options)
    except RuntimeError as error:
        raise ModelUnusable(f"OpenVINO cannot load {folder / 'model.xml'}: prepare the model again.") from error
    _keep(compiled, kept)
    return compiled, None


def _keep(compiled: Any, kept: Path) -> None:
    work = kept.with_name(f".{kept.name}.{id(compiled)}")
    try:
        work.write_bytes(compiled.export_model().getbuffer())
        work.replace(kept)
    except OSError as error:
        work.unlink(missing_ok=True)
        _log.warning("The compiled model was not kept in %s, so the next start compiles again: %s", kept, error)
