"""The schema of `flags`: what people decided about requests that were flagged as toxic."""

import pyarrow as pa

from lakehouse.table_spec import KEPT_A_MONTH, TIMESTAMP, TableSpec, columns

FLAGS = TableSpec(
    name="flags",
    meaning="Triage of requests whose prompt or answer was flagged as toxic: a row for each decision of a person. "
    "Append-only: of several decisions about a request the last holds and all are kept. A flagged request without a "
    "row is open.",
    schema=columns(
        decision_id=pa.string(),
        time=TIMESTAMP,
        databricks_request_id=pa.string(),
        request_date=pa.date32(),
        endpoint_name=pa.string(),
        entity_name=pa.string(),
        entity_version=pa.string(),
        decision=pa.string(),
        label=pa.string(),
        remark=pa.string(),
        actor=pa.string(),
        role=pa.string(),
        prompt_toxicity=pa.float64(),
        response_toxicity=pa.float64(),
        toxicity_scorer=pa.string(),
        threshold=pa.float64(),
    ),
    statistics_columns=("decision_id", "time", "databricks_request_id", "endpoint_name"),
    properties=KEPT_A_MONTH,
)
