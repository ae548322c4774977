"""The windows of a rollup in memory: each period is a piece of the same arrays, and says what the single rows say."""

from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dashboard.periods import between, period
from dashboard.queries import rollup_windows
from dashboard.queries.lake import Snapshot, rollup, select_table
from dashboard.queries.sample import REQUESTS
from dashboard.queries.traffic_windows import (
    LATENCY,
    TOKENS_OUT,
    bins_of,
    finer,
    latencies,
    requests_each,
    windows,
)
from tests.dashboard.conftest import Month


def test_weeks_and_months_are_pieces_of_the_same_arrays(month: Month, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def counted(snapshot: Snapshot, sql: str, **more: Any) -> pa.Table:
        asked.append(sql)
        return select_table(snapshot, sql, **more)

    monkeypatch.setattr(rollup_windows, "select_table", counted)
    for name in ("7d", "30d", "7d"):
        span = finer(period(name, month.now))
        rows = month.rows[(month.rows["request_time"] >= span.start) & (month.rows["request_time"] < span.end)]
        assert windows(rollup(span), "chatbot", span).of(REQUESTS, span).n.sum() == len(rows)
        _, _, weight = latencies(rollup(span), "chatbot", span).of(span)
        assert weight.sum() == rows[LATENCY].notna().sum()
    assert len(asked) == 2


def test_a_time_that_two_months_do_not_hold_is_read_by_itself(month: Month) -> None:
    early = between(month.now - timedelta(days=100), month.now - timedelta(days=70))
    recent, day, hour = (period(name, month.now) for name in ("30d", "24h", "1h"))
    spans = [(span.previous.start, span.end) for span in (early, recent, day, hour)]
    assert rollup_windows.read_span(rollup(early), spans[0]) == spans[0]
    assert rollup_windows.read_span(rollup(hour), spans[3]) == spans[3]
    for one, span in ((recent, spans[1]), (day, spans[2])):
        snapshot = rollup(one)
        first, last = rollup_windows.read_span(snapshot, span)
        assert last - first == rollup_windows.READ_AT_ONCE[snapshot.name]
        assert first <= span[0]
        # As far as there are rows.
        assert snapshot.newest < last


def test_what_everybody_reads_is_in_the_order_of_time(month: Month) -> None:
    span = finer(period("30d", month.now))
    found, latency = windows(rollup(span), "chatbot", span), latencies(rollup(span), "chatbot", span)
    tokens = found.of(TOKENS_OUT, span)
    assert (np.diff(tokens.starts) >= 0).all()
    assert (np.diff(latency.windows.starts) >= 0).all()
    assert (np.diff(latency.buckets) > 0).all()
    assert tokens.versions == ("prod.chatbot/1", "prod.chatbot/2")
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
