from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake

from lakehouse.appends import append
from lakehouse.recent_requests import COLUMNS, RecentRequests
from lakehouse.store import table_uri
from lakehouse.upkeep import compact
from settings import Settings
from tests.lakehouse.inference_rows import NOON, inference_rows

MINUTE = timedelta(minutes=1)


def bring(settings: Settings, *ids: str | None, **columns: Any) -> None:
    append(settings, "inference_table", inference_rows(list(ids), **columns))


def ids_of(rows: pa.Table) -> list[str | None]:
    return sorted(rows["databricks_request_id"].to_pylist(), key=str)


def test_requests_come_with_their_version_and_without_their_texts(settings: Settings) -> None:
    entity = {
        "served_entity_id": "s3",
        "endpoint_name": "chatbot",
        "entity_name": "prod.chatbot",
        "entity_version": "3",
    }
    append(settings, "served_entities", [{**entity, "change_time": NOON}])
    bring(settings, "a", served_entity_id="s3", status_code=500, execution_duration_ms=12)
    rows = RecentRequests(settings).since(NOON)
    assert tuple(rows.column_names) == COLUMNS
    (row,) = rows.to_pylist()
    assert (row["status_code"], row["execution_duration_ms"], row["entity_version"]) == (500, 12, "3")


def test_a_further_look_reads_the_new_commits_only(settings: Settings) -> None:
    recent = RecentRequests(settings)
    bring(settings, "early", request_time=NOON - MINUTE)
    bring(settings, "a", "b")
    assert ids_of(recent.since(NOON)) == ["a", "b"]
    for file in Path(table_uri(settings, "inference_table")).rglob("*.parquet"):
        file.unlink()
    bring(settings, "c", request_time=NOON + MINUTE)
    assert ids_of(recent.since(NOON)) == ["a", "b", "c"]
    assert ids_of(recent.since(NOON + MINUTE)) == ["c"]


def test_an_earlier_start_is_read_anew(settings: Settings) -> None:
    bring(settings, "early", request_time=NOON - MINUTE)
    bring(settings, "a")
    recent = RecentRequests(settings)
    assert ids_of(recent.since(NOON)) == ["a"]
    assert ids_of(recent.since(NOON - MINUTE)) == ["a", "early"]


def test_a_compacted_table_tells_the_same(settings: Settings) -> None:
    recent = RecentRequests(settings)
    for number in range(12):
        bring(settings, f"r{number}")
    before = ids_of(recent.since(NOON))
    assert compact(settings, "inference_table").files_after == 1
    bring(settings, "r12")
    assert ids_of(recent.since(NOON)) == sorted([*before, "r12"])
    assert ids_of(RecentRequests(settings).since(NOON)) == sorted([*before, "r12"])


def test_a_request_that_was_delivered_twice_counts_once(settings: Settings) -> None:
    recent = RecentRequests(settings)
    bring(settings, "a", "b", None, None)
    bring(settings, "a")
    assert ids_of(recent.since(NOON)) == [None, None, "a", "b"]


def test_without_an_inference_table_nothing_is_there_and_none_is_made(settings: Settings) -> None:
    assert RecentRequests(settings).since(NOON).num_rows == 0
    assert not Path(table_uri(settings, "inference_table")).exists()


def test_a_table_of_the_first_generation_is_read_too(settings: Settings, tmp_path: Path) -> None:
    rows = pa.table(
        {
            "databricks_request_id": ["old", "new"],
            "date": [date(2026, 1, 1)] * 2,
            "timestamp_ms": [int((NOON - MINUTE).timestamp() * 1000), int(NOON.timestamp() * 1000)],
            "status_code": pa.array([200, 503], pa.int32()),
            "execution_time_ms": [5, 6],
            "request": ["{}", "{}"],
            "response": ["{}", "{}"],
            "request_metadata": pa.array([[("endpoint_name", "chatbot"), ("model_version", "4")]] * 2,
                                         pa.map_(pa.string(), pa.string())),
        }
    )  # fmt: skip
    write_deltalake(str(tmp_path / "payload"), rows, partition_by=["date"])
    foreign = settings.model_copy(update={"inference_table_uri": str(tmp_path / "payload")})
    recent = RecentRequests(foreign)
    (row,) = recent.since(NOON).to_pylist()
    assert (row["databricks_request_id"], row["entity_version"], row["execution_duration_ms"]) == ("new", "4", 6)
    write_deltalake(str(tmp_path / "payload"), rows.set_column(0, "databricks_request_id", [["x", "y"]]), mode="append")
    assert ids_of(recent.since(NOON)) == ["new", "y"]
