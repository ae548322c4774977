"""Figures of the Safety page: data in, a plotly figure out, as in `dashboard.charts`."""

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from dashboard import chart_frame as frame
from dashboard.chart_times import shown_times
from dashboard.colors import ACCENT, BAD, GRID, NEUTRAL, WARNING, translucent
from dashboard.wording import number, percent

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from dashboard.queries.changes import Marker
    from dashboard.queries.safety import FlagShare, FlagsOverTime
    from dashboard.queries.safety_answers import AnswerToxicity
    from dashboard.queries.safety_toxicities import Toxicities

PROMPT_COLOR, ANSWER_COLOR = ACCENT, WARNING
_MANY = 300
_TIME_AXIS = {"type": "date", "gridcolor": GRID, "zeroline": False}


def toxicity_points(
    flagged: "Toxicities",
    decided: np.ndarray[Any, np.dtype[np.bool_]],
    others: "Toxicities",
    threshold: float,
    zone: str,
    markers: Sequence["Marker"] = (),
) -> "go.Figure":
    """Every prompt by its time and toxicity, the flagged ones in another colour and shape, and the threshold.

    decided: which of the flagged ones somebody has decided about. A point's `customdata` is the time of its request
    in microseconds since 1970, UTC; a request without a toxicity of its prompt has none.
    """
    toxic = flagged.prompt >= threshold
    below, rest = flagged.at(flagged.prompt < threshold), others.at(~np.isnan(others.prompt))
    # Many diamonds would be one red field: smaller, they let their density be seen.
    size, opacity = (9, 1) if np.count_nonzero(toxic) <= _MANY else (5, 0.6)
    red = translucent(BAD, opacity)
    looks = (
        ("not flagged", rest, {"color": translucent(NEUTRAL, 0.45), "size": 5, "symbol": "circle"}),
        ("flagged for the answer", below, {"color": ANSWER_COLOR, "size": 8, "symbol": "square"}),
        ("flagged", flagged.at(toxic & ~decided), {"color": red, "size": size, "symbol": "diamond"}),
        ("flagged, decided", flagged.at(toxic & decided), {"color": red, "size": size, "symbol": "diamond-open"}),
    )
    traces = [_points(name, some, look, zone) for name, some, look in looks if len(some)]
    times = np.concatenate([some.times for _, some, _ in looks]) // 1000
    line = {
        "type": "scatter",
        "mode": "lines",
        "name": f"threshold {threshold:g}",
        "x": shown_times([times.min(), times.max()], zone),
        "y": [threshold, threshold],
        "line": {"color": BAD, "width": 1.5, "dash": "dash"},
        "hoverinfo": "skip",
    }
    return frame.marked_figure(
        [*traces, line],
        markers,
        times,
        zone,
        height=360,
        legend=True,
        hovermode="closest",
        xaxis=_TIME_AXIS,
        yaxis={**frame.axis("Toxicity of the prompt, 0 to 1"), "range": [-0.02, 1.04]},
    )


def flags_over_time(
    found: "FlagsOverTime", what: str, threshold: float, zone: str, markers: Sequence["Marker"] = ()
) -> "go.Figure":
    """Flagged prompts and answers in every bin: their share (`what` is "share") or how many they are ("count").

    A point's `customdata` is ["bin", start of the bin in milliseconds, "prompt_toxicity" or "response_toxicity"].
    """
    shares = what == "share"
    sides = (
        ("Prompts", "prompt_toxicity", found.prompt_shares if shares else found.prompts, PROMPT_COLOR, "circle"),
        ("Answers", "response_toxicity", found.answer_shares if shares else found.answers, ANSWER_COLOR, "square"),
    )
    times = shown_times(found.times, zone)
    value = "%{y:.1%}" if shares else "%{y:,.0f}"
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": name,
            "x": times,
            "y": values,
            "line": {"color": color, "width": 2},
            "marker": {"color": color, "size": 6, "symbol": symbol},
            "customdata": [["bin", int(time), column] for time in found.times],
            "hovertemplate": f"%{{x|%d %b %H:%M}}<br>{name}: {value} at or above {threshold:g}<extra></extra>",
        }
        for name, column, values, color, symbol in sides
    ]
    title = "Flagged, % of the scored texts" if shares else "Flagged texts"
    axis = {**frame.axis(title), "rangemode": "tozero", **({"tickformat": ".1~%"} if shares else {})}
    return frame.marked_figure(
        [*traces],
        markers,
        found.times,
        zone,
        height=300,
        legend=True,
        hovermode="closest",
        xaxis=_TIME_AXIS,
        yaxis=axis,
    )


def share_intervals(rows: Sequence[tuple[str, "FlagShare", str]], title: str) -> "go.Figure":
    """Shares of flagged texts as dots with their 95 % intervals. rows: (name, share, colour), the first on top.

    A point's `customdata` is ["row", its place in `rows`].
    """
    kept = [(place, *row) for place, row in enumerate(rows) if math.isfinite(row[1].share)][::-1]
    dots = {
        "type": "scatter",
        "mode": "markers",
        "x": [share.share for _, _, share, _ in kept],
        "y": [escape(name) for _, name, _, _ in kept],
        "marker": {"color": [color for *_, color in kept], "size": 10},
        "cliponaxis": False,
        "customdata": [["row", place] for place, *_ in kept],
        "text": [
            f"{percent(share.share, 2)} ({percent(share.low, 2)} to {percent(share.high, 2)}), n {number(share.n)}"
            for _, _, share, _ in kept
        ],
        "hovertemplate": "%{y}: %{text}<extra></extra>",
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [share.high - share.share for _, _, share, _ in kept],
            "arrayminus": [share.share - share.low for _, _, share, _ in kept],
            "color": NEUTRAL,
            "thickness": 1.5,
            "width": 5,
        },
    }
    return frame.figure(
        [dots],
        height=max(110, 34 * len(kept) + 70),
        hovermode="closest",
        xaxis={**frame.axis(title), "rangemode": "tozero", "tickformat": ".1~%", "fixedrange": True},
        yaxis={"type": "category", "automargin": True, "fixedrange": True, "ticksuffix": "  "},
    )


def answer_boxes(sides: Sequence[tuple[str, "AnswerToxicity", str]]) -> "go.Figure":
    """How toxic answers are: the middle half as a box with the median, whiskers from the 5th to the 95th percentile."""
    traces: list[dict[str, Any]] = [
        {
            "type": "box",
            "orientation": "h",
            "name": escape(name),
            "y": [escape(name)],
            "lowerfence": [found.quantiles[0]],
            "q1": [found.quantiles[1]],
            "median": [found.quantiles[2]],
            "q3": [found.quantiles[3]],
            "upperfence": [found.quantiles[4]],
            "mean": [found.mean],
            "marker": {"color": color},
            "line": {"width": 1.6},
            "fillcolor": translucent(color, 0.25),
        }
        for name, found, color in reversed(sides)
    ]
    return frame.figure(
        traces,
        height=170,
        xaxis={**frame.axis("Toxicity of the answer, 0 to 1"), "rangemode": "tozero", "fixedrange": True},
        yaxis={"type": "category", "automargin": True, "fixedrange": True, "ticksuffix": "  "},
    )


def _points(name: str, some: "Toxicities", look: dict[str, Any], zone: str) -> dict[str, Any]:
    return {
        "type": "scattergl",
        "mode": "markers",
        "name": name,
        "x": shown_times(some.times // 1000, zone),
        "y": some.prompt.astype(np.float32),
        "marker": look,
        # As an array of numbers: objects would be copied one by one. Microseconds of our times are whole in it.
        "customdata": some.times.astype(np.float64),
        "hovertemplate": "%{x|%d %b %H:%M:%S}<br>prompt %{y:.3f}<extra>" + name + "</extra>",
    }
