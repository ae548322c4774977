"""Traffic for the tests of alerts: requests as the metrics job has scored them, summed into the rollups."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from jobs.partial_sums import partial_sums
from lakehouse.appends import append, from_records
from lakehouse.tables import REQUEST_METRICS
from settings import Settings

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

Column = Callable[[int], Any]


def requests(start: datetime, minutes: int, each_minute: int = 10, **columns: Any) -> list[dict[str, Any]]:
    """Rows of `request_metrics`, evenly spread. A column is a value, or a function of the request's number."""
    rows = []
    for number in range(minutes * each_minute):
        row: dict[str, Any] = {
            "databricks_request_id": f"{start:%d%H%M}-{number}",
            "request_time": start
            + timedelta(minutes=number // each_minute, seconds=60 * (number % each_minute) / each_minute),
            "endpoint_name": "chatbot",
            "entity_name": "prod.chatbot",
            "entity_version": "3",
            "status_code": 200,
            "execution_duration_ms": 200,
            "completion_tokens": 80,
            "cost_usd": 0.001,
            "response_toxicity": 0.01,
            "prompt_toxicity": 0.01,
            "toxicity_scorer": "keyword/1",
            "score_weight": 1.0,
        }
        row |= {name: value(number) if callable(value) else value for name, value in columns.items()}
        rows.append(row)
    return rows


def metrics(rows: list[dict[str, Any]]) -> pa.Table:
    """The rows with all the columns of `request_metrics`."""
    return from_records(rows, REQUEST_METRICS.schema)


def score(settings: Settings, rows: list[dict[str, Any]], until: datetime | None = None) -> None:
    """Bring requests into both rollups, as a run of the metrics job that ends at `until` and leaves none waiting."""
    if rows:
        table = metrics(rows)
        append(settings, "metrics_minute", partial_sums(table, 60))
        append(settings, "metrics_15min", partial_sums(table, 900))
    if until is not None:
        ran(settings, "score", until)


def ran(settings: Settings, job: str, ended: datetime, state: str = "succeeded", waiting: int = 0) -> None:
    """A run of a job that took half a minute."""
    row = {
        "run_id": f"{job}-{ended.isoformat()}",
        "job": job,
        "state": state,
        "started_at": ended - timedelta(seconds=30),
        "finished_at": ended,
        "rows_waiting": waiting,
    }
    append(settings, "job_runs", [row])
