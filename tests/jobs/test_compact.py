import pytest

from jobs.compact import run_compact
from lakehouse.errors import LakehouseError
from lakehouse.runs import runs
from lakehouse.store import open_table, read_rows
from lakehouse.tables import TABLES
from settings import Settings
from tests.jobs.request_rows import add_requests, inference_rows


def test_many_small_files_become_few_and_no_row_changes(settings: Settings) -> None:
    for number in range(12):
        add_requests(settings, inference_rows(number, 1))
    assert run_compact(settings, request_id="wish") == list(TABLES)
    table = open_table(settings, "inference_table")
    assert len(table.file_uris()) < 12
    assert set(read_rows(table)["databricks_request_id"].to_pylist()) == {f"r{number}" for number in range(12)}
    (run,) = runs(settings, "compact")
    assert (run["state"], run["request_id"]) == ("succeeded", "wish")


def test_a_table_that_cannot_be_read_is_reported_and_keeps_no_other_from_its_upkeep(settings: Settings) -> None:
    for number in range(12):
        add_requests(settings, inference_rows(number, 1))
    log = settings.home / "lake" / "ledger" / "_delta_log"
    log.mkdir(parents=True)
    (log / "00000000000000000000.json").write_text("no log\n")
    with pytest.raises(LakehouseError, match="ledger"):
        run_compact(settings)
    (run,) = runs(settings, "compact")
    assert run["state"] == "failed"
    assert "ledger" in run["error"]
    assert len(open_table(settings, "inference_table").file_uris()) < 12
