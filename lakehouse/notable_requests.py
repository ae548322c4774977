"""The schema of `notable_requests`: the part of `request_metrics` that pages look at row by row."""

import pyarrow as pa

from lakehouse.table_spec import KEPT_A_MONTH, TIMESTAMP, TableSpec, columns

LEAST_TOXICITY = 0.2
"""Every request of whose texts one is at least so toxic is in the table."""
ONE_IN = 32
"""One request in so many is in the random sample."""

NOTABLE_REQUESTS = TableSpec(
    name="notable_requests",
    meaning="The requests that pages look at one by one: each that failed, each whose prompt or answer has a toxicity "
    "of 0.2 or more by its first scoring, and a random sample of one in 32. Their rows of `request_metrics`, in a few "
    "columns. Append-only, exactly once, like the rollups.",
    schema=columns(
        databricks_request_id=pa.string(),
        request_time=TIMESTAMP,
        endpoint_name=pa.string(),
        entity_name=pa.string(),
        entity_version=pa.string(),
        requester=pa.string(),
        status_code=pa.int32(),
        execution_duration_ms=pa.int64(),
        prompt_tokens=pa.int64(),
        completion_tokens=pa.int64(),
        response_toxicity=pa.float64(),
        prompt_toxicity=pa.float64(),
        toxicity_scorer=pa.string(),
        score_weight=pa.float64(),
        sampled=pa.bool_(),
    ),
    statistics_columns=("request_time", "endpoint_name", "entity_version", "status_code"),
    row_group_rows=16_384,
    properties=KEPT_A_MONTH,
)
