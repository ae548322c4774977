"""The rows of the profile and drift tables for windows of time, computed from rows of `request_metrics`."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.drift_rows import CATEGORIES, NUMBERS, RequestRows, Rows, Slice, Span, pooled
from jobs.drift_windows import SHORTEST, Window
from lakehouse.drift_tables import DRIFT_METRICS, PROFILE_METRICS
from lakehouse.tables import REQUEST_METRICS
from metrics.drift_statistics import CategoryDrift, NumberDrift, Test, category_drift, number_drift
from metrics.profiles import CategoryProfile, NumberProfile, number_profiles

MONITOR_VERSION = 1
"""Raised when the figures are computed in another way, so that no chart puts old and new ones side by side."""
SMALLEST_BASELINE = 30
"""Requests that the same window a week ago must have; with fewer, the same hour of the last weeks is pooled."""
TABLE = ":table"
CONSECUTIVE = "CONSECUTIVE"
BASELINE = "BASELINE"
_QUANTILES = 1_000
"""As Databricks has them, for days. Shorter windows have fewer values and are many: they have a tenth of it."""
_TYPE_NAMES = {"int64": "bigint", "int32": "int", "double": "double", "string": "string"}
_DATA_TYPES = {name: _TYPE_NAMES[str(REQUEST_METRICS.schema.field(name).type)] for name in (*NUMBERS, *CATEGORIES)}

Record = dict[str, Any]


@dataclass(frozen=True)
class SliceFigures:
    """What the columns of a slice are like in a window; `numbers` in the order of `NUMBERS`."""

    rows: int
    numbers: list[NumberProfile]
    categories: dict[str, CategoryProfile]

    @property
    def non_null_columns(self) -> list[str]:
        """Columns that have a value in some row."""
        numbers = [name for name, one in zip(NUMBERS, self.numbers, strict=True) if one.nulls < one.rows]
        return numbers + [name for name, one in self.categories.items() if one.counts]


@dataclass(frozen=True)
class Comparison:
    """The rows that a window is compared with, and the time that they are of."""

    drift_type: str
    span: Span
    rows: Rows


class WindowFigures:
    """Computes windows one after the other; the figures of a window are kept for the next one of its granularity."""

    def __init__(self, rows: RequestRows, source_version: int) -> None:
        self._rows = rows
        self._source_version = source_version
        self._last: dict[str, tuple[Span, dict[str, str], dict[Slice, SliceFigures]]] = {}
        self.profiles: list[Record] = []
        self.drifts: list[Record] = []

    def load(self, windows: Iterable[Window]) -> None:
        """Read all rows that the windows need, each file once."""
        windows = list(windows)
        self._rows.load([(one.start, one.end) for window in windows for one in (window, window.before)])
        weeks_before = [window.week_before for window in windows]
        self._rows.load([(one.start, one.end) for one in weeks_before])
        few = [window for window in windows if len(self._week_before(window)) < SMALLEST_BASELINE]
        self._rows.load([span for window in few for span in window.same_hours])

    def forget(self) -> None:
        """Let go of the rows that were read."""
        self._rows.forget()

    def add(self, window: Window) -> int:
        """Compute the rows of both tables for a window; none for a window without a request. Returns: its requests."""
        span = (window.start, window.end)
        rows = self._rows.between(*span)
        if not len(rows):
            return 0
        scorers = rows.main_scorers()
        now = self._figures(window, span, rows, scorers)
        quantiles = _QUANTILES if window.granularity == "1 day" else _QUANTILES // 10
        made: dict[int, list[Record]] = {}
        for of_slice, figures in now.items():
            if id(figures) not in made:
                made[id(figures)] = profile_rows(figures, quantiles)
            identity = {**self._identity(window, of_slice), **self._profile_identity()}
            self.profiles += [{**identity, **row} for row in made[id(figures)]]
        for comparison in self._comparisons(window):
            self._compare(window, now, comparison, scorers)
        self._last[window.granularity] = (span, scorers, now)
        return len(rows)

    def _compare(
        self, window: Window, now: dict[Slice, SliceFigures], comparison: Comparison, scorers: dict[str, str]
    ) -> None:
        compared = self._figures(window, comparison.span, comparison.rows, scorers)
        between = {
            "drift_type": comparison.drift_type,
            "window_cmp": {"start": comparison.span[0], "end": comparison.span[1]},
        }
        made: dict[tuple[int, int], list[Record]] = {}
        for of_slice, figures in now.items():
            if of_slice not in compared:
                continue
            pair = id(figures), id(compared[of_slice])
            if pair not in made:
                made[pair] = drift_rows(figures, compared[of_slice])
            identity = {**self._identity(window, of_slice), **between}
            self.drifts += [{**identity, **row} for row in made[pair]]

    def tables(self) -> tuple[pa.Table, pa.Table]:
        """The rows of the profile and of the drift table that were computed since the last call."""
        # Not `from_records`: its checks of each value would take as long as all statistics.
        found = (
            pa.Table.from_pylist(self.profiles, PROFILE_METRICS.schema),
            pa.Table.from_pylist(self.drifts, DRIFT_METRICS.schema),
        )
        self.profiles, self.drifts = [], []
        return found

    def _week_before(self, window: Window) -> Rows:
        return self._rows.between(window.week_before.start, window.week_before.end)

    def _comparisons(self, window: Window) -> list[Comparison]:
        found = []
        before = (window.before.start, window.before.end)
        rows = self._rows.between(*before)
        if len(rows):
            found.append(Comparison(CONSECUTIVE, before, rows))
        rows = self._week_before(window)
        span = (window.week_before.start, window.week_before.end)
        if len(rows) < SMALLEST_BASELINE:
            spans = window.same_hours
            rows, span = pooled([self._rows.between(*one) for one in spans]), (spans[-1][0], spans[0][1])
        if len(rows) >= SMALLEST_BASELINE:
            found.append(Comparison(BASELINE, span, rows))
        return found

    def _figures(self, window: Window, span: Span, rows: Rows, scorers: dict[str, str]) -> dict[Slice, SliceFigures]:
        known = self._last.get(window.granularity)
        if known is not None and known[:2] == (span, scorers):
            return known[2]
        whole = rows.scored_by(scorers)
        of_whole = _slice_figures(whole)
        slices = whole.slices(groups=window.granularity != SHORTEST)
        return {name: of_whole if part is whole else _slice_figures(part) for name, part in slices.items()}

    def _identity(self, window: Window, of_slice: Slice) -> Record:
        version, key, value = of_slice
        return {
            "window": {"start": window.start, "end": window.end},
            "granularity": window.granularity,
            "monitor_version": MONITOR_VERSION,
            "entity_version": version,
            "slice_key": key,
            "slice_value": value,
        }

    def _profile_identity(self) -> Record:
        return {"log_type": "INPUT", "logging_table_commit_version": self._source_version}


def profile_rows(figures: SliceFigures, quantiles: int) -> list[Record]:
    """A row for the slice as a whole and one for each column."""
    rows = [{"column_name": TABLE, "count": figures.rows, "non_null_columns": figures.non_null_columns}]
    for name, numbers in zip(NUMBERS, figures.numbers, strict=True):
        rows.append({"column_name": name, "data_type": _DATA_TYPES[name], **_number_row(numbers, quantiles)})
    for name, categories in figures.categories.items():
        rows.append({"column_name": name, "data_type": _DATA_TYPES[name], **_category_row(categories)})
    return rows


def drift_rows(now: SliceFigures, compared: SliceFigures) -> list[Record]:
    """A row for the slice as a whole and one for each column."""
    columns, columns_compared = set(now.non_null_columns), set(compared.non_null_columns)
    delta = {"added": len(columns - columns_compared), "missing": len(columns_compared - columns)}
    rows: list[Record] = [
        {"column_name": TABLE, "count_delta": now.rows - compared.rows, "non_null_columns_delta": delta}
    ]
    for name, a, b in zip(NUMBERS, now.numbers, compared.numbers, strict=True):
        row: Record = {"column_name": name, "data_type": _DATA_TYPES[name], **_deltas(a, b)}
        row["avg_delta"] = _number(a.avg - b.avg)
        row["percent_zeros_delta"] = 100 * (a.zeros / a.rows - b.zeros / b.rows)
        if len(a.values) and len(b.values):
            row |= _number_columns(number_drift(a.values, b.values))
        rows.append(row)
    for name, one in now.categories.items():
        other = compared.categories[name]
        row = {"column_name": name, "data_type": _DATA_TYPES[name], **_deltas(one, other)}
        if one.counts and other.counts:
            labels = sorted(one.counts.keys() | other.counts.keys())
            counts = ([side.counts.get(label, 0) for label in labels] for side in (one, other))
            row |= _category_columns(category_drift(*counts))
        rows.append(row)
    return rows


def _slice_figures(rows: Rows) -> SliceFigures:
    categories = {}
    for name in CATEGORIES:
        counts = rows.categories[name].counts()
        known = {rows.categories[name].labels[code]: int(counts[code]) for code in np.flatnonzero(counts)}
        categories[name] = CategoryProfile(len(rows), len(rows) - sum(known.values()), known)
    return SliceFigures(len(rows), number_profiles(rows.numbers, rows.nulls), categories)


def _number_row(profile: NumberProfile, quantiles: int) -> Record:
    row: Record = {
        "count": profile.rows,
        "num_nulls": profile.nulls,
        "avg": _number(profile.avg),
        "min": _number(profile.min),
        "max": _number(profile.max),
        "stddev": _number(profile.stddev),
        "num_zeros": profile.zeros,
        "num_nan": profile.nans,
        "distinct_count": profile.distinct,
        "percent_nan": 100 * profile.nans / profile.rows,
        "percent_null": 100 * profile.nulls / profile.rows,
        "percent_zeros": 100 * profile.zeros / profile.rows,
        "percent_distinct": 100 * profile.distinct / profile.sampled,
    }
    if quantiles and len(profile.values):
        row["quantiles"] = profile.quantiles(quantiles).tolist()
        row["median"] = float(profile.quantiles(3)[1])
    return row


def _category_row(profile: CategoryProfile) -> Record:
    known = profile.rows - profile.nulls
    lengths = [len(label) for label in profile.counts]
    return {
        "count": profile.rows,
        "num_nulls": profile.nulls,
        "min_length": float(min(lengths)) if known else None,
        "max_length": float(max(lengths)) if known else None,
        "avg_length": sum(len(label) * count for label, count in profile.counts.items()) / known if known else None,
        "frequent_items": [{"item": item, "count": count} for item, count in profile.frequent()],
        "distinct_count": profile.distinct,
        "percent_null": 100 * profile.nulls / profile.rows,
        "percent_distinct": 100 * profile.distinct / profile.sampled,
    }


def _deltas(now: NumberProfile | CategoryProfile, compared: NumberProfile | CategoryProfile) -> Record:
    return {
        "count_delta": now.rows - compared.rows,
        "percent_null_delta": 100 * (now.nulls / now.rows - compared.nulls / compared.rows),
        "percent_distinct_delta": 100 * (now.distinct / now.sampled - compared.distinct / compared.sampled),
    }


def _number_columns(drift: NumberDrift) -> Record:
    return {
        "ks_test": _test(drift.ks_test),
        "wasserstein_distance": drift.wasserstein_distance,
        "population_stability_index": drift.population_stability_index,
    }


def _category_columns(drift: CategoryDrift) -> Record:
    return {
        "js_distance": drift.js_distance,
        "chi_squared_test": _test(drift.chi_squared_test),
        "tv_distance": drift.tv_distance,
        "l_infinity_distance": drift.l_infinity_distance,
    }


def _test(test: Test | None) -> Record | None:
    return None if test is None else {"statistic": test.statistic, "pvalue": test.pvalue}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
