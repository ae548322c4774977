"""Rows for the tests of the jobs, small and made by hand."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from lakehouse.appends import append
from lakehouse.tables import INFERENCE_TABLE, REQUEST_METRICS
from settings import Settings

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
ENTITY = "entity-1"


def chat_request(prompt: Any) -> str:
    return json.dumps({"messages": [{"role": "user", "content": prompt}]})


def chat_response(answer: Any, usage: tuple[int, int] | None = (5, 7)) -> str:
    body: dict[str, Any] = {"choices": [{"message": {"role": "assistant", "content": answer}}]}
    if usage:
        body["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1]}
    return json.dumps(body)


def inference_row(request_id: str | None, **columns: Any) -> dict[str, Any]:
    time = columns.get("request_time", NOON)
    return {
        "databricks_request_id": request_id,
        "request_date": time.date() if time else None,
        "client_request_id": f"client-{request_id}",
        "request_time": time,
        "status_code": 200,
        "sampling_fraction": 1.0,
        "execution_duration_ms": 120,
        "request": chat_request(f"How do I start the gateway, please? Number {request_id}."),
        "response": chat_response(
            f"Run the command that starts it, and then wait a moment. This is answer {request_id}."
        ),
        "logging_error_codes": [],
        "served_entity_id": ENTITY,
        "requester": "ann",
        **columns,
    }


def inference_rows(first: int, count: int, **columns: Any) -> list[dict[str, Any]]:
    return [
        inference_row(f"r{number}", request_time=NOON + timedelta(seconds=number), **columns)
        for number in range(first, first + count)
    ]


def add_served_entity(settings: Settings) -> None:
    append(
        settings,
        "served_entities",
        [
            {
                "served_entity_id": ENTITY,
                "endpoint_name": "chatbot",
                "served_entity_name": "chatbot-1",
                "entity_name": "prod.chatbot",
                "entity_version": "1",
                "endpoint_config_version": 1,
                "change_time": datetime(2020, 1, 1, tzinfo=UTC),
            }
        ],
    )


def add_requests(settings: Settings, rows: list[dict[str, Any]]) -> None:
    """One commit of the inference table."""
    append(settings, INFERENCE_TABLE.name, rows)


def request_metrics_rows(count: int, seed: int = 0, first: int = 0) -> pa.Table:
    """Random rows with gaps, two versions, two scorers and times spread over two days."""
    random = np.random.default_rng(seed)
    columns: dict[str, Any] = {field.name: pa.nulls(count, field.type) for field in REQUEST_METRICS.schema}
    times = [NOON + timedelta(seconds=float(second)) for second in random.uniform(-86_400, 86_400, count)]

    def numbers(low: float, high: float) -> pa.Array:
        return pa.array(random.uniform(low, high, count), mask=random.random(count) < 0.2)

    columns |= {
        "databricks_request_id": [f"m{first + number}" for number in range(count)],
        "request_time": times,
        "request_date": [time.date() for time in times],
        "endpoint_name": ["chatbot"] * count,
        "entity_name": ["prod.chatbot"] * count,
        "entity_version": random.choice(["1", "2"], count).tolist(),
        "requester": random.choice(["ann", "bob"], count).tolist(),
        "status_code": [int(code) if code else None for code in random.choice([200, 429, 500, 0], count)],
        "execution_duration_ms": random.integers(0, 900, count).tolist(),
        "prompt_tokens": random.integers(0, 90, count).tolist(),
        "cost_usd": numbers(0, 0.01),
        "response_perplexity": numbers(1, 500),
        "perplexity_scorer": random.choice(["model/a/1", "model/b/1"], count).tolist(),
        "response_fk_grade": numbers(-3, 20),
        "response_reading_ease": numbers(-50, 120),
        "response_ari": numbers(-10, 40),
        "readability_scorer": ["flesch/1"] * count,
        "response_toxicity": numbers(0, 1),
        "toxicity_scorer": ["keyword/1"] * count,
        "score_weight": random.choice([1.0, 2.5], count),
    }
    return pa.table(columns, schema=REQUEST_METRICS.schema)
