"""Sections of the runbook (`docs/runbook.md`), found by the anchors that links to them have."""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_RUNBOOK = Path(__file__).resolve().parent.parent / "docs" / "runbook.md"
_HEADING = re.compile(r"^(#{2,4}) +(.+?) *$")


@dataclass(frozen=True)
class Section:
    """A section: its heading and what stands below it up to the next one of the same rank, in Markdown."""

    title: str
    text: str


def section(anchor: str) -> Section | None:
    """The section that `runbook.md#anchor` leads to; None where there is none."""
    return _sections().get(anchor.strip().removeprefix("#").lower())


def anchor_of(title: str) -> str:
    """The anchor that a heading gets: lower case, without punctuation, spaces as hyphens."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


@lru_cache(maxsize=1)
def _sections() -> dict[str, Section]:
    if not _RUNBOOK.exists():
        return {}
    lines = _RUNBOOK.read_text(encoding="utf-8").splitlines()
    headings = [(number, found) for number, line in enumerate(lines) if (found := _HEADING.match(line))]
    sections: dict[str, Section] = {}
    for place, (number, heading) in enumerate(headings):
        rank = len(heading[1])
        later = (line for line, other in headings[place + 1 :] if len(other[1]) <= rank)
        body = "\n".join(lines[number + 1 : next(later, len(lines))]).strip()
        sections.setdefault(anchor_of(heading[2]), Section(heading[2], body))
    return sections
