import shutil
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable, write_deltalake

from jobs import rollups
from jobs.partial_sums import REQUEST_COUNT, partial_sums
from jobs.rollups import DERIVED, ROLLUPS, roll_up
from lakehouse.appends import FINISHED, append_once, from_records, position
from lakehouse.errors import HistoryGone
from lakehouse.rollup_tables import METRICS_MINUTE
from lakehouse.store import open_table, read_rows, table_id, table_uri
from lakehouse.tables import REQUEST_SCORES
from settings import Settings
from tests.jobs.request_rows import request_metrics_rows


def add(settings: Settings, rows: pa.Table, version: int) -> None:
    append_once(open_table(settings, "request_metrics"), rows, app_id="score:test", source_version=version)


def counts(settings: Settings, table: str) -> Counter[tuple[Any, ...]]:
    """How many values each rollup table counts, and their rounded sum, for each metric, version and scorer."""
    found: Counter[tuple[Any, ...]] = Counter()
    for row in read_rows(open_table(settings, table)).to_pylist():
        found[(row["metric"], row["entity_version"], row["scorer"])] += row["n"]
    return found


def expected(rows: pa.Table) -> Counter[tuple[Any, ...]]:
    found: Counter[tuple[Any, ...]] = Counter()
    for row in rows.to_pylist():
        found[(REQUEST_COUNT, row["entity_version"], "")] += 1
        for metric, scorer in (
            ("response_perplexity", row["perplexity_scorer"]),
            ("response_toxicity", row["toxicity_scorer"]),
            ("cost_usd", ""),
        ):
            if row[metric] is not None:
                found[(metric, row["entity_version"], scorer)] += 1
    return found


def agree(settings: Settings) -> None:
    wanted = expected(read_rows(open_table(settings, "request_metrics")))
    for rollup in ROLLUPS:
        got = counts(settings, rollup.table)
        keys = [key for key in wanted if not rollup.by_requester or key[0] != "response_perplexity"]
        assert {key: got[key] for key in keys} == {key: wanted[key] for key in keys}, rollup.table


def versions(settings: Settings) -> list[int]:
    return [open_table(settings, rollup.table).version() for rollup in ROLLUPS]


def test_every_row_is_in_every_rollup_once_and_a_second_run_changes_nothing(settings: Settings) -> None:
    for number in range(3):
        add(settings, request_metrics_rows(50, seed=number, first=50 * number), number)
        taken = roll_up(settings)
        assert taken == {derived.table: 50 for derived in DERIVED}
    agree(settings)
    before = versions(settings)
    assert roll_up(settings) == {derived.table: 0 for derived in DERIVED}
    assert versions(settings) == before


def test_a_workspace_without_scores_gets_no_commit(settings: Settings) -> None:
    roll_up(settings)
    assert set(versions(settings)) == {0}


def test_a_long_backlog_is_taken_in_several_commits(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollups, "VERSIONS_AT_ONCE", 2)
    add(settings, request_metrics_rows(10), 0)
    roll_up(settings)
    for number in range(1, 6):
        add(settings, request_metrics_rows(10, seed=number, first=10 * number), number)
    assert roll_up(settings)["metrics_minute"] == 50
    agree(settings)


def test_a_new_rollup_table_starts_from_the_snapshot_and_goes_on_where_it_was_killed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollups, "ROWS_AT_ONCE", 1)
    add(settings, request_metrics_rows(60), 0)
    source = open_table(settings, "request_metrics")
    committed = []

    def killed_after_the_first_day(*arguments: Any, **options: Any) -> int:
        if committed:
            raise KeyboardInterrupt
        committed.append(append_once(*arguments, **options))
        return committed[-1]

    with monkeypatch.context() as patch:
        patch.setattr(rollups, "append_once", killed_after_the_first_day)
        with pytest.raises(KeyboardInterrupt):
            roll_up(settings)
    minute = open_table(settings, "metrics_minute")
    assert position(minute, f"rollup:{table_id(source)}") == (1, 0)
    add(settings, request_metrics_rows(30, seed=7, first=60), 1)
    roll_up(settings)
    agree(settings)
    assert position(open_table(settings, "metrics_minute"), f"rollup:{table_id(source)}") == (2, FINISHED)


def test_a_compaction_of_the_scores_adds_nothing_to_the_rollups(settings: Settings) -> None:
    for number in range(4):
        add(settings, request_metrics_rows(20, seed=number, first=20 * number), number)
    roll_up(settings)
    open_table(settings, "request_metrics").optimize.compact()
    assert roll_up(settings) == {derived.table: 0 for derived in DERIVED}
    add(settings, request_metrics_rows(20, seed=9, first=80), 9)
    roll_up(settings)
    agree(settings)


def test_rollups_that_history_has_left_behind_say_how_they_are_built_again(settings: Settings) -> None:
    add(settings, request_metrics_rows(20), 0)
    roll_up(settings)
    for number in range(1, 4):
        add(settings, request_metrics_rows(20, seed=number, first=20 * number), number)
    scores = open_table(settings, "request_metrics")
    scores.optimize.compact()
    scores.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    with pytest.raises(HistoryGone, match="delete that folder"):
        roll_up(settings)
    for derived in DERIVED:
        shutil.rmtree(table_uri(settings, derived.table))
    roll_up(settings)
    agree(settings)


def add_scores(settings: Settings, rows: list[dict[str, Any]]) -> None:
    table = open_table(settings, "request_scores")
    scores = from_records(rows, REQUEST_SCORES.schema)
    append_once(table, scores, app_id="rescore:test", source_version=table.version())


def later_scores(settings: Settings, first: int, count: int) -> list[dict[str, Any]]:
    """A new value by a scorer of its own for some of the rows of `request_metrics`."""
    wanted = {f"m{number}" for number in range(first, first + count)}
    rows = read_rows(open_table(settings, "request_metrics")).to_pylist()
    common = {"metric": "response_perplexity", "scorer": "model/c/1", "value": 4.0, "weight": 1.0}
    return [
        {"databricks_request_id": row["databricks_request_id"], "request_date": row["request_date"], **common}
        for row in rows
        if row["databricks_request_id"] in wanted
    ]


def later(settings: Settings, table: str) -> Counter[tuple[Any, ...]]:
    rows = read_rows(open_table(settings, table)).to_pylist()
    mine = [row for row in rows if row["scorer"] == "model/c/1"]
    return Counter({(row["window_start"], row["entity_version"], row["status_class"]): row["n"] for row in mine})


def expected_later(settings: Settings, scores: list[dict[str, Any]], seconds: int) -> Counter[tuple[Any, ...]]:
    wanted = {score["databricks_request_id"] for score in scores}
    found: Counter[tuple[Any, ...]] = Counter()
    for row in read_rows(open_table(settings, "request_metrics")).to_pylist():
        if row["databricks_request_id"] in wanted:
            window = datetime.fromtimestamp(row["request_time"].timestamp() // seconds * seconds, UTC)
            status = f"{row['status_code'] // 100}xx" if row["status_code"] else "none"
            found[(window, row["entity_version"], status)] += 1
    return found


def test_later_scores_stand_in_the_window_version_and_status_of_their_requests(settings: Settings) -> None:
    add(settings, request_metrics_rows(60), 0)
    roll_up(settings)
    scores = later_scores(settings, 0, 40)
    add_scores(settings, scores)
    assert roll_up(settings) == {derived.table: 40 for derived in DERIVED}
    assert later(settings, "metrics_15min") == expected_later(settings, scores, 900)
    before = versions(settings)
    assert roll_up(settings) == {derived.table: 0 for derived in DERIVED}
    assert versions(settings) == before
    agree(settings)


def test_a_rollup_table_that_is_made_anew_has_the_later_scores_too(settings: Settings) -> None:
    add(settings, request_metrics_rows(60), 0)
    add_scores(settings, later_scores(settings, 0, 40))
    add_scores(settings, later_scores(settings, 40, 10))
    roll_up(settings)
    shutil.rmtree(table_uri(settings, "metrics_15min"))
    assert roll_up(settings)["metrics_15min"] == 110
    assert later(settings, "metrics_15min") == expected_later(settings, later_scores(settings, 0, 50), 900)
    agree(settings)


def test_rollups_of_an_older_release_get_the_new_column_and_keep_their_rows(settings: Settings) -> None:
    old = pa.schema([field for field in METRICS_MINUTE.schema if field.name != "sum_w2"])
    DeltaTable.create(table_uri(settings, "metrics_minute"), schema=old)
    write_deltalake(
        table_uri(settings, "metrics_minute"),
        partial_sums(request_metrics_rows(5), 60).select(old.names),
        mode="append",
    )
    add(settings, request_metrics_rows(50), 0)
    roll_up(settings)
    sums = read_rows(open_table(settings, "metrics_minute"))
    assert sums.schema.names == METRICS_MINUTE.schema.names
    requests = sums.filter(pc.equal(sums["metric"], REQUEST_COUNT))
    assert pc.sum(requests["n"]).as_py() == 55
    assert pc.sum(requests["sum_w2"]).as_py() == 50
