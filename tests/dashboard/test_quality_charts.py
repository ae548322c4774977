"""The figures of the Quality page equal plain numpy over the single values, in the colours of the versions."""

import numpy as np
import pandas as pd
import pytest

from dashboard import minute_charts, quality_charts
from dashboard.colors import version_color
from dashboard.queries.changes import Marker
from metrics.distributions import Distribution, from_values

HOUR = 3_600_000
RANDOM = np.random.default_rng(4)


def means(times: list[int], values: list[float], weights: list[float] | None = None) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "time": times,
            "version": "m/1",
            "scorer": "s",
            "n": 1,
            "weight": weights or [1.0] * len(times),
            "mean": values,
        }
    ).astype({"version": "category"})


def test_lines_of_minutes_are_weighted_and_break_where_nothing_was_asked() -> None:
    rows = means([0, 60_000, 20 * HOUR], [1.0, 5.0, 7.0], [1.0, 3.0, 1.0])
    figure = minute_charts.minute_means(rows, "UTC", "grade", {"m/1": "v1"}, 2, 3600)
    dots, line = figure.data
    assert (dots.x0, dots.dx, list(dots.meta)) == ("1970-01-01T00:00:00", 60_000, ["minutes", "m/1", 0])
    assert [dots.y[0], dots.y[1], dots.y[1200]] == [1.0, 5.0, 7.0]
    assert np.isfinite(dots.y).sum() == 3
    assert line.y[0] == pytest.approx(4.0)
    assert np.isnan(line.y[1])
    assert line.y[2] == pytest.approx(7.0)
    assert line.line.color == version_color("1")


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe", "UTC", "Asia/Kathmandu"])
def test_a_dot_stands_where_the_clock_stood_also_when_it_is_set(zone: str) -> None:
    """Berlin goes back an hour on 25 October 2026; Lord Howe goes on by half an hour on the 4th."""
    first = int(pd.Timestamp("2026-09-30T07:13Z").timestamp() * 1000)
    times = first + np.arange(0, 30 * 24 * 60, 7) * 60_000
    values = np.arange(len(times), dtype=float)
    found: list[tuple[pd.Timestamp, float]] = []
    for start, minutes in minute_charts.by_clock(times, values, zone):
        begin = pd.Timestamp(start, unit="ms", tz="UTC").tz_convert(zone).tz_localize(None)
        found += [
            (begin + pd.Timedelta(minutes=int(place)), float(minutes[place]))
            for place in np.flatnonzero(np.isfinite(minutes))
        ]
    expected = pd.DatetimeIndex(times.astype("datetime64[ms]")).tz_localize("UTC").tz_convert(zone).tz_localize(None)
    assert [time for time, _ in found] == list(expected)
    assert [value for _, value in found] == values.tolist()


def test_minutes_have_markers_and_no_minute_is_no_figure_that_fails() -> None:
    marker = Marker(30_000, "deploy", "Deployment", False, "change-1")
    rows = means([0, 60_000], [1.0, 2.0])
    figure = minute_charts.minute_means(rows, "UTC", "grade", {"m/1": "v1", "m/2": "<b>v2</b>"}, 2, 60, (marker,))
    assert "changes" in [trace.name for trace in figure.data]
    assert all("<b>" not in (trace.name or "") for trace in figure.data)


@pytest.mark.parametrize(
    ("metric", "sides"),
    [
        ("response_fk_grade", (RANDOM.normal(8, 2, 4_000), RANDOM.normal(10, 2, 3_000))),
        ("response_perplexity", (RANDOM.lognormal(3, 0.7, 4_000), RANDOM.lognormal(3.4, 0.7, 3_000))),
    ],
)
def test_a_spread_is_numpys_histogram(metric: str, sides: tuple[np.ndarray, np.ndarray]) -> None:
    figure = quality_charts.spread(metric, [from_values(side) for side in sides], ("v1", "v2"), ("1", "2"), "unit", 2)
    for trace, side, version in zip(figure.data, sides, ("1", "2"), strict=True):
        edges = np.array([[low, high] for _, _, low, high in trace.customdata])
        counts, _ = np.histogram(side, np.append(edges[:, 0], edges[-1, 1]))
        assert np.asarray(trace.y) == pytest.approx(counts / len(side) * 100, abs=0.06)
        assert trace.line.color == version_color(version)
        assert {place for _, place, _, _ in trace.customdata} == {int(version) - 1}
    assert figure.layout.xaxis.type == ("log" if metric == "response_perplexity" else "linear")
    assert [shape.x0 for shape in figure.layout.shapes] == pytest.approx([np.median(side) for side in sides])


def test_a_cumulative_curve_ends_with_almost_all() -> None:
    sides = [from_values(RANDOM.normal(8, 2, 2_000))] * 2
    figure = quality_charts.spread("response_fk_grade", sides, ("a", "b"), ("2", "2"), "unit", 2, cumulative=True)
    for trace in figure.data:
        assert all(np.diff(trace.y) >= 0)
        assert trace.y[-1] == pytest.approx(99.5, abs=0.3)
    assert [trace.line.dash for trace in figure.data] == ["dash", "solid"]


@pytest.mark.parametrize("values", [[3.0, 3.0], [0.0], [-2.0, -1.0]])
def test_few_equal_or_negative_values_can_be_drawn(values: list[float]) -> None:
    sides: list[Distribution] = [from_values(values), from_values([])]
    for metric in ("response_fk_grade", "response_toxicity"):
        figure = quality_charts.spread(metric, sides, ("a", "b"), ("1", "2"), "unit", 2)
        assert len(figure.data) == 1
        assert sum(figure.data[0].y) > 90
    assert "median" in quality_charts.spread_spoken(sides, ("a", "b"), "Score", 1)
