"""Tables that Spark and Databricks wrote: real ones, and inference tables with the features of real ones."""

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lakehouse.change_data import added_batches, changed_batches, present_batches
from lakehouse.commits import file_system, read_commits
from lakehouse.errors import SchemaMismatch, UnreadableTable
from lakehouse.inference import InferenceSource, SourceCommit, texts_of
from lakehouse.store import open_uri
from lakehouse.tables import INFERENCE_TABLE
from settings import Settings
from tests.lakehouse.inference_rows import NOON, inference_rows
from tests.lakehouse.spark_tables import DATABRICKS_FEATURES, DATABRICKS_PROPERTIES, SparkTable, schema_string
from tests.lakehouse.test_generations import GENERATION_1, GENERATION_3, NOON_MS

CORPUS = Path(__file__).resolve().parents[2] / "../shared/corpus/delta"
needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of real tables is not here")


@needs_corpus
@pytest.mark.parametrize(
    ("name", "rows"),
    [("cdf-table", 9), ("checkpoint-v2-table", 44), ("table-with-dv-small", 8), ("table_with_liquid_clustering", 10)],
)
def test_the_present_rows_of_real_tables_are_read_rightly(name: str, rows: int) -> None:
    table = open_uri(str(CORPUS / name))
    assert sum(batch.num_rows for batch in present_batches(table, pa.schema(table.schema()).names)) == rows


@needs_corpus
def test_the_rows_left_by_a_deletion_vector_are_the_right_ones() -> None:
    table = open_uri(str(CORPUS / "table-with-dv-small"))
    assert sorted(value for batch in present_batches(table, ["value"]) for value in batch["value"].to_pylist()) == [
        1, 2, 3, 4, 5, 6, 7, 8,
    ]  # fmt: skip


@needs_corpus
@pytest.mark.parametrize(
    ("name", "rows_by_version"),
    [
        ("cdf-table", {0: 10}),
        ("checkpoint-v2-table", {1: 10, 2: 1, 3: 10, 4: 1, 6: 10, 7: 1, 8: 10, 9: 1}),
        ("table-with-dv-small", {0: 10}),
        ("table_with_liquid_clustering", {0: 10}),
    ],
)
def test_the_new_rows_of_each_commit_of_real_tables_are_counted_and_read(
    name: str, rows_by_version: dict[int, int]
) -> None:
    table = open_uri(str(CORPUS / name))
    files = file_system(table)
    commits = read_commits(table, files, 0, table.version())
    assert {c.version: sum(f.rows or 0 for f in c.files) for c in commits if c.files} == rows_by_version
    assert not any(commit.needs_change_data for commit in commits), "updates and deletes bring no new row"
    read: dict[int, int] = {}
    schema = pa.schema(table.schema())
    for _, versions in added_batches(files, schema, schema.names, commits):
        for version in versions.to_pylist():
            read[version] = read.get(version, 0) + 1
    assert read == rows_by_version


@needs_corpus
def test_the_change_data_of_a_real_update_holds_no_new_row() -> None:
    table = open_uri(str(CORPUS / "cdf-table"))
    assert list(changed_batches(table, 1, ["id"])) == []
    assert sum(batch.num_rows for batch in changed_batches(table, 0, ["id"])) == 10


@needs_corpus
@pytest.mark.parametrize("name", ["cdf-table", "checkpoint-v2-table"])
def test_a_real_table_that_is_no_inference_table_is_one_sentence(name: str, tmp_path: Path) -> None:
    with pytest.raises(SchemaMismatch, match="are those of no inference table"):
        InferenceSource.open(Settings(home=tmp_path, inference_table_uri=str(CORPUS / name)))


@pytest.fixture
def foreign(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", inference_table_uri=str(tmp_path / "payload"))


def databricks_table(settings: Settings, schema: pa.Schema = INFERENCE_TABLE.schema) -> SparkTable:
    return SparkTable(
        Path(settings.inference_table_uri), schema, features=DATABRICKS_FEATURES, properties=DATABRICKS_PROPERTIES
    )


def everything(settings: Settings) -> list[tuple[str, int]]:
    source = InferenceSource.open(settings)
    commits = source.commits_after(None)
    rows = source.read(commits[0].version, commits[-1].version)
    assert sum(commit.rows for commit in commits) == rows.num_rows
    return sorted(zip(rows["databricks_request_id"].to_pylist(), rows["source_version"].to_pylist(), strict=True))


def test_a_databricks_table_is_read_commit_by_commit(foreign: Settings) -> None:
    table = databricks_table(foreign)
    table.append(inference_rows(["a", "b"]))
    table.append(inference_rows(["c"]), int96=True)
    table.append(inference_rows(["d"]), stats=None)
    table.commit("OPTIMIZE", [{"add": {**next(iter(table.files.values())), "dataChange": False}}])
    assert everything(foreign) == [("a", 1), ("b", 1), ("c", 2), ("d", 3)]
    assert set(InferenceSource.open(foreign).read(0, 4)["request_time"].to_pylist()) == {NOON}


@needs_corpus
def test_rows_that_a_deletion_vector_took_are_not_among_the_present_ones(foreign: Settings) -> None:
    table = databricks_table(foreign)
    table.append(inference_rows([f"a{number}" for number in range(10)]))
    for file in (CORPUS / "table-with-dv-small").glob("*.bin"):
        shutil.copy(file, table.folder)
    (path,) = table.files
    vector = {
        "storageType": "u",
        "pathOrInlineDv": "vBn[lx{q8@P<9BNH/isA",
        "offset": 1,
        "sizeInBytes": 36,
        "cardinality": 2,
    }
    table.commit("DELETE", [table.remove_action(path), {"add": {**table.files[path], "deletionVector": vector}}])
    assert InferenceSource.open(foreign).commits_after(1) == []
    assert {i for i, _ in everything(foreign)} == {f"a{number}" for number in range(10)}, "they were new once"
    table.checkpoint_v2()
    assert everything(foreign) == [(f"a{number}", 2) for number in range(1, 9)]
    day = date(2026, 1, 1)
    assert texts_of(foreign, {day: ["a0", "a5"]})["databricks_request_id"].to_pylist() == ["a5"]


def test_an_old_table_whose_log_was_cleaned_starts_from_its_v2_checkpoint(foreign: Settings) -> None:
    table = databricks_table(foreign)
    table.append(inference_rows(["a", "b"]))
    table.append(inference_rows(["c"]))
    table.checkpoint_v2()
    assert everything(foreign) == [("a", 2), ("b", 2), ("c", 2)]
    table.append(inference_rows(["d"]))
    assert everything(foreign) == [("a", 2), ("b", 2), ("c", 2), ("d", 3)]
    assert InferenceSource.open(foreign).commits_after(2) == [SourceCommit(3, 1)]


def test_of_a_merge_only_the_inserted_rows_are_new(foreign: Settings) -> None:
    table = databricks_table(foreign)
    table.append(inference_rows(["a", "b"]))
    (old,) = table.files
    changes = table.change_data(inference_rows(["a", "a", "n"]), ["update_preimage", "update_postimage", "insert"])
    table.commit("MERGE", [table.remove_action(old), table.add_action(inference_rows(["a", "b", "n"])), changes])
    assert everything(foreign) == [("a", 1), ("b", 1), ("n", 2)]


def test_rewritten_rows_without_change_data_are_refused_with_one_sentence(foreign: Settings) -> None:
    table = SparkTable(Path(foreign.inference_table_uri), INFERENCE_TABLE.schema)
    table.append(inference_rows(["a", "b"]))
    (old,) = table.files
    table.commit("MERGE", [table.remove_action(old), table.add_action(inference_rows(["a", "b", "n"]))])
    source = InferenceSource.open(foreign)
    with pytest.raises(
        UnreadableTable, match=r"^Version 2 of the inference table \(MERGE\) rewrote rows and [^\n]*\.$"
    ):
        source.commits_after(1)
    assert everything(foreign) == [("a", 2), ("b", 2), ("n", 2)], "who has read nothing yet takes what is there"


def test_a_table_without_change_data_is_read_by_its_added_files(foreign: Settings) -> None:
    table = SparkTable(Path(foreign.inference_table_uri), GENERATION_1, partition_by=("date",))
    row: dict[str, Any] = {"databricks_request_id": "a", "timestamp_ms": NOON_MS, "request": "q", "response": "r"}
    rows = pa.Table.from_pylist([{**row, "request_metadata": {"model_version": "3"}}], schema=GENERATION_1)
    table.append(rows, partition={"date": "2026-01-01"})
    table.append(rows, partition={"date": None})
    read = InferenceSource.open(foreign).read(1, 2).to_pylist()
    assert [(r["request_date"], r["request_time"], r["entity_version"]) for r in read] == [
        (date(2026, 1, 1), NOON, "3"),
        (date(2026, 1, 1), NOON, "3"),
    ]
    assert texts_of(foreign, {date(2026, 1, 1): ["a"]})["request"].to_pylist() == ["q"]


def test_a_generation_3_table_is_read_and_its_texts_are_found(foreign: Settings) -> None:
    table = databricks_table(foreign, GENERATION_3)
    row = {"request_id": "a", "event_time": NOON, "request": "q", "response": "r", "destination_model": "m"}
    table.append(pa.Table.from_pylist([{**row, "request_tags": {"model_version": "2"}}], schema=GENERATION_3))
    (read,) = InferenceSource.open(foreign).read(1, 1).to_pylist()
    assert (read["entity_name"], read["entity_version"], read["request_date"]) == ("m", "2", date(2026, 1, 1))
    assert texts_of(foreign, {date(2026, 1, 1): ["a"]})["response"].to_pylist() == ["r"]
    assert texts_of(foreign, {date(2026, 1, 2): ["a"]}).num_rows == 0


def test_a_table_that_grew_columns_is_read_with_those_of_its_newest_schema(foreign: Settings) -> None:
    table = databricks_table(foreign)
    table.append(inference_rows(["a"]))
    wider = INFERENCE_TABLE.schema.append(pa.field("cost_center", pa.string()))
    table.metadata = {**table.metadata, "schemaString": schema_string(wider)}
    table.commit("ADD COLUMNS", [{"metaData": table.metadata}])
    table.append(inference_rows(["b"]).append_column("cost_center", pa.array(["x"])))
    assert everything(foreign) == [("a", 1), ("b", 3)]


@pytest.mark.parametrize(
    ("feature", "sentence"),
    [
        ("typeWidening", "uses type widening, which is not supported"),
        ("columnMapping", "column mapping mode name"),
        ("unheardOfFeature", "cannot be opened: .*unheardOfFeature.* not supported"),
    ],
)
def test_what_no_reader_here_understands_is_one_sentence(foreign: Settings, feature: str, sentence: str) -> None:
    schema, properties = INFERENCE_TABLE.schema, {}
    if feature == "columnMapping":
        properties = {"delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": "99"}
        schema = pa.schema(
            field.with_metadata({"delta.columnMapping.id": str(i), "delta.columnMapping.physicalName": f"col-{i}"})
            for i, field in enumerate(schema)
        )
    SparkTable(Path(foreign.inference_table_uri), schema, features=(feature,), properties=properties)
    with pytest.raises(UnreadableTable, match=sentence) as caught:
        InferenceSource.open(foreign)
    assert "\n" not in str(caught.value)


def test_a_shallow_clone_whose_files_are_elsewhere_is_one_sentence(foreign: Settings) -> None:
    table = databricks_table(foreign)
    action = table.add_action(inference_rows(["a"]))
    action["add"]["path"] = "s3://elsewhere/part.parquet"
    table.commit("CLONE", [action])
    with pytest.raises(UnreadableTable, match="points to a file outside of its folder"):
        InferenceSource.open(foreign).read(1, 1)
