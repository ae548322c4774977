"""The newest single requests of one side of a comparison."""

import pytest

from dashboard.periods import period
from dashboard.queries.quality_rows import side_rows
from dashboard.queries.quality_sides import Side, since_when
from tests.dashboard.conftest import Month


@pytest.mark.parametrize("most", [1, 60, 10**6])
@pytest.mark.parametrize("only", [{}, {"status": "2xx"}, {"status": "5xx"}, {"requester": "most frequent"}])
def test_they_are_the_newest_of_all_rows_however_few_are_read(month: Month, only: dict[str, str], most: int) -> None:
    span = period("30d", month.now)
    rows = month.rows[(month.rows["endpoint_name"] == "chatbot") & (month.rows["entity_version"] == "1")]
    if "requester" in only:
        only = {"requester": str(rows["requester"].mode()[0])}
        rows = rows[rows["requester"] == only["requester"]]
    side = Side(str(rows["entity_name"].iloc[0]), "1", span, **only)
    start, end = side.span
    rows = rows[(rows["request_time"] >= start) & (rows["request_time"] < end)]
    if "status" in only:
        rows = rows[rows["status_code"] // 100 == int(only["status"][0])]
    newest = rows.sort_values("request_time", ascending=False).head(most)
    assert list(side_rows("chatbot", side, most).first["request_id"]) == list(newest["databricks_request_id"])
    since = since_when("chatbot", side, most)
    assert since >= start
    assert since == start or most < len(rows)
