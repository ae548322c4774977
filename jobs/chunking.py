"""The source's new commits cut into chunks of work, so that a killed run loses one chunk and no more.

The position of the job is `(source version, chunk number)`. Chunk number c of a source version means: of this commit,
every row whose hash bucket is at most c is done; `FINISHED` means all of it. Rows are taken in the order of their
bucket, so a chunk can be as large as the time allows, and a later run, or a later release, may cut differently and
still neither skip nor repeat a row.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lakehouse.appends import FINISHED
from lakehouse.inference import InferenceSource, SourceCommit

FIRST_CHUNK_ROWS = 200
LARGEST_CHUNK_ROWS = 20_000
SMALLEST_CHUNK_ROWS = 25
TARGET_CHUNK_SECONDS = 20.0
NOTHING_DONE = -1
_LARGEST_STEP = 4.0


@dataclass(frozen=True)
class Chunk:
    """Some rows and the position that is reached when they are done."""

    rows: pa.Table
    source_version: int
    number: int
    rows_read: int
    rows_after: int
    """Rows of the source that are still waiting behind this chunk."""


class ChunkSize:
    """How many rows the next chunk takes: as many as about `TARGET_CHUNK_SECONDS` are enough for."""

    def __init__(self) -> None:
        self.rows = FIRST_CHUNK_ROWS

    def took(self, rows: int, seconds: float) -> None:
        """Learn from a chunk of `rows` rows that took `seconds`."""
        if rows < min(self.rows, SMALLEST_CHUNK_ROWS):
            return
        fitting = rows * TARGET_CHUNK_SECONDS / max(seconds, 1e-3)
        fitting = min(max(fitting, self.rows / _LARGEST_STEP), self.rows * _LARGEST_STEP)
        self.rows = int(min(max(fitting, SMALLEST_CHUNK_ROWS), LARGEST_CHUNK_ROWS))


def buckets_of(request_ids: pa.ChunkedArray) -> NDArray[np.int64]:
    """The hash bucket of each request id, from 0 to `FINISHED` - 1; the same in every process and release."""
    return np.fromiter(
        (zlib.crc32(request_id.encode("utf-8", "surrogatepass")) % FINISHED for request_id in request_ids.to_pylist()),
        dtype=np.int64,
        count=len(request_ids),
    )


def chunks(
    source: InferenceSource, commits: list[SourceCommit], position: tuple[int, int] | None, size: ChunkSize
) -> Iterator[Chunk]:
    """The work that is left, in order. `commits` are the source's commits after the position, a half-done one first.

    Small commits are taken together up to `size.rows`; a larger one is read once and cut.
    """
    waiting = sum(commit.rows for commit in commits)
    index = 0
    while index < len(commits):
        done = position[1] if position is not None and position[0] == commits[index].version else NOTHING_DONE
        group = commits[index : index + 1] if done != NOTHING_DONE else _group(commits, index, size.rows)
        index += len(group)
        waiting -= sum(commit.rows for commit in group)
        rows = source.read(group[0].version, group[-1].version)
        if len(group) == 1 and (done != NOTHING_DONE or rows.num_rows > size.rows):
            yield from _cut(rows, group[0].version, done, size, waiting)
        else:
            yield Chunk(rows, group[-1].version, FINISHED, rows.num_rows, waiting)


def _group(commits: list[SourceCommit], start: int, rows: int) -> list[SourceCommit]:
    end, taken = start + 1, commits[start].rows
    while end < len(commits) and taken + commits[end].rows <= rows:
        taken += commits[end].rows
        end += 1
    return commits[start:end]


def _cut(rows: pa.Table, version: int, done: int, size: ChunkSize, waiting: int) -> Iterator[Chunk]:
    buckets = buckets_of(rows["databricks_request_id"])
    order = np.argsort(buckets, kind="stable")
    order = order[np.searchsorted(buckets[order], done, side="right") :]
    left = len(order)
    while True:
        in_order = buckets[order]
        if len(order) > size.rows:
            number = int(in_order[size.rows - 1])
            end = int(np.searchsorted(in_order, number, side="right"))
        else:
            number, end = FINISHED, len(order)
        if end == len(order):
            number = FINISHED
        left -= end
        yield Chunk(rows.take(pa.array(np.sort(order[:end]))), version, number, end, waiting + left)
        if number == FINISHED:
            return
        order = order[end:]
