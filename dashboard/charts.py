"""Figures: data in, a plotly figure out. Nothing is read and nothing is drawn here.

Times are milliseconds since 1970 (int64, UTC) and are shown in the time zone that is given. Names that others gave are
escaped: plotly reads a little HTML.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np

from dashboard import chart_frame as frame
from dashboard.change_words import action_words
from dashboard.chart_markers import slot_layers
from dashboard.chart_times import shown_times
from dashboard.colors import ACCENT, BAD, GOOD, GRID, NEUTRAL, WARNING, translucent, version_color
from dashboard.wording import duration, number

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from dashboard.queries.changes import Marker
    from dashboard.queries.quality import ScoreComparison

MOST_SLOTS = 25
STRIP_SYMBOLS = {"succeeded": "circle", "failed": "x"}
STATE_COLORS = {"succeeded": GOOD, "running": ACCENT, "timed_out": WARNING, "interrupted": WARNING, "failed": BAD}


def sparkline(
    times: Any,
    values: Any,
    zone: str,
    *,
    color: str,
    hover: str,
    beside: Any = None,
    beside_hover: str = "",
    markers: Sequence["Marker"] = (),
) -> "go.Figure":
    """A small line without axes. `hover` is plotly's template for a value; `beside` is a second, dotted line.

    `markers` are the changes of the line's time, as `queries.changes.markers` gives them.
    """
    line = {"type": "scatter", "mode": "lines", "connectgaps": True, "x": shown_times(times, zone)}
    traces = [
        {
            **line,
            "y": np.asarray(values),
            "line": {"color": color, "width": 1.8},
            "fill": "tozeroy",
            "fillcolor": translucent(color, 0.12),
            "hovertemplate": f"{hover}<extra></extra>",
        }
    ]
    if beside is not None:
        dotted = {"color": color, "width": 1.3, "dash": "dot"}
        traces.insert(
            0, {**line, "y": np.asarray(beside), "line": dotted, "hovertemplate": f"{beside_hover}<extra></extra>"}
        )
    hidden = {"visible": False, "fixedrange": True}
    return frame.marked_figure(
        [*traces],
        markers,
        times,
        zone,
        height=64,
        hovermode="x",
        xaxis={**hidden, "type": "date"},
        yaxis={**hidden, "rangemode": "tozero"},
    )


def version_pie(compared: "ScoreComparison", labels: tuple[str, str], versions: tuple[str, str]) -> "go.Figure":
    """The averages of two versions as a pie. Both have to be above zero."""
    score, result = compared.score, compared.comparison
    means = [result.mean_a, result.mean_b]
    colors = [version_color(version) for version in versions]
    names = [escape(label) for label in labels]
    pie = {
        "type": "pie",
        "labels": names,
        "values": means,
        "text": [f"<b>{name}</b><br>{number(mean, score.decimals)}" for name, mean in zip(names, means, strict=True)],
        "textinfo": "text",
        "textfont": {"color": "white", "size": 14},
        "insidetextorientation": "horizontal",
        "marker": {
            "colors": colors,
            "line": {"color": "rgba(255,255,255,0.9)", "width": 1.5},
            # Versions far apart can share a colour: then the second is hatched.
            "pattern": _hatched(colors),
        },
        "sort": False,
        "direction": "clockwise",
        "hovertemplate": f"%{{label}}: %{{value:,.{score.decimals}f}}<extra></extra>",
    }
    return frame.figure([pie], height=220)


def version_bars(compared: "ScoreComparison", labels: tuple[str, str], versions: tuple[str, str]) -> "go.Figure":
    """The averages of two versions as bars: for values of zero or below, of which a pie cannot show shares."""
    score, result = compared.score, compared.comparison
    means = [result.mean_a, result.mean_b]
    colors = [version_color(version) for version in versions]
    bars = {
        "type": "bar",
        "x": [escape(label) for label in labels],
        "y": means,
        "marker": {"color": colors, "pattern": _hatched(colors)},
        "text": [number(mean, score.decimals) for mean in means],
        "textposition": "auto",
        "width": 0.55,
        "hovertemplate": "%{x}: %{text}<extra></extra>",
    }
    axis = {"type": "category", "fixedrange": True}
    return frame.figure(
        [bars], height=220, xaxis=axis, yaxis={**frame.axis(score.unit), "zeroline": True, "zerolinecolor": GRID}
    )


def can_be_a_pie(compared: "ScoreComparison") -> bool:
    """Whether both averages are above zero, so that shares of a circle mean something."""
    return min(compared.comparison.mean_a, compared.comparison.mean_b) > 0


def traffic_split(parts: Sequence[tuple[str, str, int]]) -> "go.Figure":
    """How the traffic is split: one bar in the versions' colours. parts: (label, version, whole per cent)."""
    traces = [
        {
            "type": "bar",
            "x": [share],
            "y": [""],
            "orientation": "h",
            "marker": {"color": version_color(version)},
            # A narrow part has no room for words; the table beside the bar has them.
            "text": f"<b>{escape(label)}</b>  {share} %" if share >= 20 else f"<b>{escape(label)}</b>",
            "textposition": "inside",
            "insidetextanchor": "middle",
            "textangle": 0,
            "textfont": {"color": "white", "size": 14},
            "hovertemplate": f"{escape(label)}: {share} %<extra></extra>",
        }
        for label, version, share in parts
    ]
    hidden = {"visible": False, "fixedrange": True}
    return frame.figure(
        traces, height=44, barmode="stack", bargap=0, xaxis={**hidden, "range": [0, 100]}, yaxis={**hidden}
    )


def run_history(runs: Sequence[dict[str, Any]], zone: str, markers: Sequence["Marker"] = ()) -> "go.Figure":
    """How long each run took, one bar a run, coloured by its state. runs: oldest first, all of them ended.

    `markers`: the changes of that time, between the runs that they fell between.
    """
    places = range(len(runs))
    seconds = [(run["finished_at"] - run["started_at"]).total_seconds() for run in runs]
    started = [f"{run['started_at'].astimezone(ZoneInfo(zone)):%d %b %H:%M}" for run in runs]
    traces = []
    for state in dict.fromkeys(run["state"] for run in runs):
        part = [place for place in places if runs[place]["state"] == state]
        word = escape(state.replace("_", " "))
        traces.append(
            {
                "type": "bar",
                "x": part,
                "y": [seconds[place] for place in part],
                "name": word,
                "marker": {"color": STATE_COLORS.get(state, NEUTRAL)},
                "customdata": [
                    [started[place], duration(seconds[place]), number(runs[place]["rows_read"])] for place in part
                ],
                "hovertemplate": "%{customdata[0]}<br>%{customdata[1]}, %{customdata[2]} rows"
                f"<extra>{word}</extra>",
            }
        )
    ticks = sorted({len(runs) - 1 - step * max(1, math.ceil(len(runs) / 4)) for step in range(4)} & set(places))
    # A few runs stand at the right instead of filling the width.
    axis = {
        "type": "linear",
        "automargin": True,
        "range": [min(-0.5, len(runs) - MOST_SLOTS - 0.5), len(runs) + 0.7],
        "tickvals": ticks,
        "ticktext": [started[place] for place in ticks],
        "showgrid": False,
        "zeroline": False,
        "fixedrange": True,
    }
    seconds_axis = {**frame.axis("seconds"), "rangemode": "tozero"}
    marked = slot_layers(markers, zone, [int(run["started_at"].timestamp() * 1000) for run in runs])
    return frame.figure(
        [*traces, *marked.traces],
        height=220,
        legend=True,
        bargap=0.25,
        barmode="overlay",
        xaxis=axis,
        yaxis=seconds_axis,
        **marked.entries,
    )


def change_strip(points: "pd.DataFrame", zone: str) -> "go.Figure":
    """When things were changed: a dot a change, a row for each kind of change, coloured by how it ended.

    points: as `queries.changes.strip` gives them.
    """
    titles = points["action"].map(lambda action: escape(action_words(action).title))
    # What succeeded but for its verification, for example, stands with what succeeded.
    states = points["outcome"].map(lambda outcome: outcome.split(",")[0] or "no outcome")
    traces = []
    for state in dict.fromkeys(states):
        part = points[states == state]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": escape(state),
                "x": shown_times(part["time"], zone),
                "y": titles[part.index],
                "marker": {
                    "color": STATE_COLORS.get(state, WARNING),
                    "size": 9,
                    "symbol": STRIP_SYMBOLS.get(state, "diamond"),
                },
                "customdata": [escape(f"{row.target}, {row.actor}") for row in part.itertuples()],
                "hovertemplate": "%{x|%d %b %H:%M:%S}<br>%{y}, %{customdata}<extra>" + escape(state) + "</extra>",
            }
        )
    rows = list(dict.fromkeys(titles))
    axis = {**frame.axis(""), "type": "date", "fixedrange": True, "tickangle": 0, "nticks": 5}
    kinds = {"type": "category", "automargin": True, "fixedrange": True, "ticksuffix": "  ", "gridcolor": GRID}
    height = 86 + 24 * len(rows)
    return frame.figure(traces, height=height, legend=True, hovermode="closest", xaxis=axis, yaxis=kinds)


def amounts(
    values: Mapping[str, float], unit: str, color: str, decimals: int = 0, details: Mapping[str, str] | None = None
) -> "go.Figure":
    """Named amounts, the largest on top. `details`: what is also said of a name under the pointer."""
    names = sorted(values, key=lambda name: values[name])
    bars = {
        "type": "bar",
        "x": [values[name] for name in names],
        "y": [escape(name) for name in names],
        "orientation": "h",
        "marker": {"color": color},
        "text": [number(values[name], decimals) for name in names],
        "textposition": "auto",
        "textangle": 0,
        "cliponaxis": False,
        "customdata": [escape((details or {}).get(name, "")) for name in names],
        "hovertemplate": f"%{{y}}: %{{text}} {unit}<br>%{{customdata}}<extra></extra>",
    }
    return frame.figure(
        [bars],
        height=max(90, 34 * len(names) + 50),
        bargap=0.35,
        xaxis={**frame.axis(unit), "rangemode": "tozero"},
        yaxis={"type": "category", "automargin": True, "fixedrange": True, "ticksuffix": "  "},
    )


def _hatched(colors: Sequence[str]) -> dict[str, Any]:
    """The pattern that tells the second of two equal colours apart, over the colour, so that words on it are read."""
    shape = ["", "/" if colors[0] == colors[1] else ""]
    return {"shape": shape, "fillmode": "overlay", "fgcolor": "rgba(255,255,255,0.4)", "size": 9, "solidity": 0.25}
