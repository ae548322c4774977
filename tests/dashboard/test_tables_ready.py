import pytest

from dashboard.queries import duckdb_views, lake, tables_ready
from lakehouse.appends import append
from settings import Settings
from tests.dashboard import workspace
from tests.dashboard.conftest import Month


def test_the_rows_of_small_files_are_kept_before_anybody_asks(
    month: Month, empty: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whoever looked a moment ago, before these files were there, does not matter.
    monkeypatch.setattr(lake, "_RECHECK_SECONDS", 0.0)
    for first in range(0, 120, 20):
        append(empty, "metrics_15min", workspace.partials(month.rows.iloc[first : first + 20], 15))
    small_files = duckdb_views.database(empty.duckdb_memory).small_files
    assert small_files.kept_bytes() == 0
    tables_ready.open_tables()
    assert small_files.kept_bytes() == sum(file.size for file in lake.newest("metrics_15min").files)


def test_tables_that_are_not_there_yet_are_no_failure(empty: Settings) -> None:
    tables_ready.open_tables()
    assert all(lake.newest(name).version == -1 for name in tables_ready.TABLES)
