"""Cached scores are found in files of every release, whichever file DuckDB opens first."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs import score_cache_rows
from jobs.score_cache_rows import cached_scores, rows_of_texts
from lakehouse.score_cache_table import SCORE_CACHE
from settings import Settings

NOW = datetime(2026, 5, 4, tzinfo=UTC)
COLUMNS = ["text_key", "used_at", "readability", "token_count"]
OLDER_READABILITY = pa.struct(
    [("reason", pa.string()), ("scorer", pa.string()), ("flesch_kincaid_grade", pa.float64())]
)


class Files:
    """A snapshot of files in a given order."""

    table_uri = "a table"

    def __init__(self, *files: Path) -> None:
        self._files = [str(file) for file in files]

    def file_uris(self) -> list[str]:
        return self._files


def written(file: Path, key: bytes, schema: pa.Schema, **columns: Any) -> Path:
    pq.write_table(pa.Table.from_pylist([{"text_key": key, "used_at": NOW, **columns}], schema=schema), file)
    return file


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """One of today, one without a column and in another order, one whose readability had fewer parts."""
    full = SCORE_CACHE.schema
    readability = {"scorer": "r/1", "flesch_kincaid_grade": 3.5}
    lacking = pa.schema([full.field(name) for name in ("readability", "used_at", "text_key")])
    at = full.get_field_index("readability")
    narrower = full.set(at, pa.field("readability", OLDER_READABILITY))
    grades = {"flesch_reading_ease": 80.0, "automated_readability_index": 4.5}
    counted = {"token_count": {"scorer": "t/1", "tokens": 7}}
    return [
        written(tmp_path / "1.parquet", b"today", full, readability={**readability, **grades}, **counted),
        written(tmp_path / "2.parquet", b"lacking", lacking, readability=readability),
        written(tmp_path / "3.parquet", b"narrower", narrower, readability=readability, **counted),
    ]


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0), (0, 2), (2, 0), (1, 2), (0, 1), (1, 0)])
def test_every_file_is_read_as_it_is(settings: Settings, files: list[Path], order: tuple[int, ...]) -> None:
    table: Any = Files(*(files[number] for number in order))
    found = rows_of_texts(settings, table, [b"today", b"lacking", b"narrower"], COLUMNS)
    by_key = {row["text_key"]: row for row in found.to_pylist()}
    keys = [b"today", b"lacking", b"narrower"]
    assert set(by_key) == {keys[number] for number in order}
    for key, row in by_key.items():
        assert row["readability"]["scorer"] == "r/1"
        assert row["readability"]["flesch_kincaid_grade"] == 3.5
        assert row["readability"]["automated_readability_index"] == (4.5 if key == b"today" else None)
        assert row["token_count"] == (None if key == b"lacking" else {"scorer": "t/1", "tokens": 7})


def test_files_that_are_alike_are_not_each_opened_first(
    settings: Settings, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[bool] = []

    @contextmanager
    def noted(settings: Settings, table: Any, alike: bool = False) -> Iterator[Any]:
        tries.append(alike)
        with cached_scores(settings, table, alike) as database:
            yield database

    monkeypatch.setattr(score_cache_rows, "cached_scores", noted)
    alike: Any = Files(files[0], files[2])
    assert rows_of_texts(settings, alike, [b"today"], COLUMNS).num_rows == 1
    assert tries == [True]
    older: Any = Files(files[2], files[0])
    assert rows_of_texts(settings, older, [b"today"], COLUMNS).num_rows == 1
    assert tries == [True, True, False]
