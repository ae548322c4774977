"""The three generations of inference tables, brought to one schema.

Generation 1 is `auto_capture_config`, 2 the AI Gateway of a serving endpoint (what our gateway writes), 3 Unity AI
Gateway model services (known from reports only, so read with tolerance). Columns that we do not know are left out and
missing ones become null, so that a table of next year is still read. `docs/tables.md` has the comparison.
"""

from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakehouse.errors import SchemaMismatch
from lakehouse.foreign_values import NO_VALUE, as_type, python_values
from lakehouse.table_spec import TIMESTAMP
from lakehouse.tables import INFERENCE_ROWS

Generation = Literal[1, 2, 3]

UNREADABLE = "UNREADABLE_"
"""What an error code begins with that stands for a column whose value could not be read."""

_MICROSECONDS_A_DAY = 86_400_000_000
_LATEST = 7_258_118_400_000_000
"""2200-01-01 in microseconds. A time outside 1970 to 2200 is a mistake of units, not a clock that is a little off."""

RENAMED_COLUMNS: dict[int, dict[str, str]] = {
    1: {"request_date": "date", "request_time": "timestamp_ms", "execution_duration_ms": "execution_time_ms"},
    2: {},
    3: {
        "databricks_request_id": "request_id",
        "request_time": "event_time",
        "execution_duration_ms": "latency_ms",
        "endpoint_name": "destination_name",
    },
}
"""Generation → our name of a column → the table's own name, where they differ."""

TAG_COLUMNS = {1: "request_metadata", 3: "request_tags"}
"""Generation → the map in which a row says what model answered."""

_TAG_NAMES = {
    "endpoint_name": ("endpoint_name",),
    "entity_name": ("model_name", "entity_name"),
    "entity_version": ("model_version", "entity_version"),
    "client_request_id": ("client_request_id",),
}


def generation_of(schema: pa.Schema) -> Generation:
    """Which generation a table's schema is of.

    Raises: SchemaMismatch, if it is none.
    """
    names = set(schema.names)
    if {"request", "response"} <= names:
        if "timestamp_ms" in names:
            return 1
        if {"databricks_request_id", "request_time"} <= names:
            return 2
        if {"request_id", "event_time"} <= names:
            return 3
    raise SchemaMismatch(
        f"The columns {', '.join(sorted(names)[:20])} are those of no inference table; "
        "expected are request, response, a request id and its time."
    )


def date_column(generation: Generation) -> str | None:
    """The column with the UTC date, by which a table of this generation is laid out; None where there is none."""
    return {1: "date", 2: "request_date", 3: None}[generation]


def columns_read(schema: pa.Schema, generation: Generation) -> list[str]:
    """The columns of a table that `normalise` looks at, in the table's order."""
    renamed = set(RENAMED_COLUMNS[generation].values())
    wanted = set(INFERENCE_ROWS.names) | renamed | set(TAG_COLUMNS.values()) | {"destination_model"}
    return [name for name in schema.names if name in wanted]


def normalise(table: pa.Table, generation: Generation) -> pa.Table:
    """Rows of any generation with the columns of `INFERENCE_ROWS`.

    A time that is missing or outside 1970 to 2200 becomes midnight of the row's date, and a missing date that of its
    time. Generation 2 has no version in its rows: `lakehouse.served_entities` adds it.

    A value of another type than its column should have is read where its meaning is clear (`lakehouse.foreign_values`);
    one that cannot be read is null, and its row has `UNREADABLE_<COLUMN>` among its error codes.
    """
    renamed = RENAMED_COLUMNS[generation]
    columns: dict[str, pa.ChunkedArray] = {}
    unreadable: dict[str, NDArray[np.bool_]] = {}
    for field in INFERENCE_ROWS:
        source = renamed.get(field.name, field.name)
        if source in table.column_names:
            columns[field.name], unreadable[field.name] = as_type(table.column(source), field.type)
        else:
            columns[field.name] = pa.chunked_array([pa.nulls(table.num_rows, field.type)])
    columns["logging_error_codes"] = _with_codes(columns["logging_error_codes"], unreadable)
    _add_tags(columns, table, generation)
    if generation == 3 and "destination_model" in table.column_names:
        model, _ = as_type(table.column("destination_model"), pa.string())
        for name in ("entity_name", "entity_version"):
            columns[name] = pc.coalesce(columns[name], model)
    columns["request_date"], columns["request_time"] = _date_and_time(columns["request_date"], columns["request_time"])
    return pa.Table.from_arrays([columns[name] for name in INFERENCE_ROWS.names], schema=INFERENCE_ROWS)


def _add_tags(columns: dict[str, pa.ChunkedArray], table: pa.Table, generation: Generation) -> None:
    """What a row's map of tags says about it, which comes before what its columns say."""
    tags = TAG_COLUMNS.get(generation)
    if tags is None or tags not in table.column_names:
        return
    rows = [_as_dict(value) for value in python_values(table.column(tags))]
    for name, keys in _TAG_NAMES.items():
        found = [next((str(row[key]) for key in keys if row.get(key)), None) for row in rows]
        stated = pa.chunked_array([pa.array(found, pa.string())])
        columns[name] = pc.coalesce(stated, columns[name])


def _as_dict(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    return dict(value) if value and value is not NO_VALUE else {}


def _with_codes(codes: pa.ChunkedArray, unreadable: dict[str, NDArray[np.bool_]]) -> pa.ChunkedArray:
    """The error codes of each row, with one more for each of its columns that could not be read."""
    if not any(lost.any() for lost in unreadable.values()):
        return codes
    rows = codes.to_pylist()
    for name, lost in unreadable.items():
        for row in np.flatnonzero(lost):
            rows[row] = [*(rows[row] or []), f"{UNREADABLE}{name.upper()}"]
    return pa.chunked_array([pa.array(rows, codes.type)])


def _date_and_time(date: pa.ChunkedArray, time: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    microseconds = time.cast(pa.int64())
    possible = pc.and_(pc.greater_equal(microseconds, 0), pc.less(microseconds, _LATEST))
    microseconds = pc.if_else(possible, microseconds, pa.scalar(None, pa.int64()))
    days = date.cast(pa.int32()).cast(pa.int64())
    possible = pc.and_(pc.greater_equal(days, 0), pc.less(days, _LATEST // _MICROSECONDS_A_DAY))
    days = pc.if_else(possible, days, pa.scalar(None, pa.int64()))
    microseconds = pc.coalesce(microseconds, pc.multiply(days, _MICROSECONDS_A_DAY))
    days = pc.coalesce(days, pc.divide(microseconds, _MICROSECONDS_A_DAY))
    return days.cast(pa.int32()).cast(pa.date32()), microseconds.cast(TIMESTAMP)
