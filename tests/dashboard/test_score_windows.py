"""Scores of any version and any part of a month come from windows that are read once, and equal those of the rows."""

from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from dashboard.periods import Period, period
from dashboard.queries.lake import rollup, select_table
from dashboard.queries.rollup_windows import READ_AT_ONCE
from dashboard.queries.score_windows import Rows, score_windows
from metrics.buckets import bucket_of
from tests.dashboard.conftest import Month
from tests.dashboard.test_safety import within

METRIC = "completion_tokens"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The SELECTs that were made."""
    made: list[str] = []

    def counted(snapshot: Any, sql: str, **parameters: Any) -> Any:
        made.append(sql)
        return select_table(snapshot, sql, **parameters)

    monkeypatch.setattr("dashboard.queries.rollup_windows.select_table", counted)
    return made


def span_of(one: Period) -> tuple[datetime, datetime]:
    return one.start, one.end


def test_each_version_and_range_of_a_month_is_a_part_of_what_was_read(month: Month, asked: list[str]) -> None:
    whole = period("30d", month.now)
    weeks = [Period(whole.end - timedelta(days=7 * (number + 1)), whole.end, 3600) for number in range(4)]
    for one in (whole, *weeks):
        windows = score_windows(rollup(one), "chatbot", span_of(one), [METRIC])
        for version in ("1", "2"):
            for status in ("", "2xx", "5xx"):
                rows = within(month.rows, one)
                rows = rows[rows["entity_version"] == version]
                if status:
                    rows = rows[(rows["status_code"] // 100).astype(str) + "xx" == status]
                values = rows[METRIC].dropna().to_numpy(float)
                found = windows.of(Rows("prod.chatbot", version, status, span_of(one)))
                sums = found.sums.get((METRIC, ""))
                assert (sums.n if sums else 0) == len(values)
                if sums is not None:
                    assert sums[1:4] == pytest.approx((len(values), values.sum(), (values**2).sum()))
                    expected = pd.Series(bucket_of(METRIC, values)).value_counts().to_dict()
                    assert found.histograms[METRIC, ""] == expected
    # One of sums, one of histograms.
    assert len(asked) == 2


def test_a_time_that_lies_farther_back_is_read_by_itself(month: Month, asked: list[str]) -> None:
    whole = period("30d", month.now)
    longer = Period(whole.start - READ_AT_ONCE["metrics_hour"], whole.end, 3600)
    for one in (whole, longer, whole):
        found = score_windows(rollup(one), "chatbot", span_of(one), [METRIC])
        counted = found.of(Rows("prod.chatbot", "2", "", span_of(one))).sums["databricks_request_id", ""].n
        assert counted == (within(month.rows, one)["entity_version"] == "2").sum()
    assert len(asked) == 4


@pytest.mark.parametrize(("name", "seconds"), [("24h", 900), ("1h", 60)])
def test_days_are_pieces_of_the_same_quarters_and_minutes_are_read_for_the_time_that_is_asked_for(
    name: str, seconds: int, month: Month, asked: list[str]
) -> None:
    whole = period(name, month.now)
    shorter = Period(whole.start + whole.length / 2, whole.end, seconds)
    for one in (whole, shorter):
        found = score_windows(rollup(one), "chatbot", span_of(one), [METRIC])
        counted = found.of(Rows("prod.chatbot", "2", "", span_of(one))).sums.get(("databricks_request_id", ""))
        assert (counted.n if counted else 0) == (within(month.rows, one)["entity_version"] == "2").sum()
    # Sums and histograms apart, or each time.
    assert len(asked) == 2


def test_a_table_that_is_not_there_has_no_windows(empty: object) -> None:
    one = period("7d")
    found = score_windows(rollup(one), "chatbot", span_of(one), [METRIC])
    wanted = Rows("prod.chatbot", "2", "", span_of(one))
    assert found.of(wanted).sums == {}
    assert found.newest(wanted, 1) is None
