"""The bodies of single requests: DuckDB over our own table gives what Delta's kernel gives."""

from datetime import timedelta

import pytest

from dashboard.queries.lake import newest
from dashboard.queries.logged_bodies import logged_bodies
from lakehouse.text_search import BODY_COLUMNS, LoggedBodies
from tests.dashboard.conftest import Month


def test_both_ways_to_a_body_give_the_same(month: Month) -> None:
    rows = month.rows.sample(20, random_state=3)
    wanted = [
        (str(name), time.to_pydatetime())
        for name, time in zip(rows["databricks_request_id"], rows["request_time"], strict=True)
    ]
    found = logged_bodies(wanted)
    assert set(found) == {name for name, _ in wanted}
    assert found == LoggedBodies(month.settings).of_requests(wanted)
    assert all(set(row) == set(BODY_COLUMNS) and row["request"] for row in found.values())


def test_a_request_that_is_no_more_is_left_out(month: Month) -> None:
    row = month.rows.iloc[0]
    time = row["request_time"].to_pydatetime()
    gone = [("gone", time), (str(row["databricks_request_id"]), time + timedelta(days=2)), ("null-0123-1-0", time)]
    assert logged_bodies(gone) == {}
    assert LoggedBodies(month.settings).of_requests(gone) == {}


def test_only_files_that_can_have_rows_of_a_moment_are_read(month: Month) -> None:
    table = newest("inference_table")
    assert table.at_times([]).files == ()
    time = month.rows["request_time"].max().to_pydatetime()
    assert 0 < len(table.at_times([time]).files) < len(table.files)
    beyond = [time + timedelta(days=400), time - timedelta(days=400)]
    assert table.at_times(beyond).files == ()


@pytest.mark.parametrize("shift", [timedelta(), timedelta(milliseconds=400)])
def test_the_kernel_finds_a_request_whose_time_is_cut(month: Month, shift: timedelta) -> None:
    row = month.rows.iloc[-1]
    name = str(row["databricks_request_id"])
    time = row["request_time"].to_pydatetime() + shift
    found = LoggedBodies(month.settings).of_requests([(name, time)]).get(name)
    assert found is not None
    assert found["databricks_request_id"] == name
