"""The rows of small files, read once and kept in the database's memory.

Every run of the metrics job leaves a file in several tables, and between two compactions there are hundreds: opening
them takes longer than everything else that a page does. A file of a table never changes, so its rows can be kept.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
    """The table of the database that has the rows of one of our tables' small files, and what is known of each file."""

    name: str
    numbers: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    """When a file was last asked for, as the number of that question."""
    given: int = 0


class SmallFiles:
    """What is kept in one database. Several threads may ask at once; nothing is let go while one of them reads."""

    def __init__(self, budget_bytes: int = _BUDGET_BYTES) -> None:
        self._budget = budget_bytes
        self._tables: dict[str, _Kept] = {}
        self._questions = 0
        self._readers = 0
        self._lock = threading.Lock()

    @contextmanager
    def view(
        self, cursor: "duckdb.DuckDBPyConnection", table: str, files: Sequence[SmallFile], schema: pa.Schema
    ) -> Iterator[tuple[str, list[int]] | None]:
        """The name of the database's table that has the rows of some small files of one of our tables, and the numbers
        that these files have in its column `_file_number`, for as long as the block lasts. None where they are too
        many to keep or too few to matter.

        Raises: duckdb.Error, if a file cannot be read.
        """
        if len(files) < _FEW or sum(file.size for file in files) > self._budget:
            yield None
            return
        with self._lock:
            found = self._kept(cursor, table, files, schema)
            self._readers += 1
        try:
            yield found
        finally:
            with self._lock:
                self._readers -= 1

    def kept_bytes(self) -> int:
        """Bytes of the files whose rows are kept."""
        return sum(sum(kept.sizes.values()) for kept in self._tables.values())

    def _kept(
        self, cursor: "duckdb.DuckDBPyConnection", table: str, files: Sequence[SmallFile], schema: pa.Schema
    ) -> tuple[str, list[int]] | None:
        kept = self._tables.setdefault(table, _Kept(f"kept_{len(self._tables)}"))
        self._questions += 1
        kept.asked |= {file.uri: self._questions for file in files}
        missing = [file for file in files if file.uri not in kept.numbers]
        over = self.kept_bytes() + sum(file.size for file in missing) - self._budget
        if over > 0 and not self._let_go(cursor, over):
            return None
        if missing:
            _add(cursor, kept, missing, schema)
        return kept.name, [kept.numbers[file.uri] for file in files]

    def _let_go(self, cursor: "duckdb.DuckDBPyConnection", needed: int) -> bool:
        """Forget files of at least so many bytes, first those that were asked for longest ago, but none of this
        question; False if that cannot be, for somebody reads what is kept.
        """
        if self._readers:
            return False
        stale = [
            (asked, uri, kept)
            for kept in self._tables.values()
            for uri, asked in kept.asked.items()
            if uri in kept.numbers and asked < self._questions
        ]
        stale.sort(key=lambda file: file[0])
        gone: dict[str, list[str]] = {}
        for _, uri, kept in stale:
            if needed <= 0:
                break
            needed -= kept.sizes[uri]
            gone.setdefault(kept.name, []).append(uri)
        for kept in self._tables.values():
            if kept.name in gone:
                _forget(cursor, kept, gone[kept.name])
        return needed <= 0


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


def _forget(cursor: "duckdb.DuckDBPyConnection", kept: _Kept, gone: Sequence[str]) -> None:
    cursor.execute(
        f"DELETE FROM {kept.name} WHERE {_NUMBER} IN (SELECT unnest($gone))",  # noqa: S608
        {"gone": [kept.numbers[uri] for uri in gone]},
    )
    for uri in gone:
        del kept.numbers[uri], kept.sizes[uri], kept.asked[uri]
