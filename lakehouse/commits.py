"""What each commit of a table did, read from the Delta log: which files it added, how many rows, what it rewrote.

Only the commits asked for are read, one small JSON file each, and no data: that is how a job learns cheaply what is
new. Source: the Delta transaction log protocol, sections "Actions" and "Change Data Files".
"""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow.fs as pafs

from lakehouse.errors import HistoryGone, UnreadableTable

if TYPE_CHECKING:
    from deltalake import DeltaTable

_NO_NEW_ROWS = ("DELETE", "UPDATE", "OPTIMIZE", "REORG")
"""Operations that write files but never a row that was not in the table before."""

_PARALLEL_READS = 16
"""Log files read at once: an object store answers each in some 20 ms."""


@dataclass(frozen=True)
class AddedFile:
    """A data file that a commit added. `rows` is None where the log has no count; `size` is in bytes, compressed."""

    path: str
    partition_values: dict[str, str | None]
    rows: int | None
    size: int


@dataclass(frozen=True)
class Commit:
    """What one version of a table did to its rows.

    `files` hold new rows and nothing else. With `needs_change_data` the commit mixed new rows with old ones, and only
    the change data feed can tell them apart (`has_change_data` says whether the commit wrote one).
    """

    version: int
    timestamp_ms: int | None
    operation: str
    files: tuple[AddedFile, ...] = ()
    needs_change_data: bool = False
    has_change_data: bool = False
    removed_paths: frozenset[str] = frozenset()


def file_system(table: "DeltaTable") -> pafs.FileSystem:
    """The file system of a table, in which paths are relative to the table's folder."""
    uri = str(table.table_uri)
    if uri.startswith("file://"):
        local, folder = pafs.FileSystem.from_uri(uri)
        return pafs.SubTreeFileSystem(folder, local)
    from deltalake.fs import DeltaStorageHandler

    # The table's own object store: with its credentials, also those that a catalog handed out.
    return pafs.PyFileSystem(DeltaStorageHandler.from_table(table._table))


def log_has(files: pafs.FileSystem, version: int) -> bool:
    """Whether the log still has the commit of that version."""
    return bool(files.get_file_info(_log_path(version)).type == pafs.FileType.File)


def read_commits(table: "DeltaTable", files: pafs.FileSystem, first: int, last: int) -> list[Commit]:
    """The commits `first` to `last`, both included, in order.

    Raises: HistoryGone, if one was cleaned up. UnreadableTable, if one is not understood.
    """

    def read(version: int) -> Commit:
        try:
            with files.open_input_stream(_log_path(version)) as stream:
                text = stream.read().decode("utf-8")
        except FileNotFoundError as error:
            raise HistoryGone(
                f"Version {version} of the table at {table.table_uri} was cleaned out of its log before it was read; "
                "begin again from the table's present rows."
            ) from error
        try:
            return parse_commit(version, text)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UnreadableTable(
                f"Version {version} of the table at {table.table_uri} has a broken log file."
            ) from error

    versions = range(first, last + 1)
    if isinstance(files, pafs.SubTreeFileSystem) or len(versions) < 2:
        return [read(version) for version in versions]
    with ThreadPoolExecutor(_PARALLEL_READS) as pool:
        return list(pool.map(read, versions))


def parse_commit(version: int, text: str) -> Commit:
    """A commit from its log file: one JSON object a line, each with one action.

    Raises: ValueError, KeyError, TypeError or AttributeError, if the text is no commit.
    """
    info: dict[str, Any] = {}
    added: list[dict[str, Any]] = []
    removed: set[str] = set()
    gone: set[str] = set()
    has_change_data = False
    for line in text.splitlines():
        if not line.strip():
            continue
        action = json.loads(line)
        if "commitInfo" in action:
            info = action["commitInfo"]
        elif "add" in action and action["add"].get("dataChange", True):
            added.append(action["add"])
        elif "remove" in action:
            path = unquote(action["remove"]["path"])
            gone.add(path)
            if action["remove"].get("dataChange", True):
                removed.add(path)
        elif "cdc" in action:
            has_change_data = True
    operation = str(info.get("operation", ""))
    # A file that is removed and added again lost rows to a deletion vector: it brings none.
    fresh = [add for add in added if unquote(add["path"]) not in removed]
    mixed = has_change_data or (bool(removed) and bool(fresh)) or any(add.get("deletionVector") for add in fresh)
    only_old = operation.upper() in _NO_NEW_ROWS
    return Commit(
        version=version,
        timestamp_ms=info.get("inCommitTimestamp") or info.get("timestamp"),
        operation=operation,
        files=() if mixed or only_old else tuple(_added_file(add) for add in fresh),
        needs_change_data=mixed and not only_old,
        has_change_data=has_change_data,
        removed_paths=frozenset(gone),
    )


def _added_file(add: dict[str, Any]) -> AddedFile:
    stats = json.loads(add["stats"]) if add.get("stats") else {}
    rows = stats.get("numRecords")
    return AddedFile(
        path=unquote(add["path"]),
        partition_values=dict(add.get("partitionValues") or {}),
        rows=int(rows) if rows is not None else None,
        size=int(add.get("size") or 0),
    )


def _log_path(version: int) -> str:
    return f"_delta_log/{version:020d}.json"


class ReadCommits:
    """The commits of one table that were read, each read once."""

    def __init__(self, table: "DeltaTable", files: pafs.FileSystem) -> None:
        self._table, self._files = table, files
        self.known: dict[int, Commit] = {}
        """By version."""

    def between(self, first: int, last: int) -> list[Commit]:
        """The commits `first` to `last`, both included, in order. Raises: as `read_commits`."""
        missing = [version for version in range(first, last + 1) if version not in self.known]
        if missing:
            for commit in read_commits(self._table, self._files, missing[0], missing[-1]):
                self.known[commit.version] = commit
        return [self.known[version] for version in range(first, last + 1)]
