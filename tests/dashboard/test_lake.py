"""Reading tables for pages: newest version, nothing written, failures in one sentence."""

from pathlib import Path

import pytest

from dashboard.errors import QueryFailed
from dashboard.periods import period
from dashboard.queries.lake import newest, select
from dashboard.queries.traffic import traffic
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
