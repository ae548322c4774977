import math
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.partial_sums import (
    MEASURES,
    REQUEST_COLUMNS,
    REQUEST_COUNT,
    SCORE_COLUMNS,
    partial_sums,
    partial_sums_of_scores,
)
from lakehouse.rollup_tables import METRICS_DAILY_REQUESTER, METRICS_MINUTE
from lakehouse.tables import REQUEST_METRICS, REQUEST_SCORES
from metrics.buckets import bucket_of
from metrics.sampling import is_sampled
from tests.jobs.request_rows import request_metrics_rows

KEYS = ("window_start", "endpoint_name", "entity_name", "entity_version", "status_class", "metric", "scorer")


def one_by_one(rows: pa.Table, window_seconds: int) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The same sums, slowly and in plain Python."""
    sums: dict[tuple[Any, ...], dict[str, Any]] = defaultdict(
        lambda: {
            "n": 0,
            "sum_w": [],
            "sum_wx": [],
            "sum_wx2": [],
            "sum_w2": [],
            "values": [],
            "buckets": defaultdict(float),
        }
    )
    for row in rows.to_pylist():
        second = math.floor(row["request_time"].timestamp() / window_seconds) * window_seconds
        window = datetime.fromtimestamp(second, UTC)
        status = f"{row['status_code'] // 100}xx" if row["status_code"] else "none"
        group = (window, row["endpoint_name"], row["entity_name"], row["entity_version"], status)
        sums[(*group, REQUEST_COUNT, "")]["n"] += 1
        for measure in MEASURES:
            value = row[measure.metric]
            if value is None:
                continue
            scorer = row[measure.scorer_column] if measure.scorer_column else ""
            weight = row["score_weight"] if is_sampled(measure.metric, scorer) else 1.0
            entry = sums[(*group, measure.metric, scorer)]
            entry["n"] += 1
            entry["sum_w"].append(weight)
            entry["sum_wx"].append(weight * value)
            entry["sum_wx2"].append(weight * value * value)
            entry["sum_w2"].append(weight * weight)
            entry["values"].append(value)
            entry["buckets"][int(bucket_of(measure.metric, value))] += weight
    return sums


@pytest.mark.parametrize("window_seconds", [60, 900, 86_400])
def test_the_sums_of_every_window_equal_those_added_up_one_by_one(window_seconds: int) -> None:
    rows = request_metrics_rows(400, seed=window_seconds)
    expected = one_by_one(rows, window_seconds)
    got = {tuple(row[key] for key in KEYS): row for row in partial_sums(rows, window_seconds).to_pylist()}
    assert got.keys() == expected.keys()
    for key, entry in expected.items():
        assert got[key]["n"] == entry["n"]
        if key[5] == REQUEST_COUNT:
            assert got[key]["sum_w"] == got[key]["sum_w2"] == entry["n"]
            assert got[key]["sum_wx"] is None
            continue
        for name in ("sum_w", "sum_wx", "sum_wx2", "sum_w2"):
            assert got[key][name] == pytest.approx(math.fsum(entry[name]), rel=1e-12)
        assert (got[key]["min"], got[key]["max"]) == (min(entry["values"]), max(entry["values"]))
        assert dict(got[key]["buckets"]) == pytest.approx(dict(entry["buckets"]))


def added_up(*parts: pa.Table) -> dict[tuple[Any, ...], float]:
    """Rollup rows with the same key added up, as the queries do; each sum under its key and name."""
    together: dict[tuple[Any, ...], float] = defaultdict(float)
    for row in pa.concat_tables(parts).to_pylist():
        key = tuple(row[name] for name in KEYS)
        for name in ("n", "sum_w", "sum_wx", "sum_wx2", "sum_w2"):
            together[*key, name] += row[name] or 0.0
        for name, choose in (("min", min), ("max", max)):
            if row[name] is not None:
                together[*key, name] = choose(together.get((*key, name), row[name]), row[name])
        for bucket, weight in row["buckets"] or []:
            together[*key, "bucket", bucket] += weight
    return together


def assert_equal_sums(left: dict[tuple[Any, ...], float], right: dict[tuple[Any, ...], float]) -> None:
    different = {
        key: (left.get(key), right.get(key))
        for key in {**left, **right}
        # A bucket of weight 0 is as good as none.
        if abs(left.get(key, 0.0) - right.get(key, 0.0)) > 1e-9 * max(1.0, abs(right.get(key, 0.0)))
    }
    assert different == {}


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_sums_of_any_parts_add_up_to_the_sums_of_the_whole(first: int, second: int, seed: int) -> None:
    rows = request_metrics_rows(40, seed=seed)
    start, end = sorted((first, second))
    parts = [rows.slice(0, start), rows.slice(start, end - start), rows.slice(end)]
    assert_equal_sums(added_up(*(partial_sums(part, 900) for part in parts)), added_up(partial_sums(rows, 900)))


@given(st.integers(0, 1000), st.floats(1.0, 50.0), st.sampled_from([60, 86_400]), st.booleans())
@settings(max_examples=15, deadline=None)
def test_a_sample_that_is_filled_in_gives_the_sums_of_all_rows_scored_at_once(
    seed: int, one_in: float, window_seconds: int, by_requester: bool
) -> None:
    at_once = with_one_scorer(request_metrics_rows(40, seed=seed))
    sampled, later = taken_apart(at_once, one_in, seed)
    filled = added_up(
        partial_sums(sampled, window_seconds, by_requester),
        partial_sums_of_scores(later, window_seconds, by_requester),
    )
    assert_equal_sums(filled, added_up(partial_sums(at_once, window_seconds, by_requester)))


def with_one_scorer(rows: pa.Table) -> pa.Table:
    """The rows as one model scored all of them, each value for itself."""
    columns = {name: rows[name] for name in rows.column_names}
    columns["perplexity_scorer"] = pa.array(["model/a/1"] * len(rows))
    columns["score_weight"] = pa.array([1.0] * len(rows))
    return pa.table(columns, schema=rows.schema)


def taken_apart(rows: pa.Table, one_in: float, seed: int) -> tuple[pa.Table, pa.Table]:
    """The rows as a sample of 1 in `one_in` would have left them, and what fills in the rest with its corrections."""
    inside = np.random.default_rng(seed).random(len(rows)) < 1 / one_in
    left, later = [], []
    for row, taken in zip(rows.to_pylist(), inside, strict=True):
        value = row["response_perplexity"]
        if value is not None and (not taken or one_in > 1):
            weight = 1.0 - one_in if taken else 1.0
            score = {"metric": "response_perplexity", "scorer": "model/a/1", "value": value, "weight": weight}
            later.append({name: row[name] for name in (*REQUEST_COLUMNS, "request_date")} | score)
        kept = value if taken else None
        left.append({**row, "response_perplexity": kept, "score_weight": one_in if taken else 0.0})
    schema = pa.schema([REQUEST_METRICS.schema.field(name) for name in REQUEST_COLUMNS])
    for name in SCORE_COLUMNS[1:]:
        schema = schema.append(REQUEST_SCORES.schema.field(name))
    return pa.Table.from_pylist(left, schema=rows.schema), pa.Table.from_pylist(later, schema=schema)


def test_a_correction_alone_lowers_the_weights_and_counts_no_value() -> None:
    (row,) = partial_sums_of_scores(one_score(weight=-3.0, value=2.0), 60).to_pylist()
    assert (row["n"], row["sum_w"], row["sum_wx"], row["sum_wx2"], row["sum_w2"]) == (0, -3.0, -6.0, -12.0, -15.0)
    assert [weight for _, weight in row["buckets"]] == [-3.0]


def test_a_score_without_a_value_or_of_an_unknown_metric_adds_nothing() -> None:
    assert partial_sums_of_scores(one_score(weight=0.0, value=None), 60).num_rows == 0
    assert partial_sums_of_scores(one_score(metric="colour"), 60).num_rows == 0


def one_score(**columns: Any) -> pa.Table:
    row = {"metric": "response_perplexity", "scorer": "model/a/1", "value": 2.0, "weight": 1.0, **columns}
    _, later = taken_apart(request_metrics_rows(0), 1.0, 0)
    return pa.Table.from_pylist([row], schema=later.schema)


def test_the_daily_rollup_tells_requesters_apart_and_keeps_to_its_schema() -> None:
    sums = partial_sums(request_metrics_rows(200), 86_400, by_requester=True)
    assert sums.schema == METRICS_DAILY_REQUESTER.schema
    assert set(sums["requester"].to_pylist()) == {"ann", "bob"}
    assert "response_perplexity" not in sums["metric"].to_pylist()


def test_values_that_are_no_numbers_are_not_counted_and_harm_nothing() -> None:
    rows = request_metrics_rows(3)
    column = rows.column_names.index("response_perplexity")
    rows = rows.set_column(column, rows.schema.field(column), pa.array([math.inf, math.nan, 7.0]))
    perplexity = [row for row in partial_sums(rows, 60).to_pylist() if row["metric"] == "response_perplexity"]
    assert [(row["n"], row["max"]) for row in perplexity] == [(1, 7.0)]


def test_rows_without_time_version_or_status_are_counted_under_null() -> None:
    rows = pa.Table.from_pylist([{"databricks_request_id": "lost"}], schema=REQUEST_METRICS.schema)
    (count,) = partial_sums(rows, 60).to_pylist()
    assert (count["window_start"], count["entity_version"], count["status_class"], count["n"]) == (
        None,
        None,
        "none",
        1,
    )


@pytest.mark.parametrize("year", [1, 1969, 9999])
def test_a_wrong_clock_falls_into_its_own_window(year: int) -> None:
    time = datetime(year, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    rows = pa.Table.from_pylist(
        [{"databricks_request_id": "skewed", "request_time": time}], schema=REQUEST_METRICS.schema
    )
    assert partial_sums(rows, 900)["window_start"].to_pylist() == [datetime(year, 12, 31, 23, 45, tzinfo=UTC)]


def test_no_rows_give_no_sums() -> None:
    assert partial_sums(REQUEST_METRICS.schema.empty_table(), 60).equals(METRICS_MINUTE.schema.empty_table())
