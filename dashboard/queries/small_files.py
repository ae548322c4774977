"""The rows of small files, read once and kept in the database's memory.

Every run of the metrics job leaves a file in several tables, and between two compactions there are hundreds: opening
them takes longer than everything else that a page does. A file of a table never changes, so its rows can be kept.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

if TYPE_CHECKING:
    import duckdb

SMALL_BYTES = 256 * 1024
"""A larger file is read where it lies: DuckDB takes only the columns and rows that are asked for."""
_BUDGET_BYTES = 48 * 2**20
"""Bytes of the files whose rows are kept, of all tables together; in memory they take about four times as much."""
_FEW = 4
"""So few files are read where they lie."""
_NUMBER = "_file_number"


class SmallFile(Protocol):
    """What has to be known of a file: its path, its bytes, and the date of its partition, empty where it has none."""

    @property
    def uri(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def date(self) -> str: ...


@dataclass
class _Kept:
    """The table of the database that has the rows of one of our tables' small files, and the number of each file."""

    name: str
    numbers: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    given: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class SmallFiles:
    """What is kept in one database. Several threads may ask at once."""

    def __init__(self, budget_bytes: int = _BUDGET_BYTES) -> None:
        self._budget = budget_bytes
        self._tables: dict[str, _Kept] = {}
        self._lock = threading.Lock()

    def view(
        self, cursor: "duckdb.DuckDBPyConnection", table: str, files: Sequence[SmallFile], schema: pa.Schema
    ) -> tuple[str, list[int]] | None:
        """The name of the database's table that has the rows of some small files of one of our tables, and the numbers
        that these files have in its column `_file_number`. None where they are too many to keep or too few to matter.

        Raises: duckdb.Error, if a file cannot be read.
        """
        if len(files) < _FEW:
            return None
        with self._lock:
            kept = self._tables.setdefault(table, _Kept(f"kept_{len(self._tables)}"))
            others = sum(sum(other.sizes.values()) for other in self._tables.values() if other is not kept)
        if others + sum(file.size for file in files) > self._budget:
            return None
        with kept.lock:
            if len(kept.numbers) > 2 * len(files) + 500:
                _forget(cursor, kept, {file.uri for file in files})
            missing = [file for file in files if file.uri not in kept.numbers]
            if missing:
                _add(cursor, kept, missing, schema)
            return kept.name, [kept.numbers[file.uri] for file in files]


def _add(cursor: "duckdb.DuckDBPyConnection", kept: _Kept, files: Sequence[SmallFile], schema: pa.Schema) -> None:
    """Read files into the table of what is kept, which is made with the first of them."""
    numbers = range(kept.given, kept.given + len(files))
    read: dict[str, Any] = {_NUMBER: pa.array(numbers, pa.int32()), "filename": [file.uri for file in files]}
    dated = "request_date" in schema.names
    if dated:
        read["request_date"] = pa.array([file.date or None for file in files]).cast(pa.date32())
    cursor.register("kept_columns", schema.empty_table())
    cursor.register("kept_read", pa.table(read))
    rows = f"""SELECT * EXCLUDE (filename) FROM (
          SELECT * {"EXCLUDE (request_date)" if dated else ""}
          FROM (FROM kept_columns UNION ALL BY NAME
                FROM read_parquet($files, union_by_name = true, filename = true, hive_partitioning = false))
        ) JOIN kept_read USING (filename)"""  # noqa: S608
    if not kept.given:
        cursor.execute(f"CREATE OR REPLACE TABLE {kept.name} AS {rows} LIMIT 0", {"files": read["filename"]})
    cursor.execute(f"INSERT INTO {kept.name} BY NAME {rows}", {"files": read["filename"]})
    kept.given += len(files)
    kept.numbers |= {file.uri: number for file, number in zip(files, numbers, strict=True)}
    kept.sizes |= {file.uri: file.size for file in files}


def _forget(cursor: "duckdb.DuckDBPyConnection", kept: _Kept, wanted: set[str]) -> None:
    """Let go of all files but those that are wanted: most of them were merged into larger ones since."""
    gone = [uri for uri in kept.numbers if uri not in wanted]
    cursor.execute(
        f"DELETE FROM {kept.name} WHERE {_NUMBER} IN (SELECT unnest($gone))",  # noqa: S608
        {"gone": [kept.numbers[uri] for uri in gone]},
    )
    for uri in gone:
        del kept.numbers[uri], kept.sizes[uri]
