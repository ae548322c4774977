"""The simulated month: deterministic, with a rhythm, and only with answers that were given."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest

from jobs import demo
from jobs.demo_history import GivenAnswer, history, promotion_time, traffic_times
from jobs.scorers import load_prices
from lakehouse.store import open_table, read_rows
from lakehouse.tables import INFERENCE_TABLE
from settings import Settings

END = datetime(2026, 3, 31, 12, tzinfo=UTC)
START = END - timedelta(days=30)
CATEGORIES = ["handbook"] * 40 + ["rude"] * 4 + ["out_of_scope"] * 4 + ["malformed"]


def given(version: int) -> list[GivenAnswer]:
    return [
        GivenAnswer(
            category,
            f"entity-{version}",
            f'{{"q": {number}}}',
            f'{{"a": {number}, "v": {version}}}',
            400 if category == "malformed" else 200,
            10 * version + number % 5,
        )
        for number, category in enumerate(CATEGORIES)
    ]


@pytest.fixture(scope="module")
def month():
    return history([given(1), given(2)], START, END, 5_000)


def test_the_same_span_gives_the_same_requests_again(month) -> None:
    assert month.equals(history([given(1), given(2)], START, END, 5_000))


def test_rows_fit_the_inference_table_and_have_distinct_ids(month) -> None:
    assert month.schema.equals(INFERENCE_TABLE.schema)
    assert pc.count_distinct(month["databricks_request_id"]).as_py() == month.num_rows == 5_000


def test_every_request_got_an_answer_that_its_version_really_gave(month) -> None:
    known = {(a.served_entity_id, a.request, a.response, a.status_code) for v in (1, 2) for a in given(v)}
    columns = ("served_entity_id", "request", "response", "status_code")
    assert {tuple(row[c] for c in columns) for row in month.select(list(columns)).to_pylist()} <= known
    durations = {(row["served_entity_id"], row["execution_duration_ms"]) for row in month.to_pylist()}
    assert durations == {(f"entity-{v}", 10 * v + n) for v in (1, 2) for n in range(5)}


def test_the_second_version_answers_from_the_promotion_on(month) -> None:
    promoted = promotion_time(START, END)
    for row in month.to_pylist():
        assert (row["served_entity_id"] == "entity-2") == (row["request_time"] >= promoted)


def test_dates_are_those_of_the_times(month) -> None:
    assert all(row["request_date"] == row["request_time"].date() for row in month.to_pylist())


def test_traffic_has_a_daily_and_a_weekly_rhythm() -> None:
    times = traffic_times(START, END, 20_000)
    assert (np.diff(times) >= np.timedelta64(0)).all()
    hours = (times - times.astype("datetime64[D]")) // np.timedelta64(1, "h")
    weekday = (times.astype("datetime64[D]").astype(int) + 3) % 7
    assert (hours == 14).sum() > 3 * (hours == 3).sum()
    weekdays, weekends = (weekday < 5).sum() / 5, (weekday >= 5).sum() / 2
    assert weekdays > 1.5 * weekends


def test_one_day_has_a_burst_of_rude_prompts(month) -> None:
    rude = {f'{{"q": {number}}}' for number, category in enumerate(CATEGORIES) if category == "rude"}
    rows = month.to_pylist()
    burst = END - timedelta(days=6)
    inside = [row["request"] in rude for row in rows if burst <= row["request_time"] < burst + timedelta(hours=5)]
    outside = [row["request"] in rude for row in rows if not burst <= row["request_time"] < burst + timedelta(hours=5)]
    assert sum(inside) / len(inside) > 3 * sum(outside) / len(outside)


def test_a_building_that_was_stopped_while_it_wrote_the_past_goes_on_with_prices_and_versions(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "_served_entity_ids", lambda _: {"chatbot-1": "e1", "chatbot-2": "e2"})

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    append = demo.append
    with monkeypatch.context() as patch:
        patch.setattr(
            demo, "append", lambda where, name, rows: (stop if name == "prices" else append)(where, name, rows)
        )
        with pytest.raises(KeyboardInterrupt):
            demo._write_past_changes(settings, START, promotion_time(START, END))
    for _ in range(2):
        demo._write_past_changes(settings, START, promotion_time(START, END))
    assert [price.entity_version for price in load_prices(settings)] == ["1", "2"]
    entities = read_rows(open_table(settings, "served_entities")).to_pylist()
    assert {(row["served_entity_id"], row["entity_version"]) for row in entities} == {("e1", "1"), ("e2", "2")}
