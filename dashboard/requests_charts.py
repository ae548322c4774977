"""Figures of the Requests page: when the requests that fit were asked. Data in, a plotly figure out."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dashboard import chart_frame as frame
from dashboard.chart_times import shown_times
from dashboard.colors import ACCENT, BAD, NEUTRAL, WARNING

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from dashboard.queries.changes import Marker

_CLASSES = {"2xx": ACCENT, "4xx": WARNING, "5xx": BAD}
_OTHERS = "other"


def counts_over_time(
    counts: "pd.DataFrame", zone: str, bin_seconds: int, markers: Sequence["Marker"] = ()
) -> "go.Figure":
    """Requests of each bin, stacked by status class; a bar's `customdata` is `["bin", start in ms]`.

    counts: columns time (int64, ms), status_class, n.
    """
    known = counts.assign(
        status_class=counts["status_class"].where(counts["status_class"].isin(list(_CLASSES)), _OTHERS)
    )
    width = bin_seconds * 1000
    traces = []
    for name, color in {**_CLASSES, _OTHERS: NEUTRAL}.items():
        part = known[known["status_class"] == name].groupby("time", as_index=False)["n"].sum()
        if part.empty:
            continue
        traces.append(
            {
                "type": "bar",
                "name": name,
                "x": shown_times(part["time"], zone),
                "y": part["n"].to_numpy(),
                "width": width * 0.92,
                "offset": 0,
                "marker": {"color": color},
                "customdata": [["bin", int(time)] for time in part["time"]],
                "hovertemplate": f"%{{x|%d %b %H:%M}}<br>%{{y:,}} with status {name}<extra></extra>",
            }
        )
    return frame.marked_figure(
        [*traces],
        markers,
        counts["time"].to_numpy(),
        zone,
        height=150,
        legend=len(traces) > 1,
        barmode="stack",
        xaxis={"type": "date", "showgrid": False, "fixedrange": True},
        yaxis={**frame.axis("requests"), "rangemode": "tozero", "fixedrange": True, "nticks": 4},
    )
