"""A figure that plotly does not copy is sent as plotly sends its own."""

import copy
import json
from typing import Any

import numpy as np
import plotly.graph_objects as go
import plotly.io
import pytest

from dashboard.quick_figure import QuickFigure

TIMES = np.array(["2026-11-22 10:00", "2026-11-22 10:15"])
TRACES: list[dict[str, Any]] = [
    {"type": "scatter", "x": TIMES, "y": np.array([1.5, np.nan]), "marker": {"size": np.array([3, 400])}},
    {"type": "bar", "x": ["a", "b"], "y": np.array([3, 70_000]), "customdata": [["bin", 1], ["bin", 2]]},
    {"type": "heatmap", "z": np.arange(6.0).reshape(2, 3), "x": np.array([2**40, 1]), "y": np.array([1, 2], np.int16)},
    {"type": "scatter", "x": np.array([]), "y": np.array([True, False]), "text": ("one", None)},
]
LAYOUT: dict[str, Any] = {
    "height": 240,
    "template": {"data": {"scatter": [{"type": "scatter"}]}},
    "shapes": [{"type": "line", "x0": "2026-11-22 10:00", "x1": "2026-11-22 10:00", "line": {"width": 1}}],
    "xaxis": {"tickvals": np.array([1, 2, 3]), "range": [0, 4]},
}


def sent(figure: Any) -> Any:
    return json.loads(plotly.io.to_json(figure, validate=False))


@pytest.mark.parametrize("place", range(len(TRACES)))
def test_each_trace_is_sent_as_plotly_sends_it(place: int) -> None:
    theirs = sent(go.Figure(data=[TRACES[place]], layout=LAYOUT))
    assert sent(QuickFigure([TRACES[place]], LAYOUT)) == theirs


def test_what_it_was_given_stays_as_it_was() -> None:
    QuickFigure(TRACES, LAYOUT).to_dict()
    assert isinstance(TRACES[0]["marker"]["size"], np.ndarray)
    assert isinstance(LAYOUT["xaxis"]["tickvals"], np.ndarray)


def test_who_looks_into_it_finds_plotlys_figure() -> None:
    figure = QuickFigure(TRACES, LAYOUT)
    assert [trace.type for trace in figure.data] == ["scatter", "bar", "heatmap", "scatter"]
    assert figure.layout.height == 240
    with pytest.raises(AttributeError):
        _ = figure.nothing_of_this_name


def test_a_figure_that_was_changed_or_copied_is_sent_as_it_is_then() -> None:
    figure = QuickFigure([{"type": "scatter", "y": [1, 2]}], {"height": 100})
    twin = copy.deepcopy(figure)
    figure.update_layout(height=200)
    assert figure.to_dict()["layout"]["height"] == 200
    assert twin.to_dict()["layout"]["height"] == 100
