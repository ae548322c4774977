"""New rows of an inference table, whoever writes it, and the texts of single requests.

Commits that only added files are read file by file, as the log lists them: that needs no change data feed and is
bounded by the commits asked for. Commits that mixed new rows with old ones are read through the change data feed, and
present rows through Delta's kernel, which knows deletion vectors.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.appends import append
from lakehouse.change_data import added_batches, changed_batches, plain, present_batches, rows_in_files
from lakehouse.commits import Commit, ReadCommits, file_system, log_has
from lakehouse.errors import HistoryGone, RowsMixed, TableMissing, UnreadableTable
from lakehouse.generations import Generation, columns_read, date_column, generation_of, normalise
from lakehouse.request_ids import content_hash_in, content_hashes, fill_in_ids, has_no_id
from lakehouse.served_entities import ServedEntities
from lakehouse.store import open_table, open_uri, read_rows, storage_options, table_id, table_uri
from lakehouse.table_spec import TIMESTAMP
from lakehouse.tables import INFERENCE_ROWS, SERVED_ENTITIES
from settings import Settings

if TYPE_CHECKING:
    from deltalake import DeltaTable

__all__ = ["SOURCE_ROWS", "InferenceSource", "SourceCommit", "generation_of", "normalise", "texts_of"]

SOURCE_ROWS = INFERENCE_ROWS.append(pa.field("source_version", pa.int64()))
"""A normalised inference row and the version of the inference table that brought it."""


@dataclass(frozen=True)
class SourceCommit:
    """A version of the inference table that brought rows, and how many.

    `stored_bytes` is the size of their files, compressed; 0 where only reading would tell.
    """

    version: int
    rows: int
    stored_bytes: int = field(default=0, compare=False)


class InferenceSource:
    """The inference table as one snapshot. Rows of a version are the same whenever they are read.

    Where a table's early history is gone, reading starts at one version with all rows that it had then. That version
    is written down in `source_starts`, so that a run which was cut off goes on with the same rows.
    """

    def __init__(self, settings: Settings, table: "DeltaTable") -> None:
        self._settings = settings
        self._table = table
        self._files = file_system(table)
        self._schema = pa.schema(table.schema())
        self._commits = ReadCommits(table, self._files)
        self._entities: ServedEntities | None = None
        refuse_unreadable(table)
        self.generation: Generation = generation_of(self._schema)
        self.table_id = table_id(table)
        self.version = int(table.version())
        self._start = _recorded_start(settings, self.table_id)

    @classmethod
    def open(cls, settings: Settings) -> "InferenceSource":
        """The newest snapshot of the inference table of the settings.

        Raises: TableMissing, UnreadableTable, SchemaMismatch (no inference table).
        """
        return cls(settings, open_table(settings, "inference_table"))

    def commits_after(self, version: int | None) -> list[SourceCommit]:
        """The commits after `version` (None: all) that brought rows, oldest first. Reads the log, not the data.

        Raises: HistoryGone, if commits after `version` were cleaned up. RowsMixed, if one rewrote rows without a
        change data feed. UnreadableTable.
        """
        if version is None and self._start is None and not self._history_is_whole():
            self.start_from_present_rows()
        found: list[SourceCommit] = []
        if self._start is not None and (version is None or version < self._start.version):
            found = [self._start]
            version = self._start.version
        for commit in self._load(0 if version is None else version + 1, self.version):
            rows = self._rows_of(commit)
            if rows:
                found.append(SourceCommit(commit.version, rows, sum(file.size for file in commit.files)))
        return found

    def read(self, version_from: int, version_to: int) -> pa.Table:
        """All that `batches` gives, at once.

        Raises: HistoryGone, UnreadableTable.
        """
        return pa.concat_tables([SOURCE_ROWS.empty_table(), *self.batches(version_from, version_to)])

    def batches(self, version_from: int, version_to: int) -> Iterator[pa.Table]:
        """Rows that the versions `version_from` to `version_to`, both included, brought; columns of `SOURCE_ROWS`.

        Some thousand rows at a time, fewer where they are large, in the order of the versions; the order within a
        version is not always the same.
        Raises: HistoryGone, UnreadableTable.
        """
        columns = columns_read(self._schema, self.generation)
        seen: Counter[str] = Counter()
        start = self._start
        if start is not None and version_from <= start.version <= version_to:
            version_from = start.version + 1
            for batch in present_batches(self._at(start.version), columns):
                yield self._finished(batch, pa.repeat(start.version, batch.num_rows), seen)
        for mixed, commits in groupby(self._load(version_from, version_to), lambda commit: commit.needs_change_data):
            if not mixed:
                added = added_batches(self._files, self._schema, columns, list(commits))
                yield from (self._finished(batch, versions, seen) for batch, versions in added)
                continue
            for commit in commits:
                self._require_change_data(commit)
                for batch in changed_batches(self._table, commit.version, columns):
                    yield self._finished(batch, pa.repeat(commit.version, batch.num_rows), seen)

    def start_from_present_rows(self) -> SourceCommit:
        """Decide that reading begins with all rows of this snapshot, and write that down. For a reader left behind."""
        rows = sum(
            batch.num_rows for batch in present_batches(self._table, columns_read(self._schema, self.generation)[:1])
        )
        start = SourceCommit(self.version, rows)
        row = {
            "source_table_id": self.table_id,
            "version": start.version,
            "rows": start.rows,
            "decided_at": datetime.now(UTC),
        }
        append(self._settings, "source_starts", [row])
        self._start = start
        return start

    def _finished(self, batch: pa.Table, versions: pa.Array | pa.ChunkedArray, seen: Counter[str]) -> pa.Table:
        rows = normalise(batch, self.generation)
        versions = versions if isinstance(versions, pa.ChunkedArray) else pa.chunked_array([versions], pa.int64())
        rows = fill_in_ids(rows, versions, seen)
        rows = self._with_times(rows, versions)
        if self._entities is None:
            self._entities = served_entities(self._settings)
        rows = self._entities.fill_in(rows)
        return rows.append_column(SOURCE_ROWS.field("source_version"), versions.cast(pa.int64()))

    def _with_times(self, rows: pa.Table, versions: pa.ChunkedArray) -> pa.Table:
        """A row that has neither time nor date gets those of its commit, so that it stands in some window."""
        missing = pc.is_null(rows["request_time"])
        if not pc.any(missing).as_py():
            return rows
        known = {version: commit.timestamp_ms for version, commit in self._commits.known.items()}
        micros = [(known.get(version) or 0) * 1000 for version in versions.to_pylist()]
        times = pc.coalesce(rows["request_time"], pa.chunked_array([pa.array(micros, pa.int64())]).cast(TIMESTAMP))
        dates = pc.coalesce(rows["request_date"], times.cast(pa.date32(), safe=False))
        for name, column in (("request_time", times), ("request_date", dates)):
            rows = rows.set_column(rows.schema.get_field_index(name), INFERENCE_ROWS.field(name), column)
        return rows

    def _load(self, first: int, last: int) -> list[Commit]:
        if last > self.version:
            raise UnreadableTable(f"The inference table has no version {last}; its newest is {self.version}.")
        return self._commits.between(first, last)

    def _rows_of(self, commit: Commit) -> int:
        if commit.needs_change_data:
            self._require_change_data(commit)
            return sum(batch.num_rows for batch in changed_batches(self._table, commit.version, []))
        return sum(f.rows if f.rows is not None else rows_in_files(self._files, [f]) for f in commit.files)

    def _require_change_data(self, commit: Commit) -> None:
        if not self._has_change_data(commit):
            raise RowsMixed(
                f"Version {commit.version} of the inference table ({commit.operation or 'unknown operation'}) rewrote "
                "rows and the table has no change data feed, so its new rows cannot be told from old ones; "
                "begin again from the table's present rows."
            )

    def _has_change_data(self, commit: Commit) -> bool:
        enabled = self._table.metadata().configuration.get("delta.enableChangeDataFeed", "false") == "true"
        return commit.has_change_data or enabled

    def _history_is_whole(self) -> bool:
        """Whether every row that was ever added can still be read commit by commit."""
        if not log_has(self._files, 0):
            return False
        try:
            commits = self._load(0, self.version)
        except HistoryGone:
            return False
        if any(commit.needs_change_data and not self._has_change_data(commit) for commit in commits):
            return False
        removed: set[str] = set().union(*(commit.removed_paths for commit in commits))
        suspects = [file.path for commit in commits for file in commit.files if file.path in removed]
        import pyarrow.fs as pafs

        return (
            all(info.type == pafs.FileType.File for info in self._files.get_file_info(suspects)) if suspects else True
        )

    def _at(self, version: int) -> "DeltaTable":
        if version == self.version:
            return self._table
        uri = table_uri(self._settings, "inference_table")
        return open_uri(uri, storage_options(self._settings, uri), version)


def texts_of(settings: Settings, request_ids_by_date: dict[date, list[str]]) -> pa.Table:
    """Requests and responses of some rows, by request id under their `request_date`.

    Returns: columns databricks_request_id, request, response; one row for each id that was found, in no promised order.
    Raises: TableMissing, UnreadableTable.
    """
    columns = ["databricks_request_id", "request", "response"]
    schema = INFERENCE_ROWS.empty_table().select(columns).schema
    wanted = {request_id for ids in request_ids_by_date.values() for request_id in ids}
    if not wanted:
        return schema.empty_table()
    table = open_table(settings, "inference_table")
    names = pa.schema(table.schema())
    generation = generation_of(names)
    hashes = {digest: request_id for request_id in wanted if (digest := content_hash_in(request_id))}
    found: dict[str, dict[str, Any]] = {}
    where = on_dates(generation, sorted(request_ids_by_date))
    for batch in present_batches(table, columns_read(names, generation), where):
        rows = normalise(batch, generation)
        for row in (
            rows.filter(pc.is_in(rows["databricks_request_id"], pa.array(sorted(wanted)))).select(columns).to_pylist()
        ):
            found.setdefault(row["databricks_request_id"], row)
        nameless = rows.filter(has_no_id(rows)) if hashes else rows.slice(0, 0)
        for digest, row in zip(content_hashes(nameless), nameless.select(columns).to_pylist(), strict=True):
            if digest in hashes:
                found.setdefault(hashes[digest], {**row, "databricks_request_id": hashes[digest]})
    return pa.Table.from_pylist(list(found.values()), schema=schema)


def on_dates(generation: Generation, dates: list[date]) -> str:
    """A condition for the kernel: rows of these UTC dates, and those that have none. It holds typed values, no text."""
    column = date_column(generation)
    if column is not None:
        listed = ", ".join(f"DATE '{day.isoformat()}'" for day in dates)
        return f"{column} IN ({listed}) OR {column} IS NULL"
    spans = [
        f"(event_time >= TIMESTAMP '{day.isoformat()}T00:00:00Z' "
        f"AND event_time < TIMESTAMP '{(day + timedelta(days=1)).isoformat()}T00:00:00Z')"
        for day in dates
    ]
    return " OR ".join([*spans, "event_time IS NULL"])


def refuse_unreadable(table: "DeltaTable") -> None:
    """Raises: UnreadableTable, if the files of a table do not hold its columns as the log names and types them."""
    mode = table.metadata().configuration.get("delta.columnMapping.mode") or "none"
    if mode != "none":
        raise UnreadableTable(
            f"The table at {table.table_uri} gives its columns other names in its files (column mapping mode {mode}), "
            "which is not supported; turn column mapping off or copy the table."
        )
    if any("typeWidening" in feature for feature in table.protocol().reader_features or []):
        raise UnreadableTable(
            f"The table at {table.table_uri} uses type widening, which is not supported; copy it into a table without."
        )


def _recorded_start(settings: Settings, source_table_id: str) -> SourceCommit | None:
    try:
        uri = table_uri(settings, "source_starts")
        table = open_uri(uri, storage_options(settings, uri))
    except TableMissing:
        return None
    rows = read_rows(table, where=pc.field("source_table_id") == source_table_id).to_pylist()
    # Two first runs at once may both have decided: the later version holds for every reader from then on.
    newest = max(rows, key=lambda row: row["version"], default=None)
    return SourceCommit(newest["version"], newest["rows"]) if newest else None


def served_entities(settings: Settings) -> ServedEntities:
    """Which version each served entity is, as the table of served entities tells it; nothing where there is none."""
    try:
        uri = table_uri(settings, "served_entities")
        table = open_uri(uri, storage_options(settings, uri))
    except TableMissing:
        return ServedEntities.from_rows(SERVED_ENTITIES.schema.empty_table())
    names = [name for name in SERVED_ENTITIES.schema.names if name in pa.schema(table.schema()).names]
    batches = [plain(batch) for batch in present_batches(table, names)]
    return ServedEntities.from_rows(pa.concat_tables(batches) if batches else SERVED_ENTITIES.schema.empty_table())
