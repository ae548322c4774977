from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest

from jobs.deduplication import first_of_each_id, ids_found, new_rows
from lakehouse.appends import append_once
from lakehouse.inference import SOURCE_ROWS
from lakehouse.store import open_table
from lakehouse.tables import REQUEST_METRICS
from settings import Settings
from tests.jobs.request_rows import NOON


def rows(*entries: tuple[str, int, datetime]) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "databricks_request_id": request_id,
                "source_version": version,
                "request_time": time,
                "request_date": time.date(),
            }
            for request_id, version, time in entries
        ],
        schema=SOURCE_ROWS,
    )


def remember(settings: Settings, request_id: str, day: date) -> None:
    row = {"databricks_request_id": request_id, "request_date": day}
    table = open_table(settings, "request_metrics")
    append_once(
        table,
        pa.Table.from_pylist([row], schema=REQUEST_METRICS.schema),
        app_id="test",
        source_version=table.version(),
    )


def test_of_equal_ids_the_row_of_the_earliest_commit_and_time_stays() -> None:
    given = rows(("a", 3, NOON), ("b", 2, NOON), ("a", 2, NOON), ("a", 2, NOON - timedelta(seconds=1)))
    assert first_of_each_id(given).tolist() == [False, True, False, True]


@pytest.mark.parametrize("days_apart", [-1, 0, 1])
def test_an_id_that_is_known_from_the_day_or_a_neighbour_is_not_new(settings: Settings, days_apart: int) -> None:
    midnight = datetime(2026, 5, 4, tzinfo=UTC)
    remember(settings, "a", midnight.date() + timedelta(days=days_apart))
    given = rows(("a", 5, midnight), ("b", 5, midnight))
    assert new_rows(given, open_table(settings, "request_metrics")).tolist() == [False, True]


@pytest.mark.parametrize("day", [date(1, 1, 1), date(9999, 12, 31), date(1970, 1, 1)])
def test_the_first_and_the_last_day_there_is_can_be_looked_up(settings: Settings, day: date) -> None:
    remember(settings, "a", day)
    given = rows(("a", 1, datetime(day.year, day.month, day.day, tzinfo=UTC)))
    assert new_rows(given, open_table(settings, "request_metrics")).tolist() == [False]


def test_no_rows_are_no_work(settings: Settings) -> None:
    assert new_rows(SOURCE_ROWS.empty_table(), open_table(settings, "request_metrics")).tolist() == []


def test_ids_are_found_on_any_date_where_none_is_given(settings: Settings) -> None:
    remember(settings, "a", date(2020, 1, 1))
    remember(settings, "b", date(2026, 1, 1))
    found = ids_found(open_table(settings, "request_metrics"), pa.array(["b", "a", "c"]))
    assert sorted(found.to_pylist()) == ["a", "b"]
