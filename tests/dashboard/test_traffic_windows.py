"""The windows of a rollup in memory: each period is a piece of the same arrays, and says what the single rows say."""

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dashboard.periods import between, period
from dashboard.queries import traffic_windows
from dashboard.queries.lake import Snapshot, rollup, select
from dashboard.queries.sample import REQUESTS
from dashboard.queries.traffic_windows import (
    LATENCY,
    READ_AT_ONCE,
    TOKENS_OUT,
    bins_of,
    finer,
    latencies,
    read_span,
    requests_each,
    windows,
)
from tests.dashboard.conftest import Month


def test_weeks_and_months_are_pieces_of_the_same_arrays(month: Month, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def counted(snapshot: Snapshot, sql: str, **more: Any) -> pd.DataFrame:
        asked.append(sql)
        return select(snapshot, sql, **more)

    monkeypatch.setattr(traffic_windows, "select", counted)
    for name in ("7d", "30d", "7d"):
        span = finer(period(name, month.now))
        rows = month.rows[(month.rows["request_time"] >= span.start) & (month.rows["request_time"] < span.end)]
        assert windows(rollup(span), "chatbot", span).of(REQUESTS, span).n.sum() == len(rows)
        _, _, weight = latencies(rollup(span), "chatbot", span).of(span)
        assert weight.sum() == rows[LATENCY].notna().sum()
    assert len(asked) == 2


def test_a_time_that_two_months_do_not_hold_is_read_by_itself(month: Month) -> None:
    early = between(month.now - timedelta(days=100), month.now - timedelta(days=70))
    recent = period("30d", month.now)
    hours = rollup(recent)
    assert read_span(hours, early) == (early.previous.start, early.end)
    first, last = read_span(hours, recent)
    assert last - first == READ_AT_ONCE
    assert first <= recent.previous.start
    # As far as there are rows.
    assert hours.newest < last
    day = period("24h", month.now)
    assert read_span(rollup(day), day) == (day.previous.start, day.end)


def test_what_everybody_reads_is_in_the_order_of_time(month: Month) -> None:
    span = finer(period("30d", month.now))
    found, latency = windows(rollup(span), "chatbot", span), latencies(rollup(span), "chatbot", span)
    assert (np.diff(found.starts) >= 0).all()
    assert (np.diff(latency.starts) >= 0).all()
    assert (np.diff(latency.buckets) > 0).all()
    assert found.versions == ("prod.chatbot/1", "prod.chatbot/2")
    tokens = found.of(TOKENS_OUT, span)
    bins = bins_of(tokens.starts, span)
    assert bins.min() >= 0
    assert bins.max() < span.bins


def test_requests_of_each_minute_equal_the_single_rows(month: Month) -> None:
    span = finer(period("6h", month.now))
    found = requests_each(rollup(span), "chatbot", (span.start, span.end), 60)
    times = month.rows["request_time"]
    inside = times[(times >= span.start) & (times < span.end)]
    minutes = ((inside - span.start).dt.total_seconds() // 60).astype(int)
    assert found.tolist() == np.bincount(minutes, minlength=360).tolist()
