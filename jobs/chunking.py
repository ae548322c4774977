"""The source's new commits cut into small pieces of work, in an order that any run can take up again.

Rows are taken in the order of (source version, hash bucket of the request id). The position of the job,
`(source version, chunk number)`, says how far it is: of that version every row whose bucket is at most the chunk number
is done, and all of it with `FINISHED`. Where a piece ends is therefore free: after as many rows as the time allowed,
in this run or in one of a later release, and still no row is skipped or done twice.
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lakehouse.appends import FINISHED
from lakehouse.inference import InferenceSource, SourceCommit

FIRST_PIECE_ROWS = 16
"""Rows that the models score in one go at first. Long texts on a slow machine take seconds a row."""
LARGEST_PIECE_ROWS = 256
PIECE_SECONDS = 10.0
"""How long a piece should take, so that a run keeps to its budget and loses little when it is killed."""
GROUP_ROWS = 5_000
"""Consecutive commits are read together up to this many rows."""
LARGEST_READ_ROWS = 100_000
"""A commit with more rows than this is read in several passes, so that it need not fit in memory."""
_NOTHING_DONE = -1


@dataclass(frozen=True)
class Group:
    """Rows that were read together, and how they are ordered and cut."""

    rows: pa.Table
    versions: NDArray[np.int64]
    buckets: NDArray[np.int64]
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
    waiting = sum(commit.rows for commit in commits)
    index = 0
    while index < len(commits):
        taken = _taken_together(commits, index)
        index += len(taken)
        waiting -= sum(commit.rows for commit in taken)
        done = _NOTHING_DONE
        if position is not None and position[0] == taken[0].version:
            done = position[1]
        if taken[0].rows > LARGEST_READ_ROWS:
            yield from _in_passes(source, taken[0], done, waiting)
        else:
            rows = source.read(taken[0].version, taken[-1].version)
            yield _group(rows, (taken[0].version, done), (taken[-1].version, FINISHED), waiting)


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
    """The group cut into pieces of about `size.rows` rows, at least one. Rows of one bucket stay together."""
    order = np.lexsort((group.buckets, group.versions))
    versions, buckets = group.versions[order], group.buckets[order]
    start, total = 0, len(order)
    while True:
        end = min(start + size.rows, total)
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


def _taken_together(commits: list[SourceCommit], start: int) -> list[SourceCommit]:
    end, rows = start + 1, commits[start].rows
    while end < len(commits) and rows + commits[end].rows <= GROUP_ROWS:
        rows += commits[end].rows
        end += 1
    return commits[start:end]


def _in_passes(source: InferenceSource, commit: SourceCommit, done: int, waiting: int) -> Iterator[Group]:
    """A commit that is too large for memory: each pass keeps the rows of a range of buckets."""
    passes = -(-commit.rows // LARGEST_READ_ROWS)
    for number in range(passes):
        last = FINISHED if number == passes - 1 else FINISHED * (number + 1) // passes
        if last <= done:
            continue
        rows = source.read(commit.version, commit.version, keep=_in_range(done, last))
        left = commit.rows * (passes - 1 - number) // passes
        yield _group(rows, (commit.version, done), (commit.version, last), waiting + left)
        done = last


def _in_range(done: int, last: int) -> Callable[[pa.ChunkedArray], NDArray[np.bool_]]:
    def keep(request_ids: pa.ChunkedArray) -> NDArray[np.bool_]:
        buckets = buckets_of(request_ids)
        return (buckets > done) & (buckets <= last)

    return keep


def _group(rows: pa.Table, done: tuple[int, int], end: tuple[int, int], rows_after: int) -> Group:
    versions = rows["source_version"].to_numpy().astype(np.int64, copy=False)
    buckets = buckets_of(rows["databricks_request_id"])
    left = (versions > done[0]) | (buckets > done[1])
    if not left.all():
        rows, versions, buckets = rows.filter(pa.array(left)), versions[left], buckets[left]
    return Group(rows, versions, buckets, end[0], end[1], rows_after)
