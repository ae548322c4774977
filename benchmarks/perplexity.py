"""The perplexity engine, in floats and in eight bits, against the same model in Hugging Face fp32, the two usual ways.

The usual ways are one text at a time, and padded batches of 16 as they come. One line each, measured in turns: tokens a
second of wall time (CPU time beside it, which neighbours on the machine disturb less), how far the engine's
perplexities are from those that Hugging Face computes in fp32 one by one, and how much of the rate at which this
machine multiplies plain matrices the engine reaches. `--texts 500` takes a quarter of an hour.
"""

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.engines.gguf_file import GgufFile
from metrics.engines.perplexity import MAX_TOKENS, PerplexityEngine
from metrics.engines.preparation import PACKAGED_MODEL, packaged_gguf, prepare_perplexity
from metrics.engines.torch_perplexity import llama_model
from settings import get_settings

CHAT = Path(__file__).parents[1] / ".." / "shared" / "corpus" / "chat"
HANDBOOK = Path(__file__).parents[1] / "docs"
TEXTS = 32
BATCH = 16


def texts(count: int) -> list[str]:
    """Answers spread evenly over the real chat logs; where these are absent, paragraphs of our own documents."""
    found: list[str] = []
    for file in sorted(CHAT.glob("gpt-*.jsonl")):
        found += [json.loads(line)["response"] for line in file.read_text(encoding="utf-8").splitlines()]
    for file in [] if found else sorted(HANDBOOK.rglob("*.md")):
        found += file.read_text(encoding="utf-8").split("\n\n")
    found = [text for text in found if text]
    return found[:: max(1, len(found) // count)][:count]


def one_by_one(model: Any, ids: list[list[int]]) -> list[float]:
    """What a loop over `model(...)` computes."""
    import torch

    perplexities = []
    for row in ids:
        table = torch.tensor([row])
        with torch.inference_mode():
            loss = model(table, labels=table).loss
        perplexities.append(math.exp(loss.item()))
    return perplexities


def padded_batches(model: Any, ids: list[list[int]]) -> list[float]:
    """What `evaluate`'s perplexity metric does: 16 texts in the order given, padded on the right, one mask."""
    import torch

    perplexities = []
    for start in range(0, len(ids), BATCH):
        rows = ids[start : start + BATCH]
        longest = max(map(len, rows))
        table = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
        with torch.inference_mode():
            logits = model(table, attention_mask=mask).logits[:, :-1]
            surprise = torch.nn.functional.cross_entropy(logits.transpose(1, 2), table[:, 1:], reduction="none")
            means = (surprise * mask[:, 1:]).sum(1) / mask[:, 1:].sum(1)
        perplexities += torch.exp(means).tolist()
    return perplexities


USUAL_WAYS: dict[str, Callable[[Any, list[list[int]]], list[float]]] = {
    "one by one": one_by_one,
    f"batches of {BATCH}": padded_batches,
}


@dataclass
class Seconds:
    """By the clock on the wall, and of processor time, which other programs disturb less."""

    wall: float = 0.0
    processor: float = 0.0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Add what the body takes."""
        started, spent = time.perf_counter(), time.process_time()
        yield
        self.wall += time.perf_counter() - started
        self.processor += time.process_time() - spent


@dataclass
class Spent(Seconds):
    """What a way of scoring took, and what it found."""

    perplexities: list[float] = field(default_factory=list)

    def do(self, way: Callable[..., Any], *given: Any) -> None:
        """Measure one way of scoring, and keep the perplexities that it gives."""
        with self.counted():
            self.perplexities += list(way(*given))


def matmul_rate(precision: str) -> float:
    """Median rate at which PyTorch multiplies [1024, 1536] by [1536, 1536] here, in GFLOP/s."""
    import torch

    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    left, right = torch.randn(1024, 1536).to(kind), torch.randn(1536, 1536).to(kind)
    seconds = []
    for _ in range(12):
        started = time.perf_counter()
        left @ right
        seconds.append(time.perf_counter() - started)
    return 2 * left.numel() * right.shape[1] / float(np.median(seconds)) / 1e9


def engines(folder: Path, threads: int) -> dict[str, PerplexityEngine]:
    """The packaged model in floats and in eight bits, prepared below `folder` if it is not yet."""
    found = {}
    for precision in ("float", "int8"):
        prepare_perplexity(PACKAGED_MODEL, folder / precision, precision=precision)
        found[precision] = PerplexityEngine.load(folder / precision, threads)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=TEXTS, help="how many answers are scored")
    sample = texts(parser.parse_known_args()[0].texts)
    settings = get_settings()
    import torch

    torch.set_num_threads(settings.cores)
    ours = engines(settings.models_folder / "benchmarks", settings.cores)
    model = llama_model(GgufFile.read(packaged_gguf()))
    spent = {name: Spent() for name in (*ours, *USUAL_WAYS)}
    precision = ours["float"].name.split("/")[1].rsplit("-", 1)[1]
    rates: list[float] = []
    tokens = 0
    for engine in ours.values():
        engine.score(sample[:1])
    turns = max(1, len(sample) // BATCH)
    for part in range(turns):  # in turns, so that a machine that is busy for a while disturbs all ways alike
        given = sample[part::turns]
        encoded = [ours["float"].tokenizer.encode(text, add_special_tokens=False).ids[:MAX_TOKENS] for text in given]
        ids = [[ours["float"].first_token, *row] for row in encoded]
        tokens += sum(map(len, encoded))
        rates.append(matmul_rate(precision))
        for name, engine in ours.items():
            spent[name].do(lambda texts, engine=engine: engine.score(texts).perplexity, given)  # type: ignore[misc]
        for name, way in USUAL_WAYS.items():
            spent[name].do(way, model, ids)
    # Every token meets every matrix once; the embeddings are the head as well.
    operations = 2.0 * tokens * sum(weight.numel() for name, weight in model.named_parameters() if "norm" not in name)
    for name, engine in ours.items():
        rate = operations / spent[name].wall / 1e9
        for peer in USUAL_WAYS:
            line = {
                "bench": f"perplexity: {engine.name} against Hugging Face fp32, {peer}",
                **compared(spent[name], spent[peer], np.array(spent["one by one"].perplexities), tokens),
                "gflops": round(rate),
                f"share_of_{precision}_matmul_rate": round(rate / float(np.median(rates)), 2),
            }
            print(json.dumps(line), flush=True)


def compared(ours: Spent, peer: Spent, reference: NDArray[np.float64], tokens: int) -> dict[str, Any]:
    """The figures of a line: how fast both are, and how far our perplexities are from the reference."""
    numbers = np.array(ours.perplexities)
    errors = np.abs(numbers / reference - 1)
    return {
        "ours": round(tokens / ours.wall, 1),
        "peer": round(tokens / peer.wall, 1),
        "ratio": round(peer.wall / ours.wall, 2),
        "ratio_cpu_time": round(peer.processor / ours.processor, 2),
        "unit": "tokens/s",
        "texts": len(numbers),
        "tokens": tokens,
        "error_median": float(f"{np.median(errors):.2g}"),
        "error_max": float(f"{errors.max():.2g}"),
        "spearman": round(rank_correlation(numbers, reference), 6),
    }


def rank_correlation(numbers: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """Spearman's: 1 where both put the texts into the same order."""
    from scipy.stats import spearmanr

    return float(spearmanr(numbers, reference).statistic)


if __name__ == "__main__":
    main()
