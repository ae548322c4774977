"""The schemas of what is known of drift: Databricks' profile and drift tables, and what we judge by them.

The first two have the columns of Databricks' data profiling, in name and type, with `entity_version` as model id column
("*" for all versions). Source: live tables of a Databricks monitor.
"""

import pyarrow as pa

from lakehouse.table_spec import KEPT_A_MONTH, TIMESTAMP, TableSpec, columns

_WINDOW = pa.struct([pa.field("start", TIMESTAMP), pa.field("end", TIMESTAMP)])
_TEST = pa.struct([pa.field("statistic", pa.float64()), pa.field("pvalue", pa.float64())])

PROFILE_METRICS = TableSpec(
    name="request_metrics_profile_metrics",
    meaning="What the columns of `request_metrics` are like in each window of time and slice, with the columns of "
    "Databricks' profile tables.",
    schema=columns(
        window=_WINDOW,
        log_type=pa.string(),
        logging_table_commit_version=pa.int32(),
        monitor_version=pa.int64(),
        granularity=pa.string(),
        entity_version=pa.string(),
        slice_key=pa.string(),
        slice_value=pa.string(),
        column_name=pa.string(),
        count=pa.int64(),
        data_type=pa.string(),
        num_nulls=pa.int64(),
        avg=pa.float64(),
        quantiles=pa.list_(pa.float64()),
        min=pa.float64(),
        max=pa.float64(),
        stddev=pa.float64(),
        num_zeros=pa.int64(),
        num_nan=pa.int64(),
        min_length=pa.float64(),
        max_length=pa.float64(),
        avg_length=pa.float64(),
        non_null_columns=pa.list_(pa.string()),
        frequent_items=pa.list_(pa.struct([pa.field("item", pa.string()), pa.field("count", pa.int64())])),
        median=pa.float64(),
        distinct_count=pa.int64(),
        percent_nan=pa.float64(),
        percent_null=pa.float64(),
        percent_zeros=pa.float64(),
        percent_distinct=pa.float64(),
    ),
    statistics_columns=("granularity", "entity_version", "column_name"),
    properties=KEPT_A_MONTH,
)

DRIFT_METRICS = TableSpec(
    name="request_metrics_drift_metrics",
    meaning="How the columns of `request_metrics` differ between two windows of time, with the columns of Databricks' "
    "drift tables: from the window before (CONSECUTIVE) and from the same window of the week before (BASELINE).",
    schema=columns(
        window=_WINDOW,
        granularity=pa.string(),
        monitor_version=pa.int64(),
        entity_version=pa.string(),
        slice_key=pa.string(),
        slice_value=pa.string(),
        column_name=pa.string(),
        data_type=pa.string(),
        window_cmp=_WINDOW,
        drift_type=pa.string(),
        count_delta=pa.int64(),
        avg_delta=pa.float64(),
        percent_null_delta=pa.float64(),
        percent_zeros_delta=pa.float64(),
        percent_distinct_delta=pa.float64(),
        non_null_columns_delta=pa.struct([pa.field("added", pa.int32()), pa.field("missing", pa.int32())]),
        js_distance=pa.float64(),
        ks_test=_TEST,
        wasserstein_distance=pa.float64(),
        population_stability_index=pa.float64(),
        chi_squared_test=_TEST,
        tv_distance=pa.float64(),
        l_infinity_distance=pa.float64(),
    ),
    statistics_columns=("granularity", "entity_version", "column_name", "drift_type"),
    properties=KEPT_A_MONTH,
)

DRIFT_FINDINGS = TableSpec(
    name="drift_findings",
    meaning="What was judged to have drifted: a row for each window of time, slice and column in which a difference "
    "was large enough and certain enough, with how many windows in a row it has been so. Append-only.",
    schema=columns(
        finding_id=pa.string(),
        judged_at=TIMESTAMP,
        window_start=TIMESTAMP,
        window_end=TIMESTAMP,
        granularity=pa.string(),
        endpoint_name=pa.string(),
        slice_key=pa.string(),
        slice_value=pa.string(),
        column_name=pa.string(),
        drift_type=pa.string(),
        n=pa.int64(),
        n_compared=pa.int64(),
        value=pa.float64(),
        value_compared=pa.float64(),
        effect=pa.float64(),
        effect_name=pa.string(),
        p_value=pa.float64(),
        q_value=pa.float64(),
        windows_in_a_row=pa.int32(),
        confirmed=pa.bool_(),
        sentence=pa.string(),
        evidence=pa.string(),
    ),
    statistics_columns=("finding_id", "judged_at", "window_start", "granularity", "endpoint_name", "column_name"),
    properties=KEPT_A_MONTH,
)
