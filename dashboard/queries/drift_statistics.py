"""Profile and drift statistics of one column over time, out of our tables or those of a Databricks monitor."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.periods import Period
from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, select, select_rows, shown
from lakehouse.drift_source import SPECS, Kind, has_monitor, open_monitor
from settings import get_settings

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

ALL_VERSIONS = "*"
WHOLE_TABLE = ":table"
"""What stands as a column's name where a row is about the whole table."""
GRANULARITIES = ("5 minutes", "30 minutes", "1 hour", "1 day", "1 week", "2 weeks", "3 weeks", "4 weeks", "1 month")
"""In the order in which people choose; others that a monitor has follow."""

_MONITOR_SECONDS = 60.0
"""How long the rows of a monitor's table are kept: it is written every hour at most."""

PROFILE_COLUMNS = (
    "count",
    "avg",
    "median",
    "stddev",
    "min",
    "max",
    "percent_null",
    "percent_zeros",
    "percent_distinct",
    "distinct_count",
    "avg_length",
)
DRIFT_COLUMNS = {
    "ks_statistic": "ks_test.statistic",
    "ks_pvalue": "ks_test.pvalue",
    "wasserstein_distance": "wasserstein_distance",
    "population_stability_index": "population_stability_index",
    "js_distance": "js_distance",
    "chi_squared_statistic": "chi_squared_test.statistic",
    "chi_squared_pvalue": "chi_squared_test.pvalue",
    "tv_distance": "tv_distance",
    "l_infinity_distance": "l_infinity_distance",
    "avg_delta": "avg_delta",
    "count_delta": "count_delta",
    "percent_null_delta": "percent_null_delta",
}
"""Name of a statistic → where it stands in the drift table."""


@dataclass(frozen=True)
class Sliced:
    """A part of the requests: of one version or of all (`ALL_VERSIONS`), and of one slice or, without a key, of all."""

    version: str = ALL_VERSIONS
    slice_key: str = ""
    slice_value: str = ""


@dataclass(frozen=True)
class Choices:
    """What the profile table has rows of in a period: granularities, and columns and parts of each of them."""

    columns: dict[str, tuple[str, ...]]
    parts: dict[str, tuple[Sliced, ...]]

    @property
    def granularities(self) -> tuple[str, ...]:
        """The shortest first."""
        known = [name for name in GRANULARITIES if name in self.columns]
        return (*known, *sorted(set(self.columns) - set(known)))


def choices(period: Period) -> Choices:
    """What can be chosen. Raises: QueryFailed, LakehouseError."""
    rows = _selected("profile_metrics", _CHOICES, (), period).to_dict("records")
    columns: dict[str, set[str]] = {}
    parts: dict[str, set[Sliced]] = {}
    for row in rows:
        if row["granularity"] and row["column_name"]:
            columns.setdefault(row["granularity"], set()).add(row["column_name"])
            part = Sliced(row["version"], row["slice_key"], row["slice_value"])
            parts.setdefault(row["granularity"], set()).add(part)
    return Choices(
        {name: tuple(sorted(found, key=lambda one: (one == WHOLE_TABLE, one))) for name, found in columns.items()},
        {name: tuple(sorted(found, key=_by_part)) for name, found in parts.items()},
    )


def profile(period: Period, granularity: str, column: str, part: Sliced) -> "pd.DataFrame":
    """One row a window, rising: `start` (UTC) and `PROFILE_COLUMNS`. Raises: QueryFailed, LakehouseError."""
    selected = ", ".join(f'"{name}"' for name in PROFILE_COLUMNS)
    sql = f'SELECT "window"."start" AS start, {selected} FROM this WHERE {_OF_PART} ORDER BY 1'  # noqa: S608
    return _selected("profile_metrics", sql, PROFILE_COLUMNS, period, **_part_values(granularity, column, part))


def drift(period: Period, granularity: str, column: str, part: Sliced) -> "pd.DataFrame":
    """One row a window and type of comparison, rising: `start` (UTC), `drift_type`, `DRIFT_COLUMNS`.

    Raises: QueryFailed, LakehouseError.
    """
    selected = ", ".join(f"{where} AS {name}" for name, where in DRIFT_COLUMNS.items())
    sql = f'SELECT "window"."start" AS start, drift_type, {selected} FROM this WHERE {_OF_PART} ORDER BY 1, 2'  # noqa: S608
    columns = ("drift_type", *dict.fromkeys(where.partition(".")[0] for where in DRIFT_COLUMNS.values()))
    return _selected("drift_metrics", sql, columns, period, **_part_values(granularity, column, part))


def source() -> str:
    """The address of the monitor whose tables are shown; empty where they are ours."""
    settings = get_settings()
    return settings.drift_tables if has_monitor(settings) else ""


_IN_TIME = '"window"."start" >= $start AND "window"."start" < $end'
_OF_PART = f"""{_IN_TIME} AND granularity = $granularity AND column_name = $column
    AND coalesce(entity_version, '{ALL_VERSIONS}') = $version
    AND coalesce(slice_key, '') = $slice_key AND coalesce(slice_value, '') = $slice_value"""
_CHOICES = f"""SELECT DISTINCT granularity, column_name, coalesce(entity_version, '{ALL_VERSIONS}') AS version,
                  coalesce(slice_key, '') AS slice_key, coalesce(slice_value, '') AS slice_value
           FROM this WHERE {_IN_TIME}"""  # noqa: S608
_KEYS = ("window", "granularity", "entity_version", "slice_key", "slice_value", "column_name")


def _selected(kind: Kind, sql: str, columns: tuple[str, ...], period: Period, **values: Any) -> "pd.DataFrame":
    """What a SELECT finds in our table, as it was at the moment that the pages show, or in that of a monitor.

    columns: those that it names besides `_KEYS`.
    """
    values = {"start": period.start, "end": period.end, **values}
    address = source()
    if address:
        rows = _monitor_rows(address, kind, (*_KEYS, *columns), period.start, period.end)
        return select_rows(rows, sql, **values)
    found: pd.DataFrame = _ours(shown(SPECS[kind].name), sql, values)
    return found


@kept(max_entries=48)
def _ours(snapshot: Snapshot, sql: str, values: dict[str, Any]) -> "pd.DataFrame":
    return select(snapshot, sql, **values)


@st.cache_resource(max_entries=6, ttl=_MONITOR_SECONDS, show_spinner=False)
def _monitor_rows(address: str, kind: Kind, columns: tuple[str, ...], start: datetime, end: datetime) -> "pa.Table":
    # The address is that of the settings: here it only tells what was kept for one from what is read for another.
    return open_monitor(get_settings(), kind).rows(start, end, columns)


def _part_values(granularity: str, column: str, part: Sliced) -> dict[str, str]:
    return {
        "granularity": granularity,
        "column": column,
        "version": part.version,
        "slice_key": part.slice_key,
        "slice_value": part.slice_value,
    }


def _by_part(part: Sliced) -> tuple[bool, str, str, bool, str]:
    """All requests first, then slices by name; of each all versions first."""
    return bool(part.slice_key), part.slice_key, part.slice_value, part.version != ALL_VERSIONS, part.version
