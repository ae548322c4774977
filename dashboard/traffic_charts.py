"""Figures of the Traffic page: data in, a plotly figure out, as in `dashboard.charts`.

A bar or point of a time chart is known by its trace and its place in it, in the order of the data: the keys and starts
of all of them as `customdata` would take longer to send than the rest of the chart. Markers come after these traces.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from dashboard import chart_frame as frame
from dashboard.chart_times import shown_times
from dashboard.colors import ACCENT, BAD, GOOD, GRID, NEUTRAL, VERSION_COLORS, WARNING, translucent, version_color
from dashboard.queries.traffic_over_time import OTHERS
from dashboard.queries.traffic_rhythm import WEEKDAYS
from metrics.buckets import BUCKETS_PER_DOUBLING, ZERO_BUCKET, bucket_edges

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from dashboard.queries.changes import Marker
    from dashboard.queries.latency_over_time import LatencyLines
    from dashboard.queries.spikes import Spikes
    from dashboard.queries.traffic_latency import LatencyByTokens
    from dashboard.queries.traffic_over_time import Stack
    from dashboard.queries.traffic_rhythm import Rhythm

STATUS_COLORS = {"2xx": GOOD, "3xx": ACCENT, "4xx": WARNING, "5xx": BAD}
DASHES = {"p50": "solid", "p95": "dash", "p99": "dot"}
MOST_STEPS = 48
"""Steps that a distribution is drawn with, at most."""

_STEP_WIDTHS = (5, 7, 12, 18, 25, 35, 70, 140, 10_000)
_LEAST_NUMBERS = 3
_FEW_POINTS = 64
_HEIGHT = 300
_CLOCK = "%{x|%a %d %b %H:%M}"


def part_color(by: str, key: str, place: int) -> str:
    """The colour of a part: its version's or its status's own; requesters by their place among the largest."""
    if by == "version":
        return version_color(key.rpartition("/")[2])
    if by == "status":
        return STATUS_COLORS.get(key, NEUTRAL)
    return NEUTRAL if key == OTHERS else VERSION_COLORS[place % len(VERSION_COLORS)]


def stacked(
    amounts: "Stack", by: str, labels: Mapping[str, str], unit: str, zone: str, markers: Sequence["Marker"] = ()
) -> "go.Figure":
    """An amount over time as bars that stand on each other, a colour for each part. labels: key → name."""
    # Days are UTC days: shown where that day begins, in whatever zone.
    zone = "UTC" if by == "requester" else zone
    shown = shown_times(amounts.times, zone)
    width = amounts.seconds * 1000
    clock = "%{x|%a %d %b}, UTC day" if by == "requester" else _CLOCK
    traces = [
        {
            "type": "bar",
            "name": escape(labels[key]),
            "x": shown,
            "y": values,
            "width": width * 0.86,
            "offset": 0,
            "marker": {"color": part_color(by, key, place), "line": {"width": 0}},
            "hovertemplate": f"{clock}<br>%{{y:,.0f}} {unit}<extra>{escape(labels[key])}</extra>",
        }
        for place, (key, values) in enumerate(amounts.parts.items())
    ]
    return frame.marked_figure(
        [*traces],
        markers,
        _ends(amounts.times, amounts.seconds),
        zone,
        height=_HEIGHT,
        legend=True,
        barmode="stack",
        hovermode="closest",
        xaxis=_time_axis(amounts.times, amounts.seconds, zone),
        yaxis={**frame.axis(f"{unit} per {bin_words(amounts.seconds)}"), "rangemode": "tozero"},
    )


def latency(
    lines: "LatencyLines", shown: Mapping[tuple[str, str], str], zone: str, markers: Sequence["Marker"] = ()
) -> "go.Figure":
    """Quantiles of latency over time. shown: (version key or "", quantile) → name of the line."""
    middle = lines.times + lines.seconds * 500
    clocks = shown_times(middle, zone)
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": escape(name),
            "x": clocks,
            "y": lines.lines[key][quantile],
            "connectgaps": False,
            "line": {
                "color": version_color(key.rpartition("/")[2]) if key else ACCENT,
                "width": 1.8,
                "dash": "solid" if key else DASHES[quantile],
            },
            # A point can be clicked; many of them are no more than that.
            "marker": {"size": 5 if len(lines.times) <= _FEW_POINTS else 2.5},
            "hovertemplate": f"{_CLOCK}<br>%{{y:,.1f}} ms<extra>{escape(name)}</extra>",
        }
        for (key, quantile), name in shown.items()
    ]
    return frame.marked_figure(
        [*traces],
        markers,
        _ends(lines.times, lines.seconds),
        zone,
        height=_HEIGHT,
        legend=True,
        hovermode="closest",
        xaxis=_time_axis(lines.times, lines.seconds, zone),
        yaxis={**frame.axis("latency, ms"), "rangemode": "tozero"},
    )


def latency_by_tokens(found: "LatencyByTokens", labels: Mapping[str, str]) -> "go.Figure":
    """Median and 95th percentile of latency by output tokens, a colour for each version."""
    traces: list[dict[str, Any]] = []
    for part in found.versions:
        color = version_color(part.version.rpartition("/")[2])
        for quantile, word in (("p95", "p95"), ("p50", "median")):
            name = f"{escape(labels[part.version])} {word}"
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers",
                    "name": name,
                    "x": part.bins["tokens"].to_numpy(float),
                    "y": part.bins[quantile].to_numpy(float),
                    "line": {"color": color, "width": 2, "dash": "solid" if quantile == "p50" else "dash"},
                    "marker": {"size": 6},
                    "customdata": [
                        ["tokens", row.at_least, row.below, part.version, row.n] for row in part.bins.itertuples()
                    ],
                    "hovertemplate": "%{customdata[1]:,.0f} to below %{customdata[2]:,.0f} tokens, "
                    f"%{{customdata[4]:,}} requests<br>%{{y:,.1f}} ms<extra>{name}</extra>",
                }
            )
    return frame.figure(
        traces,
        height=_HEIGHT,
        legend=True,
        hovermode="closest",
        xaxis={**frame.axis("tokens out"), "rangemode": "tozero"},
        yaxis={**frame.axis("latency, ms"), "rangemode": "tozero"},
    )


def distribution(steps: "pd.DataFrame", labels: Mapping[str, str], unit: str) -> "go.Figure":
    """The share of each version's requests in each step of a logarithmic scale. steps: as `coarser` gives them."""
    traces = []
    for version, part in steps.groupby("version", sort=False):
        name, color = escape(labels[str(version)]), version_color(str(version).rpartition("/")[2])
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "line": {"color": color, "width": 2, "shape": "hvh"},
                "marker": {"size": 5},
                "fill": "tozeroy",
                "fillcolor": translucent(color, 0.1),
                "name": name,
                "x": part["middle"].to_numpy(float),
                "y": part["share"].to_numpy(float),
                "customdata": [["step", row.lower, row.upper, str(version)] for row in part.itertuples()],
                "hovertemplate": f"%{{customdata[1]:,.3~g}} to %{{customdata[2]:,.3~g}} {escape(unit)}"
                f"<br>%{{y:.1%}} of requests<extra>{name}</extra>",
            }
        )
    return frame.figure(
        traces,
        height=_HEIGHT,
        legend=True,
        hovermode="closest",
        xaxis={**frame.axis(unit), "type": "log", "tickangle": 0, **_round_ticks(steps)},
        yaxis={**frame.axis("share of the version's requests"), "rangemode": "tozero", "tickformat": ".0%"},
    )


def coarser(metric: str, histogram: "pd.DataFrame") -> "pd.DataFrame":
    """A histogram in so few steps that a person sees its shape: columns version, lower, upper, middle, n, share.

    A step is several buckets, so nothing is counted twice. Its edges are the whole numbers next to theirs: latency and
    tokens have no values in between. Zero and below have no place on a logarithmic scale and are left out; their
    weight still counts in the share.
    """
    import pandas as pd

    columns = ["version", "lower", "upper", "middle", "n", "share"]
    above = histogram[histogram["bucket"] > ZERO_BUCKET]
    if above.empty:
        return pd.DataFrame(columns=columns)
    width = _step_width(metric, above)
    steps = above.assign(step=above["bucket"] // width).groupby(["version", "step"], sort=False)["weight"].sum()
    whole = histogram.groupby("version")["weight"].sum()
    rows: list[tuple[object, ...]] = []
    for version in whole.sort_values(ascending=False).index:
        if version not in steps.index.get_level_values(0):
            continue
        part = steps[version]
        # Steps without a request are zeros between the others, not a line across.
        for step in range(int(part.index.min()) - 1, int(part.index.max()) + 2):
            lower, upper = (float(np.ceil(bucket_edges(metric, (step + end) * width)[0])) for end in (0, 1))
            if lower < upper and lower > 0:
                n = float(part.get(step, 0.0))
                rows.append((version, lower, upper, float(np.sqrt(lower * upper)), n, n / float(whole[version])))
    return pd.DataFrame(rows, columns=columns)


def _step_width(metric: str, above: "pd.DataFrame") -> int:
    """Buckets to a step: few enough steps, and in the middle of the values at least a few whole numbers to each."""
    span = int(above["bucket"].max() - above["bucket"].min()) + 1
    ordered = above.sort_values("bucket")
    half = int(np.searchsorted(ordered["weight"].cumsum(), ordered["weight"].sum() / 2))
    middle = bucket_edges(metric, int(ordered["bucket"].iloc[half]))[0]
    fits = (
        width
        for width in _STEP_WIDTHS
        if span / width <= MOST_STEPS and middle * (2 ** (width / BUCKETS_PER_DOUBLING) - 1) >= _LEAST_NUMBERS
    )
    return next(fits, BUCKETS_PER_DOUBLING)


def errors(
    parts: Mapping[str, Any], times: Any, seconds: int, zone: str, markers: Sequence["Marker"] = ()
) -> "go.Figure":
    """Failed requests over time by class of status. parts: class → requests in each bin."""
    traces = [
        {
            "type": "bar",
            "name": key,
            "x": shown_times(times, zone),
            "y": values,
            "width": seconds * 860,
            "offset": 0,
            "marker": {"color": STATUS_COLORS.get(key, NEUTRAL), "line": {"width": 0}},
            "hovertemplate": f"{_CLOCK}<br>%{{y:,.0f}} requests<extra>{key}</extra>",
        }
        for key, values in parts.items()
    ]
    return frame.marked_figure(
        [*traces],
        markers,
        _ends(times, seconds),
        zone,
        height=240,
        legend=True,
        barmode="stack",
        hovermode="closest",
        xaxis=_time_axis(times, seconds, zone),
        yaxis={**frame.axis(f"failed requests per {bin_words(seconds)}"), "rangemode": "tozero"},
    )


def spikes(found: "Spikes", of: str, unit: str, zone: str, markers: Sequence["Marker"] = ()) -> "go.Figure":
    """A series with its spikes as red diamonds; `customdata` of these is `["spike", start in ms]`."""
    series = found.series[of]
    flagged = [spike for spike in found.found if spike.of == of]
    starts = [int(spike.start.timestamp() * 1000) for spike in flagged]
    tops = [
        series[(found.times >= start) & (found.times < int(spike.end.timestamp() * 1000))].max()
        for spike, start in zip(flagged, starts, strict=True)
    ]
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": f"{unit} per {bin_words(found.seconds)}",
            "x": shown_times(found.times, zone),
            "y": series,
            "line": {"color": ACCENT, "width": 1.6},
            "hovertemplate": f"{_CLOCK}<br>%{{y:,.0f}} {unit}<extra></extra>",
        },
        {
            "type": "scatter",
            "mode": "markers",
            "name": "spike",
            "x": shown_times(starts, zone) if starts else [],
            "y": tops,
            "marker": {"color": BAD, "size": 12, "symbol": "diamond"},
            "cliponaxis": False,
            "customdata": [["spike", start] for start in starts],
            "text": [f"{spike.value:,.0f} {unit}, {spike.expected:,.0f} expected" for spike in flagged],
            "hovertemplate": f"{_CLOCK}<br>%{{text}}<extra></extra>",
        },
    ]
    return frame.marked_figure(
        [*traces],
        markers,
        _ends(found.times, found.seconds),
        zone,
        height=240,
        legend=True,
        hovermode="closest",
        xaxis=_time_axis(found.times, found.seconds, zone),
        yaxis={**frame.axis(f"{unit} per {bin_words(found.seconds)}"), "rangemode": "tozero"},
    )


def rhythm(found: "Rhythm") -> "go.Figure":
    """Requests per hour by weekday and hour of day; `customdata` is `["hour", weekday, hour]`."""
    cells: dict[str, Any] = {
        "type": "heatmap",
        "x": list(range(24)),
        "y": list(WEEKDAYS),
        "z": found.per_hour,
        "customdata": [[["hour", day, hour] for hour in range(24)] for day in range(7)],
        "colorscale": [[0, translucent(ACCENT, 0.06)], [1, ACCENT]],
        "zmin": 0,
        "xgap": 2,
        "ygap": 2,
        "hoverongaps": False,
        "colorbar": {"title": {"text": "per hour", "side": "right"}, "thickness": 10, "outlinewidth": 0},
        "hovertemplate": "%{y}, %{x}:00<br>%{z:,.1f} requests per hour<extra></extra>",
    }
    hours = {**frame.axis("hour of day"), "showgrid": False, "tickvals": list(range(0, 24, 3)), "fixedrange": True}
    days = {
        "autorange": "reversed",
        "automargin": True,
        "showgrid": False,
        "fixedrange": True,
        "tickvals": list(WEEKDAYS),
        "ticktext": [day[:3] for day in WEEKDAYS],
        "ticksuffix": " ",
    }
    return frame.figure([cells], height=280, xaxis=hours, yaxis=days)


def bin_words(seconds: int) -> str:
    """How long a bin is, as it reads after "per"."""
    for size, word in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds % size == 0:
            count = seconds // size
            return word if count == 1 else f"{count} {word}s"
    return f"{seconds} seconds"


def _time_axis(times: Any, seconds: int, zone: str) -> dict[str, Any]:
    """An axis from the first bin to the end of the last, the same for every chart of a period."""
    ends = shown_times([times[0], times[-1] + seconds * 1000], zone).tolist() if len(times) else None
    axis = {"type": "date", "gridcolor": GRID, "zeroline": False, "automargin": True, "nticks": 6, "tickangle": 0}
    return axis if ends is None else {**axis, "range": ends}


def _ends(times: Any, seconds: int) -> Any:
    """The bins' starts and the end of the last: what was changed within it is marked, too."""
    return np.append(times, times[-1:] + seconds * 1000)


def _round_ticks(steps: "pd.DataFrame") -> dict[str, Any]:
    if steps.empty:
        return {}
    ticks = frame.round_numbers(float(steps["lower"].min()), float(steps["upper"].max()))
    return {"tickvals": ticks, "ticktext": [f"{tick:,.0f}".replace(",", "\u202f") for tick in ticks]}
