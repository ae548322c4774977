from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lakehouse.appends import append, append_once
from lakehouse.errors import HistoryGone, TableMissing, UnreadableTable
from lakehouse.inference import SOURCE_ROWS, InferenceSource, SourceCommit, texts_of
from lakehouse.store import open_table, table_uri
from lakehouse.upkeep import compact
from settings import Settings
from tests.lakehouse.inference_rows import NOON, inference_rows


def fill(settings: Settings, *commits: list[str | None], **columns: Any) -> None:
    for ids in commits:
        append(settings, "inference_table", inference_rows(ids, **columns))


def ids_of(rows: pa.Table) -> list[str]:
    return sorted(rows["databricks_request_id"].to_pylist())


def test_new_commits_are_counted_and_read_since_a_version(settings: Settings) -> None:
    fill(settings, ["a", "b"], ["c"], ["d", "e", "f"])
    source = InferenceSource.open(settings)
    assert source.version == 3
    assert source.commits_after(None) == [SourceCommit(1, 2), SourceCommit(2, 1), SourceCommit(3, 3)]
    assert source.commits_after(2) == [SourceCommit(3, 3)]
    assert source.commits_after(3) == []
    rows = source.read(2, 3)
    assert rows.schema == SOURCE_ROWS
    assert sorted(zip(rows["databricks_request_id"].to_pylist(), rows["source_version"].to_pylist(), strict=True)) == [
        ("c", 2),
        ("d", 3),
        ("e", 3),
        ("f", 3),
    ]


def test_an_empty_table_has_nothing_to_read(settings: Settings) -> None:
    source = InferenceSource.open(settings)
    assert source.commits_after(None) == []
    assert source.read(0, 0).num_rows == 0


def test_a_commit_that_brings_no_row_is_left_out(settings: Settings) -> None:
    fill(settings, *([str(number)] for number in range(10)))
    append_once(open_table(settings, "inference_table"), inference_rows([]), app_id="a", source_version=1)
    assert compact(settings, "inference_table").files_after == 1
    source = InferenceSource.open(settings)
    assert [commit.version for commit in source.commits_after(None)] == list(range(1, 11))
    assert source.read(0, source.version).num_rows == 10
    assert source.read(11, source.version).num_rows == 0


def test_counting_reads_no_data_file(settings: Settings) -> None:
    fill(settings, ["a", "b"], ["c"])
    source = InferenceSource.open(settings)
    for file in Path(table_uri(settings, "inference_table")).rglob("*.parquet"):
        file.unlink()
    assert source.commits_after(0) == [SourceCommit(1, 2), SourceCommit(2, 1)]


def test_only_the_files_of_the_commits_asked_for_are_read(settings: Settings) -> None:
    fill(settings, ["a"], ["b"], ["c"])
    table = Path(table_uri(settings, "inference_table"))
    newest = open_table(settings, "inference_table").file_uris()[0]
    for file in table.rglob("*.parquet"):
        if file.name != Path(newest).name:
            file.unlink()
    assert ids_of(InferenceSource.open(settings).read(3, 3)) == ["c"]


def test_the_version_of_the_model_comes_from_the_served_entities(settings: Settings) -> None:
    entity = {"served_entity_id": "s", "endpoint_name": "chatbot", "entity_name": "prod.chatbot", "change_time": NOON}
    append(settings, "served_entities", [{**entity, "entity_version": "1"}])
    fill(settings, ["a"], served_entity_id="s")
    row = InferenceSource.open(settings).read(1, 1).to_pylist()[0]
    assert (row["endpoint_name"], row["entity_name"], row["entity_version"]) == ("chatbot", "prod.chatbot", "1")


def test_rows_without_an_id_get_distinct_ones_that_do_not_change(settings: Settings) -> None:
    fill(settings, [None, "", None], [None])
    first = InferenceSource.open(settings).read(1, 2)
    assert len(set(first["databricks_request_id"].to_pylist())) == 4
    compact(settings, "inference_table")
    assert ids_of(InferenceSource.open(settings).read(1, 2)) == ids_of(first)


def test_a_row_without_time_and_date_gets_the_time_of_its_commit(settings: Settings) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    fill(settings, ["a"], request_time=None, request_date=None)
    fill(settings, ["b"], request_time=None)
    rows = {row["databricks_request_id"]: row for row in InferenceSource.open(settings).read(1, 2).to_pylist()}
    assert before <= rows["a"]["request_time"] <= datetime.now(UTC)
    assert rows["a"]["request_date"] == rows["a"]["request_time"].date()
    assert rows["b"]["request_time"] == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_large_commit_is_read_in_batches(settings: Settings) -> None:
    fill(settings, [str(number) for number in range(9_000)])
    batches = list(InferenceSource.open(settings).batches(1, 1))
    assert ids_of(pa.concat_tables(batches)) == sorted(str(number) for number in range(9_000))
    assert max(batch.num_rows for batch in batches) < 9_000


def test_large_bodies_are_read_a_few_at_a_time(settings: Settings) -> None:
    # All equal, so that the file tells nothing of what they take in memory.
    fill(settings, [str(number) for number in range(150)], request="x" * 2**20)
    sizes = [batch.num_rows for batch in InferenceSource.open(settings).batches(1, 1)]
    assert sum(sizes) == 150
    assert max(sizes) <= 64


def test_large_present_rows_are_read_a_few_at_a_time(settings: Settings) -> None:
    fill(settings, [str(number) for number in range(150)], request="x" * 2**20)
    source = InferenceSource.open(settings)
    start = source.start_from_present_rows()
    sizes = [batch.num_rows for batch in source.batches(start.version, start.version)]
    assert sum(sizes) == start.rows == 150
    assert max(sizes) <= 32


def test_a_version_that_is_not_there_yet_is_refused(settings: Settings) -> None:
    fill(settings, ["a"])
    with pytest.raises(UnreadableTable, match="The inference table has no version 2; its newest is 1"):
        InferenceSource.open(settings).read(1, 2)


def test_a_missing_inference_table_of_others_is_one_sentence(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, inference_table_uri=str(tmp_path / "nothing"))
    with pytest.raises(TableMissing, match="check the address in the settings"):
        InferenceSource.open(settings)


def vacuum_at_once(settings: Settings) -> None:
    open_table(settings, "inference_table").vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)


def test_a_reader_whose_commits_were_vacuumed_fails_with_one_sentence(settings: Settings) -> None:
    fill(settings, *([str(number)] for number in range(10)))
    compact(settings, "inference_table")
    vacuum_at_once(settings)
    source = InferenceSource.open(settings)
    with pytest.raises(HistoryGone, match=r"^A file that is still needed was vacuumed [^\n]*present rows\.$"):
        source.read(3, 5)


def test_a_reader_whose_commits_were_cleaned_out_of_the_log_fails_with_one_sentence(settings: Settings) -> None:
    fill(settings, ["a"], ["b"], ["c"])
    open_table(settings, "inference_table").create_checkpoint()
    (Path(table_uri(settings, "inference_table")) / "_delta_log" / f"{2:020d}.json").unlink()
    with pytest.raises(HistoryGone, match="Version 2 of the table at"):
        InferenceSource.open(settings).commits_after(1)


def test_the_first_reader_of_a_vacuumed_table_starts_from_the_present_rows(settings: Settings) -> None:
    fill(settings, *([str(number)] for number in range(10)))
    compact(settings, "inference_table")
    vacuum_at_once(settings)
    source = InferenceSource.open(settings)
    start = source.version
    assert source.commits_after(None) == [SourceCommit(start, 10)]
    assert ids_of(source.read(start, start)) == sorted(str(number) for number in range(10))


def test_a_start_that_was_cut_off_goes_on_with_the_same_rows(settings: Settings) -> None:
    fill(settings, *([str(number)] for number in range(10)))
    compact(settings, "inference_table")
    vacuum_at_once(settings)
    source = InferenceSource.open(settings)
    (start,) = source.commits_after(None)
    before = ids_of(source.read(start.version, start.version))
    fill(settings, ["later"])
    source = InferenceSource.open(settings)
    # The position of a half-done commit is looked up as "after the version before it".
    assert source.commits_after(start.version - 1) == [start, SourceCommit(start.version + 1, 1)]
    assert source.commits_after(None) == source.commits_after(start.version - 1)
    assert ids_of(source.read(start.version, start.version)) == before
    assert source.commits_after(start.version) == [SourceCommit(start.version + 1, 1)]
    assert ids_of(source.read(start.version, start.version + 1)) == sorted([*before, "later"])


def test_a_reader_left_behind_may_start_again_from_the_present_rows(settings: Settings) -> None:
    fill(settings, *([str(number)] for number in range(10)))
    compact(settings, "inference_table")
    vacuum_at_once(settings)
    source = InferenceSource.open(settings)
    start = source.start_from_present_rows()
    assert InferenceSource.open(settings).commits_after(4) == [start]
    assert start.rows == 10


def test_texts_are_found_by_id_and_date(settings: Settings) -> None:
    fill(settings, ["a", "b"], request="asked", response="answered")
    fill(settings, [None], request="nameless")
    fill(settings, ["dateless"], request="when", request_date=None)
    fill(settings, ["a"], request="a second delivery")
    nameless = InferenceSource.open(settings).read(2, 2)["databricks_request_id"].to_pylist()[0]
    day = date(2026, 1, 1)
    texts = texts_of(settings, {day: ["a", nameless, "dateless", "unknown", "x' OR true --"]})
    found = {row["databricks_request_id"]: row for row in texts.to_pylist()}
    assert set(found) == {"a", nameless, "dateless"}
    assert found["a"]["request"] in ("asked", "a second delivery")
    assert (found[nameless]["request"], found["dateless"]["request"]) == ("nameless", "when")
    assert texts_of(settings, {date(2025, 1, 1): ["a"]}).num_rows == 0
    assert texts_of(settings, {}).num_rows == 0
