"""Parts of files are read by their times: all rows of a span, and no part that has none of them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dashboard.queries import row_groups
from dashboard.queries.lake import DataFile, Snapshot, newest
from dashboard.queries.row_groups import rows_between
from settings import Settings
from tests.dashboard import workspace
from tests.dashboard.conftest import Month

START = datetime(2026, 11, 1, tzinfo=UTC)
COLUMNS = ("request_time", "execution_duration_ms", "endpoint_name", "cost_usd")


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file is a large one."""
    monkeypatch.setattr(row_groups, "SMALL_BYTES", 0)


def snapshot(path: Path) -> Snapshot:
    """A thousand minutes in ten parts, written before there was a `cost_usd`."""
    times = [START + timedelta(minutes=minute) for minute in range(1000)]
    rows = {
        "request_time": pa.array(times, pa.timestamp("us", "UTC")),
        "execution_duration_ms": pa.array(range(1000), pa.int64()),
        "endpoint_name": pa.array(["chatbot"] * 1000),
    }
    pq.write_table(pa.table(rows), path, row_group_size=100)
    file = DataFile(str(path), times[0], times[-1] + timedelta(milliseconds=1), "", path.stat().st_size)
    return Snapshot("request_metrics", str(path.parent), "a table", 1, (file,))


@pytest.mark.usefixtures("large")
def test_only_the_parts_with_rows_of_the_spans_are_read(tmp_path: Path) -> None:
    spans = [
        (START + timedelta(minutes=first), START + timedelta(minutes=last)) for first, last in ((250, 260), (699, 701))
    ]
    rows = rows_between(snapshot(tmp_path / "a.parquet"), spans, COLUMNS)
    minutes = rows["execution_duration_ms"].to_pylist()
    assert minutes == [*range(200, 300), *range(600, 800)]
    assert set(rows["endpoint_name"].to_pylist()) == {"chatbot"}


@pytest.mark.usefixtures("large")
def test_a_column_that_came_later_is_null_and_a_time_without_rows_has_none(tmp_path: Path) -> None:
    table = snapshot(tmp_path / "a.parquet")
    rows = rows_between(table, [(START, START + timedelta(minutes=1))], COLUMNS)
    assert rows.schema.field("cost_usd").type == pa.float64()
    assert rows["cost_usd"].null_count == len(rows) == 100
    late = START + timedelta(days=2)
    assert len(rows_between(table, [(late, late + timedelta(hours=1))], COLUMNS)) == 0


def test_rows_of_small_files_are_those_of_the_spans(month: Month, empty: Settings) -> None:
    rows = month.rows.iloc[-60:]
    for first in range(0, 60, 10):
        workspace.write_requests(empty, rows.iloc[first : first + 10])
    times = sorted(time.to_pydatetime() for time in rows["request_time"])
    spans = [(times[2], times[5]), (times[30], times[41])]
    found = rows_between(newest("request_metrics"), spans, COLUMNS)
    assert found.schema.names == list(COLUMNS)
    inside = {time for start, end in spans for time in times if start <= time < end}
    assert inside <= set(found["request_time"].to_pylist())
    assert min(found["request_time"].to_pylist()) == times[2]
    assert max(found["request_time"].to_pylist()) == times[40]
