"""The rows of any Delta table, in units that can be taken up again: all that are there at first, then commit by commit.

Where reading starts is written down in `source_starts`, so that a run which was cut off goes on with the same rows.
Commits that only added files are read from these files; those that mixed new rows with old ones through the change
data feed, of which only inserted rows count as new.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.appends import FINISHED, append
from lakehouse.change_data import added_batches, changed_batches, present_batches, rows_in_files
from lakehouse.commits import Commit, ReadCommits, file_system
from lakehouse.errors import RowsMixed, TableMissing
from lakehouse.inference import refuse_unreadable
from lakehouse.store import open_to_read, open_uri, read_rows, storage_options, table_id
from settings import Settings

if TYPE_CHECKING:
    from deltalake import DeltaTable

SCHEMES = ("s3", "s3a", "gs", "abfs", "abfss", "az", "adl", "uc", "file")
"""What an address may begin with; anything without `://` is a folder of this machine."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


@dataclass(frozen=True)
class Unit:
    """Some rows that are read together: all that version `version` has (`whole`), or those that its commit brought."""

    version: int
    rows: int
    whole: bool


def checked_address(text: str) -> str:
    """The address of a table as it is opened: of an object store, of Unity Catalog, or a folder of this machine.

    Raises: TableMissing, if it is no such address, or the folder is not there.
    """
    found = _SCHEME.match(text)
    if found:
        if found[1].lower() not in SCHEMES:
            raise TableMissing(
                f"{text!r} is no address of a Delta table: it begins with none of {', '.join(SCHEMES)}, and is no "
                "folder."
            )
        return text
    folder = Path(text).expanduser()
    if "\0" in text or not (folder / "_delta_log").is_dir():
        raise TableMissing(f"There is no Delta table in the folder {text!r}: check the path.")
    return str(folder.resolve())


class TableSource:
    """A table as one snapshot. `reader` names who reads it: each reader's start is its own.

    Raises: TableMissing, UnreadableTable.
    """

    def __init__(self, settings: Settings, address: str, reader: str) -> None:
        self.address = checked_address(address)
        self._settings = settings
        self._table = self._open()
        refuse_unreadable(self._table)
        self.schema = pa.schema(self._table.schema())
        self.table_id = table_id(self._table)
        self.version = int(self._table.version())
        self._files = file_system(self._table)
        self._reader = f"{reader}:{self.table_id}"
        self._commits = ReadCommits(self._table, self._files)

    def units_after(self, position: tuple[int, int] | None) -> list[Unit]:
        """The units of which something is left after `position` (version, chunk), the half-done one first.

        The first call of all decides where reading starts: with the rows that are there now. Reads the log, not the
        data. Raises: HistoryGone, RowsMixed, UnreadableTable.
        """
        start = self._recorded_start()
        if start is None:
            start = self.start_from_present_rows()
        version, chunk = position if position is not None else (-1, FINISHED)
        left = version if chunk == FINISHED else version - 1
        units = [start] if start.version > left else []
        first = max(start.version, left) + 1
        for commit in self._commits.between(first, self.version):
            rows = self._rows_of(commit)
            if rows:
                units.append(Unit(commit.version, rows, whole=False))
        return units

    def start_from_present_rows(self) -> Unit:
        """Decide that reading starts, or starts anew, with all rows of this snapshot, and write that down."""
        rows = sum(batch.num_rows for batch in present_batches(self._table, self.schema.names[:1]))
        row = {
            "source_table_id": self._reader,
            "version": self.version,
            "rows": rows,
            "decided_at": datetime.now(UTC),
        }
        append(self._settings, "source_starts", [row])
        return Unit(self.version, rows, whole=True)

    def batches(self, unit: Unit, columns: Sequence[str]) -> Iterator[pa.Table]:
        """The rows of a unit, some thousand at a time, in no promised order.

        Raises: HistoryGone, UnreadableTable.
        """
        if unit.whole:
            yield from present_batches(self._open(unit.version), columns)
            return
        (commit,) = self._commits.between(unit.version, unit.version)
        if commit.needs_change_data:
            yield from changed_batches(self._table, commit.version, columns)
            return
        for batch, _ in added_batches(self._files, self.schema, columns, [commit]):
            yield batch

    def _open(self, version: int | None = None) -> "DeltaTable":
        return open_uri(self.address, storage_options(self._settings, self.address), version)

    def _recorded_start(self) -> Unit | None:
        rows = read_rows(
            open_to_read(self._settings, "source_starts"), where=pc.field("source_table_id") == self._reader
        ).to_pylist()
        newest = max(rows, key=lambda row: row["version"], default=None)
        return Unit(newest["version"], newest["rows"], whole=True) if newest else None

    def _rows_of(self, commit: Commit) -> int:
        if not commit.needs_change_data:
            return sum(f.rows if f.rows is not None else rows_in_files(self._files, [f]) for f in commit.files)
        enabled = self._table.metadata().configuration.get("delta.enableChangeDataFeed", "false") == "true"
        if not (commit.has_change_data or enabled):
            raise RowsMixed(
                f"Version {commit.version} of the table at {self.address} ({commit.operation or 'unknown operation'}) "
                "rewrote rows and the table has no change data feed, so its new rows cannot be told from old ones; "
                "begin again from the table's present rows."
            )
        return sum(batch.num_rows for batch in changed_batches(self._table, commit.version, self.schema.names[:1]))
