"""The perplexity engine against the same model in Hugging Face fp32, one text at a time and in padded batches of 16.

One line each: tokens a second of wall time (CPU time beside it, which neighbours on the machine disturb less), and
how far the engine's perplexities are from those that Hugging Face computes in fp32 one by one.
"""

import argparse
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jobs.prepare import perplexity_folder
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


def measured(work: Callable[[], Any], tokens: int) -> tuple[Any, float, float]:
    """The result of some work, its tokens a second, and its tokens a second of CPU time."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, tokens / (time.perf_counter() - wall), tokens / (time.process_time() - cpu)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=TEXTS, help="how many answers are scored")
    sample = texts(parser.parse_known_args()[0].texts)
    settings = get_settings()
    import torch

    torch.set_num_threads(settings.cores)
    prepare_perplexity(PACKAGED_MODEL, perplexity_folder(settings))
    engine = PerplexityEngine.load(perplexity_folder(settings), settings.cores)
    model = llama_model(GgufFile.read(packaged_gguf()))
    encoded = [engine.tokenizer.encode(text, add_special_tokens=False).ids[:MAX_TOKENS] for text in sample]
    ids = [[engine.first_token, *row] for row in encoded]
    tokens = sum(map(len, encoded))
    for warm_up in (engine.score, lambda _: one_by_one(model, ids[:1])):
        warm_up(sample[:1])

    scores, ours, ours_cpu = measured(lambda: engine.score(sample).perplexity, tokens)
    reference: np.ndarray | None = None
    for name, peer in (("one by one", one_by_one), (f"batches of {BATCH}", padded_batches)):
        numbers, theirs, theirs_cpu = measured(lambda peer=peer: peer(model, ids), tokens)  # type: ignore[misc]
        reference = np.array(numbers) if reference is None else reference
        errors = np.abs(scores - reference) / reference
        line = {
            "bench": f"perplexity: {engine.name} against Hugging Face fp32, {name}",
            "ours": round(ours, 1),
            "peer": round(theirs, 1),
            "ratio": round(ours / theirs, 2),
            "ratio_cpu_time": round(ours_cpu / theirs_cpu, 2),
            "unit": "tokens/s",
            "texts": len(sample),
            "tokens": tokens,
            "error_median": float(f"{np.median(errors):.2g}"),
            "error_max": float(f"{errors.max():.2g}"),
        }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
