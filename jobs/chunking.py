"""The source's new commits cut into small pieces of work, in an order that any run can take up again.

Rows are taken in the order of (source version, hash bucket of the request id). The position of the job,
`(source version, chunk number)`, says how far it is: of that version every row whose bucket is at most the chunk number
is done, and all of it with `FINISHED`. Where a piece ends is therefore free: after as many rows as the time allowed,
in this run or in one of a later release, and still no row is skipped or done twice.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakehouse.appends import FINISHED
from lakehouse.inference import SOURCE_ROWS, InferenceSource, SourceCommit

FIRST_PIECE_ROWS = 16
"""Rows that the models score in one go at first. Long texts on a slow machine take seconds a row."""
LARGEST_PIECE_ROWS = 256
PIECE_SECONDS = 10.0
"""How long a piece should take, so that a run keeps to its budget and loses little when it is killed."""
PIECE_BYTES = 16 * 2**20
"""How much the rows of a piece may hold: their texts stand in memory several times while they are scored."""
GROUP_ROWS = 5_000
"""Consecutive commits are read together up to this many rows."""
GROUP_BYTES = 48 * 2**20
"""Bodies in memory at once. What is more is let go while it is read, and read again when its turn comes."""
LARGEST_READ_ROWS = 100_000
"""Rows in memory at once."""
_ROW_BYTES = 4096
"""What a row takes beside its bodies while it is scored."""
_NOTHING_DONE = -1


@dataclass(frozen=True)
class Rows:
    """Some rows, and the version, the bucket and the bytes of each."""

    rows: pa.Table
    versions: NDArray[np.int64]
    buckets: NDArray[np.int64]
    sizes: NDArray[np.int64]

    def columns(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        return self.versions, self.buckets, self.sizes

    def within(self, done: tuple[int, int], end: tuple[int, int]) -> "Rows":
        """The rows behind the position `done`, up to the position `end`."""
        behind = (self.versions > done[0]) | ((self.versions == done[0]) & (self.buckets > done[1]))
        before = (self.versions < end[0]) | ((self.versions == end[0]) & (self.buckets <= end[1]))
        kept = behind & before
        if kept.all():
            return self
        return Rows(self.rows.filter(pa.array(kept)), *(column[kept] for column in self.columns()))


@dataclass(frozen=True)
class Group(Rows):
    """Rows that were read together and are cut into pieces, and the position that is reached behind them."""

    last_version: int
    last_bucket: int
    """The position when the whole group is done, also where it has no rows."""
    rows_after: int
    """Rows of the source behind this group."""


@dataclass(frozen=True)
class Piece:
    """Some rows of a group, and the position that is reached when they are done."""

    rows: NDArray[np.bool_]
    source_version: int
    number: int
    rows_after: int
    last: bool


def buckets_of(request_ids: pa.ChunkedArray) -> NDArray[np.int64]:
    """The hash bucket of each request id, from 0 to `FINISHED` - 1.

    It is the same in every process and release: positions that are stored rest on it.
    """
    ids = request_ids.to_pylist()
    hashes = (zlib.crc32(request_id.encode("utf-8", "surrogatepass")) for request_id in ids)
    return np.fromiter(hashes, dtype=np.int64, count=len(ids)) % FINISHED


def groups(source: InferenceSource, commits: list[SourceCommit], position: tuple[int, int] | None) -> Iterator[Group]:
    """The work that is left, in order. `commits` are those of which something is left, a half-done one first."""
    index, done = 0, _NOTHING_DONE
    if position is not None and commits and position[0] == commits[0].version:
        done = position[1]
    while index < len(commits):
        group = _read_together(source, commits, index, done)
        end, done = group.last_version, group.last_bucket
        yield group
        # Not kept while the next one is read.
        del group
        if done == FINISHED:
            end, done = end + 1, _NOTHING_DONE
        while index < len(commits) and commits[index].version < end:
            index += 1


class PieceSize:
    """How many rows the next piece takes: twice as many, or half as many, as the last one's time suggests."""

    def __init__(self) -> None:
        self._scored = FIRST_PIECE_ROWS
        self.one_in = 1.0
        """The models score one row in so many, so that a piece has so many times more rows."""
        self.most_rows = LARGEST_READ_ROWS
        """But never more than these, which take time too."""

    @property
    def rows(self) -> int:
        """Rows of the next piece."""
        return max(1, min(int(self._scored * self.one_in), self.most_rows))

    def took(self, seconds: float) -> None:
        """Learn from how long the last piece took."""
        if seconds < PIECE_SECONDS / 2:
            self._scored = min(self._scored * 2, LARGEST_PIECE_ROWS)
        elif seconds > PIECE_SECONDS:
            self._scored = max(self._scored // 2, 1)


def pieces(group: Group, size: PieceSize) -> Iterator[Piece]:
    """The group cut into pieces of about `size.rows` rows and `PIECE_BYTES`, at least one. A bucket stays together."""
    order = np.lexsort((group.buckets, group.versions))
    versions, buckets = group.versions[order], group.buckets[order]
    filled = np.cumsum(group.sizes[order] + _ROW_BYTES)
    start, total = 0, len(order)
    while True:
        room = PIECE_BYTES + (filled[start - 1] if start else 0)
        fitting = int(np.searchsorted(filled, room, side="right")) - start
        end = min(start + max(min(size.rows, fitting), 1), total)
        while end < total and versions[end] == versions[end - 1] and buckets[end] == buckets[end - 1]:
            end += 1
        chosen = np.zeros(total, dtype=np.bool_)
        chosen[order[start:end]] = True
        if end == total:
            yield Piece(chosen, group.last_version, group.last_bucket, group.rows_after, True)
            return
        version = int(versions[end - 1])
        number = int(buckets[end - 1]) if versions[end] == version else FINISHED
        yield Piece(chosen, version, number, group.rows_after + total - end, False)
        start = end


def _taken_together(commits: list[SourceCommit], start: int) -> int:
    """How many commits from `start` on are read together."""
    end, rows, stored = start + 1, commits[start].rows, commits[start].stored_bytes
    while end < len(commits):
        rows, stored = rows + commits[end].rows, stored + commits[end].stored_bytes
        if rows > GROUP_ROWS or stored > GROUP_BYTES:
            break
        end += 1
    return end - start


def _read_together(source: InferenceSource, commits: list[SourceCommit], start: int, done: int) -> Group:
    """The next rows from the commit `start` on, of which buckets up to `done` are done: as many as fit in memory."""
    taken = commits[start : start + _taken_together(commits, start)]
    held = _Held((taken[0].version, done), _first_end(taken, done))
    for rows in source.batches(taken[0].version, taken[-1].version):
        held.add(rows)
        if rows.num_rows and rows["source_version"][0].as_py() > held.end[0]:
            break
    version, bucket = held.end
    after = sum(commit.rows for commit in commits[start:] if commit.version > version)
    cut = sum(commit.rows for commit in taken if commit.version == version)
    return held.group(after + cut * (FINISHED - bucket) // FINISHED)


def _first_end(taken: list[SourceCommit], done: int) -> tuple[int, int]:
    """Where reading may end if the rows are not large: a commit of many rows is read in several passes."""
    passes = -(-taken[0].rows // LARGEST_READ_ROWS)
    if passes < 2:
        return taken[-1].version, FINISHED
    return taken[0].version, min(max(done, 0) + -(-FINISHED // passes), FINISHED)


class _Held:
    """Rows that are kept while a source is read: those behind `done`, up to an end that moves when they get too many.

    done, end: positions (source version, bucket). Every row up to the end is held, however often it was moved.
    """

    def __init__(self, done: tuple[int, int], end: tuple[int, int]) -> None:
        self.end = end
        self._done = done
        self._parts: list[Rows] = [_part(SOURCE_ROWS.empty_table())]
        self._rows = self._bytes = 0

    def add(self, rows: pa.Table) -> None:
        """Keep those of `rows` that are in the range; make it smaller where they do not fit."""
        part = _part(rows).within(self._done, self.end)
        self._parts.append(part)
        self._rows += len(part.sizes)
        self._bytes += int(part.sizes.sum())
        while self._rows > LARGEST_READ_ROWS or self._bytes > GROUP_BYTES:
            if not self._move_end():
                return

    def group(self, rows_after: int) -> Group:
        """What is held, when all was read."""
        rows = pa.concat_tables([part.rows for part in self._parts])
        versions, buckets, sizes = self._columns()
        return Group(rows, versions, buckets, sizes, *self.end, rows_after)

    def _move_end(self) -> bool:
        """Let go of about half; False if all rows are in one bucket, which stays together."""
        versions, buckets, sizes = self._columns()
        order = np.lexsort((buckets, versions))
        versions, buckets, filled = versions[order], buckets[order], np.cumsum(sizes[order] + _ROW_BYTES)
        # A cut is possible behind each of these places.
        cuts = np.flatnonzero((versions[1:] != versions[:-1]) | (buckets[1:] != buckets[:-1]))
        if cuts.size == 0:
            return False
        place = cuts[min(int(np.searchsorted(filled[cuts], filled[-1] // 2)), cuts.size - 1)]
        version = int(versions[place])
        self.end = version, int(buckets[place]) if versions[place + 1] == version else FINISHED
        self._parts = [part.within(self._done, self.end) for part in self._parts]
        self._rows = sum(len(part.sizes) for part in self._parts)
        self._bytes = sum(int(part.sizes.sum()) for part in self._parts)
        return True

    def _columns(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Versions, buckets and sizes of all rows that are held."""
        versions, buckets, sizes = (
            np.concatenate([columns[number] for columns in map(Rows.columns, self._parts)]) for number in range(3)
        )
        return versions, buckets, sizes


def _part(rows: pa.Table) -> Rows:
    versions = rows["source_version"].to_numpy().astype(np.int64, copy=False)
    lengths = (pc.fill_null(pc.binary_length(rows[name]), 0) for name in ("request", "response"))
    sizes = np.asarray(sum(length.to_numpy().astype(np.int64) for length in lengths))
    return Rows(rows, versions, buckets_of(rows["databricks_request_id"]), sizes)
