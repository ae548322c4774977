import math
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from jobs.partial_sums import MEASURES, REQUEST_COUNT, partial_sums
from lakehouse.tables import METRICS_DAILY_REQUESTER, METRICS_MINUTE, REQUEST_METRICS
from metrics.buckets import bucket_of
from tests.jobs.request_rows import request_metrics_rows

KEYS = ("window_start", "endpoint_name", "entity_name", "entity_version", "status_class", "metric", "scorer")


def one_by_one(rows: pa.Table, window_seconds: int) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The same sums, slowly and in plain Python."""
    sums: dict[tuple[Any, ...], dict[str, Any]] = defaultdict(
        lambda: {"n": 0, "sum_w": [], "sum_wx": [], "sum_wx2": [], "values": [], "buckets": defaultdict(float)}
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
            weight = row["score_weight"] if measure.weighted else 1.0
            scorer = row[measure.scorer_column] if measure.scorer_column else ""
            entry = sums[(*group, measure.metric, scorer)]
            entry["n"] += 1
            entry["sum_w"].append(weight)
            entry["sum_wx"].append(weight * value)
            entry["sum_wx2"].append(weight * value * value)
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
            assert got[key]["sum_w"] == entry["n"]
            assert got[key]["sum_wx"] is None
            continue
        for name in ("sum_w", "sum_wx", "sum_wx2"):
            assert got[key][name] == pytest.approx(math.fsum(entry[name]), rel=1e-12)
        assert (got[key]["min"], got[key]["max"]) == (min(entry["values"]), max(entry["values"]))
        assert dict(got[key]["buckets"]) == pytest.approx(dict(entry["buckets"]))


def test_sums_of_two_parts_add_up_to_the_sums_of_the_whole() -> None:
    rows = request_metrics_rows(300)
    whole = partial_sums(rows, 900)
    parts = pa.concat_tables([partial_sums(rows.slice(0, 110), 900), partial_sums(rows.slice(110), 900)])
    keys = list(KEYS)
    sums = [("n", "sum"), ("sum_w", "sum"), ("sum_wx", "sum"), ("min", "min"), ("max", "max")]
    order = [(key, "ascending") for key in keys]
    added = parts.drop_columns(["buckets"]).group_by(keys).aggregate(sums).sort_by(order)
    alone = whole.drop_columns(["buckets"]).group_by(keys).aggregate(sums).sort_by(order)
    assert added["n_sum"].equals(alone["n_sum"])
    sums_added, sums_alone = (table["sum_wx_sum"].fill_null(0).to_pylist() for table in (added, alone))
    assert sums_added == pytest.approx(sums_alone, rel=1e-12)
    assert added["max_max"].equals(alone["max_max"])


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
