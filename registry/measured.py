"""What was measured of a version in production: its figures from the 15-minute rollups."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakehouse.store import open_to_read, read_rows
from metrics.buckets import quantile
from metrics.comparison import Moments, moments_from_sums
from settings import Settings

METRICS = (
    "response_perplexity",
    "response_fk_grade",
    "response_toxicity",
    "execution_duration_ms",
    "cost_usd",
    "prompt_tokens",
    "completion_tokens",
)
"""The columns of `request_metrics` that have a figure."""

ERROR_SHARE = "error_share"
"""The share (0 to 1) of the requests that ended with a status of 400 or more, or with none."""

_REQUESTS = "databricks_request_id"
_GROUP = ("metric", "scorer")
_SUMS = ("n", "sum_w", "sum_wx", "sum_wx2", "sum_w2")


@dataclass(frozen=True)
class MeasuredFigure:
    """A figure of answers: size, mean and variance, median and 95th percentile, who gave the values (empty: nobody).

    p50, p95: within 1 %, None where a figure has none.
    """

    moments: Moments
    p50: float | None
    p95: float | None
    scorer: str


def measured(
    settings: Settings, entity_name: str, entity_version: str, *, endpoint: str | None = None, days: int = 30
) -> dict[str, MeasuredFigure]:
    """The figures of a version over the last days, by the names in `METRICS` and `error_share`.

    `endpoint`: only its requests there. Of several scorers the one with the most values counts: never a mixture. A
    figure without a value is left out. Raises: LakehouseError.
    """
    figures: dict[str, MeasuredFigure] = {}
    by_scorer = measured_by_scorer(settings, entity_name, entity_version, endpoint=endpoint, days=days)
    for (metric, _), figure in by_scorer.items():
        if metric not in figures or figure.moments.n > figures[metric].moments.n:
            figures[metric] = figure
    return figures


def measured_by_scorer(
    settings: Settings, entity_name: str, entity_version: str, *, endpoint: str | None = None, days: int = 30
) -> dict[tuple[str, str], MeasuredFigure]:
    """`measured` with every scorer's figure apart, by (metric, scorer). Raises: LakehouseError."""
    rows = _rows(settings, entity_name, entity_version, endpoint, days)
    figures: dict[tuple[str, str], MeasuredFigure] = {}
    if rows.num_rows == 0:
        return figures
    scored = rows.filter(pc.not_equal(rows["metric"], _REQUESTS))
    buckets = _buckets(scored)
    sums = scored.group_by(list(_GROUP)).aggregate([(name, "sum") for name in _SUMS])
    for row in sums.to_pylist():
        key = (row["metric"], row["scorer"])
        moments = moments_from_sums(*(row[f"{name}_sum"] for name in _SUMS))
        if moments.n:
            histogram = buckets.get(key, {})
            middle, high = (quantile(key[0], histogram, q) if histogram else None for q in (0.5, 0.95))
            figures[key] = MeasuredFigure(moments, middle, high, key[1])
    errors = _error_share(rows)
    return figures if errors is None else {**figures, (ERROR_SHARE, ""): errors}


def _rows(settings: Settings, entity_name: str, entity_version: str, endpoint: str | None, days: int) -> pa.Table:
    where = (
        (pc.field("entity_version") == str(entity_version))
        & (pc.field("entity_name") == entity_name)
        & (pc.field("window_start") >= datetime.now(UTC) - timedelta(days=days))
        & pc.field("metric").isin([*METRICS, _REQUESTS])
    )
    if endpoint is not None:
        where &= pc.field("endpoint_name") == endpoint
    columns = ["metric", "scorer", "status_class", *_SUMS, "buckets"]
    rows = read_rows(open_to_read(settings, "metrics_15min"), columns=columns, where=where)
    # Rows that were written before there was such a column have weights of 1.
    squares = pc.coalesce(rows["sum_w2"], rows["sum_w"])
    rows = rows.set_column(rows.column_names.index("sum_w2"), "sum_w2", squares)
    return rows.set_column(rows.column_names.index("scorer"), "scorer", pc.fill_null(rows["scorer"], ""))


def _error_share(rows: pa.Table) -> MeasuredFigure | None:
    counted = rows.filter(pc.equal(rows["metric"], _REQUESTS))
    by_class = dict(zip(counted["status_class"].to_pylist(), [0] * counted.num_rows, strict=True))
    for status, n in zip(counted["status_class"].to_pylist(), counted["n"].to_pylist(), strict=True):
        by_class[status] += n
    n = sum(by_class.values())
    if not n:
        return None
    good = sum(count for status, count in by_class.items() if status in ("1xx", "2xx", "3xx"))
    errors = n - good
    moments = moments_from_sums(n, float(n), float(errors), float(errors))
    return MeasuredFigure(moments, None, None, "")


def _buckets(rows: pa.Table) -> dict[tuple[str, str], dict[int, float]]:
    """(metric, scorer) → bucket → weight, summed over all rows."""
    keys = list(dict.fromkeys(zip(rows["metric"].to_pylist(), rows["scorer"].to_pylist(), strict=True)))
    number = {key: index for index, key in enumerate(keys)}
    found: dict[tuple[str, str], dict[int, float]] = {key: {} for key in keys}
    for chunk in rows.select(["metric", "scorer", "buckets"]).to_batches():
        maps: Any = chunk.column("buckets")
        lengths = np.diff(maps.offsets.to_numpy())
        names = zip(chunk.column("metric").to_pylist(), chunk.column("scorer").to_pylist(), strict=True)
        group: NDArray[np.int64] = np.repeat([number[key] for key in names], lengths)
        first, last = maps.offsets[0].as_py(), maps.offsets[-1].as_py()
        bucket = maps.keys.slice(first, last - first).to_numpy(zero_copy_only=False)
        weight = maps.items.slice(first, last - first).to_numpy(zero_copy_only=False)
        for key in keys:
            mine = group == number[key]
            values, index = np.unique(bucket[mine], return_inverse=True)
            for value, total in zip(values.tolist(), np.bincount(index, weight[mine]).tolist(), strict=True):
                found[key][value] = found[key].get(value, 0.0) + total
    return found
