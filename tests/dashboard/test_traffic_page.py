"""The Traffic page: its charts and sentences, links that choose, clicks that open rows, and what is broken."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dashboard import traffic_charts
from dashboard.colors import NEUTRAL, version_color
from dashboard.panels import traffic, traffic_errors, traffic_latency, traffic_numbers
from dashboard.periods import period
from dashboard.queries import endpoint_errors
from dashboard.queries.endpoint_errors import LastMinute
from dashboard.queries.request_counts import count_requests
from dashboard.queries.request_filters import RequestFilter
from dashboard.queries.sample import REQUESTS
from dashboard.queries.spikes import traffic_spikes
from dashboard.queries.traffic_over_time import OTHERS, stack
from serving.endpoint_metrics import parse
from settings import Settings
from tests.dashboard import workspace
from tests.dashboard.conftest import Month
from tests.dashboard.test_pages import texts
from tests.dashboard.test_spikes import burst

Opener = Callable[..., AppTest]
METRICS = """
request_count_total{endpoint_name="chatbot",served_model_name="chatbot-2"} 40
request_4xx_count_total{endpoint_name="chatbot",served_model_name="chatbot-2"} 8
request_5xx_count_total{endpoint_name="chatbot",served_model_name="chatbot-2"} 2
"""


def charts(app: AppTest) -> list[dict[str, Any]]:
    return [json.loads(element.proto.spec) for element in app.get("plotly_chart")]


def titles(app: AppTest) -> list[str]:
    return [str(element.value) for element in app.subheader]


def test_a_month_is_shown_by_version_with_its_changes(month: Month, page: Opener) -> None:
    app = page("traffic", range="30 days")
    assert not app.exception
    assert not app.error
    requests = charts(app)[0]
    assert [trace["name"] for trace in requests["data"]][:2] == ["v1", "v2"]
    assert any(trace["name"] == "changes" for trace in requests["data"])
    assert requests["layout"]["yaxis"]["title"]["text"].startswith("requests per")
    assert [metric.label for metric in app.metric] == [
        "Requests",
        "Requests per minute",
        "Tokens in",
        "Tokens out",
        "Errors",
        "Latency, p50",
        "Latency, p95",
        "Latency, p99",
    ]


@pytest.mark.parametrize(
    ("part", "panels"),
    [
        ("Requests and tokens", ["Requests over time", "Tokens in over time", "Tokens out over time"]),
        ("Latency", ["Latency over time", "Latency by length of the answer", "Distribution"]),
        ("Errors", ["Errors", "In the inference table", "Counted by the endpoint"]),
        ("Spikes and rhythm", ["Spikes", "Rhythm of the week"]),
        ("of an older link", ["Requests over time", "Tokens in over time", "Tokens out over time"]),
    ],
)
def test_a_link_opens_a_part_and_only_that_is_drawn(month: Month, page: Opener, part: str, panels: list[str]) -> None:
    app = page("traffic", range="30 days", part=part)
    assert not app.exception
    assert not app.error
    assert titles(app) == panels
    assert len(app.metric) == 8
    assert ("rank correlation" in texts(app)) == (part == "Latency")


def test_a_link_chooses_the_split_and_the_lines(month: Month, page: Opener) -> None:
    chosen = {"by": "Requester", "latency": "p95 by version", "rises": "Tokens", "spread": "Tokens out"}

    def opened(part: str) -> tuple[AppTest, list[str]]:
        app = page("traffic", range="7 days", part=part, **chosen)
        assert not app.exception
        return app, [trace.get("name") for chart in charts(app) for trace in chart["data"]]

    requests, names = opened("Requests and tokens")
    assert "ana@example.com" in names
    assert "whole UTC days" in texts(requests)
    assert "Names are not exported" in texts(requests)
    latency, names = opened("Latency")
    assert "v2" in names
    assert "p50" not in names
    assert "tokens out" in [chart["layout"]["xaxis"].get("title", {}).get("text") for chart in charts(latency)]
    _, names = opened("Spikes and rhythm")
    assert "tokens per hour" in names


def test_a_time_without_a_request_says_what_to_do(month: Month, page: Opener) -> None:
    early = (month.now - timedelta(days=300)).strftime("%Y-%m-%dT%H:%M")
    late = (month.now - timedelta(days=299)).strftime("%Y-%m-%dT%H:%M")
    # A wrong choice in a link does no harm.
    app = page("traffic", **{"range": "Custom", "from": early, "to": late, "by": "'; DROP TABLE", "latency": "p42"})
    assert not app.exception
    assert not app.error
    assert "No request to this endpoint was logged" in texts(app)
    # What the endpoint counts itself is still asked for: requests may be turned away before they are logged.
    assert "Counted by the endpoint" in titles(app)
    assert not app.metric


def test_damaged_single_rows_leave_what_the_rollups_say(month: Month, empty: Settings, page: Opener) -> None:
    for name, minutes in (("metrics_minute", 1), ("metrics_15min", 15)):
        workspace.write_rows(empty, name, workspace.partials(month.rows, minutes))
    log = Path(empty.lake, "request_metrics", "_delta_log")
    log.mkdir(parents=True)
    (log / "00000000000000000000.json").write_text("this is no Delta log\n")
    app = page("traffic", range="30 days")
    assert not app.exception
    assert not app.error
    assert len(app.metric) == 8
    assert charts(app)[0]["data"][0]["name"] == "v1"
    latency = page("traffic", range="30 days", part="Latency")
    assert not latency.exception
    assert latency.error
    assert "could not be shown" not in texts(latency)
    assert "Latency over time" in titles(latency)
    assert charts(latency)


def test_a_spike_is_listed_with_who_asked_and_a_link(month: Month, empty: Settings, page: Opener) -> None:
    start = period("7d", month.now).end - timedelta(days=2, minutes=-5)
    rows = pd.concat([month.rows, burst(month.rows, start, 90, "[x](http://evil.example)")])
    for name, minutes in (("metrics_minute", 1), ("metrics_15min", 15)):
        workspace.write_rows(empty, name, workspace.partials(rows, minutes))
    workspace.write_requests(empty, rows)
    app = page("traffic", range="7 days", part="Spikes and rhythm")
    assert not app.exception
    (listed,) = [element.value for element in app.table if "Most by" in element.value.columns]
    row = next(row for _, row in listed.iterrows() if "requests" in row["Was"])
    assert "/requests?range=Custom&from=" in row["Time"]
    # A requester is somebody's text: it is no link.
    assert "](http" not in row["Most by"]
    assert "evil" in row["Most by"]
    choice = next(box for box in app.selectbox if box.label == "The requests behind it")
    choice.select_index(0).run()
    assert any("Tokens in, tokens" in element.value.columns for element in app.table)


def test_both_sources_of_errors_say_what_they_can_see(
    month: Month, page: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = LastMinute("known", tuple(parse(METRICS)), datetime.now(UTC))
    monkeypatch.setattr(endpoint_errors, "last_minute", lambda name: seen)
    app = page("traffic", range="30 days", part="Errors")
    (counted,) = [element.value for element in app.table if "Served entity" in element.value.columns]
    assert counted.iloc[0].to_dict() == {
        "Served entity": "**chatbot\\-2**",
        "Requests": "40",
        "4xx": "8",
        "5xx": "2",
        "Failed": "25.0\u00a0%",
        "p95": "–",
    }
    (codes,) = [element.value for element in app.table if "Status code" in element.value.columns]
    expected = month.rows.loc[month.rows["status_code"] >= 400].groupby(["status_code", "entity_version"]).size()
    assert sorted(int(n) for n in codes["Requests"]) == sorted(expected)
    assert texts(app).count("**Does not see**") == 2


def counted() -> AppTest:
    """Only what the endpoint counts, without the page around it."""

    def script() -> None:
        from dashboard.panels import traffic_errors

        traffic_errors.counted_by_endpoint("chatbot")

    return AppTest.from_function(script, default_timeout=60).run()


def test_a_gateway_that_is_down_is_a_sentence(empty: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_errors, "last_minute", lambda name: LastMinute("down", message="Nothing answers."))
    app = counted()
    assert not app.exception
    assert not app.error
    assert [element.value for element in app.warning] == ["Nothing answers\\. What was logged does not depend on it."]


def test_what_an_endpoint_does_not_count_is_not_zero(empty: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    only = LastMinute("known", tuple(parse('request_count_total{served_model_name="a"} 7\n')), datetime.now(UTC))
    monkeypatch.setattr(endpoint_errors, "last_minute", lambda name: only)
    (shown,) = counted().table
    assert shown.value.iloc[0][["4xx", "5xx", "Failed"]].tolist() == ["–"] * 3


def test_points_open_the_requests_behind_them(month: Month, page: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    span = period("7d", month.now)
    bars = stack("chatbot", span, "status", REQUESTS)
    busiest = int(np.argmax(bars.parts["2xx"]))
    errors = bars.parts["5xx"]
    failed = int(np.argmax(errors))
    points: dict[str, dict[str, Any]] = {
        "databricks_request_id status": {"curve_number": list(bars.parts).index("2xx"), "point_index": busiest},
        "latency all": {"curve_number": 0, "point_index": busiest},
        # Before 5xx there is 4xx; markers come after all of them.
        "errors": {"curve_number": 1, "point_index": failed},
        "latency by tokens": {"customdata": ["tokens", 40.0, 60.0, "prod.chatbot/2", 30]},
        "spread execution_duration_ms": {"customdata": ["step", 8.0, 12.0, "prod.chatbot/2"]},
        "rhythm": {"customdata": ["hour", 2, 14]},
    }
    opened: dict[str, RequestFilter] = {}
    for module in (traffic, traffic_latency, traffic_errors):
        chosen: list[str] = []

        def chart(figure: Any, *, key: str, alt: str, chosen: list[str] = chosen) -> list[dict[str, Any]]:
            chosen.append(key)
            return [points[key]] if key in points else []

        def behind(wanted: RequestFilter, *more: Any, chosen: list[str] = chosen, **order: Any) -> None:
            opened[chosen[-1]] = wanted

        monkeypatch.setattr(module, "clickable_chart", chart)
        monkeypatch.setattr(module, "rows_behind", behind)
    for part in ("Requests and tokens", "Latency", "Errors", "Spikes and rhythm"):
        assert not page("traffic", range="7 days", by="Status", part=part).exception
    assert set(opened) == set(points)
    assert count_requests(opened["databricks_request_id status"]) == bars.parts["2xx"][busiest]
    assert count_requests(opened["errors"]) == errors[failed] > 0
    everything = sum(values[busiest] for values in bars.parts.values())
    assert count_requests(opened["latency all"]) == everything
    of_version = month.rows[(month.rows["request_time"] >= span.start) & (month.rows["entity_version"] == "2")]
    for key, column in (
        ("latency by tokens", "completion_tokens"),
        ("spread execution_duration_ms", "execution_duration_ms"),
    ):
        _, lower, upper, *_ = points[key]["customdata"]
        values = of_version[column]
        assert count_requests(opened[key]) == ((values >= lower) & (values < upper)).sum() > 0
    assert (opened["rhythm"].start.weekday(), opened["rhythm"].start.hour) == (2, 14)


@pytest.mark.parametrize("by", ["version", "requester"])
def test_a_bar_of_a_version_or_a_requester_opens_its_requests(
    month: Month, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    def script(by: str, start: "datetime", end: "datetime", seconds: int) -> None:
        from dashboard.panels import traffic
        from dashboard.periods import Period
        from dashboard.time_range import TimeRange

        traffic.requests_over_time("chatbot", TimeRange("last 30 days", Period(start, end, seconds)), by)

    span = period("30d", month.now)
    values = next(iter(stack("chatbot", span, by, REQUESTS).parts.values()))
    opened: list[RequestFilter] = []
    point = {"curve_number": 0, "point_index": int(np.argmax(values))}
    monkeypatch.setattr(traffic, "clickable_chart", lambda figure, **more: [point])
    monkeypatch.setattr(traffic, "rows_behind", lambda wanted, *more: opened.append(wanted))
    # Links to other pages need the whole app.
    monkeypatch.setattr(traffic, "marked_line", lambda *more: None)
    given = (by, span.start, span.end, span.bin_seconds)
    AppTest.from_function(script, args=given, default_timeout=60).run()
    assert count_requests(opened[0]) == values.max()


def test_names_of_others_are_escaped_and_colours_hold(month: Month) -> None:
    span = period("7d", month.now)
    bars = stack("chatbot", span, "requester", REQUESTS)
    labels = {key: f"<b>{key}</b>" for key in bars.parts}
    figure = traffic_charts.stacked(bars, "requester", labels, "requests", "UTC")
    assert all("<" not in trace.name for trace in figure.data)
    assert traffic_charts.part_color("requester", OTHERS, 0) == NEUTRAL
    assert traffic_charts.part_color("version", "prod.chatbot/2", 5) == version_color("2")
    names = traffic_numbers.part_names("version", "chatbot", ["prod.chatbot/2", "/", "other/7", "alone/"])
    assert list(names.values()) == ["v2", "no version", "other v7", "alone"]


def test_the_spike_chart_marks_what_was_found(month: Month) -> None:
    found = traffic_spikes("chatbot", period("7d", month.now))
    figure = traffic_charts.spikes(found, "requests", "requests", "Europe/Berlin")
    assert figure.data[0].y.sum() == found.series["requests"].sum()
    assert len(figure.data[1].x) == sum(spike.of == "requests" for spike in found.found)


@pytest.mark.parametrize(
    ("seconds", "words"), [(60, "minute"), (900, "15 minutes"), (10_800, "3 hours"), (90, "90 seconds")]
)
def test_a_bin_is_said_in_words(seconds: int, words: str) -> None:
    assert traffic_charts.bin_words(seconds) == words


def test_the_numbers_of_a_chart_stand_beside_its_times_on_the_pages_clock(month: Month) -> None:
    bars = stack("chatbot", period("7d", month.now), "version", REQUESTS)
    made = traffic_numbers.by_bin(bars.times, dict(bars.parts), "Asia/Kolkata")
    found = made()
    assert list(found.columns) == ["time (Asia/Kolkata)", *bars.parts]
    assert found.iloc[:, 1:].to_numpy().sum() == sum(values.sum() for values in bars.parts.values())
    first = pd.Timestamp(bars.times[0], unit="ms", tz="UTC").tz_convert("Asia/Kolkata")
    assert found.iloc[0, 0] == first.strftime("%Y-%m-%dT%H:%M:%S")
