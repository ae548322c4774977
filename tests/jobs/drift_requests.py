"""Requests for the tests of drift: rows of `request_metrics` at chosen times, random but for what a test sets."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from lakehouse.appends import append_once
from lakehouse.store import open_table, read_rows
from lakehouse.tables import REQUEST_METRICS
from settings import Settings

TABLES = ("request_metrics_profile_metrics", "request_metrics_drift_metrics")


def requests(count: int, start: datetime, span: timedelta, seed: int = 0, **columns: Any) -> pa.Table:
    """`count` requests at random times of `span` from `start` on; `columns` take the place of random ones."""
    random = np.random.default_rng(seed)
    seconds = np.sort(random.uniform(0, span.total_seconds(), count))
    times = [start + timedelta(seconds=float(second)) for second in seconds]
    words = [f"s{seed}-{number}" for number in range(count)]
    made: dict[str, Any] = {
        "databricks_request_id": words,
        "request_time": times,
        "request_date": [time.date() for time in times],
        "endpoint_name": ["chatbot"] * count,
        "entity_version": random.choice(["1", "2"], count).tolist(),
        "requester": [f"person{number}@{'one' if number % 3 else 'two'}.example" for number in range(count)],
        "status_code": random.choice([200, 200, 200, 429], count).tolist(),
        "execution_duration_ms": random.integers(10, 900, count).tolist(),
        "completion_tokens": random.integers(0, 90, count).tolist(),
        "response_perplexity": [None if value < 5 else value for value in random.uniform(1, 50, count).tolist()],
        "perplexity_scorer": ["model/a/1"] * count,
        "response_toxicity": random.uniform(0, 1, count).tolist(),
        "toxicity_scorer": ["keyword/1"] * count,
        **columns,
    }
    arrays = [pa.array(made.get(field.name, [None] * count), field.type) for field in REQUEST_METRICS.schema]
    return pa.Table.from_arrays(arrays, schema=REQUEST_METRICS.schema)


def deliver(settings: Settings, rows: pa.Table) -> None:
    """One commit of `request_metrics`."""
    table = open_table(settings, "request_metrics")
    append_once(table, rows, app_id="score:test", source_version=table.version())


def figures(settings: Settings, name: str, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """The rows of a profile or drift table in an order of their own, but for the version that they were made at."""
    rows = read_rows(open_table(settings, name), columns).to_pylist()
    for row in rows:
        row.pop("logging_table_commit_version", None)
    return sorted(rows, key=lambda row: (row["window"]["start"], *(str(row.get(key)) for key in KEYS)))


KEYS = ("granularity", "entity_version", "slice_key", "slice_value", "column_name", "drift_type")


def found(settings: Settings, name: str, **wanted: Any) -> list[dict[str, Any]]:
    """The rows that have these values; of all requests unless a version or slice is asked for."""
    wanted = {"entity_version": "*", "slice_key": None, **wanted}
    rows = figures(settings, name)
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]
