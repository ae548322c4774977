"""Rows of an inference table for tests."""

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from lakehouse.tables import INFERENCE_TABLE

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def inference_rows(ids: list[str | None], **columns: Any) -> pa.Table:
    """One row for each id, all of noon on 2026-01-01 unless `columns` say otherwise."""
    row = {
        "request_date": date(2026, 1, 1),
        "request_time": NOON,
        "status_code": 200,
        "request": '{"messages": []}',
        "response": '{"choices": []}',
        **columns,
    }
    return pa.Table.from_pylist([{**row, "databricks_request_id": i} for i in ids], schema=INFERENCE_TABLE.schema)
