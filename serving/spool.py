"""The write-ahead spool: what the gateway has answered is on disk here before the answer leaves.

A spool is a folder of numbered segment files that one gateway process writes. A segment starts with eight bytes that
name the format; each record is its length and CRC-32 (little-endian, four bytes each) and then its bytes. Appends of
requests that end at the same time share one write and one fsync (group commit). Where a process died, the last
segment may end in half a record: nobody was told that it was kept, so it is dropped.
"""

import asyncio
import logging
import os
import struct
import threading
import uuid
import zlib
from dataclasses import dataclass
from pathlib import Path

logger = logging.getLogger(__name__)

_FORMAT = b"LKHSPL01"
_HEADER = struct.Struct("<II")
_SUFFIX = ".segment"
_LARGEST_RECORD = 64 * 2**20


class SpoolError(Exception):
    """A record could not be made durable."""


@dataclass(frozen=True)
class Segment:
    """A closed segment file. (`spool_id`, `number`) names it for ever: no other segment ever gets the same."""

    spool_id: str
    number: int
    path: Path


class Spool:
    """The spool of this process. Every start gets a new id, so a number is never used for two segments.

    Args:
        root: the folder that holds one folder for each spool.
        largest_segment: bytes after which a segment is closed and the next one begun.
    """

    def __init__(self, root: Path, largest_segment: int = 8 * 2**20) -> None:
        self.spool_id = uuid.uuid4().hex
        self._folder = root / self.spool_id
        self._folder.mkdir(parents=True)
        _sync_folder(root)
        self._largest_segment = largest_segment
        self._number = 0
        self._file = -1
        self._size = 0
        self._closed: list[Segment] = []
        # `_changed` guards what waits to be written; `_writing` guards the file.
        self._changed = threading.Condition()
        self._writing = threading.Lock()
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._ended = False
        self._thread = threading.Thread(target=self._write_groups, name="spool", daemon=True)
        self._thread.start()

    async def append(self, record: bytes) -> None:
        """Return when `record` (1 byte to 64 MiB) is on disk. Raises SpoolError when it cannot be brought there."""
        if not 0 < len(record) <= _LARGEST_RECORD:
            # Reading would take it for the end of the segment, and everything behind it would be lost with it.
            raise SpoolError(f"A record of {len(record)} bytes cannot be kept: the largest has {_LARGEST_RECORD}.")
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._changed:
            if self._ended:
                raise SpoolError("The spool is closed: the gateway is stopping.")
            self._waiting.append((record, written))
            self._changed.notify()
        await written

    def roll(self) -> None:
        """Close the segment that is being written, if it holds anything, so that it can be delivered."""
        with self._writing:
            self._close_segment()

    def take_closed(self) -> list[Segment]:
        """The segments closed since the last call, oldest first."""
        with self._writing:
            closed, self._closed = self._closed, []
            return closed

    def close(self) -> None:
        """Write what still waits, close the last segment and end the thread."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join()
        self.roll()

    def remove_if_empty(self) -> None:
        """Take this spool's folder away when every segment was delivered."""
        remove_empty_spool(self._folder)

    def _write_groups(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._ended:
                    self._changed.wait()
                group, self._waiting = self._waiting, []
                if not group:
                    return
            error: Exception | None = None
            try:
                with self._writing:
                    self._write([record for record, _ in group])
            except (OSError, SpoolError) as failed:
                logger.error("The spool in %s cannot be written: %s", self._folder, failed)
                error = SpoolError(f"The spool in {self._folder} cannot be written: {failed}")
            for loop, futures in _by_loop([future for _, future in group]).items():
                loop.call_soon_threadsafe(_settle, futures, error)

    def _write(self, records: list[bytes]) -> None:
        """Bring `records` to disk, all of them or (as far as the disk allows) none."""
        if self._file < 0:
            self._open_segment()
        start = self._size
        data = b"".join(_HEADER.pack(len(record), zlib.crc32(record)) + record for record in records)
        try:
            _write_fully(self._file, data)
            os.fdatasync(self._file)
        except OSError:
            # Half a group must not stand before the next one. Whether this helps or not, the segment is finished.
            try:
                os.ftruncate(self._file, start)
                os.fsync(self._file)
            finally:
                self._close_segment()
            raise
        self._size = start + len(data)
        if self._size >= self._largest_segment:
            self._close_segment()

    def _open_segment(self) -> None:
        number = self._number + 1
        path = self._folder / f"{number:012d}{_SUFFIX}"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._number = number  # used up from here on, whatever happens next
        try:
            _write_fully(file, _FORMAT)
            os.fsync(file)
            _sync_folder(self._folder)
        except OSError:
            # A file without its first bytes is no segment: what is appended to it could not be read.
            os.close(file)
            path.unlink(missing_ok=True)
            raise
        self._file, self._size = file, len(_FORMAT)

    def _close_segment(self) -> None:
        if self._file < 0:
            return
        os.close(self._file)
        self._file = -1
        path = self._folder / f"{self._number:012d}{_SUFFIX}"
        self._closed.append(Segment(self.spool_id, self._number, path))


def segments_of_dead_spools(root: Path, living_spool_id: str) -> list[Segment]:
    """What gateways before this one left undelivered, oldest first in each spool.

    Only sound while the workspace is locked: another living gateway would still be writing its own.
    """
    found = []
    for folder in sorted(root.iterdir()) if root.is_dir() else []:
        if not folder.is_dir() or folder.name == living_spool_id:
            continue
        numbered = sorted(folder.glob(f"*{_SUFFIX}"))
        found += [Segment(folder.name, int(path.stem), path) for path in numbered]
        if not numbered:
            remove_empty_spool(folder)
    return found


def read_segment(path: Path) -> list[bytes]:
    """The records of a segment in the order they were written, up to the first that is torn."""
    data = path.read_bytes()
    records: list[bytes] = []
    position = len(_FORMAT)
    if data[:position] != _FORMAT:
        if data:
            logger.warning("The spool segment %s does not begin as a segment does: it was torn at its birth.", path)
        return records
    while position < len(data):
        start = position + _HEADER.size
        if start > len(data):
            break
        length, checksum = _HEADER.unpack_from(data, position)
        record = data[start : start + length]
        if not 0 < length <= _LARGEST_RECORD or len(record) < length or zlib.crc32(record) != checksum:
            break
        records.append(record)
        position = start + length
    if position < len(data):
        logger.warning("The last %d bytes of the spool segment %s are torn and dropped.", len(data) - position, path)
    return records


def remove_empty_spool(folder: Path) -> None:
    """Remove a spool's folder unless something is left in it."""
    try:
        folder.rmdir()
    except OSError:  # not empty: what is left is delivered by a later start
        return


def _write_fully(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _by_loop(
    futures: list["asyncio.Future[None]"],
) -> dict[asyncio.AbstractEventLoop, list["asyncio.Future[None]"]]:
    grouped: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for future in futures:
        grouped.setdefault(future.get_loop(), []).append(future)
    return grouped


def _settle(futures: list["asyncio.Future[None]"], error: Exception | None) -> None:
    for future in futures:
        if future.cancelled():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
