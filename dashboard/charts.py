"""Figures: data in, a plotly figure out. Nothing is read and nothing is drawn here.

Times are milliseconds since 1970 (int64, UTC) and are shown in the time zone that is given; as integers they reach the
browser many times quicker than as datetimes.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dashboard.colors import BAD, GOOD, GRID, NEUTRAL, WARNING, translucent, version_color
from dashboard.wording import duration, number

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from dashboard.queries.quality import ScoreComparison

STATE_COLORS = {"succeeded": GOOD, "running": "#2f78c4", "timed_out": WARNING, "interrupted": WARNING, "failed": BAD}


def shown_times(times: Any, zone: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Times shifted so that an axis without time zones shows those of `zone`."""
    import pandas as pd

    stamps = pd.DatetimeIndex(np.asarray(times, dtype="datetime64[ms]")).tz_localize("UTC").tz_convert(zone)
    return stamps.tz_localize(None).to_numpy().astype("datetime64[ms]").astype(np.int64)


def sparkline(
    times: Any, values: Any, zone: str, *, color: str, hover: str, beside: Any = None, beside_hover: str = ""
) -> "go.Figure":
    """A small line without axes. `hover` is plotly's template for a value; `beside` is a second, dotted line."""
    import plotly.graph_objects as go

    x = shown_times(times, zone)
    traces = []
    if beside is not None:
        traces.append(
            go.Scatter(x=x, y=np.asarray(beside), mode="lines", line={"color": color, "width": 1.3, "dash": "dot"}, connectgaps=True,
                       hovertemplate=beside_hover + "<extra></extra>")
        )  # fmt: skip
    traces.append(
        go.Scatter(
            x=x, y=np.asarray(values), mode="lines", line={"color": color, "width": 1.8}, connectgaps=True,
            fill="tozeroy", fillcolor=translucent(color, 0.12), hovertemplate=hover + "<extra></extra>",
        )
    )  # fmt: skip
    figure = go.Figure(traces)
    figure.update_layout(
        **_base(height=64), showlegend=False, hovermode="x", xaxis={"visible": False, "type": "date", "fixedrange": True},
        yaxis={"visible": False, "rangemode": "tozero", "fixedrange": True},
    )  # fmt: skip
    return figure


def version_pie(compared: "ScoreComparison", label_a: str, label_b: str, version_a: str, version_b: str) -> "go.Figure":
    """The averages of two versions as a pie. Both have to be above zero."""
    import plotly.graph_objects as go

    score, result = compared.score, compared.comparison
    means = [result.mean_a, result.mean_b]
    colors = [version_color(version_a), version_color(version_b)]
    pattern = "/" if colors[0] == colors[1] else ""
    pie = go.Pie(
        labels=[label_a, label_b],
        values=means,
        text=[f"<b>{label}</b><br>{number(mean, score.decimals)}" for label, mean in zip((label_a, label_b), means, strict=True)],
        textinfo="text",
        textfont={"color": "white", "size": 14},
        insidetextorientation="horizontal",
        marker={"colors": colors, "line": {"color": "rgba(255,255,255,0.9)", "width": 1.5}, "pattern": {"shape": ["", pattern]}},
        sort=False,
        direction="clockwise",
        hovertemplate="%{label}: %{value:,." + str(score.decimals) + "f}<extra></extra>",
    )  # fmt: skip
    figure = go.Figure(pie)
    figure.update_layout(**_base(height=220), showlegend=False)
    return figure


def version_bars(
    compared: "ScoreComparison", label_a: str, label_b: str, version_a: str, version_b: str
) -> "go.Figure":
    """The averages of two versions as bars: for values of zero or below, of which a pie cannot show shares."""
    import plotly.graph_objects as go

    score, result = compared.score, compared.comparison
    means = [result.mean_a, result.mean_b]
    bars = go.Bar(
        x=[label_a, label_b], y=means, marker={"color": [version_color(version_a), version_color(version_b)]},
        text=[number(mean, score.decimals) for mean in means], textposition="auto", width=0.55,
        hovertemplate="%{x}: %{text}<extra></extra>",
    )  # fmt: skip
    figure = go.Figure(bars)
    figure.update_layout(
        **_base(height=220), showlegend=False, xaxis={"type": "category", "fixedrange": True}, yaxis=_axis(score.unit)
    )
    return figure


def traffic_split(parts: Sequence[tuple[str, str, int]]) -> "go.Figure":
    """How the traffic is split: one bar in the versions' colours. parts: (label, version, whole per cent)."""
    import plotly.graph_objects as go

    traces = [
        go.Bar(
            x=[share], y=[""], orientation="h", marker={"color": version_color(version)}, text=f"<b>{label}</b>  {share} %",
            textposition="inside", insidetextanchor="middle", textfont={"color": "white", "size": 14}, hovertemplate=f"{label}: {share} %<extra></extra>",
        )
        for label, version, share in parts
    ]  # fmt: skip
    figure = go.Figure(traces)
    figure.update_layout(
        **_base(height=44), barmode="stack", showlegend=False, bargap=0, xaxis={"visible": False, "range": [0, 100], "fixedrange": True},
        yaxis={"visible": False, "fixedrange": True},
    )  # fmt: skip
    return figure


def minute_means(means: "pd.DataFrame", zone: str, unit: str, labels: dict[str, str], decimals: int) -> "go.Figure":
    """Every minute's average as a dot and every hour's as a line, one colour a version.

    means: columns time (int64, ms), version, n, mean, as `queries.quality.minute_means` gives them.
    labels: version → how people call it.
    """
    import plotly.graph_objects as go

    traces = []
    for version, label in labels.items():
        part = means[means["version"] == version]
        color = version_color(version.rpartition("/")[2])
        traces.append(
            go.Scattergl(
                x=shown_times(part["time"], zone), y=part["mean"].to_numpy(float), mode="markers", name=label, legendgroup=label,
                marker={"color": translucent(color, 0.28), "size": 3.5}, showlegend=False,
                hovertemplate="%{x|%d %b %H:%M}<br>" + label + ": %{y:." + str(decimals) + "f}<extra>this minute</extra>",
            )
        )  # fmt: skip
    for version, label in labels.items():
        hours, line = _hourly(means[means["version"] == version])
        traces.append(
            go.Scatter(
                x=shown_times(hours, zone), y=line, mode="lines", name=label, legendgroup=label,
                line={"color": version_color(version.rpartition("/")[2]), "width": 2}, connectgaps=False,
                hovertemplate="%{x|%d %b %H:00}<br>" + label + ": %{y:." + str(decimals) + "f}<extra>this hour</extra>",
            )
        )  # fmt: skip
    figure = go.Figure(traces)
    figure.update_layout(
        **_base(height=340), hovermode="closest", legend=_legend_above(),
        xaxis={"type": "date", "gridcolor": GRID, "zeroline": False}, yaxis=_axis(unit),
    )  # fmt: skip
    figure.update_layout(margin={"t": 34, "l": 8, "r": 8, "b": 8})
    return figure


def run_history(runs: Sequence[dict[str, Any]], zone: str) -> "go.Figure":
    """How long each run took, coloured by its state; newest on the right."""
    import plotly.graph_objects as go

    traces = []
    starts = [run["started_at"].timestamp() * 1000 for run in runs]
    # Of every state alike: plotly would make the bars of a state that is rare hair-thin.
    width = 0.7 * float(np.median(np.diff(starts))) if len(starts) > 1 else 60_000
    for state in dict.fromkeys(run["state"] for run in runs):
        part = [run for run in runs if run["state"] == state]
        times = [int(run["started_at"].timestamp() * 1000) for run in part]
        seconds = [_seconds(run) for run in part]
        traces.append(
            go.Bar(
                x=shown_times(times, zone), y=seconds, width=width, name=state.replace("_", " "), marker={"color": STATE_COLORS.get(state, NEUTRAL)},
                customdata=[[duration(s), number(run["rows_read"])] for s, run in zip(seconds, part, strict=True)],
                hovertemplate="%{x|%d %b %H:%M}<br>%{customdata[0]}, %{customdata[1]} rows<extra>" + state.replace("_", " ") + "</extra>",
            )
        )  # fmt: skip
    figure = go.Figure(traces)
    figure.update_layout(
        **_base(height=220), barmode="overlay", legend=_legend_above(), showlegend=True,
        xaxis={"type": "date", "gridcolor": GRID}, yaxis={**_axis("seconds"), "rangemode": "tozero"},
    )  # fmt: skip
    figure.update_layout(margin={"t": 34, "l": 8, "r": 8, "b": 8})
    return figure


def amounts(values: dict[str, float], unit: str, color: str, decimals: int = 0) -> "go.Figure":
    """Named amounts as horizontal bars, the largest on top."""
    import plotly.graph_objects as go

    names = sorted(values, key=lambda name: values[name])
    bars = go.Bar(
        x=[values[name] for name in names], y=names, orientation="h", marker={"color": color},
        text=[number(values[name], decimals) for name in names], textposition="auto", cliponaxis=False,
        hovertemplate="%{y}: %{text} " + unit + "<extra></extra>",
    )  # fmt: skip
    figure = go.Figure(bars)
    figure.update_layout(
        **_base(height=max(90, 34 * len(names) + 50)), showlegend=False, bargap=0.35,
        xaxis={**_axis(unit), "rangemode": "tozero"}, yaxis={"type": "category", "automargin": True, "fixedrange": True, "ticksuffix": "  "},
    )  # fmt: skip
    return figure


def can_be_a_pie(compared: "ScoreComparison") -> bool:
    """Whether both averages are above zero, so that shares of a circle mean something."""
    return min(compared.comparison.mean_a, compared.comparison.mean_b) > 0


def _hourly(part: "pd.DataFrame") -> tuple[Any, Any]:
    """Averages by the hour, weighted by their values, with a gap (NaN) where more than six hours are empty."""
    if part.empty:
        return np.array([], dtype=np.int64), np.array([])
    hour = (part["time"] // 3_600_000 * 3_600_000).to_numpy(np.int64)
    hours, position = np.unique(hour, return_inverse=True)
    weight = part["n"].to_numpy(float)
    line = np.bincount(position, part["mean"].to_numpy(float) * weight) / np.bincount(position, weight)
    breaks = np.flatnonzero(np.diff(hours) > 6 * 3_600_000) + 1
    return np.insert(hours, breaks, hours[breaks] - 1), np.insert(line, breaks, math.nan)


def _seconds(run: dict[str, Any]) -> float:
    return (run["finished_at"] - run["started_at"]).total_seconds() if run["finished_at"] else 0.0


def _base(height: int) -> dict[str, Any]:
    return {
        "height": height,
        "margin": {"t": 8, "l": 4, "r": 4, "b": 4},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "dragmode": "zoom",
    }


def _axis(title: str) -> dict[str, Any]:
    return {"title": {"text": title, "standoff": 6}, "gridcolor": GRID, "zeroline": False, "automargin": True}


def _legend_above() -> dict[str, Any]:
    return {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "title": {"text": ""}}
