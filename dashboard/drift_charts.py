"""Figures of the Drift page: data in, a plotly figure out, as in `dashboard.charts`."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from dashboard import chart_frame as frame
from dashboard.chart_times import shown_times
from dashboard.colors import ACCENT, BAD, GRID, NEUTRAL, WARNING, translucent
from dashboard.wording import number

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from dashboard.drift_findings import Finding, Histogram
    from dashboard.periods import Period
    from dashboard.queries.changes import Marker

FINDING_POINT = "finding"
"""What the `customdata` of a finding's point begins with; its id follows."""
NOW_COLOR, COMPARED_COLOR = BAD, NEUTRAL

_TIME_AXIS = {"type": "date", "gridcolor": GRID, "zeroline": False, "tickangle": 0, "nticks": 6}
_FROM_RATIO_ON = 50
"""From this ratio of the last to the first edge on, edges are taken for those of a logarithmic scale."""
_LONGEST_LABEL = 40


def distributions(found: "Histogram", title: str, names: tuple[str, str]) -> "go.Figure":
    """The distribution of now beside the one before, each as the share of its values in every bin.

    title: the column and its unit. names: what "now" and "compared" are called.
    """
    sides = ((found.compared, names[1], COMPARED_COLOR), (found.now, names[0], NOW_COLOR))
    return _steps(found, title, sides) if found.edges else _bars(found, title, sides)


def timeline(
    found: Sequence["Finding"], titles: Mapping[str, str], period: "Period", zone: str, markers: Sequence["Marker"]
) -> "go.Figure":
    """Every finding of a period by its time, a row a column; confirmed ones in another colour and shape.

    titles: column → how it is called. A point's `customdata` is [`FINDING_POINT`, id of the finding].
    """
    suspected = {"color": NEUTRAL, "size": 7, "symbol": "circle-open"}
    confirmed = {"color": BAD, "size": 10, "symbol": "diamond"}
    looks = (
        ("suspected", [one for one in found if not one.confirmed], suspected),
        ("confirmed", [one for one in found if one.confirmed], confirmed),
    )
    traces = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": name,
            "x": shown_times([_milliseconds(one) for one in part], zone),
            "y": [escape(titles[one.column_name]) for one in part],
            "marker": look,
            "text": [escape(_cut(one.sentence, 110)) for one in part],
            "customdata": [[FINDING_POINT, one.finding_id] for one in part],
            "hovertemplate": "%{x|%d %b %H:%M}<br>%{text}<extra>" + name + "</extra>",
        }
        for name, part, look in looks
        if part
    ]
    ends = [round(end.timestamp() * 1000) for end in (period.start, period.end)]
    rows = len({one.column_name for one in found})
    return frame.marked_figure(
        traces,
        markers,
        ends,
        zone,
        height=104 + 28 * rows,
        legend=True,
        hovermode="closest",
        xaxis={**_TIME_AXIS, "range": list(shown_times(ends, zone))},
        yaxis={"type": "category", "automargin": True, "fixedrange": True, "ticksuffix": "  ", "gridcolor": GRID},
    )


def over_time(
    lines: Sequence[tuple[str, "pd.Series[Any]", "pd.Series[Any]"]], title: str, zone: str, markers: Sequence["Marker"]
) -> "go.Figure":
    """One statistic over the windows. lines: name, starts of the windows (UTC), values."""
    colors = (ACCENT, WARNING, NEUTRAL)
    several = len(lines) > 1
    traces, all_times = [], []
    for (name, starts, values), color in zip(lines, colors, strict=False):
        times = starts.to_numpy("datetime64[ms]").astype(np.int64)
        all_times.append(times)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers" if len(times) <= 300 else "lines",
                "name": escape(name),
                "x": shown_times(times, zone),
                "y": values.to_numpy(float),
                "connectgaps": False,
                "line": {"color": color, "width": 1.8},
                "marker": {"color": color, "size": 4},
                "hovertemplate": f"%{{x|%d %b %H:%M}}<br>{escape(name)}: %{{y:.4~g}}<extra></extra>",
            }
        )
    return frame.marked_figure(
        traces,
        markers,
        np.concatenate(all_times) if all_times else [],
        zone,
        height=290,
        legend=several,
        hovermode="closest",
        xaxis=_TIME_AXIS,
        yaxis=frame.axis(title),
    )


def _steps(found: "Histogram", title: str, sides: Sequence[tuple[Sequence[float], str, str]]) -> "go.Figure":
    edges = found.edges
    logarithmic = edges[0] > 0 and edges[-1] / edges[0] > _FROM_RATIO_ON
    traces = []
    for counts, name, color in sides:
        shares = _shares(counts)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": escape(name),
                "x": list(edges),
                # A step goes on to the next edge; the last bin ends at the last one.
                "y": [*shares, shares[-1]],
                "line": {"color": color, "width": 2, "shape": "hv"},
                "fill": "tozeroy",
                "fillcolor": translucent(color, 0.2),
                "hovertemplate": f"from %{{x:.4~g}}: %{{y:.1%}}<extra>{escape(name)}</extra>",
            }
        )
    scale: dict[str, Any] = {}
    if logarithmic:
        ticks = frame.round_numbers(edges[0], edges[-1])
        scale = {"type": "log", "tickvals": ticks, "ticktext": [number(tick, _decimals(tick)) for tick in ticks]}
    return frame.figure(
        traces,
        height=270,
        legend=True,
        hovermode="x",
        xaxis={**frame.axis(title), "fixedrange": True, **scale},
        yaxis=_share_axis(),
    )


def _bars(found: "Histogram", title: str, sides: Sequence[tuple[Sequence[float], str, str]]) -> "go.Figure":
    labels = [escape(_cut(label, _LONGEST_LABEL)) or "(empty)" for label in found.labels]
    traces = [
        {
            "type": "bar",
            "name": escape(name),
            "x": labels,
            "y": _shares(counts),
            "marker": {"color": translucent(color, 0.8)},
            "hovertemplate": f"%{{x}}: %{{y:.1%}}<extra>{escape(name)}</extra>",
        }
        for counts, name, color in sides
    ]
    return frame.figure(
        traces,
        height=270,
        legend=True,
        barmode="group",
        bargap=0.3,
        xaxis={**frame.axis(title), "type": "category", "fixedrange": True},
        yaxis=_share_axis(),
    )


def _share_axis() -> dict[str, Any]:
    return {**frame.axis("Share, %"), "rangemode": "tozero", "tickformat": ".0~%", "fixedrange": True}


def _shares(counts: Sequence[float]) -> list[float]:
    whole = sum(counts)
    return [count / whole if whole else 0.0 for count in counts]


def _decimals(tick: float) -> int:
    return max(0, -math.floor(math.log10(tick)))


def _milliseconds(one: "Finding") -> int:
    return round(one.window_start.timestamp() * 1000)


def _cut(text: str, most: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 1]}…"
