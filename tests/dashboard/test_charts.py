"""Figures are built from data alone, with the colours that mean the same everywhere."""

import json
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from dashboard import chart_frame, charts
from dashboard.chart_times import shown_times
from dashboard.colors import VERSION_COLORS, version_color
from dashboard.queries.quality import ScoreComparison, score_of
from metrics.comparison import Moments, compare
from tests.dashboard.workspace import job_run


def compared(mean_a: float, mean_b: float) -> ScoreComparison:
    result = compare(Moments(10, mean_a, 1.0), Moments(12, mean_b, 1.0))
    return ScoreComparison(score_of("response_fk_grade"), "scorer/1", (), result, 10, 12)


def test_a_version_has_the_same_colour_in_every_chart() -> None:
    pie = charts.version_pie(compared(8, 10), ("v1", "v2"), ("1", "2"))
    bars = charts.version_bars(compared(-1, 10), ("v1", "v2"), ("1", "2"))
    split = charts.traffic_split([("v1", "1", 10), ("v2", "2", 90)])
    expected = [version_color("1"), version_color("2")]
    assert list(pie.data[0].marker.colors) == expected
    assert list(bars.data[0].marker.color) == expected
    assert [trace.marker.color for trace in split.data] == expected


def test_two_versions_that_share_a_colour_are_told_apart_by_a_pattern() -> None:
    far = str(1 + len(VERSION_COLORS))
    assert version_color(far) == version_color("1")
    assert charts.version_pie(compared(8, 10), ("v1", f"v{far}"), ("1", far)).data[0].marker.pattern.shape == ("", "/")


def test_a_pie_shows_both_averages() -> None:
    pie = charts.version_pie(compared(8, 10), ("v1", "v2"), ("1", "2")).data[0]
    assert list(pie["values"]) == [8, 10]
    assert ["8.00" in pie.text[0], "10.00" in pie.text[1]] == [True, True]


@pytest.mark.parametrize(("a", "b", "possible"), [(8, 10, True), (0, 10, False), (-3, 10, False)])
def test_averages_of_zero_or_below_are_no_pie(a: float, b: float, possible: bool) -> None:
    assert charts.can_be_a_pie(compared(a, b)) is possible


def test_times_read_as_in_the_zone_of_the_page_whatever_zone_the_browser_is_in() -> None:
    noon = int(pd.Timestamp("2026-07-01T12:00Z").timestamp() * 1000)
    winter = int(pd.Timestamp("2026-12-01T12:00Z").timestamp() * 1000)
    shown = shown_times(np.array([noon, winter]), "Europe/Berlin")
    assert shown.tolist() == ["2026-07-01T14:00:00", "2026-12-01T13:00:00"]
    assert shown_times(np.array([], dtype=np.int64), "UTC").tolist() == []


def test_names_from_outside_cannot_bring_markup_into_a_chart() -> None:
    figure = charts.amounts({"<a href='x'>reason</a>": 3}, "requests", "#123456")
    assert "<" not in figure.data[0].y[0]


@pytest.mark.parametrize("count", [1, 5, 100])
def test_every_run_has_a_bar_with_its_state(count: int) -> None:
    start = pd.Timestamp("2026-11-21T10:00Z").to_pydatetime()
    runs = [job_run(start + pd.Timedelta(minutes=5 * i)) for i in range(count)]
    runs[-1]["state"] = "failed"
    figure = charts.run_history(runs, "Europe/Berlin")
    assert sorted(place for trace in figure.data for place in trace.x) == list(range(count))
    failed = next(trace for trace in figure.data if trace.name == "failed")
    assert list(failed.x) == [count - 1]
    assert figure.layout.xaxis.tickvals[-1] == count - 1
    assert figure.layout.xaxis.ticktext[0].startswith("21 Nov 1")


def test_a_figure_that_plotly_does_not_look_through_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [job_run(datetime(2026, 5, 4, hour, tzinfo=UTC)) for hour in range(9)]
    looked = [charts.version_pie(compared(8, 10), ("v1", "v2"), ("1", "2")), charts.run_history(runs, "UTC")]
    monkeypatch.setattr(chart_frame, "LOOKED_THROUGH", False)
    quick = [charts.version_pie(compared(8, 10), ("v1", "v2"), ("1", "2")), charts.run_history(runs, "UTC")]
    for one, other in zip(looked, quick, strict=True):
        assert json.loads(one.to_json()) == json.loads(other.to_json(validate=False))
