"""Days of requests at one hour for the tests of judging: rows of `request_metrics`, and their bodies."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from lakehouse.appends import append_once
from lakehouse.store import open_table
from lakehouse.tables import INFERENCE_TABLE, REQUEST_METRICS
from settings import Settings
from tests.jobs.request_rows import chat_request

NOON = datetime(2026, 5, 14, 12, 0, tzinfo=UTC)
FIVE = timedelta(minutes=5)
DAY = timedelta(days=1)


def windows(first: datetime, count: int) -> list[tuple[str, datetime, datetime]]:
    """Windows of five minutes, as they are closed."""
    return [("5 minutes", first + place * FIVE, first + (place + 1) * FIVE) for place in range(count)]


def history(days: int, until: datetime, before: int = 6, after: int = 6) -> list[datetime]:
    """The starts of the windows around `until` on earlier days, and of the half hour before it."""
    earlier = [until - day * DAY + step * FIVE for day in range(days, 0, -1) for step in range(-before, after + 3)]
    return [*earlier, *(until + step * FIVE for step in range(-before, 0))]


def requests(starts: Sequence[datetime], count: int = 100, seed: int = 0, **columns: Any) -> pa.Table:
    """`count` requests in each window; `columns` take the place of random ones: a value, or a function of n."""
    random = np.random.default_rng(seed)
    n = len(starts) * count
    times = [start + timedelta(seconds=float(second)) for start in starts for second in np.linspace(0, 299, count)]
    made: dict[str, Any] = {
        "databricks_request_id": [f"{seed}-{number}" for number in range(n)],
        "request_time": times,
        "request_date": [time.date() for time in times],
        "endpoint_name": "chatbot",
        "entity_version": random.choice(["1", "2"], n).tolist(),
        "requester": [f"person{number % 97}@{'one' if number % 3 else 'two'}.example" for number in range(n)],
        "status_code": random.choice([200] * 49 + [500], n).tolist(),
        "execution_duration_ms": np.exp(random.normal(6.5, 0.5, n)).astype(int).tolist(),
        "completion_tokens": np.exp(random.normal(5, 0.5, n)).astype(int).tolist(),
        "prompt_chars": np.exp(random.normal(4, 0.8, n)).astype(int).tolist(),
        "response_toxicity": np.where(random.random(n) < 0.05, 0.9, 0.01).tolist(),
        "toxicity_scorer": "keyword/1",
        "score_weight": 1.0,
        **columns,
    }
    arrays = []
    for field in REQUEST_METRICS.schema:
        value = made.get(field.name)
        value = value(n) if callable(value) else value
        arrays.append(pa.array(value if isinstance(value, list) else [value] * n, field.type))
    return pa.Table.from_arrays(arrays, schema=REQUEST_METRICS.schema)


def deliver(settings: Settings, *rows: pa.Table) -> None:
    """One commit of `request_metrics`."""
    table = open_table(settings, "request_metrics")
    append_once(table, pa.concat_tables(rows), app_id="score:test", source_version=table.version())


def deliver_bodies(settings: Settings, rows: pa.Table, prompts: Sequence[str]) -> None:
    """The bodies of the same requests, in the inference table."""
    shared = {name: rows[name] for name in INFERENCE_TABLE.schema.names if name in rows.column_names}
    shared["request"] = pa.array([chat_request(prompt) for prompt in prompts])
    columns = [
        shared[field.name].cast(field.type) if field.name in shared else pa.nulls(rows.num_rows, field.type)
        for field in INFERENCE_TABLE.schema
    ]
    table = open_table(settings, "inference_table")
    bodies = pa.Table.from_arrays(
        [column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column for column in columns],
        schema=INFERENCE_TABLE.schema,
    )
    append_once(table, bodies, app_id="bodies:test", source_version=table.version())
