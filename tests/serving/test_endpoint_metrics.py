import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.endpoint_metrics import ServedEntityMetrics, parse
from serving.prometheus import EntityMetrics, RequestCounters, exposition

EDGES = (0, 1, 1.5, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000, 1500, 2000, 3000, 5000)


def test_what_the_gateway_writes_is_read_back_for_each_served_entity():
    quiet, busy = RequestCounters(), RequestCounters()
    busy.count_diverted()
    for status, seconds in ((200, 0.004), (200, 0.004), (404, 0.001), (503, 2.5)):
        busy.count(status, seconds)
    text = exposition(
        "chatbot", [EntityMetrics("chatbot-2", busy, 3, 8, 12.5, 1.25), EntityMetrics("chatbot-1", quiet, 0, 8, 0, 1)]
    )
    first, second = parse(text)
    assert first == ServedEntityMetrics("chatbot-1", 0, 0, 0, None, None, 0.0, 1.0, 0, 0, 8)
    assert (second.name, second.requests_per_minute, second.errors_4xx, second.errors_5xx) == ("chatbot-2", 4, 1, 1)
    assert (second.cpu, second.memory, second.in_flight, second.provisioned) == (12.5, 1.25, 3, 8)
    assert second.diverted == 1
    assert 3 <= second.p50_ms <= 5
    assert 2000 <= second.p95_ms <= 3000


@given(st.lists(st.floats(0.01, 4900), min_size=1, max_size=200))
def test_percentiles_lie_in_the_bucket_of_the_true_ones(milliseconds):
    counters = RequestCounters()
    for value in milliseconds:
        counters.count(200, value / 1000)
    (found,) = parse(exposition("chatbot", [EntityMetrics("chatbot-1", counters, 0, 8, 0, 0)]))
    true = sorted(milliseconds)[max(0, -(-len(milliseconds) * 50 // 100) - 1)]
    upper = next(edge for edge in EDGES if true <= edge * (1 + 1e-9))
    lower = max(edge for edge in EDGES if edge < upper)
    assert lower * (1 - 1e-9) <= found.p50_ms <= upper * (1 + 1e-9)


def test_answers_older_than_a_minute_are_no_longer_counted(monkeypatch):
    now = time.monotonic()
    counters = RequestCounters()
    for age, status in ((61, 500), (30, 404), (0, 200)):
        monkeypatch.setattr(time, "monotonic", lambda age=age: now - age)
        counters.count(status, 0.01)
    (found,) = parse(exposition("chatbot", [EntityMetrics("chatbot-1", counters, 0, 8, 0, 0)]))
    assert (found.requests_per_minute, found.errors_4xx, found.errors_5xx) == (2, 1, 0)


def test_replicas_are_added_up_and_figures_that_are_not_told_are_none():
    text = "\n".join(
        (
            "# HELP cpu_usage_percentage Average CPU utilisation",
            'cpu_usage_percentage{endpoint_name="e",served_model_name="e-1",replica="a"} 10.0',
            'cpu_usage_percentage{endpoint_name="e",served_model_name="e-1",replica="b"} 30 1700000000000',
            'request_count_total{served_model_name="e-1",replica="a"} 5',
            'request_count_total{served_model_name="e-1",replica="b"} 7',
            'mem_usage_percentage{served_model_name="e-1"} NaN',
            "# EOF",
        )
    )
    assert parse(text) == [ServedEntityMetrics("e-1", 12, None, None, None, None, 20.0, None, None, None, None)]


@pytest.mark.parametrize("text", ["", "# EOF\n", "<html>no metrics</html>", 'request_count_total{a="b"} many', "{}{}"])
def test_a_page_without_a_sample_is_no_metrics(text):
    assert parse(text) == []


def test_figures_without_a_served_entity_are_those_of_the_endpoint():
    (found,) = parse('request_count_total{endpoint_name="chat\\"bot"} 3')
    assert (found.name, found.requests_per_minute) == ("", 3)
