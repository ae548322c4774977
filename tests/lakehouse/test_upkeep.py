from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from lakehouse.appends import append, append_once, position
from lakehouse.errors import CommitConflict, LakehouseError
from lakehouse.inference import InferenceSource
from lakehouse.merging import merge_small_files
from lakehouse.store import open_table, read_rows, table_uri
from lakehouse.tables import LEDGER
from lakehouse.upkeep import compact
from settings import Settings
from tests.lakehouse.inference_rows import NOON, inference_rows


def test_many_small_files_become_one_and_no_row_changes(settings: Settings) -> None:
    for number in range(12):
        append_once(
            open_table(settings, "inference_table"), inference_rows([str(number)]), app_id="a", source_version=number
        )
    done = compact(settings, "inference_table")
    assert (done.files_before, done.files_after, done.files_deleted) == (12, 1, 0)
    table = open_table(settings, "inference_table")
    assert sorted(read_rows(table)["databricks_request_id"].to_pylist(), key=int) == [str(n) for n in range(12)]
    assert position(table, "a") is not None
    assert compact(settings, "inference_table").files_before == 1


def test_files_that_a_reader_may_still_need_are_kept(settings: Settings) -> None:
    for number in range(12):
        append(settings, "ledger", [{"change_id": str(number)}])
    compact(settings, "ledger")
    assert len(list(Path(table_uri(settings, "ledger")).glob("*.parquet"))) == 13


def test_a_table_with_few_files_gets_no_commit(settings: Settings) -> None:
    append(settings, "ledger", [{"change_id": "a"}])
    compact(settings, "ledger")
    assert open_table(settings, "ledger").version() == 1


def files_of(settings: Settings, name: str) -> set[str]:
    return {path.name for path in Path(table_uri(settings, name)).rglob("*.parquet")}


def test_of_two_merges_at_once_one_fails_and_no_row_is_doubled(settings: Settings) -> None:
    for number in range(12):
        append(settings, "ledger", [{"change_id": str(number)}])
    first, second = open_table(settings, "ledger"), open_table(settings, "ledger")
    assert merge_small_files(first, LEDGER) == 12
    before = files_of(settings, "ledger")
    with pytest.raises(CommitConflict, match="nothing was merged; try again later"):
        merge_small_files(second, LEDGER)
    assert read_rows(open_table(settings, "ledger")).num_rows == 12
    assert files_of(settings, "ledger") == before, "the loser's files are gone again"


def test_rows_that_are_appended_during_a_merge_stay(settings: Settings) -> None:
    for number in range(12):
        append(settings, "ledger", [{"change_id": str(number)}])
    merging = open_table(settings, "ledger")
    append(settings, "ledger", [{"change_id": "meanwhile"}])
    merge_small_files(merging, LEDGER)
    table = open_table(settings, "ledger")
    assert sorted(read_rows(table)["change_id"].to_pylist()) == sorted([*(str(n) for n in range(12)), "meanwhile"])
    assert len(table.file_uris()) == 2


def test_a_merge_brings_no_new_rows_to_those_who_follow_the_table(settings: Settings) -> None:
    for number in range(12):
        append(settings, "inference_table", inference_rows([str(number)]))
    version = open_table(settings, "inference_table").version()
    compact(settings, "inference_table")
    table = open_table(settings, "inference_table")
    assert table.version() == version + 1
    source = InferenceSource.open(settings)
    assert source.commits_after(version) == []
    assert source.read(version + 1, version + 1).num_rows == 0
    changes = pa.table(table.load_cdf(version + 1, version + 1).read_all())
    assert changes.num_rows == 0, "nor to who follows its change data feed"


def test_partitions_and_columns_of_every_kind_survive_a_merge(settings: Settings) -> None:
    day = timedelta(days=1)
    for number in range(24):
        append(
            settings,
            "request_metrics",
            [
                {
                    "databricks_request_id": f"{number:02}",
                    "request_date": None if number % 6 == 5 else (NOON + number % 3 * day).date(),
                    "request_time": None if number % 4 == 3 else NOON + timedelta(microseconds=number * 1001),
                    "response_perplexity": None if number % 2 else number / 7,
                    "toxicity_labels": {"insult": number / 30} if number % 5 else None,
                    "unscored": {} if number % 2 else {"cost_usd": "no price"},
                }
            ],
        )
    before = read_rows(open_table(settings, "request_metrics")).sort_by("databricks_request_id")
    compact(settings, "request_metrics")
    table = open_table(settings, "request_metrics")
    assert read_rows(table).sort_by("databricks_request_id").to_pylist() == before.to_pylist()
    assert len(table.file_uris()) == 4
    for wanted in before.filter(pc.is_valid(before["request_time"])).to_pylist():
        where = pc.field("request_time") == wanted["request_time"]
        assert read_rows(table, where=where)["databricks_request_id"].to_pylist() == [wanted["databricks_request_id"]]
    where = pc.field("databricks_request_id").isin(["07", "23"])
    assert read_rows(table, where=where).num_rows == 2


def test_the_statistics_of_merged_files_let_readers_skip_them(settings: Settings) -> None:
    for number in range(12):
        append(settings, "ledger", [{"change_id": str(number), "time": NOON + timedelta(seconds=number)}])
    compact(settings, "ledger")
    (action,) = pa.table(open_table(settings, "ledger").get_add_actions()).to_pylist()
    assert (action["num_records"], action["min"]["time"]) == (12, NOON)
    assert action["max"]["time"] - (NOON + timedelta(seconds=11)) < timedelta(milliseconds=1)
    assert (action["min"]["change_id"], action["max"]["change_id"]) == ("0", "9")
    assert action["null_count"]["action"] == 12


def test_files_written_before_a_column_was_added_are_merged_with_the_others(settings: Settings) -> None:
    from deltalake import DeltaTable, write_deltalake

    old = pa.schema([field for field in LEDGER.schema if field.name != "seconds"])
    DeltaTable.create(table_uri(settings, "ledger"), schema=old)
    for number in range(6):
        write_deltalake(
            table_uri(settings, "ledger"), pa.Table.from_pylist([{"change_id": str(number)}], schema=old), mode="append"
        )
    for number in range(6, 12):
        append(settings, "ledger", [{"change_id": str(number), "seconds": 1.0}])
    compact(settings, "ledger")
    table = open_table(settings, "ledger")
    assert len(table.file_uris()) == 1
    assert sum(value or 0 for value in read_rows(table)["seconds"].to_pylist()) == 6


def test_a_merge_whose_file_is_gone_fails_with_one_sentence_and_leaves_nothing_behind(settings: Settings) -> None:
    for number in range(12):
        append(settings, "ledger", [{"change_id": str(number)}])
    table = open_table(settings, "ledger")
    Path(table.file_uris()[0]).unlink()
    before = files_of(settings, "ledger")
    with pytest.raises(LakehouseError, match=r"^The files of .* cannot be merged: [^\n]*\.$"):
        merge_small_files(table, LEDGER)
    assert files_of(settings, "ledger") == before


def test_a_merge_that_was_committed_keeps_its_files_although_the_checkpoint_after_it_failed(settings: Settings) -> None:
    for number in range(38):
        append(settings, "ledger", [{"change_id": str(number)}])
    table = open_table(settings, "ledger")
    # The commit after this one writes a checkpoint; where its file should be stands something else.
    (Path(table_uri(settings, "ledger")) / "_delta_log" / f"{table.version() + 1:020}.checkpoint.parquet").mkdir()
    with pytest.raises(LakehouseError, match="cannot be merged"):
        merge_small_files(table, LEDGER)
    assert open_table(settings, "ledger").version() == 39, "the merge itself stands"
    assert read_rows(open_table(settings, "ledger")).num_rows == 38


def test_a_table_of_others_is_left_to_its_owner(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, inference_table_uri=str(tmp_path / "foreign"))
    with pytest.raises(LakehouseError, match="belongs to another system"):
        compact(settings, "inference_table")
