"""Figures of the Quality page: how the values of two sides are spread. Data in, a plotly figure out.

The pies and the bars in their place are in `dashboard.charts`, the minutes in `dashboard.minute_charts`.
"""

from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dashboard import chart_frame as frame
from dashboard.colors import translucent, version_color
from dashboard.wording import number
from metrics.buckets import is_linear
from metrics.distributions import Distribution

if TYPE_CHECKING:
    import plotly.graph_objects as go

BINS = 48
_SHOWN = (0.005, 0.995)
"""The shares between which values are drawn: a few far away would press the others together."""
_FENCE = 3.0
"""And not farther from the middle half of the values than this many times its width, on an even axis."""
_LOGARITHMIC_FROM = 6.0
"""From this ratio of the largest to the smallest drawn value on, the axis is logarithmic."""

Floats = NDArray[np.float64]


def spread_edges(metric: str, sides: Sequence[Distribution]) -> Floats:
    """The edges of bins over the values of all sides, float64 [BINS + 1]: even on the axis that is drawn."""
    known = [side for side in sides if len(side.weight)]
    drawn = [side.at(np.array(_SHOWN)) for side in known]
    low, high = min(float(ends[0]) for ends in drawn), max(float(ends[1]) for ends in drawn)
    if not is_linear(metric) and low > 0 and high / low >= _LOGARITHMIC_FROM:
        return np.asarray(np.geomspace(low, high, BINS + 1))
    lower, upper = (np.array([side.at(np.array([share]))[0] for side in known]) for share in (0.25, 0.75))
    low = max(low, float((lower - _FENCE * (upper - lower)).min()))
    high = min(high, float((upper + _FENCE * (upper - lower)).max()))
    # A little wider, so that values which stand at the ends are inside.
    half = (high - low) / 2 * 1.01 or max(abs(low), 1.0) / 20
    middle = (high + low) / 2
    return np.asarray(np.linspace(middle - half, middle + half, BINS + 1))


def shares_below(side: Distribution, edges: Floats) -> Floats:
    """The share (0 to 1) of a side's values below each edge; values of a bucket are taken as spread evenly in it."""
    ends = np.cumsum(side.weight)
    places = np.column_stack([side.lower, side.upper]).ravel()
    shares = np.column_stack([ends - side.weight, ends]).ravel() / ends[-1]
    return np.asarray(np.interp(edges, places, shares, left=0.0, right=1.0))


def spread(
    metric: str,
    sides: Sequence[Distribution],
    labels: Sequence[str],
    versions: Sequence[str],
    unit: str,
    decimals: int,
    *,
    cumulative: bool = False,
) -> "go.Figure":
    """How the values of two sides are spread: the share of answers in each bin, or at most each value.

    `customdata` of a point: ["bin", side (0 or 1), from, to]. The median of each side is a vertical line.
    """
    edges = spread_edges(metric, sides)
    logarithmic = bool(edges[0] > 0) and bool(np.isclose(edges[1] / edges[0], edges[2] / edges[1], rtol=1e-9))
    middles = np.sqrt(edges[1:] * edges[:-1]) if logarithmic else (edges[1:] + edges[:-1]) / 2
    alike = version_color(versions[0]) == version_color(versions[1])
    traces, lines = [], []
    for place, (side, label, version) in enumerate(zip(sides, labels, versions, strict=True)):
        if not len(side.weight):
            continue
        # The first side is told apart by dashes where both are one version.
        look = {"color": version_color(version), "dash": "dash" if alike and place == 0 else "solid"}
        below = shares_below(side, edges)
        x, y = (edges[1:], below[1:]) if cumulative else (middles, np.diff(below))
        bins = [["bin", place, low, high] for low, high in pairwise(edges.tolist())]
        hover = _hover(label, decimals, cumulative)
        traces.append(_curve(x, y * 100, bins, look, cumulative) | {"name": escape(label), "hovertemplate": hover})
        lines.append(_median_line(side.median, look))
    axis = {**frame.axis(unit), "type": "log" if logarithmic else "linear"}
    if logarithmic:
        ticks = frame.round_numbers(float(edges[0]), float(edges[-1]))
        axis |= {"tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}
    share = "answers up to this value, %" if cumulative else "share of answers, %"
    return frame.figure(
        traces,
        height=300,
        legend=True,
        hovermode="closest",
        xaxis=axis,
        yaxis={**frame.axis(share), "rangemode": "tozero"},
        shapes=lines,
    )


def _hover(label: str, decimals: int, cumulative: bool) -> str:
    places = f"%{{customdata[2]:,.{decimals}f}} to %{{customdata[3]:,.{decimals}f}}"
    if cumulative:
        places = f"up to %{{customdata[3]:,.{decimals}f}}"
    return f"{places}<br>{escape(label)}: %{{y:.1f}} %<extra></extra>"


def _curve(x: Floats, y: Floats, bins: list[Any], look: dict[str, str], cumulative: bool) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": x,
        "y": y,
        "line": {**look, "width": 2, "shape": "linear" if cumulative else "hvh"},
        "marker": {"color": look["color"], "size": 5, "opacity": 0.35},
        "fill": "none" if cumulative else "tozeroy",
        "fillcolor": translucent(look["color"], 0.06 if look["dash"] == "dash" else 0.16),
        "customdata": bins,
    }


def _median_line(median: float, look: dict[str, str]) -> dict[str, Any]:
    line = {"color": look["color"], "width": 1.5, "dash": "dash" if look["dash"] == "dash" else "dot"}
    return {"type": "line", "x0": median, "x1": median, "yref": "paper", "y0": 0, "y1": 1, "line": line}


def spread_spoken(sides: Sequence[Distribution], labels: Sequence[str], title: str, decimals: int) -> str:
    """What the figure shows, for those who do not see it."""
    said = []
    for side, label in zip(sides, labels, strict=True):
        if len(side.weight):
            quarters = [number(value, decimals) for value in side.at(np.array([0.25, 0.5, 0.75]))]
            said.append(f"{label}: half of the values from {quarters[0]} to {quarters[2]}, median {quarters[1]}")
    return f"{title}, how the values are spread. {'; '.join(said)}."
