"""The schemas of the tables behind questions about images: the images, what was read on them, and what was asked."""

import pyarrow as pa

from lakehouse.table_spec import TIMESTAMP, TableSpec, columns

GONE_AFTER_A_DAY = {"delta.deletedFileRetentionDuration": "interval 1 days"}
"""What people delete leaves the disk with the next upkeep after a day, not after the week that is usual."""

IMAGES = TableSpec(
    name="images",
    meaning="Images that people asked about, each once: upright, without metadata (EXIF), no side longer than 3,000 "
    "pixels, under the hash of the file as it was uploaded. An image goes with the last conversation about it.",
    schema=columns(
        image_hash=pa.string(),
        uploaded_at=TIMESTAMP,
        media_type=pa.string(),
        width=pa.int32(),
        height=pa.int32(),
        image=pa.binary(),
    ),
    statistics_columns=("image_hash", "uploaded_at"),
    properties=GONE_AFTER_A_DAY,
    # An image may have megabytes, and one is wanted at a time.
    row_group_rows=1,
)

IMAGE_READINGS = TableSpec(
    name="image_readings",
    meaning="What was read on images, so that none is read twice: the newest row of an image and a version of the "
    "reader holds. A row that is lost or there twice changes no answer.",
    schema=columns(
        image_hash=pa.string(),
        reader_version=pa.string(),
        read_at=TIMESTAMP,
        reading=pa.string(),
    ),
    statistics_columns=("image_hash", "reader_version", "read_at"),
    properties=GONE_AFTER_A_DAY,
    row_group_rows=16,
)

IMAGE_QUESTIONS = TableSpec(
    name="image_questions",
    meaning="Conversations about images: a row for each question with its answer, and one where a conversation was "
    "deleted; what was said in it is then erased. Everybody sees their own.",
    schema=columns(
        conversation_id=pa.string(),
        question_id=pa.string(),
        time=TIMESTAMP,
        event=pa.string(),
        image_hash=pa.string(),
        image_name=pa.string(),
        question=pa.string(),
        answer=pa.string(),
        answerer=pa.string(),
        seconds=pa.float64(),
        prompt_tokens=pa.int64(),
        completion_tokens=pa.int64(),
        cost_usd=pa.float64(),
        price_source=pa.string(),
        error=pa.string(),
        actor=pa.string(),
        role=pa.string(),
    ),
    statistics_columns=("conversation_id", "time", "event", "image_hash", "actor"),
    properties=GONE_AFTER_A_DAY,
    row_group_rows=1_024,
)
