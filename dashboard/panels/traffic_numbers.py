"""What the panels of the Traffic page share: a chart's numbers as a table and as files, names of parts, chosen bins."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec

import streamlit as st

from dashboard.chart_times import shown_times, time_of
from dashboard.downloads import download
from dashboard.queries.traffic_over_time import OTHERS
from dashboard.widgets import guarded, time_zone, version_names
from dashboard.wording import number, told_apart

P = ParamSpec("P")

if TYPE_CHECKING:
    import pandas as pd

    from dashboard.queries.traffic_windows import Times

MOST_TABLE_ROWS = 2_000
"""Rows of a chart's table on the page; files have all of them."""


def redrawn_alone(title: str, *, parallel: bool = False) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Makes a panel's content redraw itself where somebody clicks in it, without the rest of the page.

    title: what the log calls it where it fails. parallel: the page does not wait for it.
    """

    def decorated(content: Callable[P, None]) -> Callable[P, None]:
        @wraps(content)
        def drawn(*args: P.args, **kwargs: P.kwargs) -> None:
            # Here and not only around the panel: a redraw comes without it.
            with guarded(title):
                content(*args, **kwargs)

        alone: Callable[P, None] = st.fragment(drawn, parallel=parallel)
        return alone

    return decorated


def numbers(made: "Callable[[], pd.DataFrame]", name: str, *, alt: str, export: bool = True) -> None:
    """A chart's numbers as a table that opens, and as files. export: False where they have people's names.

    made: makes them, once somebody opens the table or takes a file; that may be in a thread without a page.
    """
    with st.container(horizontal=True, vertical_alignment="top", gap="small"):
        # The table is only made once it is opened: most visitors look at the chart.
        opened = st.expander("As a table", key=f"table {name}", on_change="rerun")
        if export:
            download(made, name)
    with opened:
        if opened.open:
            frame = made()
            st.dataframe(frame.head(MOST_TABLE_ROWS), hide_index=True, alt=alt)
            if len(frame) > MOST_TABLE_ROWS:
                elsewhere = "; the file has all" if export else ""
                st.caption(f"The first {number(MOST_TABLE_ROWS)} of {number(len(frame))} rows{elsewhere}.")


def by_bin(times: "Times", columns: Mapping[str, Any], zone: str = "") -> "Callable[[], pd.DataFrame]":
    """What makes the numbers of a time chart: a column with the bins' starts on the clock of `zone` (that of the page
    unless told), and one for each line."""
    zone = zone or time_zone()

    def made() -> "pd.DataFrame":
        import pandas as pd

        return pd.DataFrame({f"time ({zone})": shown_times(times, zone), **columns})

    return made


def part_names(by: str, endpoint: str, keys: Sequence[str]) -> dict[str, str]:
    """How the parts of a chart are called. by: version, requester or status."""
    if by == "version":
        return version_names(endpoint, keys)
    if by == "requester":
        # Anybody may be called like one of our own words.
        called = ["all others" if key == OTHERS else key or "no requester" for key in keys]
        return dict(zip(keys, told_apart(called), strict=True))
    return {key: "no status" if key == "none" else key for key in keys}


def chosen_bin(points: Sequence[Mapping[str, Any]], keys: Sequence[str], times: "Times") -> tuple[str, datetime] | None:
    """The key of the trace and the start (UTC) of the first chosen point of a time chart; None where none was chosen.

    keys and times: of the chart's traces and bins, in its order.
    """
    for point in points:
        trace, place = point.get("curve_number"), point.get("point_index")
        if isinstance(trace, int) and isinstance(place, int) and trace < len(keys) and place < len(times):
            return keys[trace], time_of(times[place])
    return None
