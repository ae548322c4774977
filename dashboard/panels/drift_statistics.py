"""Profile and drift statistics of one column over time, with the controls that choose it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import drift_charts
from dashboard.downloads import download
from dashboard.drift_words import (
    COMPARED_WITH,
    DRIFT_STATISTICS,
    PROFILE_STATISTICS,
    PROFILED_AS,
    Statistic,
    column_label,
    column_title,
    slice_words,
)
from dashboard.panels.marked import marked_line, opened_change
from dashboard.queries import changes, drift_statistics
from dashboard.queries.drift_statistics import ALL_VERSIONS, Choices, Sliced
from dashboard.time_range import TimeRange
from dashboard.widgets import clickable_chart, empty, time_zone
from dashboard.wording import number, plain, plural

if TYPE_CHECKING:
    import pandas as pd

_FIRST_COLUMNS = ("completion_tokens", "execution_duration_ms", "response_toxicity")
"""What is shown until somebody chooses: the first of these that there is."""
_UNITLESS = ("count", "percent_null", "percent_zeros", "percent_distinct", "distinct_count", "avg_length")


@dataclass(frozen=True)
class Shown:
    """What somebody chose to look at."""

    granularity: str
    column: str
    part: Sliced


def controls(found: Choices) -> Shown | None:
    """The choice of granularity, column and requests; links keep it. None where there is nothing to choose."""
    if not found.columns:
        empty(
            "No window of this time is profiled. A longer time may help; the drift job profiles windows that are over."
        )
        return None
    with st.grid(3, min_column_width=200):
        names = list(found.granularities)
        granularity = _chosen("Windows of", names, "1 hour" if "1 hour" in names else names[0], "windows")
        columns = list(found.columns[granularity])
        first = next((name for name in _FIRST_COLUMNS if name in columns), columns[0])
        _take_name("column", columns)
        column = _chosen("Column", columns, first, "column", {name: column_title(name) for name in columns})
        parts = {_part_words(part): part for part in found.parts[granularity]}
        words = _chosen("Requests", list(parts), next(iter(parts)), "of")
    return Shown(granularity, column, parts[words])


def over_time(shown: Shown, chosen: TimeRange, endpoint: str) -> None:
    """The chosen column over the windows: one statistic of its profile, and one of its drift."""
    marked = changes.markers(chosen.period, endpoint)
    profile = drift_statistics.profile(chosen.period, shown.granularity, shown.column, shown.part)
    profiled = {name: PROFILE_STATISTICS[name] for name in PROFILE_STATISTICS if profile[name].notna().any()}
    drift = drift_statistics.drift(chosen.period, shown.granularity, shown.column, shown.part)
    drifted = {name: DRIFT_STATISTICS[name] for name in DRIFT_STATISTICS if drift[name].notna().any()}
    if not profiled:
        empty("This column has no profile of these requests in this time.")
        return
    with st.grid(2, min_column_width=400):
        with st.container():
            name = _statistic("Profile", profiled, "profile")
            title = profiled[name].title
            label = title if name in _UNITLESS else f"{title}: {column_label(shown.column)}"
            _chart([(title, profile["start"], profile[name])], label, "profile", profiled[name], marked)
            download(profile, f"profile-{shown.column.strip(':')}")
        with st.container():
            if drifted:
                name = _statistic("Drift", drifted, "drift")
                _chart(_by_comparison(drift, name), drifted[name].title, "drift", drifted[name], marked)
                download(drift, f"drift-{shown.column.strip(':')}")
            else:
                empty("No window was compared with another yet: the first one has none before it.")
    monitor = drift_statistics.source()
    from_where = f" From the Databricks monitor {plain(monitor)}, as it is now." if monitor else ""
    st.caption(f"{plural(len(profile), 'window')} of {plain(shown.granularity)}.{from_where}")
    marked_line(marked, chosen.label)


def _by_comparison(drift: "pd.DataFrame", name: str) -> list[tuple[str, "pd.Series", "pd.Series"]]:
    """A line for each type of comparison."""
    return [
        (f"against {COMPARED_WITH.get(str(kind), str(kind).lower())}", part["start"], part[name])
        for kind, part in drift.dropna(subset=[name]).groupby("drift_type", sort=False)
    ]


def _chart(
    lines: Sequence[tuple[str, "pd.Series", "pd.Series"]],
    title: str,
    key: str,
    about: Statistic,
    marked: tuple[changes.Marker, ...],
) -> None:
    figure = drift_charts.over_time(lines, title, time_zone(), marked)
    points = sum(len(values) for _, _, values in lines)
    chosen = clickable_chart(figure, key=f"{key} over time", alt=f"{title} over time, {number(points)} points")
    st.caption(about.meaning)
    opened_change(chosen)


def _statistic(label: str, among: dict[str, Statistic], key: str) -> str:
    return _chosen(label, list(among), next(iter(among)), key, {name: one.title for name, one in among.items()})


def _chosen(label: str, names: Sequence[str], default: str, key: str, titles: dict[str, str] | None = None) -> str:
    """One of several; links keep its title under `key`. A link that names none of them gives the default."""
    picked = st.selectbox(
        label,
        names,
        index=list(names).index(default),
        format_func=lambda name: (titles or {}).get(name, name),
        key=key,
        bind="query-params",
        width=330,
    )
    return str(picked) if picked in names else default


def _take_name(key: str, columns: Sequence[str]) -> None:
    """Take a column that a link calls by its name in the table, as alerts do; the control knows its title only."""
    asked = st.query_params.get(key, "")
    name = PROFILED_AS.get(asked, asked)
    if name in columns and asked != column_title(name):
        st.session_state[key] = name
        st.query_params[key] = column_title(name)


def _part_words(part: Sliced) -> str:
    said = slice_words(part.slice_key, part.slice_value)
    return said if part.version == ALL_VERSIONS else f"{said} of version {part.version}"
