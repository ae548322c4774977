"""The schema of `score_cache`: what is known of texts that were scored before, without the texts."""

import pyarrow as pa

from lakehouse.table_spec import TIMESTAMP, TableSpec, columns

SCORE_CACHE = TableSpec(
    name="score_cache",
    meaning="Scores of texts that were scored before, so that no run scores a text again: a hash stands for the text. "
    "Of several rows of a text the newest that has a score holds. A row that is lost or there twice changes no result; "
    "`python -m jobs compact` makes one row of each text and drops those that were unused for longest.",
    schema=columns(
        text_key=pa.binary(),
        used_at=TIMESTAMP,
        perplexity=pa.struct(
            {"scorer": pa.string(), "value": pa.float64(), "tokens": pa.int64(), "reason": pa.string()}
        ),
        toxicity=pa.struct(
            {
                "scorer": pa.string(),
                "value": pa.float64(),
                "labels": pa.map_(pa.string(), pa.float64()),
                "reason": pa.string(),
            }
        ),
        language=pa.struct({"scorer": pa.string(), "reason": pa.string()}),
        readability=pa.struct(
            {
                "scorer": pa.string(),
                "flesch_kincaid_grade": pa.float64(),
                "flesch_reading_ease": pa.float64(),
                "automated_readability_index": pa.float64(),
                "reason": pa.string(),
            }
        ),
        token_count=pa.struct({"scorer": pa.string(), "tokens": pa.int64()}),
    ),
    statistics_columns=("used_at",),
    # Nobody reads an old version of it, and its files are written anew each day.
    properties={"delta.deletedFileRetentionDuration": "interval 1 days"},
    row_group_rows=16_384,
)
