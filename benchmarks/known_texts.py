"""A run of the metrics job for 1,000 new rows whose texts were all scored before, in a small and in a large workspace.

The workspace is made by code: `inference_table`, `request_metrics`, `score_cache` and `job_runs` of 10 thousand and of
1 million rows, once in the many commits that real use leaves and once compacted; half of the rows are of the last two
days. What is measured is the whole process `python -m jobs score`, from its start to its end, in seconds. The peer is
what the models alone take without the cache: loaded and warm, they score a few rows, whose time is scaled to all rows.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.whole_job import CHAT, workspace
from jobs.compact import run_compact
from jobs.import_payload import bodies
from jobs.rollups import roll_up
from jobs.score import run_score
from jobs.scorers import load_scoring_tools
from lakehouse.appends import append, append_once
from lakehouse.runs import runs
from lakehouse.store import open_table, table_id
from lakehouse.tables import INFERENCE_TABLE, REQUEST_METRICS, SCORE_CACHE
from metrics.text_keys import text_keys
from settings import Settings

SIZES = [int(size) for size in os.environ.get("LAKEHELM_BENCH_KNOWN_ROWS", "10000,1000000").split(",")]
NEW_ROWS = 1_000
NEW_COMMITS = 60
"""As many as a gateway that flushes every five seconds makes between two runs."""
OLD_COMMITS = 300
"""As many as a day has runs of the job, between two compactions."""
PEER_ROWS = 4
TURNS = 3
DAYS = 30
ROOT = Path(__file__).resolve().parent.parent
NOW = datetime.now(UTC).replace(microsecond=0)


def request_times(count: int) -> list[datetime]:
    """In order: half of the rows are of the last two days, the others are spread over a month."""
    before = np.linspace(DAYS * 86_400, 2 * 86_400, count - count // 2)
    lately = np.linspace(2 * 86_400, 600, count // 2)
    return [NOW - timedelta(seconds=float(seconds)) for seconds in np.concatenate([before, lately])]


def exchanges() -> list[tuple[str, str]]:
    """Distinct requests and responses: real ones, or where the corpus is absent made-up ones of their length."""
    logs = sorted(CHAT.parent.glob("*.jsonl"))
    if logs:
        lines = [line for log in logs for line in log.read_text(encoding="utf-8").splitlines()][:NEW_ROWS]
        pairs = [bodies(line) for line in lines]
        return [(request or "", response or "") for request, response in pairs]
    said = "The gateway waits for the worker, and the worker waits for the first request. " * 6
    return [
        (
            json.dumps({"messages": [{"role": "user", "content": f"Why does number {number} wait?"}]}),
            json.dumps({"choices": [{"message": {"role": "assistant", "content": f"{said}It is number {number}."}}]}),
        )
        for number in range(NEW_ROWS)
    ]


def inference_rows(ids: list[str], times: list[datetime], said: list[tuple[str, str]]) -> pa.Table:
    count = len(ids)
    columns: dict[str, Any] = {
        "databricks_request_id": ids,
        "request_date": [time.date() for time in times],
        "request_time": times,
        "status_code": [200] * count,
        "execution_duration_ms": [800] * count,
        "request": [said[number % len(said)][0] for number in range(count)],
        "response": [said[number % len(said)][1] for number in range(count)],
        "logging_error_codes": [[]] * count,
        "served_entity_id": ["entity-1"] * count,
        "requester": ["somebody"] * count,
    }
    return pa.table(
        {name: pa.array(values, INFERENCE_TABLE.schema.field(name).type) for name, values in columns.items()}
    )


def scored_rows(ids: list[str], times: list[datetime], random: np.random.Generator) -> pa.Table:
    """Rows of `request_metrics` with numbers made up."""
    count = len(ids)
    numbers = {field.name: random.lognormal(2, 1, count) for field in REQUEST_METRICS.schema if field.type == "double"}
    counts = {field.name: random.integers(1, 900, count) for field in REQUEST_METRICS.schema if field.type == "int64"}
    columns: dict[str, Any] = {
        **numbers,
        **counts,
        "databricks_request_id": ids,
        "request_date": [time.date() for time in times],
        "request_time": times,
        "score_weight": [1.0] * count,
        "scored_at": times,
        **{
            name: [name] * count for name in ("perplexity_scorer", "readability_scorer", "toxicity_scorer", "requester")
        },
        **{name: [name] * count for name in ("endpoint_name", "entity_name", "entity_version", "token_source")},
    }
    return pa.table(
        {name: pa.array(values, REQUEST_METRICS.schema.field(name).type) for name, values in columns.items()}
    )


def cache_rows(keys: list[bytes], names: dict[str, str], random: np.random.Generator) -> pa.Table:
    """Rows of `score_cache` with numbers made up, by the scorers that the workspace has."""
    count = len(keys)
    columns: dict[str, pa.Array] = {
        "text_key": pa.array(keys, pa.binary()),
        "used_at": pa.array([NOW] * count, SCORE_CACHE.schema.field("used_at").type),
    }
    for column, name in names.items():
        parts = []
        for field in SCORE_CACHE.schema.field(column).type:
            if field.name == "scorer":
                parts.append(pa.array([name] * count))
            elif pa.types.is_map(field.type):
                labels = [pa.array(np.arange(count + 1, dtype=np.int32)), pa.array(["profanity"] * count)]
                parts.append(pa.MapArray.from_arrays(*labels, pa.array(random.random(count))))
            elif field.name == "reason":
                parts.append(pa.nulls(count, field.type))
            else:
                parts.append(pa.array(random.integers(1, 90, count)).cast(field.type))
        columns[column] = pa.StructArray.from_arrays(parts, fields=list(SCORE_CACHE.schema.field(column).type))
    return pa.table(columns, schema=pa.schema([SCORE_CACHE.schema.field(name) for name in columns]))


def scorer_names(settings: Settings) -> dict[str, str]:
    """Column of `score_cache` → the scorer that the workspace has for it."""
    from metrics.readability import SCORER

    scorers = load_scoring_tools(settings).scorers
    given = (("perplexity", scorers.perplexity), ("token_count", scorers.perplexity))
    more = (("toxicity", scorers.toxicity), ("language", scorers.language))
    return {"readability": SCORER, **{column: scorer.name for column, scorer in (*given, *more) if scorer is not None}}


def fill(settings: Settings, size: int, said: list[tuple[str, str]]) -> None:
    """All tables as they are after `size` rows were scored, in many commits."""
    random = np.random.default_rng(size)
    times = request_times(size)
    names = scorer_names(settings)
    new = inference_rows(["new"] * NEW_ROWS, [NOW] * NEW_ROWS, said)
    wanted = text_keys(new)
    known = [*(wanted.scored | wanted.counted), *(random.bytes(16) for _ in range(size))]
    app_id = f"score:{table_id(open_table(settings, 'inference_table'))}"
    for rows in np.array_split(np.arange(size), OLD_COMMITS):
        ids = [f"{number:08x}-6c1f-4f5e-9d3a-{number * 7919 % 2**48:012x}" for number in rows.tolist()]
        here = [times[number] for number in rows.tolist()]
        version = append(settings, "inference_table", inference_rows(ids, here, said[:1]))
        append_once(
            open_table(settings, "request_metrics"),
            scored_rows(ids, here, random),
            app_id=app_id,
            source_version=version,
        )
        for state in ("running", "succeeded"):
            run = {"run_id": ids[0], "job": "score", "started_at": here[0], "state": state, "process_id": 1, "host": ""}
            append(settings, "job_runs", [run])
    for keys in np.array_split(np.arange(len(known)), OLD_COMMITS):
        append(settings, "score_cache", cache_rows([known[number] for number in keys.tolist()], names, random))
    roll_up(settings)


def add_new_rows(settings: Settings, turn: str, said: list[tuple[str, str]], commits: int) -> None:
    """New rows, one for each exchange, in so many commits."""
    for number, some in enumerate(np.array_split(np.arange(len(said)), commits)):
        ids = [f"{turn}-{number}-{row}" for row in some.tolist()]
        chosen = [said[row] for row in some.tolist()]
        append(settings, "inference_table", inference_rows(ids, [NOW] * len(ids), chosen))


def seconds_of_a_run(settings: Settings) -> tuple[float, float]:
    """A run in a process of its own, from its start to its end: by the clock, and of processor time."""
    given = {"LAKEHELM_HOME": str(settings.home), "LAKEHELM_TOXICITY_MODEL": settings.toxicity_model}
    # As where it is installed: Python keeps what it has compiled.
    given["PYTHONDONTWRITEBYTECODE"] = ""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "jobs", "score"], cwd=ROOT, env={**os.environ, **given}, check=True, stdout=sys.stderr
    )
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def without_the_cache(settings: Settings, said: list[tuple[str, str]]) -> float:
    """Seconds that the models would take for `NEW_ROWS` rows, by what they take for a few of them."""
    forgetful = settings.model_copy(update={"score_cache_texts": 0})
    tools = load_scoring_tools(forgetful)
    scoring = 0.0
    for turn, some in (("warm-up", said[:1]), ("peer", said[1 : PEER_ROWS + 1])):
        add_new_rows(forgetful, turn, some, 1)
        scoring = run_score(forgetful, once=True, load=lambda _: tools).stage_seconds["score"]
    return scoring * NEW_ROWS / PEER_ROWS


def measured(settings: Settings, said: list[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    """The line of the workspace in its many commits, and that of the same workspace compacted."""
    peer = without_the_cache(settings, said)
    for layout in ("many commits", "compacted"):
        if layout == "compacted":
            run_compact(settings)
        taken = []
        # The first turn compiles the modules and warms the files, and is not counted.
        for turn in range(-1, TURNS):
            add_new_rows(settings, f"{layout}-{turn}", said, NEW_COMMITS)
            seconds = seconds_of_a_run(settings)
            taken += [seconds] if turn >= 0 else []
            run = runs(settings, "score", limit=1)[0]
            assert run["rows_read"] == run["rows_scored"] + run["rows_unscored"] == NEW_ROWS
        yield {
            "layout": layout,
            "ours": round(median(seconds for seconds, _ in taken), 2),
            "peer": round(peer, 1),
            "ratio": round(peer / median(seconds for seconds, _ in taken), 1),
            "unit": "seconds of the process",
            "slowest_of_ours": round(max(taken)[0], 2),
            "fastest_of_ours": round(min(taken)[0], 2),
            "processor_seconds": round(median(processor for _, processor in taken), 2),
            "seconds_by_stage": {name: round(seconds, 3) for name, seconds in run["stage_seconds"].items()},
        }


def main() -> None:
    said = exchanges()
    for size in SIZES:
        with tempfile.TemporaryDirectory() as name:
            settings = workspace(Path(name))
            fill(settings, size, said)
            for line in measured(settings, said):
                print(json.dumps({"bench": "known_texts", "rows": size, "new_rows": NEW_ROWS, **line}), flush=True)


if __name__ == "__main__":
    main()
