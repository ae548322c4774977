from pathlib import Path

import pytest

from jobs.features import HANDBOOK, MOST_WORDS, cut, read_sections, refresh_handbook
from lakehouse.errors import LakehouseError
from lakehouse.store import open_table, read_rows
from settings import Settings

PAGE = """# Boats

Not part of any section.

## How to steer
Turn the wheel. The boat follows.

## How to stop
Lower the sail.
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "handbook"
    folder.mkdir()
    (folder / "boats.md").write_text(PAGE, encoding="utf-8")
    return folder


def test_a_page_becomes_its_sections(settings: Settings, folder: Path) -> None:
    done = refresh_handbook(settings, folder)
    rows = read_rows(open_table(settings, "handbook_pages")).sort_by("section_id").to_pylist()
    assert (done.pages, done.sections, done.chunks, done.changed) == (1, 2, 2, True)
    assert [(row["page"], row["title"], row["heading"], row["text"]) for row in rows] == [
        ("boats", "Boats", "How to steer", "Turn the wheel. The boat follows."),
        ("boats", "Boats", "How to stop", "Lower the sail."),
    ]


def test_an_unchanged_handbook_makes_no_new_version(settings: Settings, folder: Path) -> None:
    first = refresh_handbook(settings, folder)
    second = refresh_handbook(settings, folder)
    assert not second.changed
    assert (second.pages_version, second.chunks_version) == (first.pages_version, first.chunks_version)


def test_a_changed_handbook_makes_a_version_and_the_old_one_stays_readable(settings: Settings, folder: Path) -> None:
    first = refresh_handbook(settings, folder)
    (folder / "boats.md").write_text(PAGE.replace("Lower the sail.", "Drop the anchor."), encoding="utf-8")
    second = refresh_handbook(settings, folder)
    assert second.changed
    assert second.chunks_version > first.chunks_version
    table = open_table(settings, "handbook_chunks")
    assert "Lower the sail." not in read_rows(table)["text"].to_pylist()
    table.load_as_version(first.chunks_version)
    assert "Lower the sail." in read_rows(table)["text"].to_pylist()


def test_an_empty_folder_is_refused_and_the_tables_keep_their_rows(settings: Settings, folder: Path) -> None:
    refresh_handbook(settings, folder)
    (folder / "boats.md").unlink()
    with pytest.raises(LakehouseError, match="holds no section"):
        refresh_handbook(settings, folder)
    assert len(read_rows(open_table(settings, "handbook_chunks"))) == 2


def test_a_long_section_is_cut_between_paragraphs_and_loses_no_word() -> None:
    paragraphs = [" ".join(f"word{place}x{number}" for number in range(60)) for place in range(7)]
    section = {
        "section_id": "boats#00",
        "page": "boats",
        "title": "Boats",
        "heading": "All about boats",
        "text": "\n\n".join(paragraphs),
    }
    chunks = cut(section)
    assert "\n\n".join(chunk["text"] for chunk in chunks) == section["text"]
    assert all(len(chunk["text"].split()) < MOST_WORDS + 60 for chunk in chunks)
    assert len({chunk["chunk_id"] for chunk in chunks}) == len(chunks) == 3


def test_the_handbook_is_large_enough_and_each_section_opens_its_own_subject() -> None:
    sections = [section for path in HANDBOOK.glob("*.md") for section in read_sections(path)]
    assert len(sections) >= 100
    assert len({(section["page"], section["heading"]) for section in sections}) == len(sections)
    assert all(len(section["text"].split()) >= 25 for section in sections)
