"""Golden questions: the user's own file, and the demo's for the demo's chatbot only."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jobs.errors import JobError
from jobs.features import refresh_handbook
from jobs.golden_questions import GOLDEN
from jobs.golden_sets import GoldenItem, golden_set
from metrics.grounding import runs_of_sources
from registry.versions import ModelVersion
from settings import Settings


def version(**tags: str) -> ModelVersion:
    now = datetime.now(UTC)
    return ModelVersion("test.chatbot", "1", (), "None", now, now, "", "models:/m-1", tags)


def own_questions(tmp_path: Path, *lines: Any) -> Settings:
    file = tmp_path / "golden.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    file.write_text("\n".join(texts), encoding="utf-8")
    return Settings(home=tmp_path, golden_questions_file=str(file))


def test_ones_own_file_is_read_for_any_model(tmp_path: Path) -> None:
    settings = own_questions(
        tmp_path,
        {"question": "How late is it?", "expected_phrases": ["noon", "12"], "sources": ["It is noon, 12 o'clock."]},
        "",
        {"question": "Who am I?", "expected_refusal": True},
    )
    found = golden_set(settings, version())
    assert found is not None
    assert found.name == "golden.jsonl"
    right, refusal = found.items
    assert right.is_right("At NOON, that is 12.", refused=False)
    assert not right.is_right("At noon.", refused=False)
    assert not right.is_right("I don't know whether noon is 12.", refused=True)
    assert right.sources == runs_of_sources(["It is noon, 12 o'clock."])
    assert refusal.is_right("I don't know.", refused=True)
    assert not refusal.is_right("You are Ann.", refused=False)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("{", "line 2"),
        ({"question": "Why?"}, "expected_phrases"),
        ({"question": "Why?", "expected_phrases": [" "]}, "expected_phrases"),
        ({"question": "Why?", "expected_phrases": ["so"], "expected_refusal": True}, "expected_refusal"),
        ({"question": "", "expected_phrases": ["so"]}, "question"),
        ({"question": "Why?", "expected_phrases": "so"}, "expected_phrases"),
        ({"question": "Why?", "expected_phrases": ["so"], "answer": "so"}, "answer"),
    ],
)
def test_what_is_no_golden_question_is_named_by_its_line(tmp_path: Path, line: Any, named: str) -> None:
    settings = own_questions(tmp_path, {"question": "Why?", "expected_phrases": ["so"]}, line)
    with pytest.raises(JobError, match="line 2") as raised:
        golden_set(settings, version())
    assert named in str(raised.value)
    assert "golden.jsonl" in str(raised.value)


@pytest.mark.parametrize("content", [None, "\n"])
def test_a_file_without_questions_is_named(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "golden.jsonl"
    if content is not None:
        file.write_text(content)
    with pytest.raises(JobError, match="LAKEHELM_GOLDEN_QUESTIONS_FILE"):
        golden_set(Settings(home=tmp_path, golden_questions_file=str(file)), version())


def test_the_demos_questions_are_for_the_demos_chatbot_only(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    demo = version(kind="retrieval", chunks_version="1")
    assert golden_set(settings, demo) is None  # no handbook is loaded yet
    refresh_handbook(settings)
    found = golden_set(settings, demo)
    assert found is not None
    assert [item.question for item in found.items] == [question.text for question in GOLDEN]
    assert all(item.page_runs and item.page_runs <= item.sources for item in found.items if not item.refusal)
    assert golden_set(settings, version(kind="retrieval")) is None
    assert golden_set(settings, version(kind="invoices", chunks_version="1")) is None


def test_an_answer_from_another_page_is_wrong_and_so_is_one_to_a_page_that_is_gone() -> None:
    item = GoldenItem("Why?", page_runs=runs_of_sources(["a rollback is a switch of the route"]))
    assert item.is_right("A rollback is a switch of the route.", refused=False)
    assert not item.is_right("Perplexity is the exponential of a mean.", refused=False)
    assert not GoldenItem("Why?").is_right("A rollback is a switch of the route.", refused=False)
