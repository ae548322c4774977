"""Figures of the Cost page: data in, a plotly figure out, as in `dashboard.charts`.

Points that stand for requests carry `["bin", start, end (ms), key]` as `customdata`, then the amount as it is read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from dashboard import chart_frame as frame
from dashboard.chart_times import shown_times
from dashboard.colors import ACCENT, BAD, GOOD, GRID, NEUTRAL, VERSION_COLORS, translucent
from dashboard.money import money, money_change, money_decimals
from dashboard.periods import midnight

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from dashboard.queries.changes import Marker
    from dashboard.queries.cost_days import MonthSpend, SpendSpike

_HEIGHT = 300
_DAY = "%{x|%a %d %b}"
_CLOCK = "%{x|%a %d %b %H:%M}"
_TIME_AXIS = {"type": "date", "gridcolor": GRID, "zeroline": False, "automargin": True, "nticks": 6, "tickangle": 0}
MOST_STEPS = 30
"""Bars that a distribution is drawn with."""


@dataclass(frozen=True)
class Part:
    """A part of the spend over time. `usd` has one value for each step, NaN where none is known."""

    key: str
    label: str
    color: str
    usd: np.ndarray[Any, np.dtype[np.float64]]


def requester_color(place: int) -> str:
    """The colour of the requester at a place among those that cost most (from 0)."""
    return VERSION_COLORS[place % len(VERSION_COLORS)]


def spend_over_time(
    starts: np.ndarray[Any, np.dtype[np.int64]],
    ends: np.ndarray[Any, np.dtype[np.int64]],
    parts: Sequence[Part],
    zone: str,
    unit: str,
    *,
    by_day: bool,
    spikes: Sequence["SpendSpike"] = (),
    markers: Sequence["Marker"] = (),
) -> "go.Figure":
    """What each step cost, the parts on top of each other; steps with an hour far above the usual have a diamond."""
    clock = _DAY if by_day else _CLOCK
    shown = shown_times(starts, zone)
    decimals = money_decimals(usd for part in parts for usd in part.usd.tolist()) + 1
    traces: list[dict[str, Any]] = [
        {
            "type": "bar",
            "name": escape(part.label),
            "x": shown,
            "y": part.usd,
            "width": (ends - starts) * 0.86,
            "offset": 0,
            "marker": {"color": part.color, "line": {"width": 0}},
            "customdata": [
                ["bin", int(start), int(end), part.key, money(usd, decimals)]
                for start, end, usd in zip(starts, ends, part.usd, strict=True)
            ],
            "hovertemplate": f"{clock}<br>%{{customdata[4]}}<extra>{escape(part.label)}</extra>",
        }
        for part in parts
    ]
    if spikes:
        traces.append(_spikes(starts, ends, parts, zone, spikes))
    # The last step is still under way: changes up to its end belong on the chart.
    return frame.marked_figure(
        [*traces],
        markers,
        np.append(starts, ends[-1:]),
        zone,
        # Long legends need room of their own.
        height=_HEIGHT + 60 * (len(parts) > 4),
        legend=True,
        barmode="stack",
        hovermode="closest",
        xaxis=_TIME_AXIS,
        yaxis={**_money_axis(unit), "rangemode": "tozero"},
    )


def month_to_date(month: "MonthSpend", zone: str, markers: Sequence["Marker"] = ()) -> "go.Figure":
    """How the month's spend adds up day by day, and where it is going, with the interval as a band.

    zone: of the month's days. markers: the changes of the month so far.
    """
    first = midnight(month.today.replace(day=1), zone)
    span = [int(first.timestamp() * 1000), *(marker.time for marker in markers)]
    days = sorted(month.days)
    sums = np.cumsum([month.days[day] for day in days])
    so_far = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": "so far",
        "x": [day.isoformat() for day in days],
        "y": sums,
        "line": {"color": ACCENT, "width": 2.5},
        "marker": {"size": 5},
        "customdata": [
            ["day", day.isoformat(), "", "", money(total)] for day, total in zip(days, sums.tolist(), strict=True)
        ],
        "hovertemplate": f"{_DAY}<br>%{{customdata[4]}} since the first<extra>so far</extra>",
    }
    traces = [*_ahead(month), so_far]
    axis = {**_TIME_AXIS, "range": [f"{month.today.replace(day=1)}T00:00:00", None]}
    return frame.marked_figure(
        [*traces],
        markers,
        span,
        zone,
        height=260,
        legend=True,
        hovermode="closest",
        xaxis=axis,
        yaxis={**_money_axis("US dollars"), "rangemode": "tozero"},
    )


def distribution(
    usd: np.ndarray[Any, np.dtype[np.float64]], unit: str
) -> tuple["go.Figure", list[tuple[float, float]]]:
    """How many conversations cost how much, in bars of one width; the last takes everything above the 99th percentile.

    Returns: the figure, and the edges of the bars, whose places are in `customdata[1]`.
    """
    top = float(np.quantile(usd, 0.99)) or float(usd.max()) or 1.0
    width = top / MOST_STEPS
    place = np.minimum(usd // width, MOST_STEPS).astype(int)
    counts = np.bincount(place, minlength=MOST_STEPS + 1)
    edges = [(number * width, (number + 1) * width) for number in range(MOST_STEPS)] + [(top, float("inf"))]
    decimals = money_decimals([top]) + 1
    said = [
        f"{money(low, decimals)} to {money(high, decimals)}"
        if np.isfinite(high)
        else f"{money(low, decimals)} and more"
        for low, high in edges
    ]
    bars = {
        "type": "bar",
        "x": [(number + 0.5) * width for number in range(len(edges))],
        "y": counts,
        "width": width * 0.92,
        "marker": {"color": [ACCENT] * MOST_STEPS + [NEUTRAL]},
        "customdata": [["conversations", number, text] for number, text in enumerate(said)],
        "hovertemplate": "%{customdata[2]}<br>%{y:,} conversations<extra></extra>",
    }
    figure = frame.figure(
        [bars],
        height=240,
        bargap=0.05,
        xaxis={**_money_axis(unit), "rangemode": "tozero"},
        yaxis={**frame.axis("conversations"), "rangemode": "tozero"},
    )
    return figure, edges


def difference(parts: Mapping[str, float], total: float, unit: str) -> "go.Figure":
    """What makes up a difference of cost: a bar for each part, to the right where it adds, and the whole."""
    rows = [*parts.items(), ("All together", total)][::-1]
    decimals = money_decimals(value for _, value in rows)
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": [value for _, value in rows],
        "y": [escape(name) for name, _ in rows],
        "marker": {
            "color": [NEUTRAL if name == "All together" else BAD if value > 0 else GOOD for name, value in rows]
        },
        "text": [money_change(value, decimals) for _, value in rows],
        "textposition": "outside",
        "textangle": 0,
        "cliponaxis": False,
        "hovertemplate": "%{y}: %{text}<extra></extra>",
    }
    low, high = (edge(0.0, *(value for _, value in rows)) for edge in (min, max))
    # Room for the numbers beside the bars.
    room = (high - low) * 0.3 or 1.0
    reach = [low - (room if low < 0 else 0.0), high + (room if high > 0 else 0.0)]
    axis = {**_money_axis(unit), "zeroline": True, "zerolinecolor": NEUTRAL, "range": reach, "nticks": 5}
    kinds = {"type": "category", "automargin": True, "fixedrange": True, "ticksuffix": "  "}
    return frame.figure([bars], height=60 + 40 * len(rows), bargap=0.35, xaxis=axis, yaxis=kinds)


def _ahead(month: "MonthSpend") -> list[dict[str, Any]]:
    """The expected line and the band around it, from where the month stands now."""
    forecast = month.forecast
    if not forecast.days:
        return []
    clocks = [ahead.day.isoformat() for ahead in forecast.days]
    expected = {
        "type": "scatter",
        "mode": "lines",
        "name": "expected",
        "x": clocks,
        "y": [ahead.total for ahead in forecast.days],
        "line": {"color": ACCENT, "width": 2, "dash": "dot"},
        "customdata": [
            ["ahead", "", "", "", money(ahead.total), money(ahead.low), money(ahead.high)] for ahead in forecast.days
        ],
        "hovertemplate": f"{_DAY}<br>%{{customdata[4]}} expected, %{{customdata[5]}} to %{{customdata[6]}}"
        "<extra>expected</extra>",
    }
    if forecast.low is None:
        return [expected]
    edge = {"type": "scatter", "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "x": clocks}
    return [
        {**edge, "y": [ahead.low for ahead in forecast.days], "showlegend": False},
        {
            **edge,
            "y": [ahead.high for ahead in forecast.days],
            "fill": "tonexty",
            "fillcolor": translucent(ACCENT, 0.18),
            "name": f"{forecast.coverage:.0%} interval".replace("%", "\u00a0%"),
        },
        expected,
    ]


def _spikes(starts: Any, ends: Any, parts: Sequence[Part], zone: str, spikes: Sequence["SpendSpike"]) -> dict[str, Any]:
    """A diamond above each step that has a spike; the highest of a step's spikes is the one it opens."""
    heights = np.sum([np.nan_to_num(part.usd) for part in parts], axis=0)
    largest: dict[int, SpendSpike] = {}
    for spike in spikes:
        place = int(np.clip(np.searchsorted(starts, spike.time, side="right") - 1, 0, len(starts) - 1))
        if place not in largest or spike.usd > largest[place].usd:
            largest[place] = spike
    places = sorted(largest)
    middles = (starts[places] + ends[places]) // 2
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "far above the usual",
        "x": shown_times(middles, zone),
        "y": heights[places] * 1.04,
        "marker": {"symbol": "diamond", "size": 10, "color": BAD},
        "customdata": [
            ["spike", largest[place].time, money(largest[place].usd), money(largest[place].expected)]
            for place in places
        ],
        "hovertemplate": "an hour of %{customdata[2]}, usual are %{customdata[3]}<extra>far above the usual</extra>",
    }


def _money_axis(unit: str) -> dict[str, Any]:
    return {**frame.axis(unit), "exponentformat": "none", "separatethousands": True}
