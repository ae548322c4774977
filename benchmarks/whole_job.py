"""The whole metrics job over real chats against the two usual pipelines: rows per second, models loaded in all.

The usual pipelines score the texts one by one, or padded in batches of 16: perplexity by Hugging Face in fp32,
readability by textstat, toxicity by the very model that the job uses. The job does all of that and reads the inference
table, removes duplicates, counts tokens, prices, and writes `request_metrics` and the rollups. Once no text comes
twice, so that the job's memory of texts brings nothing; once every text comes five times.
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.perplexity import BATCH, Seconds, one_by_one, padded_batches
from benchmarks.readability import textstats_numbers, write_nltk_corpus
from jobs.import_payload import bodies, import_payload
from jobs.prepare import prepare, prepared
from jobs.score import run_score
from jobs.scorers import ScoringTools, load_scoring_tools
from lakehouse.store import open_table, read_rows
from metrics.bodies import parse_exchange
from metrics.engines.perplexity import MAX_TOKENS
from metrics.scorers import ToxicityScorer
from settings import Settings, get_settings

CHAT = Path(__file__).parents[1] / ".." / "shared" / "corpus" / "chat" / "gpt-3.5-turbo-0301.jsonl"
ROWS = int(os.environ.get("LAKEHELM_BENCH_ROWS", "32"))
REPEATED_ROWS = max(4, ROWS // 4)
TIMES = 5
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


@dataclass(frozen=True)
class UsualPipeline:
    """What people write: a loop over texts with the libraries as they come."""

    model: Any
    encode: Callable[[str], list[int]]
    toxicity: ToxicityScorer

    def rows(self, lines: list[str], padded: bool) -> list[dict[str, Any]]:
        """The scores of each line's answer; those of the prompt are computed too."""
        exchanges = [parse_exchange(*bodies(line)) for line in lines]
        self.scores([exchange.prompt for exchange in exchanges if exchange.prompt], padded)
        answers = [exchange.response for exchange in exchanges if exchange.response]
        scored = iter(self.scores(answers, padded))
        return [next(scored) if exchange.response else {} for exchange in exchanges]

    def scores(self, texts: list[str], padded: bool) -> list[dict[str, Any]]:
        readable = textstats_numbers()
        size = BATCH if padded else 1
        found = []
        for start in range(0, len(texts), size):
            batch = texts[start : start + size]
            perplexities = (padded_batches if padded else one_by_one)(self.model, [self.encode(text) for text in batch])
            toxicities = self.toxicity.score(batch).values
            for text, perplexity, toxicity in zip(batch, perplexities, toxicities, strict=True):
                grade, ease, index = readable(text)
                found.append(
                    {"perplexity": perplexity, "toxicity": toxicity, "grade": grade, "ease": ease, "index": index}
                )
        return found


def usual_pipeline(tools: ScoringTools, threads: int) -> UsualPipeline:
    """With the job's language model as Hugging Face has it, in fp32, and the job's toxicity model."""
    import torch

    from metrics.engines.gguf_file import GgufFile
    from metrics.engines.preparation import packaged_gguf
    from metrics.engines.torch_perplexity import llama_model

    torch.set_num_threads(threads)
    gguf = GgufFile.read(packaged_gguf())
    tokenizer = gguf.tokenizer()
    assert tools.scorers.toxicity is not None

    def encode(text: str) -> list[int]:
        return [gguf.first_token, *tokenizer.encode(text, add_special_tokens=False).ids[:MAX_TOKENS]]

    return UsualPipeline(llama_model(gguf), encode, tools.scorers.toxicity)


@dataclass
class Race:
    """The job against the usual pipelines over some lines, in turns, so that a busy machine disturbs all alike."""

    settings: Settings
    tools: ScoringTools
    pipeline: UsualPipeline
    name: str
    seconds: dict[str, Seconds] = field(default_factory=dict)
    usual: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def run(self, lines: list[str]) -> None:
        log = self.settings.home / f"{self.name}.jsonl"
        ways = {"one by one": False, f"padded batches of {BATCH}": True}
        self.seconds = {name: Seconds() for name in ("job", *ways)}
        self.usual = {name: [] for name in ways}
        for start in range(0, len(lines), ROWS_A_TURN):
            turn = lines[start : start + ROWS_A_TURN]
            log.write_text("\n".join(lines[: start + ROWS_A_TURN]) + "\n", encoding="utf-8")
            import_payload(self.settings, log, "prod.assistant", "1")
            with self.seconds["job"].counted():
                run_score(self.settings, once=True, load=lambda _: self.tools)
            for name, padded in ways.items():
                with self.seconds[name].counted():
                    self.usual[name] += self.pipeline.rows(turn, padded)

    def lines(self) -> Iterator[dict[str, Any]]:
        """A line for each pipeline, with how far the job's numbers are off: a faster wrong number would be nothing."""
        rows = read_rows(open_table(self.settings, "request_metrics")).to_pylist()
        scored = {row["client_request_id"]: row for row in rows}
        ours = self.seconds["job"]
        for name, usual in self.usual.items():
            pairs = [(scored[f"{self.name}-{number}"], row) for number, row in enumerate(usual) if row]
            perplexity = max(abs(row["response_perplexity"] / other["perplexity"] - 1) for row, other in pairs)
            grade = max(abs(row["response_fk_grade"] - other["grade"]) for row, other in pairs)
            peer = self.seconds[name]
            yield {
                "bench": f"whole_job, {self.name.replace('_', ' ')}, against {name}",
                "ours": round(len(usual) / ours.wall, 2),
                "peer": round(len(usual) / peer.wall, 2),
                "ratio": round(peer.wall / ours.wall, 2),
                "ratio_of_processor_time": round(peer.processor / ours.processor, 2),
                "unit": "rows/s",
                "rows": len(usual),
                "largest_relative_perplexity_difference": round(perplexity, 5),
                "largest_grade_difference": round(grade, 6),
                "perplexity_scorer": pairs[0][0]["perplexity_scorer"],
                "toxicity_scorer": pairs[0][0]["toxicity_scorer"],
            }


def main() -> None:
    if not CHAT.exists():
        print(json.dumps({"bench": "whole_job", "skipped": "the chat corpus is not there"}))
        return
    chats = CHAT.read_text(encoding="utf-8").splitlines()
    repeated = [line for line in chats[ROWS : ROWS + REPEATED_ROWS] for _ in range(TIMES)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = workspace(folder)
        tools = load_scoring_tools(settings)
        write_nltk_corpus(folder)
        os.environ["NLTK_DATA"] = str(folder)
        pipeline = usual_pipeline(tools, settings.cores)
        # One row each, so that the models are loaded and warm.
        Race(settings, tools, pipeline, "warm_up").run(chats[-1:])
        for kind, lines in (("every_text_once", chats[:ROWS]), ("every_text_five_times", repeated)):
            race = Race(settings, tools, pipeline, kind)
            race.run(lines)
            for line in race.lines():
                print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
