"""Evaluations in their tables, and the verdict that is made of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lakehouse.appends import append
from registry.errors import RegistryError
from registry.evaluations import (
    EvaluatedAnswer,
    evaluated_answers,
    evaluations,
    latest_evaluation,
    record_evaluation,
)
from registry.verdict import verdict
from settings import Settings
from tests.registry.evaluation_evidence import GOOD, NOW, evaluation

ANSWERS = [
    EvaluatedAnswer(
        "replay", 1, "Why?", "Because.", 0.2, "So.", "request-1", {"refused": 0.0}, {"cost_usd": 0.1}, {"a": "note"}
    ),
    EvaluatedAnswer("replay", 0, "How?", None, notes={"failure": "it raised KeyError."}),
    EvaluatedAnswer("golden", 0, "What?", "That.", scores={"right": 1.0}),
]


def test_an_evaluation_is_read_as_it_was_recorded(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    first = evaluation()
    record_evaluation(settings, first, ANSWERS)
    record_evaluation(settings, evaluation(finished_at=NOW - timedelta(days=1)), [])
    assert latest_evaluation(settings, "test.chatbot", "3") == first
    assert len(evaluations(settings, "test.chatbot", "3")) == 2
    assert evaluated_answers(settings, first.evaluation_id) == [ANSWERS[2], ANSWERS[1], ANSWERS[0]]
    assert latest_evaluation(settings, "test.chatbot", "4") is None
    assert latest_evaluation(settings, "prod.chatbot", "3") is None
    assert evaluated_answers(settings, "nobody's") == []


def test_evidence_that_is_damaged_is_one_sentence(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    row = {**vars(evaluation()), "evidence": '{"loading": 3}'}
    append(settings, "evaluations", [row])
    with pytest.raises(RegistryError, match="ask for a new evaluation"):
        latest_evaluation(settings, "test.chatbot", "3")


@pytest.fixture(scope="module")
def empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("registry"))


@pytest.fixture
def nothing_live(empty_registry: Settings, tmp_path: Path) -> Settings:
    """A registry without any version, with tables of its own."""
    return empty_registry.model_copy(update={"lake_uri": str(tmp_path / "lake")})


def test_the_verdict_asks_for_an_evaluation_then_judges_the_newest(nothing_live: Settings) -> None:
    before = verdict(nothing_live, "3")
    assert (before.passed, before.evaluation_id, len(before.checks)) == (False, "", 1)
    now = datetime.now(UTC)
    bad = evaluation(GOOD.model_copy(update={"grounding": GOOD.grounding.model_copy(update={"mean": 0.1})}), None, now)
    record_evaluation(nothing_live, bad, [])
    assert [check.name for check in verdict(nothing_live, "3").checks if check.blocking] == ["grounding"]
    good = replace(bad, evaluation_id="later", evidence=GOOD, finished_at=now + timedelta(seconds=1))
    record_evaluation(nothing_live, good, [])
    after = verdict(nothing_live, "3")
    assert (after.passed, after.evaluation_id, after.reasons) == (True, "later", ())


def test_a_rule_that_changes_holds_for_evaluations_that_were_made_before(
    nothing_live: Settings, tmp_path: Path
) -> None:
    record_evaluation(nothing_live, evaluation(live=None, finished_at=datetime.now(UTC)), [])
    assert verdict(nothing_live, "3").passed
    rules = tmp_path / "rules.toml"
    rules.write_text("[gate.golden_answers]\nleast_share = 0.95\n")
    stricter = nothing_live.model_copy(update={"gate_rules_file": str(rules)})
    assert "at least 95% must be" in verdict(stricter, "3").reasons[0]
