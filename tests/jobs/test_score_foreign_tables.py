"""The metrics job over inference tables that another system writes."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from jobs.score import run_score
from jobs.scorers import ScoringTools
from lakehouse.errors import HistoryGone, LakehouseError, RowsMixed
from lakehouse.runs import runs
from lakehouse.store import open_table, read_rows
from lakehouse.tables import INFERENCE_TABLE
from metrics.scoring import Scorers
from settings import Settings
from tests.jobs.request_rows import inference_row, inference_rows


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", inference_table_uri=str(tmp_path / "foreign"))


def write(
    settings: Settings, rows: list[dict[str, Any]], schema: pa.Schema = INFERENCE_TABLE.schema, **options: Any
) -> None:
    write_deltalake(settings.inference_table_uri, pa.Table.from_pylist(rows, schema=schema), mode="append", **options)


def score(settings: Settings, from_present_rows: bool = False) -> Any:
    return run_score(settings, once=True, load=lambda _: ScoringTools(Scorers()), from_present_rows=from_present_rows)


def ids(settings: Settings) -> list[str]:
    return sorted(read_rows(open_table(settings, "request_metrics"))["databricks_request_id"].to_pylist())


def test_rows_of_a_future_schema_are_scored_by_the_columns_that_are_known(settings: Settings) -> None:
    write(settings, inference_rows(0, 2))
    score(settings)
    future = INFERENCE_TABLE.schema.append(pa.field("reasoning_tokens", pa.int64())).append(
        pa.field("guardrails", pa.struct([pa.field("verdict", pa.string())]))
    )
    rows = [{**row, "reasoning_tokens": 5, "guardrails": {"verdict": "ok"}} for row in inference_rows(2, 2)]
    write(settings, rows, future, schema_mode="merge")
    score(settings)
    assert ids(settings) == ["r0", "r1", "r2", "r3"]
    grades = read_rows(open_table(settings, "request_metrics"))["response_fk_grade"]
    assert grades.null_count == 0


def test_a_table_with_none_of_the_known_schemas_fails_with_one_sentence(settings: Settings) -> None:
    write(settings, [{"question": "?", "answer": "!"}], pa.schema([("question", pa.string()), ("answer", pa.string())]))
    with pytest.raises(LakehouseError):
        score(settings)
    (run,) = runs(settings)
    assert run["state"] == "failed"
    assert len(run["error"].splitlines()) == 1


def test_a_missing_table_fails_with_its_address(settings: Settings) -> None:
    with pytest.raises(LakehouseError, match="foreign"):
        score(settings)
    assert runs(settings)[0]["state"] == "failed"


def test_a_table_vacuumed_past_the_job_fails_with_one_sentence_and_can_be_begun_again(settings: Settings) -> None:
    write(settings, inference_rows(0, 3))
    score(settings)
    for number in range(3, 6):
        write(settings, [inference_row(f"r{number}")])
    table = DeltaTable(settings.inference_table_uri)
    table.optimize.compact()
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    before = open_table(settings, "request_metrics").version()
    with pytest.raises(HistoryGone):
        score(settings)
    run = runs(settings, limit=1)[0]
    assert run["state"] == "failed"
    assert "--from-present-rows" in run["error"]
    assert open_table(settings, "request_metrics").version() == before
    score(settings, from_present_rows=True)
    assert ids(settings) == [f"r{number}" for number in range(6)]
    write(settings, [inference_row("r6")])
    score(settings)
    assert ids(settings) == [f"r{number}" for number in range(7)]


def test_rows_rewritten_without_a_change_data_feed_fail_with_the_way_out(settings: Settings) -> None:
    write(settings, inference_rows(0, 2))
    score(settings)
    rows = pa.Table.from_pylist(inference_rows(0, 3), schema=INFERENCE_TABLE.schema)
    write_deltalake(settings.inference_table_uri, rows, mode="overwrite")
    with pytest.raises(RowsMixed, match=r"present rows: `python -m jobs score --once --from-present-rows`\.$"):
        score(settings)
    score(settings, from_present_rows=True)
    assert ids(settings) == ["r0", "r1", "r2"]
    write(settings, [inference_row("r3")])
    score(settings)
    assert ids(settings) == ["r0", "r1", "r2", "r3"]


def test_a_table_that_was_made_anew_is_read_from_its_start(settings: Settings, tmp_path: Path) -> None:
    write(settings, inference_rows(0, 3))
    score(settings)
    anew = settings.model_copy(update={"inference_table_uri": str(tmp_path / "anew")})
    write(anew, inference_rows(1, 4))
    score(anew)
    assert ids(settings) == [f"r{number}" for number in range(5)]
