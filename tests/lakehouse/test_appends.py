import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from lakehouse.appends import FINISHED, append, append_once, conform, from_records, position
from lakehouse.errors import AlreadyCommitted, CommitConflict, LakehouseError, SchemaMismatch
from lakehouse.store import open_table, read_rows, table_uri
from lakehouse.tables import JOB_RUNS, LEDGER, REQUEST_METRICS, TABLES
from settings import Settings
from tests.lakehouse.inference_rows import inference_rows
from tests.lakehouse.processes import race

APP = "score:source"


def test_an_append_advances_the_position_and_returns_the_version_with_its_rows(settings: Settings) -> None:
    table = open_table(settings, "inference_table")
    assert position(table, APP) is None
    version = append_once(table, inference_rows(["a"]), app_id=APP, source_version=3, chunk=2)
    assert version == 1
    assert position(table, APP) == (3, 2)
    assert position(open_table(settings, "inference_table"), APP) == (3, 2)
    append_once(table, inference_rows(["b"]), app_id=APP, source_version=3)
    assert position(table, APP) == (3, FINISHED)


def test_an_append_without_rows_advances_the_position(settings: Settings) -> None:
    table = open_table(settings, "inference_table")
    append_once(table, inference_rows([]), app_id=APP, source_version=0)
    assert position(open_table(settings, "inference_table"), APP) == (0, FINISHED)
    assert read_rows(table).num_rows == 0


@pytest.mark.parametrize(("version", "chunk"), [(3, 2), (3, 1), (2, FINISHED), (0, 0)])
def test_what_is_committed_is_refused_a_second_time(settings: Settings, version: int, chunk: int) -> None:
    table = open_table(settings, "inference_table")
    append_once(table, inference_rows(["a"]), app_id=APP, source_version=3, chunk=2)
    with pytest.raises(AlreadyCommitted, match=f"Version {version}, chunk {chunk} of {APP} is committed already"):
        append_once(table, inference_rows(["a"]), app_id=APP, source_version=version, chunk=chunk)
    assert read_rows(open_table(settings, "inference_table")).num_rows == 1


@pytest.mark.parametrize("rival_rows", [["x"], []])
def test_a_rival_that_committed_since_the_table_was_opened_wins(
    settings: Settings, rival_rows: list[str | None]
) -> None:
    mine, rivals = open_table(settings, "inference_table"), open_table(settings, "inference_table")
    append_once(rivals, inference_rows(rival_rows), app_id=APP, source_version=1)
    with pytest.raises(CommitConflict, match="nothing was written"):
        append_once(mine, inference_rows(["a"]), app_id=APP, source_version=1)
    with pytest.raises(CommitConflict):
        append_once(mine, inference_rows(["a"]), app_id=APP, source_version=2)
    assert read_rows(open_table(settings, "inference_table")).column("databricks_request_id").to_pylist() == rival_rows


def test_other_applications_plain_appends_and_compaction_do_not_disturb(settings: Settings) -> None:
    from lakehouse.upkeep import compact

    mine = open_table(settings, "inference_table")
    for number in range(10):
        append_once(
            open_table(settings, "inference_table"),
            inference_rows([f"o{number}"]),
            app_id="other",
            source_version=number,
        )
    append(settings, "inference_table", inference_rows(["plain"]))
    assert compact(settings, "inference_table").files_after == 1
    append_once(mine, inference_rows(["mine"]), app_id=APP, source_version=1)
    table = open_table(settings, "inference_table")
    assert (position(table, APP), position(table, "other")) == ((1, FINISHED), (9, FINISHED))
    assert read_rows(table).num_rows == 12


def test_two_processes_that_race_over_twenty_versions_append_each_once(settings: Settings) -> None:
    printed = race(
        settings.home,
        """
from lakehouse.appends import append_once, position
from lakehouse.errors import AlreadyCommitted, CommitConflict
from lakehouse.store import open_table
from tests.lakehouse.inference_rows import inference_rows
wait_for_the_other()
won = 0
for version in range(20):
    table = open_table(settings, "inference_table")
    try:
        append_once(table, inference_rows([str(version)]), app_id="race", source_version=version)
        won += 1
    except (AlreadyCommitted, CommitConflict):
        pass
print(won)
""",
    )
    ids = read_rows(open_table(settings, "inference_table")).column("databricks_request_id").to_pylist()
    assert sorted(ids, key=int) == [str(version) for version in range(20)]
    assert sum(int(text) for text in printed) == 20


def test_plain_appends_of_two_processes_to_a_table_that_neither_has_yet_all_arrive(settings: Settings) -> None:
    race(
        settings.home,
        """
from lakehouse.appends import append
wait_for_the_other()
for number in range(8):
    append(settings, "ledger", [{"change_id": f"{me}-{number}"}])
""",
    )
    ids = read_rows(open_table(settings, "ledger")).column("change_id").to_pylist()
    assert sorted(ids) == sorted(f"{who}-{number}" for who in "01" for number in range(8))


def test_a_table_that_two_processes_open_first_is_created_once_and_keeps_its_id(settings: Settings) -> None:
    seen = race(
        settings.home,
        """
from lakehouse.store import open_table, table_id
from lakehouse.tables import TABLES
for name in TABLES:
    wait_for_the_other(name)
    print(name, table_id(open_table(settings, name)))
""",
    )
    assert seen[0] == seen[1]
    for name in TABLES:
        table = open_table(settings, name)
        assert [entry["operation"] for entry in table.history()] == ["CREATE TABLE"]


def test_the_details_of_a_commit_stand_in_its_metadata(settings: Settings) -> None:
    table = open_table(settings, "inference_table")
    append_once(table, inference_rows(["a"]), app_id=APP, source_version=1, details={"rows_read": "7"})
    assert table.history(1)[0]["rows_read"] == "7"


@pytest.mark.parametrize(("version", "chunk"), [(-1, 0), (0, -1), (0, FINISHED + 1)])
def test_a_position_that_cannot_be_is_refused(settings: Settings, version: int, chunk: int) -> None:
    with pytest.raises(LakehouseError, match="is no position"):
        append_once(
            open_table(settings, "ledger"), LEDGER.schema.empty_table(), app_id=APP, source_version=version, chunk=chunk
        )


def test_no_text_of_a_person_stands_in_the_log(settings: Settings) -> None:
    table = open_table(settings, "inference_table")
    append_once(
        table,
        inference_rows(["a"], request="my secret question", response="a private answer"),
        app_id=APP,
        source_version=1,
    )
    log = Path(table_uri(settings, "inference_table")) / "_delta_log"
    texts = "".join(file.read_text() for file in log.glob("*.json"))
    assert '"databricks_request_id\\":\\"a' in texts, "the statistics of the id are there"
    assert "secret" not in texts
    assert "private" not in texts


def test_columns_without_any_value_keep_their_type(settings: Settings) -> None:
    append(settings, "ledger", [{"change_id": "a", "seconds": None}])
    append(settings, "ledger", pa.table({"change_id": ["b"], "seconds": pa.nulls(1), "reason": pa.nulls(1)}))
    assert pa.schema(open_table(settings, "ledger").schema()) == LEDGER.schema


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        ({"rows_read": 1.5}, "The column rows_read got 1.5, which is not an integer"),
        ({"rows_read": 1.0}, "The column rows_read got 1.0, which is not an integer"),
        ({"rows_read": 2**70}, "The column rows_read must hold int64"),
        ({"rows_read": "1"}, "The column rows_read must hold int64"),
        ({"job": 3}, "The column job must hold string"),
        ({"job": "half a pair: \ud800"}, "The column job must hold string"),
        ({"started_at": datetime(2026, 1, 1)}, "a time without a time zone"),
        ({"misspelt": 1}, "A row has the column misspelt, which the table does not have"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_its_column(
    settings: Settings, record: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(SchemaMismatch, match=sentence):
        append(settings, "job_runs", [record])


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1.5]),
        pa.array([1.0]),
        pa.array(["1"]),
        pa.array([2**63], pa.uint64()),
    ],
)
def test_a_table_with_a_column_that_would_lose_something_is_refused(column: pa.Array) -> None:
    with pytest.raises(SchemaMismatch, match="rows_read"):
        conform(pa.table({"rows_read": column}), JOB_RUNS.schema)


@pytest.mark.parametrize("column", [pa.array([0], pa.timestamp("us")), pa.array(["2026-01-01"]), pa.array([0])])
def test_only_a_time_with_a_zone_is_a_time(column: pa.Array) -> None:
    with pytest.raises(SchemaMismatch, match="started_at"):
        conform(pa.table({"started_at": column}), JOB_RUNS.schema)


def test_views_dictionaries_other_zones_and_finer_times_are_cast_without_loss() -> None:
    berlin = datetime(2026, 7, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    rows = conform(
        pa.table(
            {
                "job": pa.array(["score"], pa.string_view()),
                "trigger": pa.array(["schedule"]).dictionary_encode(),
                "rows_read": pa.array([3], pa.int32()),
                "started_at": pa.array([berlin], pa.timestamp("ns", "Europe/Berlin")),
            }
        ),
        JOB_RUNS.schema,
    )
    assert rows.schema == JOB_RUNS.schema
    row = rows.to_pylist()[0]
    assert (row["job"], row["trigger"], row["rows_read"]) == ("score", "schedule", 3)
    assert row["started_at"] == datetime(2026, 7, 1, 12, tzinfo=UTC)


def test_maps_are_given_as_dictionaries(settings: Settings) -> None:
    append(settings, "job_runs", [{"run_id": "a", "stage_seconds": {"read": 0.5}, "unscored_reasons": {}}])
    row = read_rows(open_table(settings, "job_runs")).to_pylist()[0]
    assert dict(row["stage_seconds"]) == {"read": 0.5}
    assert row["unscored_reasons"] == []


_MICROSECONDS = st.datetimes(
    min_value=datetime(1970, 1, 1),
    max_value=datetime(2199, 1, 1),
    timezones=st.just(UTC),
)
_RECORDS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "change_id": st.none() | st.text(st.characters(exclude_categories=["Cs"])),
            "time": st.none() | _MICROSECONDS,
            "seconds": st.none() | st.floats(allow_nan=False),
        },
    ),
    max_size=5,
)


@hypothesis_settings(deadline=None)
@given(_RECORDS)
def test_every_value_that_is_taken_is_kept_as_it_was(records: list[dict[str, Any]]) -> None:
    rows = from_records(records, LEDGER.schema)
    assert rows.schema == LEDGER.schema
    for record, row in zip(records, rows.to_pylist(), strict=True):
        assert {name: row[name] for name in record} == record
        assert all(row[name] is None for name in row if name not in record)


def test_the_row_groups_of_people_s_texts_are_small(settings: Settings) -> None:
    import pyarrow.parquet as pq

    table = open_table(settings, "inference_table")
    append_once(table, inference_rows([str(i) for i in range(10_000)]), app_id=APP, source_version=1)
    (file,) = Path(table_uri(settings, "inference_table")).rglob("*.parquet")
    groups = pq.ParquetFile(file).metadata
    assert max(groups.row_group(i).num_rows for i in range(groups.num_row_groups)) <= 8_192


def test_rows_for_the_metrics_are_cast_to_the_table_s_own_column_order(settings: Settings) -> None:
    table = open_table(settings, "request_metrics")
    rows = pa.table({"status_code": pa.array([200], pa.int32()), "databricks_request_id": ["a"]})
    append_once(table, rows, app_id=APP, source_version=1)
    assert read_rows(table).schema.equals(REQUEST_METRICS.schema)
    log = json.loads(
        (Path(table_uri(settings, "request_metrics")) / f"_delta_log/{1:020d}.json").read_text().splitlines()[0]
    )
    assert log["commitInfo"]["operation"] == "WRITE"
