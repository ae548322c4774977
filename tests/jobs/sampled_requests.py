"""Workspaces whose requests were scored as a sample, and what their rollups say; shared by the tests of `rescore`."""

from collections import defaultdict
from pathlib import Path
from typing import Any
from unittest.mock import patch

from jobs.capacity import Capacity
from jobs.rollups import ROLLUPS
from jobs.score import run_score
from jobs.scorers import ScoringTools
from lakehouse.store import open_table, read_rows
from metrics.scoring import Scorers
from settings import Settings
from tests.jobs.request_rows import add_requests, add_served_entity, chat_response, inference_row, inference_rows
from tests.metrics.test_scoring import GermanDetector, LetterPerplexity, WordToxicity

SUMS = ("n", "sum_w", "sum_wx", "sum_wx2", "sum_w2")
IDS = {f"r{number}" for number in range(60)} | {"later", "failed", "german", "mute"}
Sums = dict[tuple[Any, ...], float]


def load(settings: Settings) -> ScoringTools:
    """Scorers of which both, perplexity and toxicity, are given to a sample."""
    return ScoringTools(Scorers(LetterPerplexity(), WordToxicity(), GermanDetector()))


def fill(settings: Settings) -> None:
    """Sixty good requests, and some of which one score or all cannot be given."""
    add_served_entity(settings)
    odd = [
        inference_row("failed", status_code=500, response=None),
        inference_row("german", response=chat_response("Das heißt: Es geht schon.")),
        inference_row("mute", response=chat_response("????")),
        inference_row("later", request_time=inference_row("x")["request_time"].replace(day=6)),
    ]
    add_requests(settings, [*inference_rows(0, 30), *odd])
    add_requests(settings, inference_rows(30, 30))


def scored_at_once(home: Path) -> Settings:
    """A workspace with the same requests, all scored in the first run."""
    other = Settings(home=home)
    fill(other)
    run_score(other, once=True, load=load)
    return other


def score_sample(settings: Settings, one_in: float = 4.0, load: Any = load) -> None:
    """One run of the metrics job that has time for one row in `one_in`."""

    def choose(capacity: Capacity, rows_waiting: int) -> float:
        capacity.one_in = one_in
        return one_in

    with patch.object(Capacity, "choose", choose):
        run_score(settings, once=True, load=load)


def later(settings: Settings) -> list[dict[str, Any]]:
    """The rows of `request_scores`."""
    rows: list[dict[str, Any]] = read_rows(open_table(settings, "request_scores")).to_pylist()
    return rows


def rollup_sums(settings: Settings, table: str) -> Sums:
    """What the queries add up: each sum, and each bucket, under the columns that tell rollup rows apart."""
    found: Sums = defaultdict(float)
    for row in read_rows(open_table(settings, table)).to_pylist():
        key = tuple(value for name, value in row.items() if name not in (*SUMS, "min", "max", "buckets"))
        for name in SUMS:
            found[*key, name] += row[name] or 0.0
        for bucket, weight in row["buckets"] or []:
            found[*key, "bucket", bucket] += weight
    return found


def differing_sums(one: Settings, other: Settings) -> dict[tuple[Any, ...], tuple[float, float]]:
    """Every sum of a rollup that two workspaces do not share to 1e-9."""
    found = {}
    for rollup in ROLLUPS:
        left, right = rollup_sums(one, rollup.table), rollup_sums(other, rollup.table)
        for key in {*left, *right}:
            pair = left.get(key, 0.0), right.get(key, 0.0)
            if abs(pair[0] - pair[1]) > 1e-9 * max(1.0, abs(pair[1])):
                found[rollup.table, *key] = pair
    return found
