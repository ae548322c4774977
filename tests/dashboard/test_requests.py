"""Single requests by filter are those that plain pandas finds, whatever the filter, the order and the page."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import streamlit as st

from dashboard.measures import MEASURES
from dashboard.panels.requests_filters import COLUMN_TITLES
from dashboard.periods import Period, period
from dashboard.queries import lake
from dashboard.queries import requests as queries
from dashboard.queries.request_counts import count_requests, counts_over_time, rollup_that_counts
from dashboard.queries.request_details import neighbours, request_details
from dashboard.queries.request_filters import LATER, RequestFilter
from dashboard.queries.request_windows import Places, places
from dashboard.queries.requests import COLUMNS, requesters, requests
from lakehouse.appends import append
from settings import Settings
from tests.dashboard import workspace
from tests.dashboard.conftest import Month

START = datetime(2026, 7, 1, tzinfo=UTC)


def all_of(month: Month) -> RequestFilter:
    return RequestFilter(month.now - timedelta(days=40), month.now + timedelta(minutes=1))


def ids(rows: pd.DataFrame) -> list[str]:
    return [str(name) for name in rows["databricks_request_id"]]


def by_pandas(rows: pd.DataFrame, wanted: RequestFilter) -> pd.DataFrame:
    """The same filter in the plainest way."""
    kept = (rows["request_time"] >= wanted.start) & (rows["request_time"] < wanted.end)
    if wanted.versions:
        kept &= (rows["entity_name"] + "/" + rows["entity_version"]).isin(wanted.versions)
    if wanted.requesters:
        kept &= rows["requester"].isin(wanted.requesters)
    if wanted.statuses:
        classes = (rows["status_code"] // 100).astype(str) + "xx"
        kept &= classes.isin(wanted.statuses) | rows["status_code"].astype(str).isin(wanted.statuses)
    if wanted.score:
        kept &= rows[wanted.score] >= (-np.inf if wanted.at_least is None else wanted.at_least)
        kept &= rows[wanted.score] < (np.inf if wanted.below is None else wanted.below)
    return rows[kept].sort_values(["request_time", "databricks_request_id"], ascending=[False, True])


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"versions": ("prod.chatbot/2",)},
        {"versions": ("prod.chatbot/1", "prod.chatbot/7"), "requesters": ("webshop", "ana@example.com")},
        {"statuses": ("5xx",)},
        {"statuses": ("4xx", "503")},
        {"score": "prompt_toxicity", "at_least": 0.5},
        {"score": "response_fk_grade", "at_least": 8.0, "below": 9.0, "requesters": ("local",)},
        {"score": "response_perplexity", "below": 15.0, "statuses": ("2xx",)},
        {"versions": ("prod.chatbot/9",)},
        {"requesters": ("'; DROP TABLE this; --",)},
    ],
)
def test_requests_of_a_filter_are_those_that_pandas_finds(month: Month, asked: dict[str, object]) -> None:
    wanted = replace(all_of(month), start=month.now - timedelta(days=9), **asked)  # type: ignore[arg-type]
    expected = by_pandas(month.rows, wanted)
    found = requests(wanted, limit=100)
    assert found.total == len(expected) == count_requests(wanted)
    assert ids(found.rows) == ids(expected)[:100]
    assert list(found.rows.columns) == list(COLUMNS)
    for name in MEASURES:
        assert found.rows[name].tolist() == pytest.approx(expected[name].tolist()[:100], nan_ok=True)


def test_pages_in_any_order_have_every_request_once_and_the_unscored_last(month: Month) -> None:
    wanted = replace(all_of(month), start=month.now - timedelta(days=3))
    expected = by_pandas(month.rows, wanted)
    for column, descending in (("response_toxicity", True), ("response_fk_grade", False), ("request_time", True)):
        pages = [
            requests(wanted, order=column, descending=descending, limit=70, offset=offset).rows
            for offset in range(0, len(expected), 70)
        ]
        found = pd.concat(pages)
        assert sorted(ids(found)) == sorted(ids(expected))
        inorder = expected.sort_values(column, ascending=not descending)[column]
        assert found[column].fillna(-1).tolist() == inorder.fillna(-1).tolist()


@pytest.mark.parametrize("offset", [0, 40])
@pytest.mark.parametrize(
    ("order", "descending"),
    [
        ("request_time", True),
        ("request_time", False),
        ("execution_duration_ms", True),
        ("prompt_tokens", False),
        ("response_fk_grade", False),
        ("response_toxicity", True),
    ],
)
@pytest.mark.parametrize("asked", [{}, {"versions": ("prod.chatbot/2",), "statuses": ("2xx",)}, {"score": "cost_usd"}])
def test_of_a_long_time_only_the_windows_with_the_first_requests_are_read(
    month: Month, asked: dict[str, object], order: str, descending: bool, offset: int
) -> None:
    # Neither end is that of a window.
    start = month.now.replace(minute=7, second=31) - timedelta(days=20)
    wanted = replace(RequestFilter(start, start + timedelta(days=17), "chatbot"), **asked)  # type: ignore[arg-type]
    near = places(lake.shown("metrics_15min"), wanted, order, descending, offset + 20)
    assert near is not None
    assert sum((end - start for start, end in near.spans), timedelta()) < timedelta(days=2)
    rows = requests(wanted, order=order, descending=descending, limit=20, offset=offset).rows
    by = {order: not descending} | {"request_time": not descending if order == "request_time" else False}
    expected = by_pandas(month.rows, wanted).sort_values(list(by), ascending=list(by.values()))
    assert ids(rows) == ids(expected)[offset : offset + 20]
    last = rows.iloc[-1]
    value = last["request_time"].timestamp() if order == "request_time" else last[order]
    # Without a cost a request is none of these, however few tokens it has: then all of the time is read.
    assert near.reaches(value, last["request_time"]) or "score" in asked


def test_where_the_windows_do_not_have_enough_requests_all_of_the_time_is_read(
    month: Month, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = RequestFilter(month.now - timedelta(days=20), month.now, "chatbot")
    slowest = {"order": "execution_duration_ms", "limit": 20}
    right = ids(requests(wanted, **slowest).rows)  # type: ignore[arg-type]
    st.cache_data.clear()
    wrong = Places(((wanted.start, wanted.start + timedelta(days=3)),), (0.0, month.now), True)
    monkeypatch.setattr(queries, "places", lambda *_: replace(wrong, best=(1e9, month.now)))
    assert ids(requests(wanted, **slowest).rows) == right  # type: ignore[arg-type]


def test_a_column_that_is_none_of_ours_never_becomes_sql(month: Month) -> None:
    with pytest.raises(ValueError, match="cannot be ordered"):
        requests(all_of(month), order="request_time; DROP TABLE this")
    with pytest.raises(ValueError, match="no score called"):
        requests(replace(all_of(month), score="1=1 OR cost_usd"))


def test_counts_over_time_equal_those_of_the_single_rows(month: Month) -> None:
    span = period("7d", month.now)
    wanted = RequestFilter(span.start, span.end, statuses=("2xx", "5xx"))
    found = counts_over_time(wanted, span)
    rows = by_pandas(month.rows, wanted)
    starts = (rows["request_time"] - span.start).dt.total_seconds() // span.bin_seconds
    expected = Counter(zip(starts, (rows["status_code"] // 100).map("{}xx".format), strict=True))
    first = int(span.start.timestamp() * 1000)
    got = {
        ((row["time"] - first) / span.bin_seconds / 1000, row["status_class"]): row["n"]
        for row in found.to_dict("records")
    }
    assert got == expected
    assert found["n"].sum() == count_requests(wanted)


@pytest.mark.parametrize(
    ("asked", "table"),
    [
        ({}, "metrics_hour"),
        ({"versions": ("prod.chatbot/2",), "statuses": ("2xx", "5xx")}, "metrics_hour"),
        ({"statuses": ("429",)}, ""),
        ({"requesters": ("webshop",)}, ""),
        ({"score": "cost_usd"}, "metrics_hour"),
        ({"score": "completion_tokens", "versions": ("prod.chatbot/2",), "statuses": ("2xx",)}, "metrics_hour"),
        ({"score": "cost_usd", "at_least": 0.0}, ""),
        ({"score": "response_toxicity"}, "metrics_hour"),
        ({"endpoint": ""}, ""),
    ],
)
def test_rollups_count_what_they_can_tell_and_give_the_same(month: Month, asked: dict[str, object], table: str) -> None:
    span = period("7d", month.now)
    wanted = replace(RequestFilter(span.start, span.end, "chatbot"), **asked)  # type: ignore[arg-type]
    assert counting(wanted, span) == table
    expected = by_pandas(month.rows, wanted)
    assert count_requests(wanted) == len(expected) > 0
    found = counts_over_time(wanted, span)
    bins = (expected["request_time"] - span.start).dt.total_seconds() // span.bin_seconds
    classes = (expected["status_code"] // 100).map("{}xx".format)
    first = int(span.start.timestamp() * 1000)
    got = {((t - first) / span.bin_seconds / 1000, status): n for t, status, n in found.itertuples(index=False)}
    assert got == Counter(zip(bins, classes, strict=True))


def counting(wanted: RequestFilter, span: Period | None = None) -> str:
    """The rollup table that counts the requests of a filter; empty where they are counted one by one."""
    found = rollup_that_counts(wanted, lake.shown("request_scores"), span)
    return found.name if found else ""


def test_times_that_cut_a_window_are_counted_one_by_one(month: Month) -> None:
    end = month.now.replace(second=0, microsecond=0) - timedelta(days=3)
    to_the_minute = RequestFilter(end - timedelta(minutes=61), end, "chatbot")
    to_the_second = replace(to_the_minute, end=end + timedelta(seconds=30))
    assert counting(to_the_minute) in ("metrics_minute", "metrics_15min")
    assert counting(to_the_second) == ""
    for wanted in (to_the_minute, to_the_second):
        assert count_requests(wanted) == len(by_pandas(month.rows, wanted))


def test_requesters_come_from_the_daily_rollup_whoever_asked_most_first(month: Month) -> None:
    assert requesters("chatbot", period("30d", month.now)) == list(month.rows["requester"].value_counts().index)
    assert requesters("another", period("30d", month.now)) == []


def test_who_asked_is_the_same_where_their_days_are_too_many_to_be_kept(
    month: Month, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = requesters("chatbot", period("30d", month.now))
    monkeypatch.setattr("dashboard.queries.requests._MOST_BYTES", 0)
    assert requesters("chatbot", period("30d", month.now)) == kept


def rows_of(count: int) -> pd.DataFrame:
    return workspace.requests(START + timedelta(days=3), 3, count)


def test_a_score_that_came_later_fills_a_gap_and_is_filtered_and_sorted_by(empty: Settings) -> None:
    rows = rows_of(30)
    known = rows.index[:5]
    rows.loc[rows.index[5:], "response_toxicity"] = np.nan
    workspace.write_requests(empty, rows)
    late = rows.iloc[[10, 20]]
    given = [
        {
            "databricks_request_id": row["databricks_request_id"],
            "request_date": row["request_time"].date(),
            "metric": "response_toxicity",
            "scorer": "later/1",
            "value": value,
            "weight": 1.0,
            "scored_at": row["request_time"] + timedelta(hours=after),
        }
        for row in late.to_dict("records")
        for value, after in ((0.4, 1), (0.8, 2))
    ]
    # A value that is there already is not replaced, and one that was tried in vain is none.
    first = rows.iloc[0]
    given.append({**given[0], "databricks_request_id": first["databricks_request_id"], "value": 0.99})
    given.append({**given[0], "databricks_request_id": rows.iloc[12]["databricks_request_id"], "value": None})
    workspace.write_rows(empty, "request_scores", given)
    wanted = RequestFilter(START, START + timedelta(days=4), score="response_toxicity")
    found = requests(wanted, order="response_toxicity", limit=20)
    assert found.total == len(known) + 2
    assert set(ids(found.rows)[:2]) == set(ids(late))
    assert found.rows["response_toxicity"].tolist()[:2] == [0.8, 0.8]
    assert count_requests(replace(wanted, at_least=0.9)) == 0
    assert count_requests(replace(wanted, at_least=0.7)) == 2
    details = request_details(ids(late)[0])
    assert details is not None
    assert details.values["response_toxicity"] is None
    assert [(score.scorer, score.value) for score in details.later] == [("later/1", 0.4), ("later/1", 0.8)]
    assert set(LATER) <= set(COLUMN_TITLES)


def test_requests_are_found_by_either_id(empty: Settings) -> None:
    rows = rows_of(5).assign(client_request_id=[f"client {number}" for number in range(15)])
    workspace.write_requests(empty, rows)
    wanted = RequestFilter(START, START + timedelta(days=4), request_ids=("client 3", ids(rows)[7], "nobody's"))
    assert sorted(ids(requests(wanted).rows)) == sorted([ids(rows)[3], ids(rows)[7]])
    found = request_details("client 3")
    assert found is not None
    assert found.request_id == ids(rows)[3]
    assert request_details("nobody's") is None
    assert request_details("") is None


def test_the_neighbours_are_those_right_before_and_after(month: Month) -> None:
    row = month.rows.iloc[-40]
    about = request_details(row["databricks_request_id"], str(row["request_time"].date()))
    assert about is not None
    found = {(each.of, each.after): each.request_id for each in neighbours(about)}
    rows = month.rows.sort_values("request_time")
    for of, part in (("endpoint", rows), ("requester", rows[rows["requester"] == row["requester"]])):
        listed = ids(part)
        at = listed.index(row["databricks_request_id"])
        assert found[(of, False)] == listed[at - 1]
        assert found[(of, True)] == listed[at + 1]


def test_one_request_is_read_from_the_files_of_its_day_only(month: Month, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    original = lake.Snapshot.files_between

    def counted(self: lake.Snapshot, span: lake.Span | None) -> list[lake.DataFile]:
        files = original(self, span)
        if self.name == "request_metrics":
            read.append(len(files))
        return files

    monkeypatch.setattr(lake.Snapshot, "files_between", counted)
    row = month.rows.iloc[-400]
    day = row["request_time"].date()
    assert request_details(row["databricks_request_id"], day.isoformat()) is not None
    assert read
    assert max(read) <= 3
    read.clear()
    one_day = RequestFilter(datetime.combine(day, datetime.min.time(), UTC), row["request_time"].to_pydatetime())
    assert requests(one_day, limit=10).total > 0
    assert max(read) <= 2


def test_a_workspace_without_requests_has_none(empty: Settings) -> None:
    wanted = RequestFilter(START, START + timedelta(days=1))
    assert requests(wanted).total == 0
    assert list(requests(wanted).rows.columns) == list(COLUMNS)
    assert counts_over_time(wanted, period("24h")).empty
    assert not Path(empty.lake).exists()


def test_a_text_that_is_missing_is_none_and_a_later_score_brings_its_scorer(month: Month, empty: Settings) -> None:
    rows = month.rows.head(4).assign(entity_version=["2", None, "2", "2"])
    rows.loc[rows.index[0], ["response_toxicity", "toxicity_scorer"]] = np.nan
    workspace.write_requests(empty, rows)
    first = rows.iloc[0]
    later = {
        "databricks_request_id": first["databricks_request_id"],
        "request_date": first["request_time"].date(),
        "metric": "response_toxicity",
        "scorer": "another/1",
        "value": 0.9,
        "weight": 1.0,
        "scored_at": month.now,
    }
    workspace.write_rows(empty, "request_scores", [later])
    found = requests(RequestFilter(START, month.now + timedelta(days=1)), descending=False).rows
    assert found["entity_version"].tolist() == ["2", None, "2", "2"]
    assert found["toxicity_scorer"].tolist()[:2] == ["another/1", rows["toxicity_scorer"].iloc[1]]
    assert found["response_toxicity"].iloc[0] == 0.9


def test_a_request_with_another_ones_id_as_its_clients_is_not_taken_for_it(month: Month, empty: Settings) -> None:
    rows = month.rows.head(3)
    victim = str(rows["databricks_request_id"].iloc[0])
    workspace.write_requests(empty, rows.assign(client_request_id=[None, victim, None]))
    wanted = RequestFilter(START, month.now + timedelta(days=1), request_ids=(victim,))
    assert len(requests(wanted).rows) == 2
    assert ids(requests(replace(wanted, by_client_ids=False)).rows) == [victim]


def test_those_whose_requester_is_not_known_are_not_taken_for_one_requester(empty: Settings) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    rows = [
        {
            "databricks_request_id": f"nobody-{number}",
            "request_time": now - timedelta(minutes=number),
            "request_date": (now - timedelta(minutes=number)).date(),
            "endpoint_name": "chatbot",
            "requester": None,
        }
        for number in range(3)
    ]
    append(empty, "request_metrics", rows)
    about = request_details("nobody-1")
    assert about is not None
    assert {(each.of, each.after): each.request_id for each in neighbours(about)} == {
        ("endpoint", False): "nobody-2",
        ("endpoint", True): "nobody-0",
    }
