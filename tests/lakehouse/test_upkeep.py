from pathlib import Path

import pytest

from lakehouse.appends import append, append_once, position
from lakehouse.errors import CommitConflict, LakehouseError
from lakehouse.store import open_table, read_rows, table_uri
from lakehouse.upkeep import _merge_files, compact
from settings import Settings
from tests.lakehouse.inference_rows import inference_rows


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


def test_two_merges_at_once_change_nothing_twice(settings: Settings) -> None:
    for number in range(12):
        append(settings, "ledger", [{"change_id": str(number)}])
    first, second = open_table(settings, "ledger"), open_table(settings, "ledger")
    _merge_files(first)
    with pytest.raises(CommitConflict, match="nothing was merged; try again later"):
        _merge_files(second)
    assert read_rows(open_table(settings, "ledger")).num_rows == 12


def test_a_table_of_others_is_left_to_its_owner(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, inference_table_uri=str(tmp_path / "foreign"))
    with pytest.raises(LakehouseError, match="belongs to another system"):
        compact(settings, "inference_table")
