"""The schema of every table, in one place.

A timestamp is UTC with microseconds. `docs/tables.md` is generated from this file (`make docs`).
"""

import pyarrow as pa

from lakehouse.alert_tables import ALERT_DELIVERIES, ALERT_EVENTS
from lakehouse.drift_tables import DRIFT_FINDINGS, DRIFT_METRICS, PROFILE_METRICS
from lakehouse.flags_table import FLAGS
from lakehouse.image_tables import IMAGE_QUESTIONS, IMAGE_READINGS, IMAGES
from lakehouse.notable_requests import NOTABLE_REQUESTS
from lakehouse.pipeline_tables import BATCH_SCORES, PIPELINE_STEPS
from lakehouse.rollup_tables import METRICS_15MIN, METRICS_DAILY_REQUESTER, METRICS_HOUR, METRICS_MINUTE
from lakehouse.score_cache_table import SCORE_CACHE
from lakehouse.table_spec import KEPT_A_MONTH, STRING_MAP, TIMESTAMP, TableSpec, columns

INFERENCE_TABLE = TableSpec(
    name="inference_table",
    meaning="Every request to an endpoint and its answer, with the columns of Databricks' AI Gateway inference tables. "
    "The gateway and `import-payload` append; nothing is changed.",
    schema=columns(
        databricks_request_id=pa.string(),
        request_date=pa.date32(),
        client_request_id=pa.string(),
        request_time=TIMESTAMP,
        status_code=pa.int32(),
        sampling_fraction=pa.float64(),
        execution_duration_ms=pa.int64(),
        request=pa.string(),
        response=pa.string(),
        logging_error_codes=pa.list_(pa.string()),
        served_entity_id=pa.string(),
        requester=pa.string(),
    ),
    partition_by=("request_date",),
    statistics_columns=("databricks_request_id", "request_date", "request_time", "status_code"),
    change_data_feed=True,
    properties=KEPT_A_MONTH,
    row_group_rows=8_192,
)

INFERENCE_ROWS = pa.schema(
    [
        *INFERENCE_TABLE.schema,
        pa.field("endpoint_name", pa.string()),
        pa.field("entity_name", pa.string()),
        pa.field("entity_version", pa.string()),
    ]
)
"""An inference row of any generation after normalisation: generation 2's columns and the version that answered."""

SERVED_ENTITIES = TableSpec(
    name="served_entities",
    meaning="Which model version a served entity is, with the columns of Databricks' `system.serving.served_entities`. "
    "One row for each change of an endpoint's configuration.",
    schema=columns(
        served_entity_id=pa.string(),
        endpoint_name=pa.string(),
        served_entity_name=pa.string(),
        entity_name=pa.string(),
        entity_version=pa.string(),
        endpoint_config_version=pa.int64(),
        change_time=TIMESTAMP,
        endpoint_delete_time=TIMESTAMP,
    ),
)

REQUEST_METRICS = TableSpec(
    name="request_metrics",
    meaning="One narrow row for each distinct request: its numbers, who gave them, and why one is missing. "
    "Append-only; the texts stay in the inference table.",
    schema=columns(
        databricks_request_id=pa.string(),
        client_request_id=pa.string(),
        request_date=pa.date32(),
        request_time=TIMESTAMP,
        endpoint_name=pa.string(),
        entity_name=pa.string(),
        entity_version=pa.string(),
        requester=pa.string(),
        status_code=pa.int32(),
        execution_duration_ms=pa.int64(),
        sampling_fraction=pa.float64(),
        prompt_tokens=pa.int64(),
        completion_tokens=pa.int64(),
        token_source=pa.string(),
        prompt_chars=pa.int64(),
        response_chars=pa.int64(),
        response_perplexity=pa.float64(),
        prompt_perplexity=pa.float64(),
        perplexity_tokens=pa.int64(),
        perplexity_scorer=pa.string(),
        response_fk_grade=pa.float64(),
        prompt_fk_grade=pa.float64(),
        response_reading_ease=pa.float64(),
        response_ari=pa.float64(),
        readability_scorer=pa.string(),
        response_toxicity=pa.float64(),
        prompt_toxicity=pa.float64(),
        toxicity_labels=pa.map_(pa.string(), pa.float64()),
        toxicity_scorer=pa.string(),
        score_weight=pa.float64(),
        cost_usd=pa.float64(),
        price_source=pa.string(),
        unscored=STRING_MAP,
        scored_at=TIMESTAMP,
    ),
    partition_by=("request_date",),
    statistics_columns=("databricks_request_id", "request_date", "request_time", "endpoint_name", "entity_version"),
    change_data_feed=True,
    properties=KEPT_A_MONTH,
    # A page that shows fifty rows among millions reads a little around each of them.
    row_group_rows=16_384,
)

REQUEST_SCORES = TableSpec(
    name="request_scores",
    meaning="Scores given later: fill-ins and re-scorings. The weights of the rows of a request, metric and scorer are "
    "added to the weight that its value in `request_metrics` has, if that is by the same scorer. Append-only.",
    schema=columns(
        databricks_request_id=pa.string(),
        request_date=pa.date32(),
        metric=pa.string(),
        scorer=pa.string(),
        value=pa.float64(),
        weight=pa.float64(),
        scored_at=TIMESTAMP,
        unscored_reason=pa.string(),
    ),
    partition_by=("request_date",),
    statistics_columns=("databricks_request_id", "request_date", "metric", "scorer"),
    change_data_feed=True,
    properties=KEPT_A_MONTH,
)

SOURCE_STARTS = TableSpec(
    name="source_starts",
    meaning="From which version on the metrics job reads an inference table whose early history is gone: at that "
    "version it takes all rows that were there. Usually empty.",
    schema=columns(
        source_table_id=pa.string(),
        version=pa.int64(),
        rows=pa.int64(),
        decided_at=TIMESTAMP,
    ),
)

JOB_RUNS = TableSpec(
    name="job_runs",
    meaning="Every run of a job: a row when it starts (state `running`) and one when it ends, with the same run id. "
    "The last row of a run holds; a `running` row whose process is gone reads `interrupted`.",
    schema=columns(
        run_id=pa.string(),
        job=pa.string(),
        trigger=pa.string(),
        request_id=pa.string(),
        process_id=pa.int64(),
        host=pa.string(),
        started_at=TIMESTAMP,
        finished_at=TIMESTAMP,
        state=pa.string(),
        from_version=pa.int64(),
        to_version=pa.int64(),
        rows_read=pa.int64(),
        rows_scored=pa.int64(),
        rows_unscored=pa.int64(),
        rows_duplicate=pa.int64(),
        rows_waiting=pa.int64(),
        unscored_reasons=pa.map_(pa.string(), pa.int64()),
        stage_seconds=pa.map_(pa.string(), pa.float64()),
        newest_request_time=TIMESTAMP,
        error=pa.string(),
        rows_left_out=pa.int64(),
    ),
    statistics_columns=("run_id", "job", "request_id", "started_at", "state"),
)

JOB_REQUESTS = TableSpec(
    name="job_requests",
    meaning="A person's wish that a job runs now; the scheduler picks it up within seconds.",
    schema=columns(
        request_id=pa.string(),
        job=pa.string(),
        arguments=pa.string(),
        requested_by=pa.string(),
        requested_at=TIMESTAMP,
    ),
    statistics_columns=("request_id", "job", "requested_at"),
)

LEDGER = TableSpec(
    name="ledger",
    meaning="Who changed what, when and why. An intent row before a change and an outcome row after it, with the same "
    "change id; an intent without an outcome reads `interrupted`.",
    schema=columns(
        change_id=pa.string(),
        phase=pa.string(),
        time=TIMESTAMP,
        actor=pa.string(),
        role=pa.string(),
        action=pa.string(),
        target=pa.string(),
        before=pa.string(),
        after=pa.string(),
        reason=pa.string(),
        evidence=pa.string(),
        outcome=pa.string(),
        seconds=pa.float64(),
    ),
    statistics_columns=("change_id", "phase", "time", "action", "target"),
    properties=KEPT_A_MONTH,
)

EVALUATIONS = TableSpec(
    name="evaluations",
    meaning="What `python -m jobs evaluate` found out about a model version: the evidence that the gate judges.",
    schema=columns(
        evaluation_id=pa.string(),
        entity_name=pa.string(),
        entity_version=pa.string(),
        live_entity_name=pa.string(),
        live_entity_version=pa.string(),
        started_at=TIMESTAMP,
        finished_at=TIMESTAMP,
        requested_by=pa.string(),
        evidence=pa.string(),
    ),
    statistics_columns=("evaluation_id", "entity_name", "entity_version", "finished_at"),
)

EVALUATED_ANSWERS = TableSpec(
    name="evaluated_answers",
    meaning="The questions of an evaluation with the answers of the evaluated version and, for logged prompts, those "
    "that the live version gave. People's words: pages mask them.",
    schema=columns(
        evaluation_id=pa.string(),
        kind=pa.string(),
        position=pa.int32(),
        databricks_request_id=pa.string(),
        prompt=pa.string(),
        live_answer=pa.string(),
        answer=pa.string(),
        seconds=pa.float64(),
        scores=pa.map_(pa.string(), pa.float64()),
        live_scores=pa.map_(pa.string(), pa.float64()),
        notes=STRING_MAP,
    ),
    statistics_columns=("evaluation_id", "kind", "position"),
)

RAMPS = TableSpec(
    name="ramps",
    meaning="Canary ramps: a row when one is planned and at each step; the last row of a ramp holds.",
    schema=columns(
        ramp_id=pa.string(),
        time=TIMESTAMP,
        endpoint_name=pa.string(),
        entity_name=pa.string(),
        entity_version=pa.string(),
        state=pa.string(),
        step=pa.int32(),
        shares=pa.list_(pa.int32()),
        hold_seconds=pa.float64(),
        actor=pa.string(),
        role=pa.string(),
        reason=pa.string(),
        change_id=pa.string(),
        note=pa.string(),
    ),
    statistics_columns=("ramp_id", "time", "endpoint_name", "state"),
)

PRICES = TableSpec(
    name="prices",
    meaning="The price table that cost is computed from when no file of your own is set. "
    "The demo's rows are labelled as samples.",
    schema=columns(
        entity_name=pa.string(),
        entity_version=pa.string(),
        input_usd_per_million=pa.float64(),
        output_usd_per_million=pa.float64(),
        effective_from=TIMESTAMP,
        source=pa.string(),
    ),
)

HANDBOOK_PAGES = TableSpec(
    name="handbook_pages",
    meaning="The data table of the demo chatbot: one row for each section of the handbook in `docs/handbook`.",
    schema=columns(
        section_id=pa.string(),
        page=pa.string(),
        title=pa.string(),
        heading=pa.string(),
        text=pa.string(),
        content_hash=pa.string(),
        loaded_at=TIMESTAMP,
    ),
)

HANDBOOK_CHUNKS = TableSpec(
    name="handbook_chunks",
    meaning="The feature table of the demo chatbot: sections cut into passages that are retrieved and quoted.",
    schema=columns(
        chunk_id=pa.string(),
        section_id=pa.string(),
        page=pa.string(),
        heading=pa.string(),
        text=pa.string(),
        terms=pa.list_(pa.string()),
        content_hash=pa.string(),
        refreshed_at=TIMESTAMP,
    ),
)

TABLES: dict[str, TableSpec] = {
    spec.name: spec
    for spec in (
        INFERENCE_TABLE,
        SERVED_ENTITIES,
        REQUEST_METRICS,
        REQUEST_SCORES,
        SCORE_CACHE,
        METRICS_MINUTE,
        METRICS_15MIN,
        METRICS_HOUR,
        METRICS_DAILY_REQUESTER,
        NOTABLE_REQUESTS,
        SOURCE_STARTS,
        JOB_RUNS,
        JOB_REQUESTS,
        LEDGER,
        EVALUATIONS,
        EVALUATED_ANSWERS,
        RAMPS,
        PROFILE_METRICS,
        DRIFT_METRICS,
        DRIFT_FINDINGS,
        ALERT_EVENTS,
        ALERT_DELIVERIES,
        PIPELINE_STEPS,
        BATCH_SCORES,
        FLAGS,
        IMAGES,
        IMAGE_READINGS,
        IMAGE_QUESTIONS,
        PRICES,
        HANDBOOK_PAGES,
        HANDBOOK_CHUNKS,
    )
}
