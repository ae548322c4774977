"""The whole metrics job over real chats against the naive loop: rows per second, models loaded in both.

The loop takes one row at a time: perplexity by Hugging Face in fp32, readability by textstat, toxicity by the very
model that the job uses. The job does all of that and reads the inference table, removes duplicates, counts tokens,
prices, and writes `request_metrics` and the rollups. Rows are distinct, so the job's memory of texts brings nothing.
"""

import json
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.readability import write_nltk_corpus
from jobs.import_payload import bodies, import_payload
from jobs.prepare import prepare, prepared
from jobs.score import run_score
from jobs.scorers import ScoringTools, load_scoring_tools
from lakehouse.store import open_table, read_rows
from metrics.bodies import parse_exchange
from settings import Settings, get_settings

CHAT = Path(__file__).parents[1] / ".." / "shared" / "corpus" / "chat" / "gpt-3.5-turbo-0301.jsonl"
ROWS = int(os.environ.get("LAKEHELM_BENCH_ROWS", "48"))
ROWS_A_TURN = 16


def workspace(folder: Path) -> Settings:
    """A workspace with prepared models: those of the settings, if there are any."""
    settings = Settings(home=folder / "home")
    settings.home.mkdir()
    mine = get_settings()
    if prepared(mine):
        settings.models_folder.symlink_to(mine.models_folder)
    else:
        prepare(settings)
    return settings


def reference(threads: int) -> Callable[[str], float]:
    """Perplexity by Hugging Face, fp32, one text at a time."""
    import torch

    from metrics.engines.gguf_file import GgufFile
    from metrics.engines.preparation import packaged_gguf
    from metrics.engines.torch_perplexity import llama_model

    torch.set_num_threads(threads)
    gguf = GgufFile.read(packaged_gguf())
    model, tokenizer = llama_model(gguf), gguf.tokenizer()

    def perplexity(text: str) -> float:
        ids = torch.tensor([[gguf.first_token, *tokenizer.encode(text, add_special_tokens=False).ids[:2048]]])
        with torch.inference_mode():
            return math.exp(float(model(ids, labels=ids).loss))

    return perplexity


def naive_loop(lines: list[str], perplexity: Callable[[str], float], tools: ScoringTools) -> list[dict[str, Any]]:
    import textstat

    toxicity = tools.scorers.toxicity
    assert toxicity is not None
    rows = []
    for line in lines:
        exchange = parse_exchange(*bodies(line))
        for text in (exchange.prompt, exchange.response):
            if text:
                scores = {"perplexity": perplexity(text), "toxicity": toxicity.score([text]).values[0]}
                scores["grade"] = textstat.flesch_kincaid_grade(text)
                scores["ease"] = textstat.flesch_reading_ease(text)
        rows.append({**scores, "of_response": bool(exchange.response)})
    return rows


@dataclass
class Seconds:
    """By the clock on the wall, and of processor time, which other programs disturb less."""

    wall: float = 0.0
    processor: float = 0.0

    @contextmanager
    def counted(self) -> Iterator[None]:
        started, spent = time.perf_counter(), time.process_time()
        yield
        self.wall += time.perf_counter() - started
        self.processor += time.process_time() - spent


def main() -> None:
    if not CHAT.exists():
        print(json.dumps({"bench": "whole_job", "skipped": "the chat corpus is not there"}))
        return
    lines = CHAT.read_text(encoding="utf-8").splitlines()[:ROWS]
    ours, peer = Seconds(), Seconds()
    naive: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = workspace(folder)
        tools = load_scoring_tools(settings)
        write_nltk_corpus(folder)
        os.environ["NLTK_DATA"] = str(folder)
        perplexity = reference(settings.cores)
        log = folder / CHAT.name
        # In turns, so that a machine which is busy for a while disturbs both alike.
        for start in range(0, len(lines), ROWS_A_TURN):
            log.write_text("\n".join(lines[: start + ROWS_A_TURN]) + "\n", encoding="utf-8")
            import_payload(settings, log, "prod.assistant", "1")
            with ours.counted():
                run_score(settings, once=True, load=lambda _: tools)
            with peer.counted():
                naive += naive_loop(lines[start : start + ROWS_A_TURN], perplexity, tools)
        rows = read_rows(open_table(settings, "request_metrics")).to_pylist()
    print(json.dumps(result(ours, peer, naive, {row["client_request_id"]: row for row in rows})))


def result(
    ours: Seconds, peer: Seconds, naive: list[dict[str, Any]], scored: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """The line, with how far the job's numbers are from the loop's: a faster wrong number would be worth nothing."""
    pairs = [(scored[f"{CHAT.stem}-{number}"], row) for number, row in enumerate(naive) if row["of_response"]]
    perplexity = max(abs(row["response_perplexity"] / other["perplexity"] - 1) for row, other in pairs)
    grade = max(abs(row["response_fk_grade"] - other["grade"]) for row, other in pairs)
    return {
        "bench": "whole_job",
        "ours": round(len(naive) / ours.wall, 2),
        "peer": round(len(naive) / peer.wall, 2),
        "ratio": round(peer.wall / ours.wall, 2),
        "ratio_of_processor_time": round(peer.processor / ours.processor, 2),
        "unit": "rows/s",
        "rows": len(naive),
        "largest_relative_perplexity_difference": round(perplexity, 5),
        "largest_grade_difference": round(grade, 6),
        "perplexity_scorer": pairs[0][0]["perplexity_scorer"],
        "toxicity_scorer": pairs[0][0]["toxicity_scorer"],
    }


if __name__ == "__main__":
    main()
