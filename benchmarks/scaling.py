"""How the time of a run grows: with the rows that are new (a row must cost the same), and with those scored before.

`ours` is milliseconds a new row at the largest size, `peer` at the smallest, `ratio` one by the other: 1 is linear in
the new rows, and independent of the table's size. Runs are whole runs of the job in this process, models loaded before,
every text unlike the others: with the cheap scorers alone, so that the machinery is seen, and with perplexity.
"""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np

from benchmarks.known_texts import NOW, inference_rows, request_times, scored_rows
from benchmarks.memory import bodies
from benchmarks.whole_job import workspace
from jobs.rollups import roll_up
from jobs.score import run_score
from jobs.scorers import ScoringTools, load_scoring_tools
from lakehouse.appends import append, append_once
from lakehouse.store import open_table, table_id
from metrics.scoring import TextCache
from settings import Settings

NEW_ROWS = (500, 2_000, 8_000)
NEW_ROWS_WITH_PERPLEXITY = (8, 32)
TABLE_ROWS = tuple(int(size) for size in os.environ.get("LAKEHELM_BENCH_TABLE_ROWS", "10000,1000000").split(","))
ROWS_A_COMMIT = 20_000
TURNS = 3
SAID = "Version {0} waits for its worker. Don't start number {0} before the address {0} appears, or ask again later. "


def add_new_rows(settings: Settings, start: int, count: int) -> None:
    """One commit of rows none of whose texts was there before."""
    numbers = range(start, start + count)
    said = [bodies(f"Why does request {number} wait so long?", SAID.format(number) * 3) for number in numbers]
    times = [NOW - timedelta(milliseconds=number % 60_000) for number in numbers]
    append(settings, "inference_table", inference_rows([f"new-{number}" for number in numbers], times, said))


def milliseconds_a_row(settings: Settings, tools: ScoringTools, count: int) -> float:
    """Of one run over `count` waiting rows. Raises AssertionError if it did not score them all."""
    started = time.perf_counter()
    progress = run_score(settings, once=True, load=lambda _: replace(tools, cache=TextCache()))
    seconds = time.perf_counter() - started
    assert progress.rows_scored == count, progress.sentence()
    return seconds * 1000 / count


def by_new_rows(folder: Path, tools: ScoringTools, sizes: tuple[int, ...]) -> dict[int, float]:
    """New rows → milliseconds a row, the median of turns. Each run has a workspace of its own."""
    found: dict[int, list[float]] = {size: [] for size in sizes}
    for turn in range(TURNS):
        for size in sizes:
            settings = Settings(home=folder / f"{size}-{turn}-{tools.scorers.perplexity is None}")
            add_new_rows(settings, 0, size)
            found[size].append(milliseconds_a_row(settings, tools, size))
    return {size: statistics.median(times) for size, times in found.items()}


def fill(settings: Settings, size: int) -> None:
    """`size` rows that were scored before, over a month, in the tables that a run reads."""
    random = np.random.default_rng(size)
    times = request_times(size)
    append(settings, "inference_table", inference_rows([], [], []))
    app_id = f"score:{table_id(open_table(settings, 'inference_table'))}"
    position = open_table(settings, "inference_table").version()
    for chunk, start in enumerate(range(0, size, ROWS_A_COMMIT)):
        numbers = range(start, min(size, start + ROWS_A_COMMIT))
        rows = scored_rows([f"old-{number}" for number in numbers], [times[number] for number in numbers], random)
        append_once(open_table(settings, "request_metrics"), rows, app_id=app_id, source_version=position, chunk=chunk)
    roll_up(settings)


def by_table_rows(folder: Path, tools: ScoringTools) -> dict[int, float]:
    """Rows scored before → milliseconds a new row, the median of turns that alternate between the sizes."""
    places = {size: Settings(home=folder / f"table-{size}") for size in TABLE_ROWS}
    for size, settings in places.items():
        fill(settings, size)
    found: dict[int, list[float]] = {size: [] for size in places}
    for turn in range(TURNS):
        for size, settings in places.items():
            add_new_rows(settings, turn * NEW_ROWS[0], NEW_ROWS[0])
            found[size].append(milliseconds_a_row(settings, tools, NEW_ROWS[0]))
    return {size: statistics.median(times) for size, times in found.items()}


def lines() -> Iterator[dict[str, object]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        every = load_scoring_tools(workspace(folder))
        cheap = replace(every, scorers=replace(every.scorers, perplexity=None))
        for warm_up in (cheap, every):
            by_new_rows(folder / "warm-up", warm_up, (2,))
        yield line("milliseconds a row of a run by its rows, perplexity off", by_new_rows(folder, cheap, NEW_ROWS))
        yield line(
            "milliseconds a row of a run by its rows, perplexity on",
            by_new_rows(folder, every, NEW_ROWS_WITH_PERPLEXITY),
        )
        yield line(
            "milliseconds a row of a run by the rows scored before, perplexity off", by_table_rows(folder, cheap)
        )


def line(bench: str, milliseconds: dict[int, float]) -> dict[str, object]:
    smallest, largest = milliseconds[min(milliseconds)], milliseconds[max(milliseconds)]
    return {
        "bench": bench,
        "ours": round(largest, 3),
        "peer": round(smallest, 3),
        "ratio": round(largest / smallest, 2),
        "unit": "ms/row",
        "by_rows": {f"{size:,}": round(time, 3) for size, time in milliseconds.items()},
    }


def main() -> None:
    for found in lines():
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
