"""Upkeep of our own tables: many small files into few, unused files away, a short log.

Nothing here changes a number: in the rollups, partial sums of one window become one row with their sum. Files that a
reader may still need stay as long as the table's own retention says; a shorter one would delete files of writers in
flight. Tables of others are left to their owners.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse.errors import LakehouseError
from lakehouse.merging import merge_small_files
from lakehouse.store import first_line, is_foreign, open_table, table_uri
from lakehouse.tables import TABLES
from settings import Settings

if TYPE_CHECKING:
    from deltalake import DeltaTable


@dataclass(frozen=True)
class Upkeep:
    """What the upkeep of a table did, in numbers of files."""

    name: str
    files_before: int
    files_after: int
    files_deleted: int


def compact(settings: Settings, name: str) -> Upkeep:
    """Merge the small files of one of our tables, delete the files that its retention allows, shorten its log.

    Appends may go on meanwhile. Raises: CommitConflict, if another upkeep ran at the same time; LakehouseError for a
    table of others.
    """
    table = _own_table(settings, name)
    before = len(table.file_uris())
    merge_small_files(table, TABLES[name])
    deleted = vacuum(settings, name)
    shorten_log(settings, name)
    return Upkeep(name, before, len(open_table(settings, name).file_uris()), deleted)


def vacuum(settings: Settings, name: str) -> int:
    """Delete files that no snapshot within the table's retention uses. Returns how many there were."""
    from deltalake.exceptions import DeltaError

    table = _own_table(settings, name)
    try:
        # Looked at first: each real vacuum adds two commits to the log, also with nothing to delete. `full` finds also
        # the files that a killed writer left behind and no commit names.
        if not table.vacuum(dry_run=True, full=True):
            return 0
        return len(table.vacuum(dry_run=False, full=True))
    except (DeltaError, OSError) as error:
        raise LakehouseError(f"The table at {table.table_uri} cannot be vacuumed: {first_line(error)}") from error


def shorten_log(settings: Settings, name: str) -> None:
    """Write a checkpoint and delete log files older than the table's log retention."""
    from deltalake.exceptions import DeltaError

    table = _own_table(settings, name)
    try:
        table.create_checkpoint()
        table.cleanup_metadata()
    except (DeltaError, OSError) as error:
        raise LakehouseError(f"The log of {table.table_uri} cannot be shortened: {first_line(error)}") from error


def _own_table(settings: Settings, name: str) -> "DeltaTable":
    if is_foreign(settings, name):
        raise LakehouseError(
            f"The table at {table_uri(settings, name)} belongs to another system, which keeps it in order itself."
        )
    return open_table(settings, name)
