import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from jobs import chunking
from jobs.chunking import PieceSize, buckets_of, groups, pieces
from lakehouse.appends import FINISHED
from lakehouse.inference import InferenceSource
from settings import Settings
from tests.jobs.request_rows import add_requests, inference_row, inference_rows


def work_off(settings: Settings, position: tuple[int, int] | None, most: int) -> tuple[list[str], Any]:
    """Take up the work at `position` as a new process would: at most `most` pieces; ids done and the new position."""
    source = InferenceSource.open(settings)
    finished = None if position is None else position[0] if position[1] == FINISHED else position[0] - 1
    done: list[str] = []
    for group in groups(source, source.commits_after(finished), position):
        for piece in pieces(group, PieceSize()):
            done += group.rows.filter(piece.rows)["databricks_request_id"].to_pylist()
            assert position is None or (piece.source_version, piece.number) > position
            position = (piece.source_version, piece.number)
            most -= 1
            if most == 0:
                return done, position
    return done, position


@pytest.mark.parametrize("pieces_a_run", [1, 3, 1000])
@pytest.mark.parametrize("largest_read", [7, 100_000])
def test_however_often_it_is_cut_off_every_row_is_done_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, pieces_a_run: int, largest_read: int
) -> None:
    monkeypatch.setattr(chunking, "GROUP_ROWS", 12)
    monkeypatch.setattr(chunking, "LARGEST_READ_ROWS", largest_read)
    counts = [3, 5, 30, 1, 2, 20]
    for number, count in enumerate(counts):
        add_requests(settings, inference_rows(100 * number, count))
    done: list[str] = []
    position = None
    sizes = iter([4, 9, 2, 5] * 30)
    for _ in range(100):
        # Another release may cut pieces of another size; the position means the same.
        monkeypatch.setattr(chunking, "FIRST_PIECE_ROWS", next(sizes))
        more, after = work_off(settings, position, pieces_a_run)
        done += more
        if after == position:
            break
        position = after
    assert position == (len(counts), FINISHED)
    assert len(done) == sum(counts)
    assert set(done) == {f"r{100 * number + i}" for number, count in enumerate(counts) for i in range(count)}


@given(
    commits=st.lists(st.lists(st.integers(0, 3_000), min_size=1, max_size=12), min_size=1, max_size=4),
    group_bytes=st.integers(1, 9_000),
    group_rows=st.integers(1, 30),
    pieces_a_run=st.integers(1, 8),
)
@hypothesis_settings(max_examples=25, deadline=None)
def test_groups_within_a_bound_of_bytes_have_every_row_once(
    commits: list[list[int]], group_bytes: int, group_rows: int, pieces_a_run: int
) -> None:
    with tempfile.TemporaryDirectory() as home, pytest.MonkeyPatch.context() as patch:
        settings = Settings(home=Path(home))
        patch.setattr(chunking, "GROUP_BYTES", group_bytes)
        patch.setattr(chunking, "GROUP_ROWS", group_rows)
        for number, sizes in enumerate(commits):
            rows = [inference_row(f"r{number}-{row}", request="x" * size) for row, size in enumerate(sizes)]
            add_requests(settings, rows)
        wanted = [f"r{number}-{row}" for number, sizes in enumerate(commits) for row in range(len(sizes))]
        done: list[str] = []
        position = None
        for _ in wanted:
            more, position = work_off(settings, position, pieces_a_run)
            done += more
        assert sorted(done) == sorted(wanted)
        assert position == (len(commits), FINISHED)


def test_a_group_holds_no_more_bytes_than_fit(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunking, "GROUP_BYTES", 2**20)
    monkeypatch.setattr(chunking, "PIECE_BYTES", 2**18)
    for number in range(3):
        # Equal texts take next to nothing in the files: only reading shows how large they are.
        rows = [inference_row(f"r{number}-{row}", request="x" * 2**16) for row in range(30)]
        add_requests(settings, rows)
    source = InferenceSource.open(settings)
    found = list(groups(source, source.commits_after(None), None))
    size = PieceSize()
    assert all(group.sizes.sum() <= 2**20 for group in found)
    assert sum(group.rows.num_rows for group in found) == 90
    assert len(found) < 20, "a group is not made smaller than it must be"
    assert {int(piece.rows.sum()) for group in found for piece in pieces(group, size)} <= {1, 2, 3}


def test_a_group_of_one_bucket_stays_together_however_large(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunking, "GROUP_BYTES", 100)
    add_requests(settings, [inference_row("same", request="x" * 90) for _ in range(3)] + inference_rows(0, 3))
    done, position = work_off(settings, None, 100)
    assert (sorted(done), position) == (["r0", "r1", "r2", "same", "same", "same"], (1, FINISHED))


def test_rows_that_wait_behind_a_piece_are_counted(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunking, "FIRST_PIECE_ROWS", 4)
    monkeypatch.setattr(chunking, "GROUP_ROWS", 8)
    for number in range(4):
        add_requests(settings, inference_rows(10 * number, 5))
    source = InferenceSource.open(settings)
    waiting = [
        (int(piece.rows.sum()), piece.rows_after)
        for group in groups(source, source.commits_after(None), None)
        for piece in pieces(group, PieceSize())
    ]
    assert [after for _, after in waiting] == list(20 - np.cumsum([rows for rows, _ in waiting]))
    assert waiting[-1][1] == 0


def test_rows_with_the_same_id_are_never_torn_apart(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunking, "FIRST_PIECE_ROWS", 2)
    add_requests(settings, [inference_row("same") for _ in range(7)] + inference_rows(0, 5))
    source = InferenceSource.open(settings)
    (group,) = groups(source, source.commits_after(None), None)
    holding = [
        piece.rows
        for piece in pieces(group, PieceSize())
        if "same" in group.rows.filter(piece.rows)["databricks_request_id"].to_pylist()
    ]
    assert [int(rows.sum()) >= 7 for rows in holding] == [True]


def test_buckets_are_the_ones_that_stored_positions_were_made_with(settings: Settings) -> None:
    add_requests(settings, [inference_row("r1"), inference_row("r2"), inference_row("é🙂")])
    ids = InferenceSource.open(settings).read(1, 1)["databricks_request_id"]
    assert dict(zip(ids.to_pylist(), buckets_of(ids).tolist(), strict=True)) == {
        "r1": 920193,
        "r2": 483659,
        "é🙂": 332532,
    }


def test_pieces_grow_while_they_are_quick_and_shrink_when_they_are_slow() -> None:
    size = PieceSize()
    rows = []
    for seconds in (1.0, 1.0, 8.0, 40.0, *[0.1] * 20, *[99.0] * 20):
        size.took(seconds)
        rows.append(size.rows)
    assert rows[:4] == [32, 64, 64, 32]
    assert max(rows) == chunking.LARGEST_PIECE_ROWS
    assert rows[-1] == 1
