"""The golden questions that an evaluation asks: a file of the user's own, or the demo's for the demo's chatbot."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from jobs.errors import JobError
from lakehouse.store import open_table, read_rows
from metrics.grounding import Run, grounding, runs_of_sources, says_all
from registry.versions import ModelVersion
from settings import Settings

LEAST_ON_PAGE = 0.5
"""An answer comes from a page if at least this share of its runs of words stands there."""
_DEMO_KINDS = frozenset({"retrieval", "retrieval-threshold", "generative", "generative-retrieval"})


@dataclass(frozen=True)
class GoldenItem:
    """A golden question. With `refusal` the right answer is to decline, and nothing else is looked at.

    expected_phrases: an answer that holds all of them is right. page_runs: an answer that takes at least half of its
    runs of words from these is right (the demo's way). sources: the runs of words that an answer may rest on.
    """

    question: str
    refusal: bool = False
    expected_phrases: tuple[str, ...] = ()
    page_runs: frozenset[Run] = frozenset()
    sources: frozenset[Run] = frozenset()

    def is_right(self, answer: str, refused: bool) -> bool:
        """Whether this is the right answer; `refused` says that it declines."""
        if self.refusal or refused:
            return self.refusal and refused
        if self.page_runs:
            return (grounding(answer, self.page_runs) or 0.0) >= LEAST_ON_PAGE
        return bool(self.expected_phrases) and says_all(answer, self.expected_phrases)


@dataclass(frozen=True)
class GoldenSet:
    """Golden questions, where they come from, what makes an answer right, and what the sources are (clauses)."""

    name: str
    items: tuple[GoldenItem, ...]
    rightness: str
    sources_name: str


class _Line(BaseModel):
    """A line of the user's file."""

    model_config = ConfigDict(extra="forbid")

    question: str = Field(min_length=1)
    expected_phrases: list[str] = []
    expected_refusal: bool = False
    sources: list[str] = []

    @model_validator(mode="after")
    def _one_expectation(self) -> "_Line":
        if bool([phrase for phrase in self.expected_phrases if phrase.strip()]) == self.expected_refusal:
            raise ValueError("give either `expected_phrases` or `expected_refusal` true")
        return self


def golden_set(settings: Settings, version: ModelVersion) -> GoldenSet | None:
    """The golden questions for a version, or None where there are none: no file is set and it is not the demo's.

    Raises: JobError, naming file and line, if the user's file cannot be read.
    """
    if settings.golden_questions_file:
        return _of_file(Path(settings.golden_questions_file).expanduser())
    if version.tags.get("kind") in _DEMO_KINDS and "chunks_version" in version.tags:
        return _of_demo(settings)
    return None


def _of_file(file: Path) -> GoldenSet:
    setting = f"The golden questions in {file} (LAKEHELM_GOLDEN_QUESTIONS_FILE)"
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise JobError(f"{setting} cannot be read: {error}") from error
    items = [_item(setting, number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not items:
        raise JobError(f"{setting} are empty: write one JSON object a line.")
    return GoldenSet(file.name, tuple(items), "with every expected phrase", "the sources of its question")


def _item(setting: str, number: int, text: str) -> GoldenItem:
    try:
        line = _Line.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise JobError(f"{setting} are wrong in line {number}{f' at {key}' if key else ''}: {first['msg']}.") from error
    return GoldenItem(
        question=line.question,
        refusal=line.expected_refusal,
        expected_phrases=tuple(line.expected_phrases),
        sources=runs_of_sources(line.sources),
    )


def _of_demo(settings: Settings) -> GoldenSet | None:
    """The demo's questions; the passages of the feature table are their sources. None without a passage."""
    from jobs.golden_questions import GOLDEN

    rows = read_rows(open_table(settings, "handbook_chunks"), ["page", "heading", "text"]).to_pylist()
    if not rows:
        return None
    everything = runs_of_sources(row["text"] for row in rows)
    pages = {page: runs_of_sources(row["text"] for row in rows if row["page"] == page) for page in _pages(rows)}
    items = tuple(
        GoldenItem(
            question=question.text,
            refusal=question.page is None,
            page_runs=pages.get(question.page or "", frozenset()),
            sources=everything,
        )
        for question in GOLDEN
    )
    return GoldenSet("the demo's golden questions", items, "from the right page of the handbook", "the handbook")


def _pages(rows: list[dict[str, str]]) -> set[str]:
    return {row["page"] for row in rows}
