"""The rollup tables: partial sums of the metrics of requests, from which every figure over time is made."""

import pyarrow as pa

from lakehouse.table_spec import KEPT_A_MONTH, TIMESTAMP, TableSpec, columns

_SCHEMA = columns(
    window_start=TIMESTAMP,
    endpoint_name=pa.string(),
    entity_name=pa.string(),
    entity_version=pa.string(),
    status_class=pa.string(),
    metric=pa.string(),
    scorer=pa.string(),
    n=pa.int64(),
    sum_w=pa.float64(),
    sum_wx=pa.float64(),
    sum_wx2=pa.float64(),
    min=pa.float64(),
    max=pa.float64(),
    buckets=pa.map_(pa.int32(), pa.float64()),
    sum_w2=pa.float64(),
)

_STATISTICS = ("window_start", "endpoint_name", "entity_version", "metric")
_ROW_GROUP_ROWS = 4_096
"""Rows stand in the order of endpoint and metric: a reader of one metric skips the row groups of the others."""
_MANY_ROWS = 8_192
"""Of minutes a month is looked through for a score, and what takes time is to look at each row group."""
_FEW_ROWS = 1_024
"""Where a table has few rows: a reader of a day does not take a week's histograms apart."""

METRICS_MINUTE = TableSpec(
    name="metrics_minute",
    meaning="Partial sums of every metric for each minute. Append-only: partials of one window are summed when "
    "they are read, so a late row is right and nothing is rewritten.",
    schema=_SCHEMA,
    statistics_columns=_STATISTICS,
    row_group_rows=_MANY_ROWS,
    adds_up=True,
    properties=KEPT_A_MONTH,
)

METRICS_15MIN = TableSpec(
    name="metrics_15min",
    meaning="The same partial sums for each quarter of an hour, from which hours and days come out right in every "
    "time zone.",
    schema=_SCHEMA,
    statistics_columns=_STATISTICS,
    row_group_rows=_FEW_ROWS,
    adds_up=True,
    properties=KEPT_A_MONTH,
)

METRICS_HOUR = TableSpec(
    name="metrics_hour",
    meaning="The same partial sums for each hour UTC, a quarter of the rows: what is looked at over days and weeks is "
    "read from here.",
    schema=_SCHEMA,
    statistics_columns=_STATISTICS,
    row_group_rows=_FEW_ROWS,
    adds_up=True,
    properties=KEPT_A_MONTH,
)

METRICS_DAILY_REQUESTER = TableSpec(
    name="metrics_daily_requester",
    meaning="Partial sums of tokens, cost and toxicity for each UTC day and requester.",
    schema=pa.schema([_SCHEMA.field("window_start"), pa.field("requester", pa.string()), *list(_SCHEMA)[1:]]),
    statistics_columns=_STATISTICS,
    row_group_rows=_ROW_GROUP_ROWS,
    adds_up=True,
    properties=KEPT_A_MONTH,
)

WINDOW_SECONDS = {METRICS_HOUR.name: 3600, METRICS_15MIN.name: 900, METRICS_MINUTE.name: 60}
"""The rollups by endpoint and how long their windows are, the longest first."""
