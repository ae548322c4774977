"""A table as it was at an earlier moment: which version that was, and whether it can still be read.

The version is found by the times that stand in the commits. deltalake goes by the times of the log's files, which a
copy or a restored backup has all of today.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote

from dashboard.errors import QueryFailed
from lakehouse.commits import file_system, read_commits
from lakehouse.store import first_line, open_uri

if TYPE_CHECKING:
    import pyarrow.fs as pafs
    from deltalake import DeltaTable

_LOG = "_delta_log"


def table_at(name: str, uri: str, options: dict[str, str], moment: datetime) -> "DeltaTable | None":
    """The table at `uri` as it was at `moment` (UTC); None where it was not there yet.

    Raises: TableMissing, LakehouseError; QueryFailed, if that past is no more.
    """
    from deltalake.exceptions import DeltaError

    table = open_uri(uri, options)
    try:
        storage = file_system(table)
        versions = _logged_versions(storage)
        version = _version_at(table, storage, versions, moment)
        if version is None:
            if versions and versions[0] > 0:
                raise _gone(name, moment, _commit_time(table, storage, versions[0]))
            return None
        now = _paths(table)
        table.load_as_version(version)
        # Files of the newest version are there; those that were replaced since may be deleted.
        missing = _missing(storage, _paths(table) - now)
    except (DeltaError, OSError) as error:
        raise QueryFailed(f"The table {name} as of {_said(moment)} cannot be read: {first_line(error)}") from error
    if missing:
        raise _gone(name, moment)
    return table


def _gone(name: str, moment: datetime, earliest: datetime | None = None) -> QueryFailed:
    """What is said where the files or the log of then were cleaned up since."""
    hint = "a later moment" if earliest is None else f"a moment after {_said(earliest)}"
    return QueryFailed(f"The table {name} as of {_said(moment)} was cleaned up since: look back at {hint}.")


def _said(moment: datetime) -> str:
    return f"{moment:%d %b %Y, %H:%M} UTC"


def _logged_versions(storage: "pafs.FileSystem") -> list[int]:
    """The versions whose commits the log still has, rising and without a gap up to the newest."""
    import pyarrow.fs as pafs

    names = [file.base_name for file in storage.get_file_info(pafs.FileSelector(_LOG))]
    found = sorted(int(name[:20]) for name in names if name.endswith(".json") and name[:20].isdecimal())
    first = len(found) - 1
    while first > 0 and found[first - 1] == found[first] - 1:
        first -= 1
    return found[max(first, 0) :]


def _version_at(table: "DeltaTable", storage: "pafs.FileSystem", versions: list[int], moment: datetime) -> int | None:
    """The last version that was committed at `moment` or before; None if all came later."""
    low, high = 0, len(versions)
    while low < high:
        middle = (low + high) // 2
        if _commit_time(table, storage, versions[middle]) <= moment:
            low = middle + 1
        else:
            high = middle
    return versions[low - 1] if low else None


def _commit_time(table: "DeltaTable", storage: "pafs.FileSystem", version: int) -> datetime:
    """When a version was committed: as the commit says, else when its file was written."""
    (commit,) = read_commits(table, storage, version, version)
    if commit.timestamp_ms is not None:
        return datetime.fromtimestamp(commit.timestamp_ms / 1000, UTC)
    written: datetime = storage.get_file_info(f"{_LOG}/{version:020d}.json").mtime
    return written.astimezone(UTC)


def _paths(table: "DeltaTable") -> set[str]:
    import pyarrow as pa

    return set(pa.table(table.get_add_actions())["path"].to_pylist())


def _missing(storage: "pafs.FileSystem", paths: set[str]) -> bool:
    import pyarrow.fs as pafs

    # The log names files as addresses do: a space is %20.
    found = storage.get_file_info([unquote(path) for path in sorted(paths)]) if paths else []
    return any(file.type == pafs.FileType.NotFound for file in found)
