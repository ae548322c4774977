"""Refresh the demo chatbot's data table and feature table from the handbook in `docs/handbook`.

`handbook_pages` has one row for each section, `handbook_chunks` one for each passage that can be retrieved. Both are
replaced as a whole, and only if the handbook changed; Delta keeps their earlier versions, which trained versions name.
"""

import argparse
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse.errors import LakehouseError
from lakehouse.store import open_table, open_to_read, read_rows
from lakehouse.table_spec import TableSpec
from lakehouse.tables import HANDBOOK_CHUNKS, HANDBOOK_PAGES
from settings import Settings, get_settings

if TYPE_CHECKING:
    from deltalake import DeltaTable

HANDBOOK = Path(__file__).resolve().parent.parent / "docs" / "handbook"
MOST_WORDS = 140
"""A passage ends with the paragraph that brings it to this many words or past it."""


@dataclass(frozen=True)
class HandbookRefresh:
    """What a refresh found and did."""

    pages: int
    sections: int
    chunks: int
    pages_version: int
    """Delta version of `handbook_pages`."""
    chunks_version: int
    """Delta version of `handbook_chunks`: what training reads."""
    changed: bool


def main(argv: Sequence[str] | None = None) -> int:
    """Refresh both tables, as the command line asks."""
    description = "Refresh the chatbot's data and feature tables from the handbook."
    argparse.ArgumentParser(prog="python -m jobs features", description=description).parse_args(argv)
    done = refresh_handbook(get_settings())
    state = "New" if done.changed else "Unchanged"
    print(f"{state}: {done.pages} pages, {done.chunks} passages, version {done.chunks_version} of handbook_chunks.")
    return 0


def refresh_handbook(settings: Settings, folder: Path = HANDBOOK) -> HandbookRefresh:
    """Bring both tables up to date with the Markdown files in `folder`.

    Raises: LakehouseError, if `folder` holds no section.
    """
    now = datetime.now(UTC)
    sections = [section for path in sorted(folder.glob("*.md")) for section in read_sections(path)]
    if not sections:
        raise LakehouseError(f"The handbook folder {folder} holds no section: it needs *.md files with ## headings.")
    chunks = [chunk for section in sections for chunk in cut(section)]
    pages_table, pages_changed = _replace(settings, HANDBOOK_PAGES, [{**row, "loaded_at": now} for row in sections])
    chunks_table, chunks_changed = _replace(settings, HANDBOOK_CHUNKS, [{**row, "refreshed_at": now} for row in chunks])
    return HandbookRefresh(
        pages=len({section["page"] for section in sections}),
        sections=len(sections),
        chunks=len(chunks),
        pages_version=pages_table.version(),
        chunks_version=chunks_table.version(),
        changed=pages_changed or chunks_changed,
    )


def handbook_differs(settings: Settings, folder: Path = HANDBOOK) -> bool:
    """Whether a refresh would find the passages in `folder` other than those of the feature table. Writes nothing."""
    sections = [section for path in sorted(folder.glob("*.md")) for section in read_sections(path)]
    chunks = [chunk["content_hash"] for section in sections for chunk in cut(section)]
    standing = read_rows(open_to_read(settings, HANDBOOK_CHUNKS.name), columns=["content_hash"])
    return sorted(chunks) != sorted(standing["content_hash"].to_pylist())


def read_sections(path: Path) -> list[dict[str, Any]]:
    """The sections of a page: `# Title`, then one under each `## Heading`; what stands before the first is left out."""
    title, *rest = re.split(r"^## ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    page = path.stem
    sections = []
    for place, block in enumerate(rest):
        heading, _, text = block.partition("\n")
        section = {
            "section_id": f"{page}#{place:02d}",
            "page": page,
            "title": title.strip().splitlines()[0].removeprefix("# "),
            "heading": heading.strip(),
            "text": text.strip(),
        }
        sections.append({**section, "content_hash": _hash(section)})
    return sections


def cut(section: dict[str, Any]) -> list[dict[str, Any]]:
    """Cut a section into passages of whole paragraphs, each with the terms that it is found by.

    The heading counts three times and the page's title once: they say what the passage is about.
    """
    from serving.chatbot.passages import terms_of

    about = terms_of(section["heading"]) * 3 + terms_of(section["title"])
    chunks = []
    for place, text in enumerate(_passages(section["text"])):
        chunk = {
            "chunk_id": f"{section['section_id']}.{place}",
            "section_id": section["section_id"],
            "page": section["page"],
            "heading": section["heading"],
            "text": text,
            "terms": about + terms_of(text),
        }
        chunks.append({**chunk, "content_hash": _hash(chunk)})
    return chunks


def _passages(text: str) -> list[str]:
    passages: list[str] = []
    current: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text):
        current.append(" ".join(paragraph.split()))
        if sum(len(part.split()) for part in current) >= MOST_WORDS:
            passages.append("\n\n".join(current))
            current = []
    return [*passages, "\n\n".join(current)] if current else passages


def _hash(row: dict[str, Any]) -> str:
    return hashlib.sha256(repr(sorted(row.items())).encode()).hexdigest()[:16]


def _replace(settings: Settings, spec: TableSpec, rows: list[dict[str, Any]]) -> tuple["DeltaTable", bool]:
    """Replace a table's rows if their hashes differ from those that stand there. Returns: the table, whether it did."""
    from deltalake import write_deltalake

    table = open_table(settings, spec.name)
    standing = read_rows(table, columns=["content_hash"])["content_hash"].to_pylist()
    if sorted(standing) == sorted(row["content_hash"] for row in rows):
        return table, False
    write_deltalake(table, pa.Table.from_pylist(rows, schema=spec.schema), mode="overwrite")
    return table, True
