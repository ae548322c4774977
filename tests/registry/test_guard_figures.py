"""The guard's figures are those of the rows: errors and latency from requests, the others from the rollups."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from jobs.partial_sums import COLUMNS_READ, partial_sums
from lakehouse.appends import append
from lakehouse.recent_requests import RecentRequests
from lakehouse.tables import TABLES
from registry.guard import SURENESS
from registry.guard_figures import Span, figures
from settings import Settings
from tests.lakehouse.inference_rows import inference_rows

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def span(version: str, start: datetime = NOON, end: datetime | None = None) -> Span:
    return Span("chatbot", "prod.chatbot", version, start, end)


def serve(settings: Settings, *versions: str) -> None:
    entity = {"endpoint_name": "chatbot", "entity_name": "prod.chatbot", "change_time": NOON - 60 * MINUTE}
    rows = [{**entity, "served_entity_id": f"s{version}", "entity_version": version} for version in versions]
    append(settings, "served_entities", rows)


def request(settings: Settings, version: str, count: int, **columns: Any) -> None:
    ids = [f"{version}-{columns}-{number}" for number in range(count)]
    append(settings, "inference_table", inference_rows(list(ids), served_entity_id=f"s{version}", **columns))


def score(settings: Settings, version: str, count: int, time: datetime = NOON, **columns: Any) -> None:
    row = {
        "databricks_request_id": "r",
        "request_time": time,
        "endpoint_name": "chatbot",
        "entity_name": "prod.chatbot",
        "entity_version": version,
        "status_code": 200,
        "toxicity_scorer": "keyword/1",
        "perplexity_scorer": "smollm/1",
        **columns,
    }
    schema = pa.schema([TABLES["request_metrics"].schema.field(name) for name in COLUMNS_READ])
    rows = pa.Table.from_pylist([row] * count, schema=schema)
    append(settings, "metrics_minute", partial_sums(rows, 60))


def test_errors_and_latency_are_counted_from_the_requests_of_the_span(settings: Settings) -> None:
    serve(settings, "2", "3")
    request(settings, "3", 30, status_code=200, execution_duration_ms=10)
    request(settings, "3", 5, status_code=503, execution_duration_ms=9000)
    request(settings, "3", 5, status_code=400, execution_duration_ms=1)
    request(settings, "3", 50, status_code=500, request_time=NOON - MINUTE)
    request(settings, "2", 7, status_code=200, execution_duration_ms=20)
    found = figures(settings, RecentRequests(settings), [span("3"), span("2"), span("3", NOON - 2 * MINUTE, NOON)])
    errors, latency = found[span("3")]["errors"], found[span("3")]["latency"]
    assert (errors.n, errors.value) == (40, 5 / 40), "what the caller got wrong is no error of the version"
    assert (latency.n, latency.value) == (30, 10), "a request that failed has no latency"
    assert found[span("2")]["errors"].value == 0.0
    assert found[span("3", NOON - 2 * MINUTE, NOON)]["errors"].value == 1.0


def test_toxicity_perplexity_and_cost_come_from_the_rollups(settings: Settings) -> None:
    score(settings, "3", 6, response_toxicity=0.9, response_perplexity=20.0, cost_usd=0.002)
    score(settings, "3", 18, time=NOON + MINUTE, response_toxicity=0.1, response_perplexity=40.0, cost_usd=0.001)
    score(settings, "3", 50, time=NOON - MINUTE, response_toxicity=0.9)
    found = figures(settings, RecentRequests(settings), [span("3")])[span("3")]
    assert (found["toxicity"].n, found["toxicity"].value) == (24, 0.25)
    assert found["perplexity"].value == pytest.approx(35.0)
    assert found["cost"].value == pytest.approx(0.00125)
    assert found["cost"].at_least < found["cost"].value


def test_two_scorers_are_never_mixed_nor_compared(settings: Settings) -> None:
    score(settings, "3", 10, response_toxicity=0.9)
    score(settings, "3", 20, response_toxicity=0.1, toxicity_scorer="original/1")
    score(settings, "2", 5, response_toxicity=0.9)
    found = figures(settings, RecentRequests(settings), [span("3"), span("2")])
    assert (found[span("3")]["toxicity"].n, found[span("3")]["toxicity"].value) == (20, 0.0)
    assert "toxicity" not in found[span("2")]


def test_what_nothing_tells_is_left_out(settings: Settings) -> None:
    assert figures(settings, RecentRequests(settings), [span("3")]) == {span("3"): {}}
    assert figures(settings, RecentRequests(settings), []) == {}
    serve(settings, "3")
    request(settings, "3", 3, status_code=None, execution_duration_ms=None)
    assert figures(settings, RecentRequests(settings), [span("3")]) == {span("3"): {}}


def test_a_sample_counts_with_its_weights_and_is_no_more_evidence_than_it_is(settings: Settings) -> None:
    score(settings, "3", 30, response_toxicity=0.1, response_perplexity=20.0, toxicity_scorer="original/1")
    ten = {"response_toxicity": 0.9, "response_perplexity": 40.0, "score_weight": 10.0}
    score(settings, "3", 9, time=NOON + MINUTE, toxicity_scorer="original/1", **ten)
    score(settings, "3", 81, time=NOON + MINUTE, toxicity_scorer="original/1", score_weight=0.0)
    found = figures(settings, RecentRequests(settings), [span("3")])[span("3")]
    size = 120**2 / (30 + 9 * 100)
    assert found["perplexity"].value == pytest.approx((30 * 20 + 90 * 40) / 120)
    assert found["toxicity"].n == round(size)
    assert found["toxicity"].value == pytest.approx(90 / 120, abs=0.5 / size)
    variance = (30 * (20 - 35) ** 2 + 90 * (40 - 35) ** 2) / 120 * size / (size - 1)
    assert found["perplexity"].at_least == pytest.approx(35 - SURENESS * (variance / size) ** 0.5)
