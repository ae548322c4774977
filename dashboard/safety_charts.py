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
    import pandas as pd
    import plotly.graph_objects as go

    from dashboard.queries.changes import Marker
    from dashboard.queries.safety import FlagShare, FlagsOverTime
    from dashboard.queries.safety_answers import AnswerToxicity

PROMPT_COLOR, ANSWER_COLOR = ACCENT, WARNING
_MANY = 300
_TIME_AXIS = {"type": "date", "gridcolor": GRID, "zeroline": False}


def toxicity_points(
    flagged: "pd.DataFrame",
    others: "pd.DataFrame",
    threshold: float,
    zone: str,
    markers: Sequence["Marker"] = (),
) -> "go.Figure":
    """Every prompt by its time and toxicity, the flagged ones in another colour and shape, and the threshold.

    flagged, others: columns of `queries.safety_rows.COLUMNS`, flagged also `state`. A point's `customdata` is the id of
    its request.
    """
    toxic = flagged[flagged["prompt_toxicity"] >= threshold]
    below = flagged[flagged["prompt_toxicity"] < threshold]
    decided = toxic["state"] != "open"
    # Many diamonds would be one red field: smaller, they let their density be seen.
    size, opacity = (9, 1) if len(toxic) <= _MANY else (5, 0.6)
    red = translucent(BAD, opacity)
    looks = (
        ("not flagged", others, {"color": translucent(NEUTRAL, 0.45), "size": 5, "symbol": "circle"}),
        ("flagged for the answer", below, {"color": ANSWER_COLOR, "size": 8, "symbol": "square"}),
        ("flagged", toxic[~decided], {"color": red, "size": size, "symbol": "diamond"}),
        ("flagged, decided", toxic[decided], {"color": red, "size": size, "symbol": "diamond-open"}),
    )
    parts = [(name, rows.dropna(subset=["prompt_toxicity"]), look) for name, rows, look in looks]
    traces = [_points(name, rows, look, zone) for name, rows, look in parts if len(rows)]
    times = np.concatenate([_milliseconds(rows) for _, rows, _ in parts])
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


def _points(name: str, rows: "pd.DataFrame", look: dict[str, Any], zone: str) -> dict[str, Any]:
    return {
        "type": "scattergl",
        "mode": "markers",
        "name": name,
        "x": shown_times(_milliseconds(rows), zone),
        "y": rows["prompt_toxicity"].to_numpy(np.float32),
        "marker": look,
        # As an array of text: objects would be copied one by one.
        "customdata": rows["databricks_request_id"].to_numpy(str),
        "hovertemplate": "%{x|%d %b %H:%M:%S}<br>prompt %{y:.3f}<extra>" + name + "</extra>",
    }


def _milliseconds(rows: "pd.DataFrame") -> np.ndarray[Any, np.dtype[np.int64]]:
    return rows["request_time"].to_numpy("datetime64[ms]").astype(np.int64)
