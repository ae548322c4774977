"""Closed spool segments and changes of configuration become rows of Delta tables here, each exactly once.

A segment is committed under the application id `gateway:<spool id>` with its number, a change of configuration under
`gateway-config:<endpoint id>` with the number of the configuration. After a crash between a commit and the removal of
its source, the commit is tried again and refused as a repetition. Segment files are removed only after the commit.
"""

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from lakehouse.errors import AlreadyCommitted, SchemaMismatch
from serving.endpoint_config import ConfigChange
from serving.spool import Segment, read_segment
from settings import Settings

logger = logging.getLogger(__name__)

LARGEST_PAYLOAD = 2**20
"""Bytes above which a body is logged as null with an error code, as Databricks does."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def encode_exchange(
    *,
    request_id: str,
    client_request_id: str | None,
    request_time: datetime,
    status_code: int,
    seconds: float,
    request: bytes,
    response: bytes,
    served_entity_id: str,
    requester: str,
) -> bytes:
    """One request and its answer as a record of the spool."""
    too_large = []
    if len(request) > LARGEST_PAYLOAD:
        too_large.append("MAX_REQUEST_SIZE_EXCEEDED")
    if len(response) > LARGEST_PAYLOAD:
        too_large.append("MAX_RESPONSE_SIZE_EXCEEDED")
    row = {
        "databricks_request_id": request_id,
        "client_request_id": client_request_id,
        "request_time": (request_time - _EPOCH) // timedelta(microseconds=1),
        "status_code": status_code,
        "execution_duration_ms": round(seconds * 1000),
        "request": None if len(request) > LARGEST_PAYLOAD else request.decode("utf-8", "replace"),
        "response": None if len(response) > LARGEST_PAYLOAD else response.decode("utf-8", "replace"),
        "logging_error_codes": too_large,
        "served_entity_id": served_entity_id,
        "requester": requester,
    }
    # JSON may hold half of a surrogate pair, which no table can: it becomes a question mark.
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "replace")


def deliver_segments(settings: Settings, segments: list[Segment]) -> int:
    """Append the rows of each segment to the inference table, then remove its file.

    Returns: how many rows were appended. What was appended before is not counted.
    Raises: LakehouseError when the table cannot be written; what was not delivered is still there.
    """
    import pyarrow as pa

    from lakehouse.appends import append_once
    from lakehouse.store import open_table
    from lakehouse.tables import INFERENCE_TABLE

    delivered = 0
    for segment in segments:
        records = read_segment(segment.path)
        if records:
            rows = pa.Table.from_pylist([_row(record) for record in records], schema=INFERENCE_TABLE.schema)
            table = open_table(_own_tables(settings), INFERENCE_TABLE.name)
            try:
                append_once(table, rows, app_id=f"gateway:{segment.spool_id}", source_version=segment.number)
                delivered += len(records)
            except AlreadyCommitted:
                logger.info("Segment %d of spool %s was delivered before.", segment.number, segment.spool_id)
            except SchemaMismatch as error:
                # It would stop every later segment for ever: it is kept aside for a person to look at.
                kept = segment.path.with_suffix(".refused")
                segment.path.replace(kept)
                logger.error("The inference table refuses the rows of %s: %s", kept, error)
                continue
        segment.path.unlink(missing_ok=True)
    return delivered


def record_changes(settings: Settings, changes: list[ConfigChange]) -> None:
    """Append a row for each served entity of each change to the table of served entities.

    Raises: LakehouseError when the table cannot be written; changes may be given again.
    """
    import pyarrow as pa

    from lakehouse.appends import append_once
    from lakehouse.store import open_table
    from lakehouse.tables import SERVED_ENTITIES

    for change in changes:
        rows = pa.Table.from_pylist(_served_entity_rows(change), schema=SERVED_ENTITIES.schema)
        table = open_table(_own_tables(settings), SERVED_ENTITIES.name)
        try:
            append_once(
                table, rows, app_id=f"gateway-config:{change.endpoint_id}", source_version=change.config_version
            )
        except AlreadyCommitted:
            logger.info("Configuration %d of %s was recorded before.", change.config_version, change.endpoint_name)


def _own_tables(settings: Settings) -> Settings:
    """The settings with which our own tables are opened, also where the metrics job reads those of another system."""
    return settings.model_copy(update={"inference_table_uri": "", "served_entities_uri": ""})


def _row(record: bytes) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(record)
    row["request_time"] = _EPOCH + timedelta(microseconds=row["request_time"])
    row["request_date"] = row["request_time"].date()
    row["sampling_fraction"] = 1.0
    return row


def _served_entity_rows(change: ConfigChange) -> list[dict[str, Any]]:
    time = _EPOCH + timedelta(milliseconds=change.change_ms)
    return [
        {
            "served_entity_id": entity["served_entity_id"],
            "endpoint_name": change.endpoint_name,
            "served_entity_name": entity["name"],
            "entity_name": entity["entity_name"],
            "entity_version": entity["entity_version"],
            "endpoint_config_version": change.config_version,
            "change_time": time,
            "endpoint_delete_time": time if change.deleted else None,
        }
        for entity in change.entities
    ]
