"""The figure of a score minute by minute: as many as 43,200 dots, drawn fast. Data in, a plotly figure out.

Dots are sent as one value a minute with the time of the first, not as pairs of a time and a value: 43,200 times as
text would take longer to send than all the rest of the page.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from dashboard import chart_frame as frame
from dashboard.chart_times import shown_times
from dashboard.colors import GRID, translucent, version_color

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from dashboard.queries.changes import Marker

MINUTE = 60_000
"""In milliseconds."""
MANY_DOTS = 300
"""From this many on dots are small and pale, so that their density shows."""
_BREAK_BINS = 6


def minute_means(
    means: "pd.DataFrame",
    zone: str,
    unit: str,
    labels: Mapping[str, str],
    decimals: int,
    line_seconds: int,
    markers: Sequence["Marker"] = (),
) -> "go.Figure":
    """Every minute's average as a dot and that of every `line_seconds` as a line, one colour a version.

    means: columns time (int64, ms, whole minutes, rising), version, weight, mean, as `queries.quality.minute_means`
    gives them. labels: version (as in `means`) → how people call it. `markers`: the changes of that time. A trace of
    dots has in `meta` ["minutes", its version, the time of its first point in ms]; its points are a minute apart.
    """
    dots: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    for version, label in labels.items():
        part = means[means["version"] == version]
        times, values, weights = (part[name].to_numpy() for name in ("time", "mean", "weight"))
        color = version_color(version.rpartition("/")[2])
        both = {
            "name": escape(label),
            "legendgroup": escape(label),
            "hovertemplate": f"%{{x|%d %b %H:%M}}<br>{escape(label)}: %{{y:.{decimals}f}}<extra></extra>",
        }
        dots += _dots(version, by_clock(times, values, zone), zone, color, both)
        starts, line = coarser(times, values, weights, line_seconds * 1000)
        curve = {"type": "scatter", "mode": "lines", "x": shown_times(starts, zone), "y": line}
        lines.append({**both, **curve, "line": {"color": color, "width": 2.5}})
    axis = {"type": "date", "gridcolor": GRID, "zeroline": False}
    return frame.marked_figure(
        [*dots, *lines],
        markers,
        means["time"].to_numpy(np.int64),
        zone,
        height=340,
        legend=True,
        hovermode="closest",
        xaxis=axis,
        yaxis=frame.axis(unit),
    )


def _dots(
    version: str, parts: Sequence[tuple[int, NDArray[np.float32]]], zone: str, color: str, both: dict[str, str]
) -> list[dict[str, Any]]:
    many = sum(int(np.isfinite(minutes).sum()) for _, minutes in parts) >= MANY_DOTS
    return [
        {
            **both,
            "type": "scattergl",
            "mode": "markers",
            "x0": str(shown_times([start], zone)[0]),
            "dx": MINUTE,
            "y": minutes,
            "meta": ["minutes", version, start],
            "marker": {"color": translucent(color, 0.28 if many else 0.6), "size": 3.5 if many else 6},
            "showlegend": False,
        }
        for start, minutes in parts
    ]


def by_clock(times: Any, values: Any, zone: str) -> list[tuple[int, NDArray[np.float32]]]:
    """Values as one for each minute (NaN where there is none) from a first time on (ms), float32.

    A new part begins where the clock of `zone` is set, so that a minute's place tells what the clock showed.
    """
    if not len(times):
        return []
    first, last = int(times[0]), int(times[-1])
    minutes = np.full((last - first) // MINUTE + 1, np.nan, dtype=np.float32)
    minutes[(times - first) // MINUTE] = values
    clock = ZoneInfo(zone)
    hours = np.arange(first, last + MINUTE, 60 * MINUTE)
    offsets = [datetime.fromtimestamp(int(hour) / 1000, UTC).astimezone(clock).utcoffset() for hour in hours]
    set_at = [place for place in range(1, len(hours)) if offsets[place] != offsets[place - 1]]
    # Clocks are set on a quarter of an hour in UTC, so the change lies within the hour before.
    cuts = [0, *(_set_minute(int(hours[place - 1]), clock, first) for place in set_at), len(minutes)]
    return [(first + start * MINUTE, minutes[start:end]) for start, end in pairwise(cuts) if end > start]


def coarser(times: Any, values: Any, weights: Any, width: int) -> tuple[Any, Any]:
    """Weighted averages of `width` milliseconds at their middle, with a gap (NaN) where six or more are empty."""
    if not len(times):
        return np.array([], dtype=np.int64), np.array([])
    starts, position = np.unique(times // width * width, return_inverse=True)
    line = np.bincount(position, values * weights) / np.bincount(position, weights)
    breaks = np.flatnonzero(np.diff(starts) > _BREAK_BINS * width) + 1
    starts = starts + width // 2
    return np.insert(starts, breaks, starts[breaks] - 1), np.insert(line, breaks, math.nan)


def _set_minute(hour: int, clock: ZoneInfo, first: int) -> int:
    """The place of the first minute after the clock was set, within the hour that begins at `hour` (ms)."""
    before = datetime.fromtimestamp(hour / 1000, UTC).astimezone(clock).utcoffset()
    minutes = range(1, 61)
    change = next(
        one
        for one in minutes
        if datetime.fromtimestamp(hour / 1000 + one * 60, UTC).astimezone(clock).utcoffset() != before
    )
    return (hour - first) // MINUTE + change
