"""The frame that all charts share: the page's own background, quiet axes, and the changes of their time.

Data in, plotly's dictionaries out, as in `dashboard.charts`.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dashboard.chart_markers import Layers, time_layers
from dashboard.colors import GRID

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from dashboard.queries.changes import Marker

LOOKED_THROUGH = False
"""Whether plotly looks at the names and values of a figure."""
_NO_TEMPLATE = {"data": {"scatter": [{"type": "scatter"}]}}
"""What plotly makes of the template called `none`."""


def figure(traces: Sequence[dict[str, Any]], *, height: int, legend: bool = False, **layout: Any) -> "go.Figure":
    """A figure on the page's own background.

    Traces and layout go in as they are, without plotly's default template (fonts and colours come from the page's
    theme) and without plotly's look at every name and value, which takes ten times as long as all else. The tests have
    it look.
    """
    import plotly.graph_objects as go

    from dashboard.quick_figure import QuickFigure

    above = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "title": {"text": ""}}
    margin = {"t": 34, "l": 8, "r": 8, "b": 8} if legend else {"t": 8, "l": 4, "r": 4, "b": 4}
    transparent = {"paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)"}
    base = {
        "template": _NO_TEMPLATE,
        "height": height,
        "margin": margin,
        "showlegend": legend,
        "legend": above,
        **transparent,
    }
    if LOOKED_THROUGH:
        return go.Figure(data=list(traces), layout={**base, **layout})
    return QuickFigure(list(traces), {**base, **layout})


def axis(title: str) -> dict[str, Any]:
    """An axis with its unit as title."""
    return {"title": {"text": title, "standoff": 18}, "gridcolor": GRID, "zeroline": False, "automargin": True}


def round_numbers(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten, from `low` to `high`; of many powers only these themselves."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if len(powers) <= 5 else (1,)
    return [tick for power in powers for step in steps if low <= (tick := float(f"{step}e{power}")) <= high]


def marked_figure(
    traces: Sequence[dict[str, Any]],
    markers: Sequence["Marker"],
    times: Any,
    zone: str,
    *,
    height: int,
    legend: bool = False,
    **layout: Any,
) -> "go.Figure":
    """A figure over times (milliseconds since 1970) with the changes of these, and those that no point follows yet.

    The markers' traces come last, so that the others keep their numbers.
    """
    layers = Layers()
    if len(times) and markers:
        layers = time_layers(markers, zone, int(np.min(times)), max(int(np.max(times)), markers[-1].time))
    return figure([*traces, *layers.traces], height=height, legend=legend, **layout, **layers.entries)
