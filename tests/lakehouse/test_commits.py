import json
from pathlib import Path
from typing import Any

import pytest

from lakehouse.commits import file_system, parse_commit, read_commits
from lakehouse.errors import HistoryGone, UnreadableTable
from lakehouse.store import open_table, open_uri, table_uri
from settings import Settings
from tests.lakehouse.inference_rows import inference_rows

ADD: dict[str, Any] = {"path": "a.parquet", "partitionValues": {}, "dataChange": True, "stats": '{"numRecords": 3}'}


def commit_of(operation: str, *actions: dict[str, Any]) -> str:
    return "\n".join(
        json.dumps(action) for action in ({"commitInfo": {"operation": operation, "timestamp": 5}}, *actions)
    )


def test_an_append_has_its_files_with_their_rows() -> None:
    commit = parse_commit(4, commit_of("WRITE", {"add": ADD}))
    assert (commit.version, commit.operation, commit.timestamp_ms, commit.needs_change_data) == (4, "WRITE", 5, False)
    assert [(file.path, file.rows) for file in commit.files] == [("a.parquet", 3)]


def test_a_path_is_decoded_and_a_missing_count_is_unknown() -> None:
    commit = parse_commit(0, commit_of("WRITE", {"add": {**ADD, "path": "d=2026%2001/a%25.parquet", "stats": None}}))
    assert [(file.path, file.rows) for file in commit.files] == [("d=2026 01/a%.parquet", None)]


@pytest.mark.parametrize(
    ("operation", "actions"),
    [
        ("OPTIMIZE", [{"remove": {"path": "b", "dataChange": False}}, {"add": {**ADD, "dataChange": False}}]),
        ("DELETE", [{"remove": {"path": "b", "dataChange": True}}, {"add": ADD}]),
        ("DELETE", [{"remove": {"path": "b", "dataChange": True}}]),
        ("DELETE", [{"remove": {"path": ADD["path"]}}, {"add": {**ADD, "deletionVector": {"cardinality": 2}}}]),
        ("UPDATE", [{"remove": {"path": "b"}}, {"add": ADD}, {"cdc": {"path": "c"}}]),
        ("VACUUM START", []),
        ("SET TBLPROPERTIES", [{"metaData": {"id": "x"}}]),
    ],
)
def test_what_brings_no_new_row_is_not_taken_for_new_rows(operation: str, actions: list[dict[str, Any]]) -> None:
    commit = parse_commit(1, commit_of(operation, *actions))
    assert (commit.files, commit.needs_change_data) == ((), False)


@pytest.mark.parametrize(
    "actions",
    [
        [{"remove": {"path": "b", "dataChange": True}}, {"add": ADD}],
        [{"add": ADD}, {"cdc": {"path": "c"}}],
        [{"add": {**ADD, "deletionVector": {"cardinality": 1}}}],
    ],
)
def test_new_rows_among_old_ones_need_the_change_data_feed(actions: list[dict[str, Any]]) -> None:
    commit = parse_commit(1, commit_of("MERGE", *actions))
    assert commit.needs_change_data
    assert commit.files == ()


def test_only_the_commits_that_are_asked_for_are_read(settings: Settings) -> None:
    from lakehouse.appends import append

    for number in range(4):
        append(settings, "inference_table", inference_rows([str(number)]))
    table = open_table(settings, "inference_table")
    log = Path(table_uri(settings, "inference_table")) / "_delta_log"
    for other in (0, 1, 4):
        (log / f"{other:020d}.json").unlink()
    assert [commit.version for commit in read_commits(table, file_system(table), 2, 3)] == [2, 3]
    with pytest.raises(
        HistoryGone, match=r"^Version 1 of the table at .* was cleaned out of its log before it was read"
    ):
        read_commits(table, file_system(table), 1, 3)


def test_a_broken_log_file_is_named(settings: Settings) -> None:
    from lakehouse.appends import append

    append(settings, "inference_table", inference_rows(["a"]))
    table = open_table(settings, "inference_table")
    (Path(table_uri(settings, "inference_table")) / "_delta_log" / f"{1:020d}.json").write_text('{"add": 3}')
    with pytest.raises(UnreadableTable, match=r"Version 1 of the table at .* has a broken log file"):
        read_commits(table, file_system(table), 1, 1)


def test_a_log_on_an_object_store_is_read_through_the_store_of_the_table(settings: Settings) -> None:
    import pyarrow.fs as pafs
    from deltalake.fs import DeltaStorageHandler

    from lakehouse.appends import append

    for number in range(3):
        append(settings, "inference_table", inference_rows([str(number)]))
    table = open_uri(table_uri(settings, "inference_table"))
    through_store = pafs.PyFileSystem(DeltaStorageHandler.from_table(table._table))
    assert read_commits(table, through_store, 0, 3) == read_commits(table, file_system(table), 0, 3)
    with pytest.raises(HistoryGone):
        read_commits(table, through_store, 3, 4)
