"""Changes on a time chart: a thin line where production was changed, and what it was under the pointer.

Data in, plotly's traces and shapes out, as in `dashboard.charts`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from dashboard.change_words import action_words
from dashboard.chart_times import shown_time, shown_times
from dashboard.colors import ACCENT, BAD, NEUTRAL, WARNING, translucent

if TYPE_CHECKING:
    from dashboard.queries.changes import Marker

MOST_PLACES = 40
"""Places that a chart's width is cut into; changes in the same place share a marker."""

_MOST_LINES = 5
_SHAPES = {
    "alert": ("star-triangle-down", BAD),
    "failed": ("x", BAD),
    "back": ("triangle-left", WARNING),
    "outside": ("diamond", NEUTRAL),
    "forward": ("triangle-up", ACCENT),
}
"""Symbol and colour by what happened, the most telling first: a shared marker looks like its most telling change."""
CHANGE, ALERT_POINT = "change", "alert"
"""What the `customdata` of a marker's point begins with: the ids of the changes, else of the alerts, follow."""


@dataclass(frozen=True)
class Layers:
    """What markers add to a figure: traces, and entries of its layout (`shapes`, `yaxis2`). Nothing without markers."""

    traces: tuple[dict[str, Any], ...] = ()
    entries: dict[str, Any] = field(default_factory=dict)


def time_layers(markers: Sequence["Marker"], zone: str, first: int, last: int) -> Layers:
    """Markers on a chart whose x axis is time from `first` to `last` (milliseconds since 1970), shown in `zone`."""
    inside = [marker for marker in markers if first <= marker.time <= last]
    width = max((last - first) / MOST_PLACES, 1)
    groups = _grouped(inside, [int((marker.time - first) // width) for marker in inside])
    return _layers(groups, list(shown_times([group[0].time for group in groups], zone)), zone)


def slot_layers(markers: Sequence["Marker"], zone: str, starts: Sequence[int]) -> Layers:
    """Markers on a chart with one slot a run, which began at `starts` (milliseconds, rising): between the slots."""
    inside = [marker for marker in markers if starts and marker.time >= starts[0]]
    slots = [sum(start <= marker.time for start in starts) for marker in inside]
    groups = _grouped(inside, slots)
    return _layers(groups, [slot - 0.5 for slot in sorted(set(slots))], zone)


def _grouped(markers: Sequence["Marker"], places: Sequence[int]) -> list[list["Marker"]]:
    found: dict[int, list[Marker]] = {}
    for place, marker in zip(places, markers, strict=True):
        found.setdefault(place, []).append(marker)
    return [found[place] for place in sorted(found)]


def _layers(groups: Sequence[Sequence["Marker"]], places: Sequence[Any], zone: str) -> Layers:
    if not groups:
        return Layers()
    looks = [_SHAPES[_look(group)] for group in groups]
    trace = {
        "type": "scatter",
        "mode": "markers",
        "name": "changes",
        "x": list(places),
        "y": [1.0] * len(groups),
        "yaxis": "y2",
        "marker": {
            "symbol": [symbol for symbol, _ in looks],
            "color": [color for _, color in looks],
            "size": 10,
        },
        "cliponaxis": False,
        "showlegend": False,
        "text": [_said(group, zone) for group in groups],
        "customdata": [_opened_by(group) for group in groups],
        "hovertemplate": "%{text}<extra></extra>",
        "hoverlabel": {"align": "left"},
    }
    lines = [
        {
            "type": "line",
            "x0": place,
            "x1": place,
            "yref": "paper",
            "y0": 0,
            "y1": 1,
            "layer": "below",
            "line": {
                "color": translucent(color, 0.55),
                "width": 1.2,
                "dash": "solid" if symbol == _SHAPES["alert"][0] else "dot",
            },
        }
        for place, (symbol, color) in zip(places, looks, strict=True)
    ]
    hidden = {"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True}
    return Layers((trace,), {"shapes": lines, "yaxis2": hidden})


def _look(group: Sequence["Marker"]) -> str:
    kinds = {"failed" if marker.failed else action_words(marker.action).kind for marker in group}
    return next((name for name in _SHAPES if name in kinds), "forward")


def _opened_by(group: Sequence["Marker"]) -> list[str]:
    """What a click on a marker opens: its changes, the newest first, else its alerts."""
    changes = [marker.change_id for marker in reversed(group) if marker.is_change]
    alerts = [marker.change_id for marker in reversed(group) if not marker.is_change]
    return [CHANGE, *changes[:_MOST_LINES]] if changes else [ALERT_POINT, *alerts[:_MOST_LINES]]


def _said(group: Sequence["Marker"], zone: str) -> str:
    """The changes of one marker, a line each. Names come from others: plotly reads a little HTML."""
    lines = [f"<b>{shown_time(marker.time, zone)}</b> {escape(_cut(marker.text))}" for marker in group[:_MOST_LINES]]
    left_out = len(group) - _MOST_LINES
    return "<br>".join([*lines, *([f"and {left_out} more"] if left_out > 0 else [])])


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 110 else f"{text[:109]}…"
