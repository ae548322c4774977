"""Tables as they were: the right version, also after a copy, a merge of files, a new column and a cleaned-up log."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable

from dashboard.errors import QueryFailed
from dashboard.queries.lake import Snapshot, _snapshot, select
from dashboard.queries.past import table_at
from lakehouse.merging import merge_small_files
from lakehouse.tables import TABLES
from settings import Settings
from tests.dashboard import workspace

NAME = "alert_events"
ROWS = 12


@pytest.fixture
def moments(empty: Settings) -> list[datetime]:
    """A table of twelve commits with a row each; the moment after each commit."""
    found = []
    for number in range(ROWS):
        workspace.write_rows(empty, NAME, [{"alert_id": str(number), "state": "open", "time": workspace.utc_now()}])
        # The log keeps milliseconds: a moment within the next one is after this commit and before the one to come.
        time.sleep(0.003)
        found.append(datetime.now(UTC))
        time.sleep(0.003)
    return found


def address(settings: Settings) -> str:
    return f"{settings.lake}/{NAME}"


def as_of(settings: Settings, moment: datetime) -> Snapshot:
    table = table_at(NAME, address(settings), {}, moment)
    return Snapshot(NAME, address(settings), "", -1) if table is None else _snapshot(NAME, address(settings), table)


def rows_as_of(settings: Settings, moment: datetime) -> int:
    return int(select(as_of(settings, moment), "SELECT count(*) AS n FROM this")["n"].item())


def test_each_moment_has_the_rows_that_were_there_then(empty: Settings, moments: list[datetime]) -> None:
    assert [rows_as_of(empty, moment) for moment in moments] == list(range(1, ROWS + 1))
    assert [as_of(empty, moment).version for moment in moments] == list(range(ROWS))


def test_before_its_first_commit_a_table_was_not_there(empty: Settings, moments: list[datetime]) -> None:
    found = as_of(empty, moments[0] - timedelta(days=1))
    assert (found.version, found.files) == (-1, ())


def test_a_copied_workspace_keeps_its_past(empty: Settings, moments: list[datetime]) -> None:
    for file in Path(address(empty), "_delta_log").iterdir():
        os.utime(file)
    assert [rows_as_of(empty, moment) for moment in moments[::4]] == [1, 5, 9]


def test_a_merge_of_files_and_a_checkpoint_leave_the_past_as_it_was(empty: Settings, moments: list[datetime]) -> None:
    assert merge_small_files(DeltaTable(address(empty)), TABLES[NAME])
    DeltaTable(address(empty)).create_checkpoint()
    assert len(DeltaTable(address(empty)).file_uris()) < ROWS
    assert [rows_as_of(empty, moment) for moment in moments[::4]] == [1, 5, 9]
    assert rows_as_of(empty, datetime.now(UTC)) == ROWS


def test_a_past_whose_files_are_deleted_is_a_sentence(empty: Settings, moments: list[datetime]) -> None:
    table = DeltaTable(address(empty))
    assert merge_small_files(table, TABLES[NAME])
    DeltaTable(address(empty)).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    with pytest.raises(QueryFailed, match=r"as of .* UTC was cleaned up since: look back at a later moment"):
        as_of(empty, moments[3])
    assert rows_as_of(empty, datetime.now(UTC)) == ROWS


def test_a_past_whose_log_is_deleted_says_how_far_back_it_reaches(empty: Settings, moments: list[datetime]) -> None:
    table = DeltaTable(address(empty))
    table.load_as_version(5)
    table.create_checkpoint()
    for version in range(5):
        Path(address(empty), "_delta_log", f"{version:020d}.json").unlink()
    with pytest.raises(QueryFailed, match="cleaned up since: look back at a moment after"):
        as_of(empty, moments[2])
    assert rows_as_of(empty, moments[7]) == 8
