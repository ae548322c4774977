"""The schemas of what turns data into versions and versions into scores: the steps of retraining, and batch scores."""

import pyarrow as pa

from lakehouse.table_spec import KEPT_A_MONTH, STRING_MAP, TIMESTAMP, TableSpec, columns

PIPELINE_STEPS = TableSpec(
    name="pipeline_steps",
    meaning="The steps of every retraining: a row when a step starts and one when it ends, with the same pipeline id "
    "and step; the last row of a step holds. Beside the states of a run a step may be `waiting`, and is looked at "
    "later, or `stopped`, after which no further one comes.",
    schema=columns(
        pipeline_id=pa.string(),
        pipeline_step=pa.string(),
        state=pa.string(),
        trigger=pa.string(),
        reason=pa.string(),
        requested_by=pa.string(),
        dry_run=pa.bool_(),
        started_at=TIMESTAMP,
        finished_at=TIMESTAMP,
        sentence=pa.string(),
        details=STRING_MAP,
        error=pa.string(),
        process_id=pa.int64(),
        host=pa.string(),
    ),
    statistics_columns=("pipeline_id", "pipeline_step", "state", "started_at"),
    properties=KEPT_A_MONTH,
)

BATCH_SCORES = TableSpec(
    name="batch_scores",
    meaning="Answers that the production version gave to the rows of a table (`python -m jobs batch-score`): one for "
    "each row of the source, exactly once.",
    schema=columns(
        row_id=pa.string(),
        source_table_id=pa.string(),
        source_version=pa.int64(),
        prompt=pa.string(),
        answer=pa.string(),
        error=pa.string(),
        entity_name=pa.string(),
        entity_version=pa.string(),
        seconds=pa.float64(),
        answered_at=TIMESTAMP,
    ),
    statistics_columns=("row_id", "source_table_id", "source_version", "entity_version", "answered_at"),
    row_group_rows=8_192,
    properties=KEPT_A_MONTH,
)
