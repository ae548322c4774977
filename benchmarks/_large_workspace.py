"""A workspace with a month of many scored requests, made by code: `python -m benchmarks._large_workspace FOLDER ROWS`.

The numbers are made up; the tables are as the metrics job and `compact` leave them: a request's row and its partial
sums come from the job's own function, what is older than half a day is compacted, and since then every run of five
minutes has left files of its own. Two endpoints with four versions each, 200 requesters. Texts stand in the inference
table for the last two days only, and are short.
"""

import json
import math
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jobs.chunking import LARGEST_PIECE_ROWS
from jobs.notable_requests import notable
from jobs.partial_sums import COLUMNS_READ, partial_sums
from jobs.rollups import DERIVED, ROLLUPS
from lakehouse.appends import append
from lakehouse.notable_requests import NOTABLE_REQUESTS
from lakehouse.tables import INFERENCE_TABLE, REQUEST_METRICS
from lakehouse.upkeep import compact
from settings import Settings

DAYS = 30
DAYS_WITH_TEXTS = 2
RUNS_SINCE_COMPACTION = 144
"""Half of the runs that a day has: as it is in the middle between two compactions."""
RUN = timedelta(minutes=5)
REQUESTERS = 200
CHANGES = 60
ENDPOINTS = (("chatbot", "prod.chatbot", 0.8), ("search-help", "prod.search-help", 0.2))
VERSIONS = 4
SCORERS = {
    "perplexity_scorer": "smollm2-135m-q4_1/openvino-f32/1",
    "readability_scorer": "flesch_kincaid/textstat-0.7.13/1",
    "toxicity_scorer": "keyword/alt-profanity-check-1.9.1/1",
}
_OF_ANSWERS = ("completion_tokens", "cost_usd", "perplexity_tokens")
"""Numbers that a failed request has not, beside those whose names begin with `response_`."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def large_workspace(home: Path, rows: int, now: datetime) -> Settings:
    """Write the workspace; `now` is the end of its month. About two minutes for a million rows, in bounded memory."""
    settings = Settings(home=home)
    end = _EPOCH + (now - _EPOCH) // RUN * RUN
    lately = end - RUNS_SINCE_COMPACTION * RUN
    random = np.random.default_rng(rows)

    for first, last in _days(end - timedelta(days=DAYS), lately):
        some = _requests(random, first, last, _count(rows, first, last, end))
        append(settings, "request_metrics", some)
        _texts(settings, some, since=end - timedelta(days=DAYS_WITH_TEXTS))
        for rollup in ROLLUPS:
            sums = _sums(some, rollup.window_seconds, rollup.by_requester)
            append(settings, rollup.table, sums)
        append(settings, NOTABLE_REQUESTS.name, notable(some))
    _operations(settings, end - timedelta(days=DAYS), lately, end)
    for name in ("request_metrics", "inference_table", *(derived.table for derived in DERIVED)):
        compact(settings, name)
    for number in range(RUNS_SINCE_COMPACTION):
        first = lately + number * RUN
        some = _requests(random, first, first + RUN, _count(rows, first, first + RUN, end))
        _run_of_the_job(settings, some, first + RUN, end)
    return settings


def _run_of_the_job(settings: Settings, some: pa.Table, started: datetime, end: datetime) -> None:
    """The commits that one run makes: a few of rows, one of each rollup, and two of itself."""
    _texts(settings, some, since=end - timedelta(days=DAYS_WITH_TEXTS))
    run = _job_run(started, some.num_rows)
    append(settings, "job_runs", [{**run, "state": "running", "finished_at": None}])
    for first in range(0, some.num_rows, LARGEST_PIECE_ROWS):
        append(settings, "request_metrics", some.slice(first, LARGEST_PIECE_ROWS))
    for rollup in ROLLUPS:
        append(settings, rollup.table, _sums(some, rollup.window_seconds, rollup.by_requester))
    append(settings, NOTABLE_REQUESTS.name, notable(some))
    append(settings, "job_runs", [run])


def _sums(some: pa.Table, window_seconds: int, by_requester: bool) -> pa.Table:
    return partial_sums(some.select(list(COLUMNS_READ)), window_seconds, by_requester)


def _days(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The UTC days between two times, the first and the last maybe in part."""
    while start < end:
        following = min(end, datetime(start.year, start.month, start.day, tzinfo=UTC) + timedelta(days=1))
        yield start, following
        start = following


def _count(rows: int, first: datetime, last: datetime, end: datetime) -> int:
    """Requests from `first` to `last`, so that the month has `rows`."""
    start = end - timedelta(days=DAYS)
    edges = [round(rows * ((time - start) / timedelta(days=DAYS))) for time in (first, last)]
    return edges[1] - edges[0]


def _requests(random: np.random.Generator, first: datetime, last: datetime, count: int) -> pa.Table:
    """Rows of `request_metrics` between two times, by time."""
    times = np.sort(random.integers(_microseconds(first), _microseconds(last), count))
    endpoint = (random.random(count) >= ENDPOINTS[0][2]).astype(np.int64)
    version = _versions(random, times)
    failed = random.random(count) < 0.012
    columns: dict[str, Any] = {
        name: pa.array(values, mask=failed if name.startswith("response_") or name in _OF_ANSWERS else None)
        for name, values in _numbers(random, version / VERSIONS).items()
    }
    stamps = pa.array(times, pa.int64()).cast(pa.timestamp("us", tz="UTC"))
    ids = [pa.array(random.integers(10**15, 10**16, count)).cast(pa.string()) for _ in range(2)]
    places = pa.array(np.arange(count + 1, dtype=np.int32))
    people = np.minimum(random.zipf(1.3, count) - 1, random.integers(0, REQUESTERS, count))
    columns |= {
        "databricks_request_id": pc.binary_join_element_wise(*ids, "-"),
        "request_date": stamps.cast(pa.date32()),
        "request_time": stamps,
        "endpoint_name": _chosen([name for name, _, _ in ENDPOINTS], endpoint),
        "entity_name": _chosen([entity for _, entity, _ in ENDPOINTS], endpoint),
        "entity_version": _chosen([str(number + 1) for number in range(VERSIONS)], version),
        "requester": _chosen([f"person-{number:03d}@example.com" for number in range(REQUESTERS)], people),
        "status_code": pa.array(np.where(failed, random.choice([429, 500, 503], count), 200)),
        "token_source": _repeated("response", count),
        "price_source": _repeated("sample", count),
        "toxicity_labels": pa.MapArray.from_arrays(
            places, _repeated("profanity", count), pa.array(random.random(count))
        ),
        "scored_at": stamps,
        **{name: _repeated(scorer, count) for name, scorer in SCORERS.items()},
    }
    return _as_table(columns, REQUEST_METRICS.schema, count)


def _numbers(random: np.random.Generator, newer: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    """The numbers of a request each; `newer` is 0 for the first version and near 1 for the last."""
    count = len(newer)
    toxic = random.random(count) < 0.01
    numbers: dict[str, NDArray[Any]] = {
        "execution_duration_ms": np.round(random.lognormal(6.6 - 0.5 * newer, 0.45, count)),
        "prompt_tokens": random.integers(6, 400, count),
        "completion_tokens": random.integers(30, 700, count),
        "prompt_chars": random.integers(20, 2_000, count),
        "response_chars": random.integers(120, 3_000, count),
        "response_perplexity": random.lognormal(3.1 + 0.2 * newer, 0.4, count),
        "prompt_perplexity": random.lognormal(4.4, 0.5, count),
        "perplexity_tokens": random.integers(30, 700, count),
        "response_fk_grade": random.normal(10.4 - 2 * newer, 2.1, count),
        "prompt_fk_grade": random.normal(5.5, 2.4, count),
        "response_reading_ease": random.normal(48 + 12 * newer, 9, count),
        "response_ari": random.normal(11 - 2 * newer, 2.4, count),
        "response_toxicity": random.beta(0.6, 22, count),
        "prompt_toxicity": np.where(toxic, random.uniform(0.5, 1, count), random.beta(1, 15, count)),
        "score_weight": np.ones(count),
    }
    numbers["cost_usd"] = (numbers["prompt_tokens"] * 0.15 + numbers["completion_tokens"] * 0.6) / 1e6
    return numbers


def _versions(random: np.random.Generator, times: NDArray[np.int64]) -> NDArray[np.int64]:
    """The version, from 0, that answered: each took over from the one before, with a tenth of the traffic first."""
    month = DAYS * 86_400_000_000
    place = (times % month) / month * VERSIONS
    live = np.floor(place).astype(np.int64)
    canary = (place - live > 0.9) & (random.random(len(times)) < 0.1)
    return np.minimum(live + canary, VERSIONS - 1)


def _texts(settings: Settings, some: pa.Table, since: datetime) -> None:
    """The rows of the inference table of those requests that are not older than `since`."""
    kept = some.filter(pc.greater_equal(some["request_time"], pa.scalar(since)))
    count = kept.num_rows
    if not count:
        return
    number = kept["databricks_request_id"]
    question = '{"messages": [{"role": "user", "content": "How do I roll back to the version before '
    answer = (
        '{"choices": [{"message": {"role": "assistant", "content": "Open the Overview and press Roll back; the version '
        "before is warm and takes over within a second. The ledger keeps who did it and why. It is number "
    )
    said = {
        "request": pc.binary_join_element_wise(_repeated(question, count), number, '?"}]}', ""),
        "response": pc.binary_join_element_wise(_repeated(answer, count), number, '."}}]}', ""),
        "logging_error_codes": pa.array([[]] * count, pa.list_(pa.string())),
        "served_entity_id": pc.binary_join_element_wise(kept["endpoint_name"], kept["entity_version"], "-"),
    }
    rows = {name: kept[name] for name in INFERENCE_TABLE.schema.names if name in kept.column_names} | said
    append(settings, "inference_table", _as_table(rows, INFERENCE_TABLE.schema, count))


def _operations(settings: Settings, start: datetime, lately: datetime, end: datetime) -> None:
    """Served entities, the ledger, the prices and the runs of the job up to the last compaction."""
    versions = [(endpoint, entity, str(number + 1)) for endpoint, entity, _ in ENDPOINTS for number in range(VERSIONS)]
    entities = [
        {
            "served_entity_id": f"{endpoint}-{version}",
            "endpoint_name": endpoint,
            "served_entity_name": f"{endpoint}-{version}",
            "entity_name": entity,
            "entity_version": version,
            "endpoint_config_version": int(version),
            "change_time": start,
        }
        for endpoint, entity, version in versions
    ]
    append(settings, "served_entities", entities)
    prices = [
        {
            "entity_name": entity,
            "entity_version": version,
            "input_usd_per_million": 0.15,
            "output_usd_per_million": 0.6,
            "effective_from": start,
            "source": "sample",
        }
        for _, entity, version in versions
    ]
    append(settings, "prices", prices)
    append(settings, "ledger", _changes(start, end, versions))
    runs = [_job_run(start + number * RUN, 1_000) for number in range(math.floor((lately - start) / RUN))]
    both = [row for run in runs for row in ({**run, "state": "running", "finished_at": None}, run)]
    append(settings, "job_runs", both)


def _changes(start: datetime, end: datetime, versions: list[tuple[str, str, str]]) -> list[dict[str, Any]]:
    """The rows of the ledger: changes spread over the month, each with its outcome."""
    ledger: list[dict[str, Any]] = []
    for number in range(CHANGES):
        time = start + (end - start) * ((number + 0.5) / CHANGES)
        endpoint, _, version = versions[number % len(versions)]
        change = {
            "change_id": f"change-{number:03d}",
            "actor": f"person-{number % 7:03d}@example.com",
            "role": "admin",
            "action": ("deploy", "promote", "rollback", "traffic")[number % 4],
            "target": endpoint,
            "before": version,
            "after": str(int(version) % VERSIONS + 1),
            "reason": "made up",
            "evidence": "{}",
        }
        ledger.append({**change, "phase": "intent", "time": time})
        outcome = {"phase": "outcome", "time": time + timedelta(seconds=2), "outcome": "succeeded", "seconds": 2.0}
        ledger.append({**change, **outcome})
    return ledger


def _job_run(started: datetime, rows: int) -> dict[str, Any]:
    return {
        "run_id": f"run-{started:%m%d%H%M}",
        "job": "score",
        "trigger": "schedule",
        "process_id": 0,
        "host": "",
        "started_at": started,
        "finished_at": started + timedelta(seconds=40),
        "state": "succeeded",
        "rows_read": rows,
        "rows_scored": rows,
        "rows_unscored": 0,
        "rows_duplicate": 0,
        "rows_waiting": 0,
        "rows_left_out": 0,
        "stage_seconds": {"read": 0.2, "score": 38.0, "append": 0.8, "rollups": 1.0},
        "newest_request_time": started,
    }


def _as_table(columns: dict[str, Any], schema: pa.Schema, count: int) -> pa.Table:
    """The columns in the order and types of a schema; those that are not there are null."""
    arrays = [
        columns[field.name].cast(field.type, safe=False) if field.name in columns else pa.nulls(count, field.type)
        for field in schema
    ]
    return pa.table(arrays, schema=schema)


def _chosen(names: list[str], numbers: NDArray[np.int64]) -> pa.Array:
    return pa.array(names).take(pa.array(numbers))


def _repeated(value: str, count: int) -> pa.Array:
    return pa.array([value]).take(pa.array(np.zeros(count, dtype=np.int64)))


def _microseconds(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(microseconds=1)


if __name__ == "__main__":
    made = large_workspace(Path(sys.argv[1]), int(sys.argv[2]), datetime.now(UTC))
    print(json.dumps({"home": str(made.home)}))
