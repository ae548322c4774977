"""Partial sums that belong together become one row, and say the same as before."""

from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from jobs.partial_sums import COLUMNS_READ, partial_sums
from lakehouse.appends import append, append_once, position
from lakehouse.rollup_rows import ORDER, added_up, blocks
from lakehouse.store import open_table, read_rows
from lakehouse.tables import TABLES
from lakehouse.upkeep import compact
from settings import Settings
from tests.dashboard.workspace import requests

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
KEYS = ["window_start", "endpoint_name", "entity_name", "entity_version", "status_class", "metric", "scorer"]


def request_rows(days: float = 1, per_day: int = 600) -> pa.Table:
    schema = pa.schema([TABLES["request_metrics"].schema.field(name) for name in COLUMNS_READ])
    frame = requests(NOW, days, per_day).reindex(columns=list(COLUMNS_READ))
    return pa.Table.from_pandas(frame, schema=schema, preserve_index=False)


def parts(rows: pa.Table, count: int, *, by_requester: bool = False) -> list[pa.Table]:
    edges = np.linspace(0, rows.num_rows, count + 1).astype(int)
    return [partial_sums(rows.slice(first, last - first), 900, by_requester) for first, last in pairwise(edges)]


def same(found: pa.Table, expected: pa.Table) -> None:
    keys = [name for name in found.column_names if name in KEYS or name == "requester"]
    ours, theirs = (table.to_pandas().sort_values(keys, ignore_index=True) for table in (found, expected))
    histograms = [[{} if row is None else dict(row) for row in frame.pop("buckets")] for frame in (ours, theirs)]
    pd.testing.assert_frame_equal(ours, theirs, rtol=1e-9)
    for mine, its in zip(*histograms, strict=True):
        assert mine == pytest.approx(its)


@pytest.mark.parametrize("by_requester", [False, True])
def test_the_sums_of_parts_added_up_are_the_sums_of_all_rows(by_requester: bool) -> None:
    rows = request_rows()
    pieces = parts(rows, 40, by_requester=by_requester)
    together = partial_sums(rows, 900, by_requester)
    assert sum(piece.num_rows for piece in pieces) > together.num_rows
    same(added_up(pa.concat_tables(pieces)), together)
    same(pa.concat_tables(list(blocks(pieces))), together)


def test_what_is_missing_stays_missing_and_an_empty_histogram_is_none() -> None:
    rows = parts(request_rows(), 2)
    once = added_up(pa.concat_tables([*rows, *rows]))
    counts = once.filter(pa.compute.equal(once["metric"], "databricks_request_id"))
    assert counts.num_rows > 0
    assert {counts[name].null_count for name in ("sum_wx", "min", "max", "buckets")} == {counts.num_rows}
    assert counts["sum_w"].null_count == 0


def test_sums_of_an_earlier_release_without_squared_weights_have_them_then() -> None:
    rows = parts(request_rows(), 1)[0]
    place = rows.schema.get_field_index("sum_w2")
    old = rows.set_column(place, rows.schema.field(place), pa.nulls(rows.num_rows, pa.float64()))
    twice = added_up(pa.concat_tables([old, rows]))
    assert twice["sum_w2"].to_pylist() == pytest.approx(twice["sum_w"].to_pylist())


def test_compaction_adds_partial_sums_up_in_order_and_keeps_positions(settings: Settings) -> None:
    rows = request_rows()
    for number, piece in enumerate(parts(rows, 30)):
        append_once(open_table(settings, "metrics_15min"), piece, app_id="rollup:x", source_version=number)
    done = compact(settings, "metrics_15min")
    table = open_table(settings, "metrics_15min")
    found = read_rows(table)
    assert (done.files_before, done.files_after) == (30, 1)
    same(found, partial_sums(rows, 900))
    order = [tuple(row.values()) for row in found.select(list(ORDER)).to_pylist()]
    assert order == sorted(order)
    assert position(table, "rollup:x") is not None
    described = pa.table(table.get_add_actions(flatten=True)).to_pylist()[0]
    assert described["num_records"] == found.num_rows
    assert described["min.window_start"] == min(found["window_start"].to_pylist())
    # Late rows come to what is summed already.
    for piece in parts(request_rows(0.1), 10):
        append(settings, "metrics_15min", piece)
    compact(settings, "metrics_15min")
    later = read_rows(open_table(settings, "metrics_15min"))
    same(later, added_up(pa.concat_tables([found, *parts(request_rows(0.1), 10)])))
