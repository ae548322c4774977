from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake import Schema as DeltaSchema
from pydantic import SecretStr

from lakehouse.appends import append
from lakehouse.errors import HistoryGone, LakehouseError, TableMissing, UnreadableTable
from lakehouse.store import (
    _create,
    first_line,
    open_table,
    open_to_read,
    open_uri,
    read_rows,
    storage_options,
    table_id,
    table_uri,
)
from lakehouse.tables import LEDGER, TABLES
from settings import Settings
from tests.lakehouse.processes import race


@pytest.mark.parametrize("name", list(TABLES))
def test_a_missing_table_is_created_with_its_schema_layout_and_statistics(settings: Settings, name: str) -> None:
    spec = TABLES[name]
    table = open_table(settings, name)
    assert pa.schema(table.schema()) == spec.schema
    assert tuple(table.metadata().partition_columns) == spec.partition_by
    configuration = table.metadata().configuration
    assert configuration.get("delta.dataSkippingStatsColumns", "") == ",".join(spec.statistics_columns)
    assert (configuration.get("delta.enableChangeDataFeed") == "true") == spec.change_data_feed
    assert table.protocol().min_reader_version == 1, "every Delta reader can read our tables"


def test_a_table_keeps_its_id_when_it_is_opened_again(settings: Settings) -> None:
    assert table_id(open_table(settings, "ledger")) == table_id(open_table(settings, "ledger"))


def test_who_loses_the_race_to_create_a_table_gets_the_table_of_the_winner(settings: Settings) -> None:
    winner = open_table(settings, "ledger")
    loser = _create(table_uri(settings, "ledger"), LEDGER, {})
    assert table_id(loser) == table_id(winner)
    assert loser.version() == 0


def of_an_older_release(settings: Settings, name: str, without: tuple[str, ...]) -> pa.Schema:
    """Creates a table as it was before some columns were added, with one row. Returns its schema."""
    spec = TABLES[name]
    old = pa.schema([field for field in spec.schema if field.name not in without])
    table = DeltaTable.create(
        table_uri(settings, name), schema=old, partition_by=list(spec.partition_by) or None, name=name
    )
    write_deltalake(table, pa.Table.from_pylist([{old.names[0]: "old"}], schema=old), mode="append")
    return old


def test_columns_that_a_newer_release_knows_are_added_to_an_old_table(settings: Settings) -> None:
    of_an_older_release(settings, "ledger", without=("evidence", "seconds"))
    assert set(pa.schema(open_table(settings, "ledger").schema()).names) == set(LEDGER.schema.names)
    assert open_table(settings, "ledger").version() == 2
    append(settings, "ledger", [{"change_id": "new", "seconds": 1.5}])
    rows = {row["change_id"]: row["seconds"] for row in read_rows(open_table(settings, "ledger")).to_pylist()}
    assert rows == {"old": None, "new": 1.5}


def test_reading_a_table_of_an_older_release_gives_nulls_and_changes_nothing(settings: Settings) -> None:
    old = of_an_older_release(settings, "ledger", without=("evidence", "seconds"))
    table = open_to_read(settings, "ledger")
    rows = read_rows(table, ["change_id", "seconds"], pc.field("seconds").is_null())
    assert rows.to_pylist() == [{"change_id": "old", "seconds": None}]
    assert read_rows(table).num_columns == len(LEDGER.schema)
    assert pa.schema(open_to_read(settings, "ledger").schema()).names == old.names
    assert table.version() == 1


def test_two_processes_that_add_the_same_columns_at_once_both_come_out_well(settings: Settings) -> None:
    rounds = 15
    for number in range(rounds):
        home = settings.home / f"lake-{number}"
        of_an_older_release(Settings(home=home), "request_scores", without=("unscored_reason", "scored_at"))
    printed = race(
        settings.home,
        f"""
from lakehouse.appends import append
from lakehouse.store import open_table
for number in range({rounds}):
    old = Settings(home=home / f"lake-{{number}}")
    wait_for_the_other(f"-{{number}}")
    table = open_table(old, "request_scores")
    print(len(table.schema().fields))
    append(old, "request_scores", [{{"databricks_request_id": me, "unscored_reason": "new"}}])
""",
    )
    assert [output.split() for output in printed] == [[str(len(TABLES["request_scores"].schema))] * rounds] * 2
    for number in range(rounds):
        table = open_to_read(Settings(home=settings.home / f"lake-{number}"), "request_scores")
        found = {row["databricks_request_id"]: row["unscored_reason"] for row in read_rows(table).to_pylist()}
        assert found == {"old": None, "0": "new", "1": "new"}


def test_a_table_of_others_never_gets_a_column(tmp_path: Path) -> None:
    foreign = str(tmp_path / "foreign")
    DeltaTable.create(foreign, schema=pa.schema([("served_entity_id", pa.string())]))
    settings = Settings(home=tmp_path / "home", served_entities_uri=foreign)
    assert [field.name for field in open_table(settings, "served_entities").schema().fields] == ["served_entity_id"]
    assert DeltaTable(foreign).version() == 0


def test_a_table_that_a_later_release_gave_a_column_is_still_written_to(settings: Settings) -> None:
    table = open_table(settings, "ledger")
    table.alter.add_columns(DeltaSchema.from_arrow(pa.schema([("mood", pa.string())])).fields)
    append(settings, "ledger", [{"change_id": "a"}])
    assert read_rows(open_table(settings, "ledger"), ["change_id", "mood"]).to_pylist() == [
        {"change_id": "a", "mood": None}
    ]


def test_addresses_come_from_the_settings(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path,
        lake_uri="s3://bucket/lake/",
        inference_table_uri="uc://a.b.c",
        served_entities_uri="/tables/served",
    )
    assert table_uri(settings, "ledger") == "s3://bucket/lake/ledger"
    assert table_uri(settings, "inference_table") == "uc://a.b.c"
    assert table_uri(settings, "served_entities") == "/tables/served"
    with pytest.raises(LakehouseError, match="There is no table called 'unknown'"):
        table_uri(settings, "unknown")


def test_a_table_of_unity_catalog_is_opened_with_host_and_token_and_others_are_not(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path, host="https://dbc.example", token=SecretStr("t"), storage_options={"region": "eu"}
    )
    assert storage_options(settings, "uc://a.b.c") == {
        "region": "eu",
        "databricks_host": "https://dbc.example",
        "databricks_token": "t",
    }
    assert storage_options(settings, "s3://bucket/table") == {"region": "eu"}
    assert storage_options(Settings(home=tmp_path), "uc://a.b.c") == {}


def test_a_table_of_others_is_never_created(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    settings = Settings(home=tmp_path, inference_table_uri=str(foreign))
    with pytest.raises(TableMissing, match=r"There is no Delta table at .*foreign; check the address"):
        open_table(settings, "inference_table")
    assert not foreign.exists()


def test_a_table_that_cannot_be_understood_is_named_in_one_sentence(settings: Settings) -> None:
    open_table(settings, "ledger")
    log = Path(table_uri(settings, "ledger")) / "_delta_log" / f"{0:020d}.json"
    log.write_text("this is no log")
    with pytest.raises(UnreadableTable, match=r"^The table at .*ledger cannot be opened: [^\n]*\.$"):
        open_table(settings, "ledger")


def test_a_version_that_is_no_more_is_told_from_a_missing_table(settings: Settings) -> None:
    open_table(settings, "ledger")
    with pytest.raises(HistoryGone, match="Version 7 of the table"):
        open_uri(table_uri(settings, "ledger"), version=7)


def test_reading_a_snapshot_whose_file_was_deleted_fails_with_one_sentence(settings: Settings) -> None:
    append(settings, "ledger", [{"change_id": "a"}])
    table = open_table(settings, "ledger")
    for file in Path(table_uri(settings, "ledger")).glob("*.parquet"):
        file.unlink()
    with pytest.raises(UnreadableTable, match=r"^The table at .* cannot be read: [^\n]*\.$"):
        read_rows(table)


def test_an_object_store_that_cannot_be_reached_is_told_with_its_cause() -> None:
    options = {"aws_endpoint_url": "http://127.0.0.1:9", "allow_http": "true", "aws_region": "eu", "max_retries": "0"}
    keys = {"aws_access_key_id": "id", "aws_secret_access_key": "word"}
    with pytest.raises(UnreadableTable, match=r"Generic S3 error: Connection refused[^\n\x1b]*\.$"):
        open_uri("s3://bucket/table", {**options, **keys})


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("One thing.\nand another", "One thing."),
        (
            "Store\n  \x1b[31m↳\x1b[0m a\n   \x1b[31m↳\x1b[0m 403 Forbidden\n  ↳ <?xml?>\n<Error>",
            "Store: 403 Forbidden.",
        ),
        ('Config\n  ↳ cannot read "SE\\"CRET" as boolean', "Config: cannot read … as boolean."),
        ("", "ValueError."),
    ],
)
def test_an_error_becomes_one_sentence_that_quotes_no_setting(message: str, sentence: str) -> None:
    assert first_line(ValueError(message)) == sentence
