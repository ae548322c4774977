"""Upkeep of our own tables: many small files into few, unused files away, a short log.

Nothing here changes a row. Files that a reader may still need stay as long as the table's own retention says; a
shorter one would delete files of writers in flight. Tables of others are left to their owners.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse.appends import writer_properties
from lakehouse.errors import CommitConflict, LakehouseError
from lakehouse.store import first_line, is_foreign, open_table, table_uri
from settings import Settings

if TYPE_CHECKING:
    from deltalake import DeltaTable

_FEW_FILES = 8
"""A table with at most this many files is not worth a rewrite."""


_APP_ID = "upkeep:merge"


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
    if before > _FEW_FILES:
        _merge_files(table)
    deleted = vacuum(settings, name)
    shorten_log(settings, name)
    return Upkeep(name, before, len(open_table(settings, name).file_uris()), deleted)


def vacuum(settings: Settings, name: str) -> int:
    """Delete files that no snapshot within the table's retention uses. Returns how many there were."""
    from deltalake.exceptions import DeltaError

    table = _own_table(settings, name)
    try:
        # Looked at first: each real vacuum adds two commits to the log, also with nothing to delete.
        if not table.vacuum(dry_run=True):
            return 0
        return len(table.vacuum(dry_run=False))
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


def _merge_files(table: "DeltaTable") -> None:
    from deltalake import CommitProperties, Transaction
    from deltalake.exceptions import CommitFailedError, DeltaError

    # Two merges of one snapshot would both succeed and double every row: deltalake does not see that the files of the
    # second are gone. A transaction of the same application makes the second fail.
    once = CommitProperties(app_transactions=[Transaction(app_id=_APP_ID, version=int(table.version()))])
    try:
        table.optimize.compact(commit_properties=once, writer_properties=writer_properties(table))
    except CommitFailedError as error:
        raise CommitConflict(
            f"Files of {table.table_uri} were changed while they were merged, and nothing was merged; try again later."
        ) from error
    except (DeltaError, OSError) as error:
        raise LakehouseError(f"The files of {table.table_uri} cannot be merged: {first_line(error)}") from error


def _own_table(settings: Settings, name: str) -> "DeltaTable":
    if is_foreign(settings, name):
        raise LakehouseError(
            f"The table at {table_uri(settings, name)} belongs to another system, which keeps it in order itself."
        )
    return open_table(settings, name)
