"""The panel that shows a score minute by minute, and the requests behind a minute."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard import minute_charts
from dashboard.chart_times import shown_times, time_of
from dashboard.downloads import download
from dashboard.panels.behind import rows_behind
from dashboard.panels.marked import marked_line, opened_change
from dashboard.periods import Period, between
from dashboard.queries import changes, quality
from dashboard.queries.quality import BY_MINUTE, Score
from dashboard.queries.quality_sides import Side
from dashboard.queries.request_filters import RequestFilter
from dashboard.widgets import choice, clickable_chart, empty, time_zone
from dashboard.wording import duration, number, plain

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

_MOST_ROWS = 500
"""Lines of the table for screen readers: the averages of the line, not every minute."""


def minutes(endpoint: str, a: Side, b: Side, called: str) -> None:
    """A score of both versions, every minute of the time that the two sides cover, over all of their traffic.

    called: the label of the chosen time, as `last 7 days`.
    """
    st.caption(f"Averages of each minute, {called}.")
    score = _measure_control()
    period = _covered(a.period, b.period)
    versions = {side.key: f"v{side.entity_version}" for side in (a, b)}
    if len(set(versions.values())) < len(versions):
        versions = {side.key: f"{side.entity_name} v{side.entity_version}" for side in (a, b)}
    means = quality.minute_means(endpoint, score.metric, period)
    means = means[means["version"].isin(list(versions))]
    if means.empty:
        empty(f"No answer of these versions has this score in this time: {score.title}.")
        return
    scorer = str(means.groupby("scorer")["n"].sum().idxmax())
    shown = means[means["scorer"] == scorer]
    first = int(shown["time"].min())
    marked = tuple(marker for marker in changes.markers(period, endpoint) if marker.time >= first)
    unit = f"{score.title}, {score.unit}"
    figure = minute_charts.minute_means(shown, time_zone(), unit, versions, score.decimals, period.bin_seconds, marked)
    spoken = f"{score.title} of the answers, minute by minute: {number(len(shown))} minutes"
    points = clickable_chart(figure, key="minutes", alt=spoken)
    left_out = len(set(means["scorer"])) - 1
    others = f" Values of {left_out} other scorers are left out." if left_out else ""
    st.caption(
        f"Dots are minutes ({number(len(shown))}), lines are averages of {duration(period.bin_seconds)}; "
        "a line breaks where nobody asked for long. All traffic of the versions is shown, also where a side is a part "
        "of it. Drag to zoom, double-click to go back, choose a dot for its requests. "
        f"Scored by {plain(scorer)}.{others}"
    )
    marked_line(marked)
    opened_change(points)
    _minute_behind(points, figure, endpoint, score)
    _tables(shown, versions, period, score)


def _measure_control() -> Score:
    titles = {name: score.title for name, score in BY_MINUTE.items()}
    return BY_MINUTE[choice("Measure", titles, "grade", key="measure")]


def _covered(a: Period, b: Period) -> Period:
    """The time that both periods cover; that of b alone where the two are too far apart."""
    if a == b:
        return b
    try:
        return between(min(a.start, b.start), max(a.end, b.end))
    except ValueError:
        return b


def _minute_behind(points: Sequence[dict[str, Any]], figure: "go.Figure", endpoint: str, score: Score) -> None:
    """The requests of the minute whose dot was chosen."""
    trace, place = (points[0].get("curve_number"), points[0].get("point_index")) if points else (None, None)
    if not isinstance(trace, int) or not isinstance(place, int) or trace >= len(figure.data):
        return
    meta = figure.data[trace].meta
    if not meta or meta[0] != "minutes":
        return
    start = time_of(meta[2]) + timedelta(minutes=place)
    wanted = RequestFilter(start, start + timedelta(minutes=1), endpoint, versions=(meta[1],), score=score.metric)
    rows_behind(wanted, (score.metric,))


def _tables(shown: "pd.DataFrame", versions: dict[str, str], period: Period, score: Score) -> None:
    import pandas as pd

    stamps = pd.to_datetime(shown["time"], unit="ms", utc=True).dt.tz_convert(time_zone()).dt.tz_localize(None)
    names = shown["version"].cat.rename_categories(
        {key: versions.get(key, key) for key in shown["version"].cat.categories}
    )
    whole = pd.DataFrame({"minute": stamps, "version": names, "answers": shown["n"], "average": shown["mean"]})
    parts = []
    for key, name in versions.items():
        own = shown[shown["version"] == key]
        times, means, weights = (own[column].to_numpy() for column in ("time", "mean", "weight"))
        middles, line = minute_charts.coarser(times, means, weights, period.bin_seconds * 1000)
        parts.append(pd.DataFrame({"around": shown_times(middles, time_zone()), "version": name, "average": line}))
    with st.expander("As a table"):
        st.dataframe(pd.concat(parts).dropna().tail(_MOST_ROWS), hide_index=True)
        st.caption(f"{score.title}, averages of {duration(period.bin_seconds)}. Every minute is in the export.")
    download(whole, f"quality {score.metric} minutes")
