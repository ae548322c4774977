"""The requests of the last minutes without their texts, straight from the inference table: seconds old, cheap to read.

The first look reads the files of the wanted dates; each further look reads the files of the new commits only.
"""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.change_data import added_batches, present_batches
from lakehouse.commits import file_system, read_commits
from lakehouse.errors import HistoryGone, TableMissing
from lakehouse.generations import Generation, columns_read, date_column, generation_of, normalise
from lakehouse.inference import served_entities
from lakehouse.store import is_foreign, open_table, open_uri, storage_options, table_id, table_uri
from lakehouse.tables import INFERENCE_ROWS
from settings import Settings

if TYPE_CHECKING:
    from deltalake import DeltaTable

COLUMNS = (
    "databricks_request_id",
    "request_time",
    "status_code",
    "execution_duration_ms",
    "served_entity_id",
    "endpoint_name",
    "entity_name",
    "entity_version",
)
_NOT_READ = {"request", "response", "requester", "client_request_id", "logging_error_codes", "sampling_fraction"}
_ROWS = pa.schema([INFERENCE_ROWS.field(name) for name in COLUMNS])
_MANY_COMMITS = 500
"""More new commits than this are read as one snapshot: that opens no more files and fewer log entries."""


class RecentRequests:
    """Keeps the rows that it has read, from the earliest time that was asked for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._rows = _ROWS.empty_table()
        self._from: datetime | None = None
        self._table_id = ""
        self._version = -1

    def since(self, start: datetime) -> pa.Table:
        """The requests made at or after `start` (with a time zone), each once, with the columns of `COLUMNS`.

        Empty where there is no inference table yet. A request without an id counts as one of its own.
        Raises: UnreadableTable, SchemaMismatch.
        """
        table = self._open()
        if table is None:
            return _ROWS.empty_table()
        if not (self._can_go_on(table, start) and self._read_new(table)):
            self._read_snapshot(table, start)
        self._version, self._table_id = int(table.version()), table_id(table)
        self._rows = self._rows.filter(_at_or_after(self._rows, start))
        self._from = start
        filled = served_entities(self._settings).fill_in(self._rows) if self._rows.num_rows else self._rows
        return _each_once(filled)

    def forget(self) -> None:
        """Let go of what is kept: nothing is watched for now."""
        self.__init__(self._settings)  # type: ignore[misc]

    def _open(self) -> "DeltaTable | None":
        if is_foreign(self._settings, "inference_table"):
            return open_table(self._settings, "inference_table")
        try:
            # Not created by looking at it: that is the gateway's to do.
            uri = table_uri(self._settings, "inference_table")
            return open_uri(uri, storage_options(self._settings, uri))
        except TableMissing:
            return None

    def _can_go_on(self, table: "DeltaTable", start: datetime) -> bool:
        known = self._table_id == table_id(table) and self._from is not None and start >= self._from
        return known and 0 <= int(table.version()) - self._version <= _MANY_COMMITS

    def _read_new(self, table: "DeltaTable") -> bool:
        """Read what the new commits brought; False if a commit mixed new rows with old ones, or is gone."""
        if int(table.version()) == self._version:
            return True
        files, schema = file_system(table), pa.schema(table.schema())
        try:
            commits = read_commits(table, files, self._version + 1, int(table.version()))
            if any(commit.needs_change_data for commit in commits):
                return False
            generation = generation_of(schema)
            columns = _columns(schema, generation)
            brought = added_batches(files, schema, columns, [commit for commit in commits if commit.files])
            found = [_narrow(rows, generation) for rows, _ in brought]
        except HistoryGone:
            return False
        self._rows = pa.concat_tables([self._rows, *found])
        return True

    def _read_snapshot(self, table: "DeltaTable", start: datetime) -> None:
        schema = pa.schema(table.schema())
        generation = generation_of(schema)
        batches = present_batches(table, _columns(schema, generation), _where(generation, start))
        self._rows = pa.concat_tables([_ROWS.empty_table(), *(_narrow(rows, generation) for rows in batches)])


def _columns(schema: pa.Schema, generation: Generation) -> list[str]:
    return [name for name in columns_read(schema, generation) if name not in _NOT_READ]


def _narrow(rows: pa.Table, generation: Generation) -> pa.Table:
    return normalise(rows, generation).select(list(COLUMNS))


def _where(generation: Generation, start: datetime) -> str:
    """A condition for the kernel that skips older files, from typed values only. The exact time is compared later."""
    moment = start.astimezone(UTC) - timedelta(seconds=1)
    column = date_column(generation)
    if column is None:
        return f"event_time >= TIMESTAMP '{moment:%Y-%m-%dT%H:%M:%SZ}'"
    by_date = f"{column} >= DATE '{moment.date().isoformat()}'"
    if generation == 1:
        return f"{by_date} AND timestamp_ms >= {int(moment.timestamp() * 1000)}"
    return f"{by_date} AND request_time >= TIMESTAMP '{moment:%Y-%m-%dT%H:%M:%SZ}'"


def _at_or_after(rows: pa.Table, start: datetime) -> pa.ChunkedArray:
    return pc.fill_null(
        pc.greater_equal(rows["request_time"], pa.scalar(start, _ROWS.field("request_time").type)), False
    )


def _each_once(rows: pa.Table) -> pa.Table:
    """Databricks delivers at least once: of rows with one request id, the first counts."""
    ids = rows["databricks_request_id"].to_pylist()
    seen: set[str] = set()
    kept = []
    for request_id in ids:
        kept.append(request_id is None or request_id not in seen)
        if request_id is not None:
            seen.add(request_id)
    return rows if all(kept) else rows.filter(pa.array(kept, pa.bool_()))
