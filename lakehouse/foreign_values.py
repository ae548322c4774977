"""Columns that another system wrote with types of its own: read whole where Arrow can, else value by value.

One value that cannot be read takes no other with it: it becomes null, and the row says which of its columns it was.
"""

import json
import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakehouse.table_spec import TIMESTAMP

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_MILLISECONDS = 7_258_118_400_000
"""The year 2200: a later time is one in another unit than milliseconds."""

NO_VALUE = object()
"""Stands for a value that was there and cannot be had."""


def as_type(column: pa.ChunkedArray, kind: pa.DataType) -> tuple[pa.ChunkedArray, NDArray[np.bool_]]:
    """The column as `kind`, and which of its values (bool [n]) were there but cannot be read and became null.

    Bytes are UTF-8 texts, structures JSON, whole numbers for a time are milliseconds since 1970 (null outside 1970 to
    2200), a time without a zone is UTC, and a fraction is rounded where a whole number is needed.
    """
    nothing_lost = np.zeros(len(column), dtype=np.bool_)
    holds_texts = pa.types.is_string(kind) or pa.types.is_nested(kind)
    if column.type == kind and not (holds_texts and _is_damaged(column)):
        return column, nothing_lost
    whole = _cast(column, kind)
    if whole is not None:
        return whole, nothing_lost
    values = python_values(column)
    read = [None if value is None else _read(value, kind) for value in values]
    lost = [
        value is not None and found is None and not _is_nan(value) for value, found in zip(values, read, strict=True)
    ]
    return pa.chunked_array([pa.array(read, kind)]), np.array(lost, dtype=np.bool_)


def _is_damaged(column: pa.ChunkedArray) -> bool:
    """Whether a column of texts has bytes that are not UTF-8, which Parquet files may have and Python refuses."""
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return True
    return False


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray | None:
    """The column as `kind` where Arrow's own conversion of the whole column means what we want; else None."""
    given = column.type
    try:
        if pa.types.is_timestamp(kind):
            return _times(column)
        if given == kind or pa.types.is_nested(given) != pa.types.is_nested(kind):
            return None
        if pa.types.is_nested(kind):
            return pa.chunked_array([pa.array(column.to_pylist(), kind)])
        return column.cast(kind)
    except (pa.ArrowException, TypeError, ValueError):
        return None


def _times(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        # A timestamp without a time zone (Spark's old INT96, `timestamp_ntz`) is UTC by the Delta protocol.
        zone = kind.tz if pa.types.is_timestamp(kind) else None
        return column.cast(pa.timestamp("us", zone), safe=False).cast(TIMESTAMP)
    if pa.types.is_integer(kind):
        milliseconds = column.cast(pa.int64())
        possible = pc.and_(pc.greater_equal(milliseconds, 0), pc.less(milliseconds, _LATEST_MILLISECONDS))
        return pc.multiply(pc.if_else(possible, milliseconds, pa.scalar(None, pa.int64())), 1000).cast(TIMESTAMP)
    return column.cast(TIMESTAMP) if pa.types.is_null(kind) else None


def python_values(column: pa.ChunkedArray) -> list[Any]:
    """The values as Python has them; NO_VALUE where a list or a structure holds bytes that are no text."""
    if pa.types.is_string(column.type):
        # Their bytes: the texts themselves could not be had.
        column = pa.chunked_array([chunk.view(pa.binary()) for chunk in column.chunks], pa.binary())
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        values = [_python_value(value) for value in column]
    return values


def _python_value(value: pa.Scalar) -> Any:
    try:
        return value.as_py()
    except UnicodeDecodeError:
        return NO_VALUE


def _read(value: Any, kind: pa.DataType) -> Any:
    if value is NO_VALUE:
        return None
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    read = next((read for is_of, read in _READERS if is_of(kind)), None)
    try:
        return read(value, kind) if read else None
    except (TypeError, ValueError, OverflowError):
        return None


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _text(value: Any, _: pa.DataType | None = None) -> str:
    # A body stored as a structure, a number or a truth value says the same as JSON.
    return value if isinstance(value, str) else json.dumps(value, default=_inside_json)


def _inside_json(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _whole_number(value: Any, kind: pa.DataType) -> int | None:
    number = round(float(value)) if isinstance(value, float | str) else int(value)
    limit = 2 ** (kind.bit_width - 1)
    return number if -limit <= number < limit else None


def _number(value: Any, _: pa.DataType) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None


def _time(value: Any, _: pa.DataType) -> datetime | None:
    if isinstance(value, int | float) or (isinstance(value, str) and value.strip().isdigit()):
        milliseconds = float(value)
        return _EPOCH + timedelta(milliseconds=milliseconds) if 0 <= milliseconds < _LATEST_MILLISECONDS else None
    if not isinstance(value, str):
        return None
    time = datetime.fromisoformat(value.strip())
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def _day(value: Any, _: pa.DataType) -> date | None:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    return date.fromisoformat(value.strip()[:10]) if isinstance(value, str) else None


def _texts(value: Any, _: pa.DataType) -> list[str]:
    return [_text(item) for item in value] if isinstance(value, list) else [_text(value)]


_READERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[Any, pa.DataType], Any]], ...] = (
    (pa.types.is_string, _text),
    (pa.types.is_integer, _whole_number),
    (pa.types.is_floating, _number),
    (pa.types.is_timestamp, _time),
    (pa.types.is_date, _day),
    (pa.types.is_list, _texts),
)
