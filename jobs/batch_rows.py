"""The rows of a table that are to be answered: each with an id, in an order that any run can take up again.

Rows are taken in the order of (unit, hash bucket of their key), as the metrics job takes requests (`jobs.chunking`).
The key is the id column's value, or a hash of the whole row; rows with the same key are in the same bucket, which
stays together. A table that does not fit in memory is read in several passes, a range of buckets at a time.
"""

import hashlib
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from jobs.errors import JobError
from lakehouse.appends import FINISHED
from lakehouse.table_source import TableSource, Unit

ROWS_AT_ONCE = 20_000
PROMPT_COLUMNS = ("prompt", "question", "input", "text")
"""What a prompt's column is called where nobody says it, the first that is there."""


@dataclass(frozen=True)
class BatchRow:
    """A row to be answered. `prompt` is None where it has none."""

    row_id: str
    prompt: str | None
    bucket: int


@dataclass(frozen=True)
class Columns:
    """Which columns are read. `row_id` is empty where rows are told apart by all that they hold."""

    prompt: str
    row_id: str
    read: tuple[str, ...]


def columns_of(schema: pa.Schema, prompt_column: str, id_column: str) -> Columns:
    """The columns that a run reads.

    Raises: JobError, if there is no such column, or the prompt's holds no text.
    """
    names = ", ".join(schema.names)
    prompt = prompt_column or next((name for name in PROMPT_COLUMNS if name in schema.names), "")
    if not prompt:
        raise JobError(f"The table has no column called {' or '.join(PROMPT_COLUMNS)}: name one of {names}.")
    for wanted in filter(None, (prompt, id_column)):
        if wanted not in schema.names:
            raise JobError(f"The table has no column {wanted!r}: its columns are {names}.")
    kind = schema.field(prompt).type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise JobError(f"The column {prompt} holds {kind}, and a prompt is text: name another one of {names}.")
    # Without an id two rows are the same if they are so in every column.
    read = (prompt, id_column) if id_column else tuple(schema.names)
    return Columns(prompt, id_column, tuple(dict.fromkeys(read)))


def windows(source: TableSource, unit: Unit, columns: Columns, done: int) -> Iterator[tuple[list[BatchRow], int]]:
    """The rows of a unit whose bucket is behind `done` (-1: all), in the order of their buckets, about
    `ROWS_AT_ONCE` at a time, each time with the last bucket that the range has.

    Raises: HistoryGone, UnreadableTable.
    """
    passes = max(1, -(-unit.rows // ROWS_AT_ONCE))
    width = -(-FINISHED // passes)
    for end in range(width, FINISHED + width, width):
        last = min(end, FINISHED)
        if last <= done + 1 and last != FINISHED:
            continue
        yield _between(source, unit, columns, max(done, end - width - 1), last), last
        if last == FINISHED:
            return


def _between(source: TableSource, unit: Unit, columns: Columns, after: int, end: int) -> list[BatchRow]:
    """Rows of a unit whose bucket is greater than `after` and less than `end`."""
    found: list[BatchRow] = []
    seen: Counter[str] = Counter()
    for batch in source.batches(unit, columns.read):
        for row in batch.to_pylist():
            given = row[columns.row_id] if columns.row_id else None
            key = str(given) if given is not None else f"{unit.version}-{_hash(row)}"
            bucket = zlib.crc32(key.encode("utf-8", "surrogatepass")) % FINISHED
            if not after < bucket < end:
                continue
            # Rows that are the same in everything are still as many rows as there are.
            row_id = key if given is not None else f"{key}-{seen[key]}"
            seen[key] += 1
            found.append(BatchRow(row_id, row[columns.prompt], bucket))
    found.sort(key=lambda row: (row.bucket, row.row_id))
    return found


def _hash(row: dict[str, Any]) -> str:
    text = repr(sorted(row.items())).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=8).hexdigest()
