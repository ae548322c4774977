"""Panels of the Traffic page about time: latency over time, by the length of the answer, and how it is spread."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import traffic_charts
from dashboard.measures import MEASURES
from dashboard.panels.behind import rows_behind
from dashboard.panels.marked import marked_line, opened_change
from dashboard.panels.traffic_numbers import by_bin, chosen_bin, numbers, redrawn_alone
from dashboard.queries import changes, latency_over_time
from dashboard.queries.latency_over_time import QUANTILES
from dashboard.queries.request_filters import RequestFilter
from dashboard.queries.traffic_latency import LEAST_IN_BIN, LatencyByTokens, VersionLatency, latency_by_tokens
from dashboard.queries.traffic_windows import LATENCY, TOKENS_IN, TOKENS_OUT
from dashboard.time_range import TimeRange
from dashboard.widgets import choice, chosen_point, clickable_chart, empty, time_zone, version_names
from dashboard.wording import number, plain, signed

if TYPE_CHECKING:
    import pandas as pd

LINES = {"all": "All versions", **{name: f"{name} by version" for name in QUANTILES}}
SPREADS = (LATENCY, TOKENS_IN, TOKENS_OUT)
LEAST_CORRELATION = 0.1
"""A weaker correlation of ranks is called none, however sure it is."""

_COLUMNS = (LATENCY, TOKENS_OUT)


@redrawn_alone("Latency over time")
def over_time_lines(endpoint: str, asked: TimeRange) -> None:
    """p50, p95 and p99 of latency over time, of all versions together or one of them by version."""
    chosen_lines = choice("Lines", LINES, "all", key="latency")
    lines = latency_over_time.latency_lines(endpoint, asked.period)
    keys = [key for key in lines.lines if key]
    if not keys:
        empty("No request of this time has a latency.")
        return
    if chosen_lines == "all":
        names = {("", quantile): quantile for quantile in QUANTILES}
    else:
        names = {(key, chosen_lines): name for key, name in version_names(endpoint, keys).items()}
    marked = changes.markers(asked.period, endpoint)
    alt = f"Latency over time: {LINES[chosen_lines]}"
    figure = traffic_charts.latency(lines, names, time_zone(), marked)
    points = clickable_chart(figure, key=f"latency {chosen_lines}", alt=alt)
    columns = {f"{name}, ms": lines.lines[key][quantile] for (key, quantile), name in names.items()}
    numbers(by_bin(lines.times, columns), f"latency over time {chosen_lines}", alt=alt)
    marked_line(marked, asked.query.get("range", ""))
    opened_change(points)
    point = chosen_bin(points, [key for key, _ in names], lines.times)
    if point is not None:
        key, start = point
        end = start + timedelta(seconds=lines.seconds)
        wanted = RequestFilter(start, end, endpoint, versions=(key,) if key else ())
        st.caption("The slowest first:")
        rows_behind(wanted, _COLUMNS, order=LATENCY)


@redrawn_alone("Latency by length of the answer", parallel=True)
def by_tokens(endpoint: str, asked: TimeRange) -> None:
    """How latency goes with the length of the answer."""
    found = latency_by_tokens(endpoint, asked.period)
    shown = [part for part in found.versions if len(part.bins)]
    if not shown:
        empty(f"This needs {LEAST_IN_BIN} answers of about the same length: choose a longer time range.")
        return
    names = version_names(endpoint, [part.version for part in found.versions])
    alt = "Median and 95th percentile of latency by tokens of the answer"
    points = clickable_chart(traffic_charts.latency_by_tokens(found, names), key="latency by tokens", alt=alt)
    for part in shown:
        st.markdown(_relation(part, names[part.version]))
    st.caption(_rows_words(found))
    numbers(lambda: _as_table(shown, names), "latency by tokens out", alt=alt)
    point = chosen_point(points, "tokens")
    if point is not None:
        _, at_least, below, version, _ = point
        period = asked.period
        st.caption("The slowest first:")
        rows_behind(
            RequestFilter(
                period.start, period.end, endpoint, (version,), score=TOKENS_OUT, at_least=at_least, below=below
            ),
            _COLUMNS,
            order=LATENCY,
        )


@redrawn_alone("Distribution")
def spread(endpoint: str, asked: TimeRange) -> None:
    """How latency or tokens are spread, by version."""
    metric = choice("Of", {name: MEASURES[name].title for name in SPREADS}, LATENCY, key="spread")
    measure = MEASURES[metric]
    histogram = latency_over_time.distribution(endpoint, asked.period, metric)
    steps = traffic_charts.coarser(metric, histogram)
    if steps.empty:
        empty("No request of this time has this number.")
        return
    names = version_names(endpoint, [str(version) for version in steps["version"].unique()])
    alt = f"Distribution of {measure.title.lower()} by version"
    title = measure.title.lower()
    unit = title if measure.unit in title else f"{title}, {measure.unit}"
    points = clickable_chart(traffic_charts.distribution(steps, names, unit), key=f"spread {metric}", alt=alt)
    left_out = int(histogram["weight"].sum() - steps["n"].sum())
    zeros = f" {number(left_out)} at zero or below have no place on this scale." if left_out else ""
    st.caption(f"Each version's shares add up to 100 %; a step is a few of the rollups' buckets.{zeros}")
    numbers(
        lambda: steps.assign(version=steps["version"].map(names)), f"distribution of {measure.title.lower()}", alt=alt
    )
    step = chosen_point(points, "step")
    if step is not None:
        _, lower, upper, version = step
        period = asked.period
        rows_behind(
            RequestFilter(period.start, period.end, endpoint, (version,), score=metric, at_least=lower, below=upper),
            tuple(dict.fromkeys((metric, *_COLUMNS))),
        )


def _as_table(shown: Sequence[VersionLatency], names: Mapping[str, str]) -> "pd.DataFrame":
    import pandas as pd

    table = pd.concat([part.bins.assign(version=names[part.version]) for part in shown])
    return table[["version", "at_least", "below", "n", "tokens", "p50", "p95"]]


def _relation(part: VersionLatency, name: str) -> str:
    """What the numbers of a version say, in a sentence."""
    who, slope = f"**{plain(name)}**", part.slope
    evidence = f"rank correlation {signed(part.correlation, 2)}, {number(part.n)} answers"
    if slope is None:
        return f"{who}: too few answers to say how latency goes with their length ({evidence})."
    digits = 0 if abs(slope.value) >= 100 else 2 if abs(slope.value) >= 0.1 else 4
    if slope.low <= 0 <= slope.high or abs(part.correlation) < LEAST_CORRELATION:
        interval = f"95 % interval {signed(slope.low, digits)} to {signed(slope.high, digits)} ms a token"
        return f"{who}: latency does not visibly depend on the length of the answer ({evidence}; {interval})."
    word = "longer" if slope.value > 0 else "less"
    low, high = sorted((abs(slope.low), abs(slope.high)))
    return (
        f"{who}: each further token of the answer takes about {number(abs(slope.value), digits)} ms {word} "
        f"(95 % interval {number(low, digits)} to {number(high, digits)}; {evidence})."
    )


def _rows_words(found: LatencyByTokens) -> str:
    """On what the chart rests."""
    rows = (
        f"All {number(found.rows)} answers of this time."
        if found.rows >= found.total
        else f"A random sample of {number(found.rows)} of {number(found.total)} answers, drawn by a hash of their time."
    )
    return (
        f"{rows} Points are groups of at least {LEAST_IN_BIN}; slopes are medians (Theil), which outliers do not move."
    )
