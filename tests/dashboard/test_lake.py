"""Reading tables for pages: newest version, nothing written, failures in one sentence."""

import shutil
from datetime import timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from dashboard.errors import QueryFailed
from dashboard.periods import period
from dashboard.queries.lake import newest, rollup, select, select_records
from dashboard.queries.small_files import SMALL_BYTES, SmallFiles
from dashboard.queries.traffic import traffic
from lakehouse.appends import append
from lakehouse.tables import TABLES
from lakehouse.upkeep import compact
from settings import Settings
from tests.dashboard import workspace
from tests.dashboard.conftest import Month, use


def files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def test_a_table_that_is_not_there_is_empty_and_is_not_made(empty: Settings) -> None:
    snapshot = newest("metrics_15min")
    assert snapshot.version == -1
    assert select(snapshot, "SELECT count(*) AS n FROM this")["n"].tolist() == [0]
    assert not Path(empty.lake).exists()


def test_new_rows_are_seen_and_old_results_are_not_kept(
    month: Month, empty: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.queries.lake._RECHECK_SECONDS", 0.0)
    span = period("30d", month.now)
    assert traffic("chatbot", span).requests.value == 0
    for part in (month.rows.head(50), month.rows.iloc[50:120]):
        workspace.write_rows(empty, "metrics_15min", workspace.partials(part, 15))
        assert newest("metrics_15min").version >= 0
    shown = month.rows.head(120)
    expected = int((shown["request_time"] >= span.start).sum())
    assert traffic("chatbot", span).requests.value == expected


def test_a_table_that_is_made_anew_is_seen(month: Month, empty: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.queries.lake._RECHECK_SECONDS", 0.0)
    sql = "SELECT sum(n)::BIGINT AS n FROM this"
    for rows in (month.rows.head(50), month.rows.head(7)):
        workspace.write_rows(empty, "metrics_15min", workspace.partials(rows, 15))
        wanted = sum(workspace.partials(rows, 15)["n"].to_pylist())
        # Asked twice: the second time nothing has happened since the first.
        assert [select(newest("metrics_15min"), sql)["n"].item() for _ in range(2)] == [wanted, wanted]
        shutil.rmtree(Path(empty.lake, "metrics_15min"))
        assert [newest("metrics_15min").version for _ in range(2)] == [-1, -1]


def test_days_and_weeks_are_read_from_hours_once_they_are_there(
    month: Month, empty: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.queries.lake._RECHECK_SECONDS", 0.0)
    week = period("7d", month.now)
    assert rollup(week).name == "metrics_hour"
    workspace.write_rows(empty, "metrics_15min", workspace.partials(month.rows, 15))
    assert rollup(week).name == "metrics_15min"
    begun = month.rows.head(500)
    append(empty, "metrics_hour", workspace.partials(begun, 60))
    assert rollup(week).name == "metrics_15min"
    append(empty, "metrics_hour", workspace.partials(month.rows.iloc[500:], 60))
    assert [rollup(week).name, rollup(period("6h", month.now)).name] == ["metrics_hour", "metrics_15min"]
    assert rollup(week, zone="Asia/Kathmandu").name == "metrics_15min"
    assert rollup(week, zone="Europe/Berlin", live=True).name == "metrics_hour"


def test_a_workspace_may_stand_in_a_folder_with_spaces_and_umlauts(
    month: Month, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = use(monkeypatch, tmp_path / "My Bücher #1")
    workspace.write_rows(settings, "metrics_15min", workspace.partials(month.rows.head(50), 15))
    assert select(newest("metrics_15min"), "SELECT count(*) AS n FROM this")["n"].item() > 0


def test_reading_writes_nothing(month: Month) -> None:
    before = files(month.settings.home)
    traffic("chatbot", period("30d", month.now))
    assert files(month.settings.home) == before


def test_a_damaged_table_is_one_sentence(month: Month, empty: Settings) -> None:
    workspace.write_rows(empty, "metrics_15min", workspace.partials(month.rows.head(50), 15))
    for file in Path(empty.lake, "metrics_15min").glob("*.parquet"):
        file.write_bytes(b"not a parquet file")
    with pytest.raises(QueryFailed) as failure:
        traffic("chatbot", period("30d", month.now))
    assert str(failure.value).startswith("The table metrics_15min could not be read: ")
    assert "\n" not in str(failure.value)


def test_values_reach_the_database_as_parameters_only(month: Month) -> None:
    nasty = "x' OR 1=1; DROP TABLE this; --"
    assert traffic(nasty, period("30d", month.now)).requests.value == 0


def test_a_folder_may_have_percent_and_equals_signs_in_its_name(
    month: Month, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = use(monkeypatch, tmp_path / "100% sure, a=b")
    workspace.write_requests(settings, month.rows.head(300))
    found = select(newest("request_metrics"), "SELECT count(*) AS n, count(request_date) AS dated FROM this")
    assert found.to_dict("records") == [{"n": 300, "dated": 300}]


@pytest.mark.parametrize("small", [0, SMALL_BYTES])
def test_pruned_files_never_lose_a_row(
    month: Month, empty: Settings, monkeypatch: pytest.MonkeyPatch, small: int
) -> None:
    monkeypatch.setattr("dashboard.queries.duckdb_views.SMALL_BYTES", small)
    rows = month.rows.head(400).assign(request_time=month.rows["request_time"].head(400).dt.floor("s"))
    # The last microsecond of a millisecond is cut off in the log's statistics.
    rows.loc[rows.index[99], "request_time"] += timedelta(microseconds=999_999)
    for first in range(0, 400, 50):
        workspace.write_requests(empty, rows.iloc[first : first + 50])
    snapshot = newest("request_metrics")
    times = rows["request_time"]
    for place in (0, 49, 50, 98, 99, 100, 250, 399):
        start, end = times.iloc[place].to_pydatetime(), times.iloc[place].to_pydatetime() + timedelta(hours=5)
        found = select(
            snapshot,
            "SELECT count(*) AS n FROM this WHERE request_time >= $start AND request_time < $end",
            span=(start, end),
            start=start,
            end=end,
        )
        assert found["n"].item() == ((times >= start) & (times < end)).sum()
    span = (times.iloc[10].to_pydatetime(), times.iloc[20].to_pydatetime())
    assert 0 < len(snapshot.files_between(span)) < len(snapshot.files)


def test_files_without_statistics_or_with_times_missing_are_read(month: Month, empty: Settings) -> None:
    rows = workspace.partials(month.rows.head(50), 15)
    address = f"{empty.lake}/metrics_15min"
    Path(address).mkdir(parents=True)
    plain = {"delta.dataSkippingNumIndexedCols": "0"}
    write_deltalake(address, rows, configuration=plain)
    nothing = rows.set_column(0, rows.schema.field(0), pa.nulls(rows.num_rows, rows.schema.field(0).type))
    write_deltalake(address, nothing, mode="append")
    snapshot = newest("metrics_15min")
    span = (month.now - timedelta(minutes=1), month.now)
    assert len(snapshot.files_between(span)) == 2
    assert select(snapshot, "SELECT count(*) AS n FROM this", span=span)["n"].item() == 2 * rows.num_rows


def test_rows_of_small_files_are_kept_and_follow_the_table(
    month: Month, empty: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.queries.lake._RECHECK_SECONDS", 0.0)
    sql = "SELECT sum(n)::BIGINT AS n, sum(list_sum(map_values(buckets))) AS weight FROM this"
    parts = [month.rows.iloc[first : first + 20] for first in range(0, 240, 20)]
    seen = []
    for number, part in enumerate(parts):
        append(empty, "metrics_15min", workspace.partials(part, 15))
        if number % 3 == 2:
            whole = workspace.partials(month.rows.head(20 * (number + 1)), 15)
            weight = sum(value for row in whole["buckets"].to_pylist() if row for _, value in row)
            found = select(newest("metrics_15min"), sql)
            assert found["n"].item() == sum(whole["n"].to_pylist())
            assert found["weight"].item() == pytest.approx(weight)
            seen.append(newest("metrics_15min"))
    merged = compact(empty, "metrics_15min")
    assert (merged.files_before, merged.files_after) == (12, 1)
    assert select(newest("metrics_15min"), sql)["n"].item() == found["n"].item()
    # An earlier snapshot has only its own files, although more are kept.
    early = workspace.partials(month.rows.head(60), 15)
    assert select(seen[0], sql)["n"].item() == sum(early["n"].to_pylist())


def test_more_small_files_than_may_be_kept_are_read_where_they_lie(month: Month, empty: Settings) -> None:
    for first in range(0, 120, 20):
        append(empty, "metrics_15min", workspace.partials(month.rows.iloc[first : first + 20], 15))
    snapshot = newest("metrics_15min")
    cursor = duckdb.connect()
    schema = TABLES["metrics_15min"].schema
    with SmallFiles(budget_bytes=10).view(cursor, "t", snapshot.files, schema) as found:
        assert found is None
    with SmallFiles().view(cursor, "t", snapshot.files[:2], schema) as found:
        assert found is None
    with SmallFiles().view(cursor, "t", snapshot.files, schema) as found:
        name, numbers = found or ("", [])
        assert len(set(numbers)) == len(snapshot.files) == 6
        kept = cursor.sql(f"SELECT count(*), count(DISTINCT _file_number) FROM {name}").fetchall()
        assert kept == [(sum(pq.read_metadata(file.uri).num_rows for file in snapshot.files), 6)]


def test_nothing_that_is_kept_goes_while_somebody_reads_it_and_the_budget_holds(month: Month, empty: Settings) -> None:
    for first in range(0, 240, 20):
        append(empty, "metrics_15min", workspace.partials(month.rows.iloc[first : first + 20], 15))
    files, schema = newest("metrics_15min").files, TABLES["metrics_15min"].schema
    budget = sum(file.size for file in files[:7])
    small_files, database = SmallFiles(budget), duckdb.connect()
    reader, other = database.cursor(), database.cursor()
    with small_files.view(reader, "t", files[:6], schema) as found:
        name, numbers = found or ("", [])
        with small_files.view(other, "t", files[6:], schema) as crowded:
            assert crowded is None
        rows = reader.sql(f"SELECT DISTINCT _file_number FROM {name}").fetchall()
        assert {row[0] for row in rows} == set(numbers)
    with small_files.view(other, "t", files[6:], schema) as found:
        assert found is not None
    assert small_files.kept_bytes() <= budget
    with small_files.view(reader, "another", files[:5], schema) as found:
        assert found is not None
    assert small_files.kept_bytes() <= budget


def test_records_have_none_where_nothing_stands(month: Month) -> None:
    rows = select_records(newest("job_runs"), "SELECT * FROM this ORDER BY started_at LIMIT 3")
    assert [row["host"] for row in rows] == [None, None, None]
    assert dict(rows[0]["stage_seconds"])["read"] == 0.2
