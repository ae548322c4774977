"""The whole loop with nothing replaced: a small demo workspace, then `make run` on it, then a person's browser."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from lakehouse.store import open_table
from lakehouse.tables import TABLES
from serving.client import EndpointClient
from serving.errors import ServingError
from settings import Settings

ROOT = Path(__file__).resolve().parent.parent
DERIVED = ("request_metrics", "metrics_minute", "metrics_15min", "metrics_hour", "metrics_daily_requester")
MEASURES = (
    "execution_duration_ms", "prompt_tokens", "completion_tokens", "response_perplexity", "prompt_perplexity",
    "response_fk_grade", "prompt_fk_grade", "response_reading_ease", "response_ari", "response_toxicity",
    "prompt_toxicity", "cost_usd",
)  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(settings: Settings) -> dict[str, str]:
    return {
        **os.environ,
        "LAKEHELM_HOME": str(settings.home),
        "LAKEHELM_GATEWAY_PORT": str(settings.gateway_port),
        "LAKEHELM_DASHBOARD_PORT": str(settings.dashboard_port),
        "LAKEHELM_DEMO_TRICKLE_SECONDS": "0.5",
        "LAKEHELM_TOXICITY_MODEL": "keyword",
    }


def run_job(settings: Settings, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "jobs", *arguments],
        cwd=ROOT,
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=560,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, prepared_models: Path) -> Settings:
    """A workspace that `python -m jobs demo --small` built from nothing but prepared models."""
    home = tmp_path_factory.mktemp("demo") / "home"
    settings = Settings(home=home, gateway_port=free_port(), dashboard_port=free_port())
    home.mkdir()
    settings.models_folder.symlink_to(prepared_models)
    run_job(settings, "demo", "--small")
    return settings


@pytest.fixture
def lake(demo: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB over the demo's tables."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone='UTC'")
    for name in TABLES:
        table = open_table(demo, name)
        if table.file_uris():
            connection.register(name, table.to_pyarrow_dataset())
    yield connection
    connection.close()


@pytest.mark.timeout(400)
def test_every_request_is_in_request_metrics_exactly_once(lake: duckdb.DuckDBPyConnection) -> None:
    requests, distinct = lake.execute(
        "SELECT count(*), count(DISTINCT databricks_request_id) FROM inference_table"
    ).fetchone()
    assert distinct >= 600
    assert requests == distinct
    scored = lake.execute("SELECT count(*), count(DISTINCT databricks_request_id) FROM request_metrics").fetchone()
    assert scored == (distinct, distinct)
    missing = "SELECT count(*) FROM inference_table ANTI JOIN request_metrics USING (databricks_request_id)"
    assert lake.execute(missing).fetchone() == (0,)


@pytest.mark.parametrize("measure", [name for name in MEASURES if name != "execution_duration_ms"])
def test_what_is_unscored_carries_its_reason(lake: duckdb.DuckDBPyConnection, measure: str) -> None:
    silent = f"SELECT count(*) FROM request_metrics WHERE {measure} IS NULL AND NOT map_contains(unscored, '{measure}')"
    assert lake.execute(silent).fetchone() == (0,)
    assert lake.execute(f"SELECT count({measure}) FROM request_metrics").fetchone()[0] > 500


@pytest.mark.parametrize("rollup", ["metrics_minute", "metrics_15min", "metrics_hour"])
def test_rollups_sum_to_the_rows(lake: duckdb.DuckDBPyConnection, rollup: str) -> None:
    counted = f"SELECT sum(n)::BIGINT FROM {rollup} WHERE metric = 'databricks_request_id'"
    assert lake.execute(counted).fetchone() == lake.execute("SELECT count(*) FROM request_metrics").fetchone()
    for measure in MEASURES:
        n, total = lake.execute(
            f"SELECT sum(n)::BIGINT, sum(sum_wx) FROM {rollup} WHERE metric = ?", [measure]
        ).fetchone()
        rows = lake.execute(f"SELECT count({measure}), sum({measure}) FROM request_metrics").fetchone()
        assert n == rows[0], measure
        assert total == pytest.approx(rows[1], rel=1e-9), measure


def test_the_two_versions_really_differ(lake: duckdb.DuckDBPyConnection) -> None:
    grouped = (
        "SELECT entity_version, avg(completion_tokens), count(*) FROM request_metrics "
        "WHERE status_code = 200 GROUP BY ALL ORDER BY ALL"
    )
    (first, long_answers, n_first), (second, short_answers, n_second) = lake.execute(grouped).fetchall()
    assert (first, second) == ("1", "2")
    assert min(n_first, n_second) > 200
    assert long_answers > 1.2 * short_answers


def test_every_score_names_its_scorer(lake: duckdb.DuckDBPyConnection) -> None:
    for score, scorer in (
        ("response_perplexity", "perplexity_scorer"),
        ("response_fk_grade", "readability_scorer"),
        ("prompt_toxicity", "toxicity_scorer"),
        ("cost_usd", "price_source"),
    ):
        nameless = f"SELECT count(*) FROM request_metrics WHERE {score} IS NOT NULL AND coalesce({scorer}, '') = ''"
        assert lake.execute(nameless).fetchone() == (0,), score


def test_a_second_run_changes_nothing(demo: Settings) -> None:
    before = {name: open_table(demo, name).version() for name in DERIVED}
    run_job(demo, "score", "--once")
    assert {name: open_table(demo, name).version() for name in DERIVED} == before


def test_building_the_demo_again_changes_nothing(demo: Settings) -> None:
    before = {name: open_table(demo, name).version() for name in TABLES}
    assert "already" in run_job(demo, "demo", "--small")
    assert {name: open_table(demo, name).version() for name in TABLES} == before


@pytest.fixture(scope="module")
def running(demo: Settings) -> Iterator[Settings]:
    """`make run` on the demo workspace; ended as Ctrl-C ends it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "jobs", "up"], cwd=ROOT, env=environment(demo), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert str(demo.dashboard_port) in process.stdout.readline()
    yield demo
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    for port in (demo.dashboard_port, demo.gateway_port):
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), 1):
            pass


def wait_for_endpoint(settings: Settings) -> EndpointClient:
    client = EndpointClient(settings)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            endpoint = client.get(settings.endpoint)
        except ServingError:
            endpoint = None
        if endpoint is not None and endpoint.served and all(served.ready for served in endpoint.served):
            return client
        time.sleep(0.5)
    raise AssertionError("The endpoint did not become ready.")


def test_make_run_serves_the_demo_with_version_2_live_and_version_1_warm(running: Settings) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{running.dashboard_port}/_stcore/health", timeout=10) as answer:
        assert answer.status == 200
    client = wait_for_endpoint(running)
    endpoint = client.get(running.endpoint)
    assert endpoint is not None
    assert {served.entity_version: served.traffic for served in endpoint.served} == {"1": 0, "2": 100}
    answer = client.ask(running.endpoint, "How do I start Lakehelm?", requester="a-test")
    assert answer.served_model_name == f"{running.endpoint}-2"
    assert answer.text
    assert client.ask(running.endpoint, "How do I start Lakehelm?", served_entity=f"{running.endpoint}-1").text


def test_a_request_to_the_running_endpoint_reaches_the_tables(running: Settings) -> None:
    client = wait_for_endpoint(running)
    client.ask(running.endpoint, "What is a rollup?", client_request_id="the-loop-runs")
    deadline = time.monotonic() + 60
    delivered = "SELECT databricks_request_id FROM t WHERE client_request_id = 'the-loop-runs'"
    found = None
    while found is None and time.monotonic() < deadline:
        time.sleep(1)
        found = query(running, "inference_table", delivered)
    assert found is not None
    from lakehouse.runs import request_run

    request_run(running, "score", {}, "a-test")
    scored = f"SELECT response_perplexity FROM t WHERE databricks_request_id = '{found[0]}'"
    row = None
    while row is None and time.monotonic() < deadline + 120:
        time.sleep(1)
        row = query(running, "request_metrics", scored)
    assert row is not None
    assert row[0] > 1


def query(settings: Settings, name: str, sql: str) -> tuple | None:
    connection = duckdb.connect()
    connection.register("t", open_table(settings, name).to_pyarrow_dataset())
    row = connection.execute(sql).fetchone()
    connection.close()
    return row
