"""The gate's checks: what passes, what stops, and that each says so in numbers."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from registry.evidence import Evidence
from registry.gate import Check
from registry.gate_checks import NOTHING_LIVE, checks_of, not_evaluated
from registry.gate_rules import GateRules, load_rules
from settings import Settings
from tests.registry.evaluation_evidence import GOOD, NOW, evaluation

RULES: GateRules = load_rules(Settings(home=Path("unused"))).gate


def checks(evidence: Evidence = GOOD, live: str | None = "1", rules: GateRules = RULES) -> dict[str, Check]:
    return {check.name: check for check in checks_of(evaluation(evidence, live), rules, live, NOW)}


def spoilt(part: str, **changes: Any) -> Evidence:
    return GOOD.model_copy(update={part: getattr(GOOD, part).model_copy(update=changes)})


def test_a_good_version_passes_every_check() -> None:
    found = checks()
    assert {name: check.status for name, check in found.items()} == dict.fromkeys(
        ["evaluation", *RULES.model_fields_set - {"evaluation"}], "passed"
    )
    assert not any(check.blocking for check in found.values())


@pytest.mark.parametrize(
    ("part", "changes", "said"),
    [
        ("loading", {"problem": "ImportError: no module named x"}, "no module named x"),
        (
            "signature",
            {"broken": ("It requires the input a, which nobody sends.",)},
            "Callers of prod.chatbot version 1",
        ),
        ("requirements", {"problems": ("x==9 is asked for, and 8 is installed here.",)}, "x==9"),
        (
            "failures",
            {"failed": 2, "first": "golden question 4: it raised KeyError."},
            "2 of 68 questions got no answer",
        ),
        (
            "golden_answers",
            {"right": 20},
            "20 of 30 golden questions were answered rightly, from the right page (67%)",
        ),
        ("golden_refusals", {"right": 0}, "0 of 8 golden questions that have no answer were turned down (0%)"),
        ("grounding", {"mean": 0.08}, "On average 8% of what an answer says stands in the handbook"),
        ("perplexity", {"difference": 3.5, "low": 2.0, "high": 6.0}, "3.50 times as surprising"),
        ("readability", {"difference": 2.5, "low": 0.5, "high": 4.5}, "2.50 school years harder"),
        ("toxicity", {"flagged": 2}, "2 of 68 answers are flagged as toxic (2.9%"),
        ("cost", {"candidate": 0.0004}, "2.00 times the $0.0002 of prod.chatbot version 1"),
        ("cost", {"candidate": 0.02, "live": None}, "costs $0.02 on average"),
        ("latency", {"p95": 1.2}, "up to 1.0 s is allowed: 3 times the 300 ms"),
        ("latency", {"p95": 11.0, "live_p95": None}, "up to 10.0 s is allowed"),
    ],
)
def test_a_version_that_is_worse_in_one_thing_is_stopped_and_told_why(
    part: str, changes: dict[str, Any], said: str
) -> None:
    found = checks(spoilt(part, **changes))
    stopping = [check for check in found.values() if check.blocking]
    assert [check.name for check in stopping] == [part]
    assert stopping[0].status == "failed"
    assert said in stopping[0].sentence
    assert stopping[0].evidence == getattr(spoilt(part, **changes), part).model_dump(mode="json")


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("perplexity", {"difference": 3.5, "low": 0.7, "high": 17.0}),
        ("readability", {"difference": 2.5, "low": -0.2, "high": 5.2}),
        ("latency", {"p95": 0.9, "live_p95": 0.01}),
        ("cost", {"candidate": 0.009, "live": None}),
        ("failures", {"failed": 1}),
    ],
    ids=["chance", "chance", "nobody notices", "no live cost", "one of many"],
)
def test_what_may_be_chance_or_does_not_matter_stops_nobody(part: str, changes: dict[str, Any]) -> None:
    assert checks(spoilt(part, **changes))[part].status == "passed"


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("golden_answers", {"questions": 4, "right": 4}),
        ("golden_refusals", {"questions": 1}),
        ("grounding", {"answers": 2}),
        ("grounding", {"mean": None}),
        ("perplexity", {"n": 9}),
        ("readability", {"difference": None, "n": 0}),
        ("toxicity", {"answers": 3}),
        ("cost", {"n": 9}),
        ("latency", {"n": 9}),
        ("failures", {"asked": 0}),
        ("signature", {"not_run": "It has no signature."}),
    ],
)
def test_what_too_little_is_known_about_could_not_run_and_says_why(part: str, changes: dict[str, Any]) -> None:
    check = checks(spoilt(part, **changes))[part]
    assert check.status == "could_not_run"
    assert check.sentence.endswith(".")
    assert check.blocking == (getattr(RULES, part).if_it_could_not_run == "stop")


@pytest.mark.parametrize(("replayed", "reason"), [(9, ""), (0, "prod.chatbot version 1 has no logged answer yet.")])
def test_nothing_passes_without_a_replay_while_something_is_live(replayed: int, reason: str) -> None:
    check = checks(GOOD.model_copy(update={"replayed": replayed, "no_replay": reason}))["replay"]
    assert (check.status, check.blocking) == ("could_not_run", True)
    assert reason in check.sentence


def test_answers_that_are_too_different_in_length_are_counted() -> None:
    check = checks(spoilt("perplexity", n=3, left_out=27))["perplexity"]
    assert (check.status, check.blocking) == ("could_not_run", False)
    assert "27 more answers differ too much in length" in check.sentence


def test_a_rule_that_only_warns_does_not_stop() -> None:
    warning = RULES.model_copy(update={"cost": RULES.cost.model_copy(update={"if_failed": "warn"})})
    check = checks(spoilt("cost", candidate=1.0), rules=warning)["cost"]
    assert (check.status, check.blocking) == ("failed", False)


def test_while_nothing_is_live_no_comparison_stops_the_first_version() -> None:
    parts = ("signature", "perplexity", "readability", "cost")
    first = GOOD.model_copy(
        update={part: getattr(GOOD, part).model_copy(update={"not_run": NOTHING_LIVE}) for part in parts}
    ).model_copy(update={"replayed": 0, "no_replay": NOTHING_LIVE})
    found = checks(first, live=None)
    assert {name for name, check in found.items() if check.status == "could_not_run"} == {*parts, "replay"}
    assert not any(check.blocking for check in found.values())


def test_but_a_first_version_that_cannot_be_judged_is_still_stopped() -> None:
    silent = spoilt("toxicity", not_run="The models for scoring are not there.")
    assert checks(silent, live=None)["toxicity"].blocking


@pytest.mark.parametrize("now_live", ["2", None])
def test_an_evaluation_against_another_live_version_does_not_count(now_live: str | None) -> None:
    (check, *_) = checks_of(evaluation(live="1"), RULES, now_live, NOW)
    assert (check.name, check.status, check.blocking) == ("evaluation", "failed", True)
    assert f"but {'version 2' if now_live else 'nothing'} is live now" in check.sentence


def test_an_old_evaluation_does_not_count() -> None:
    old = evaluation(finished_at=NOW - timedelta(days=RULES.evaluation.most_age_days, seconds=1))
    (check, *_) = checks_of(old, RULES, "1", NOW)
    assert (check.status, check.blocking) == ("failed", True)
    assert "7 days old" in check.sentence


def test_without_an_evaluation_one_check_asks_for_one() -> None:
    check = not_evaluated(RULES, "test.chatbot", "3")
    assert (check.status, check.blocking) == ("could_not_run", True)
    assert check.sentence == "test.chatbot version 3 has not been evaluated yet: ask for an evaluation."


def test_evidence_of_another_release_is_read_and_what_it_lacks_could_not_run() -> None:
    older = Evidence.model_validate_json('{"loading": {"seconds": 1.0, "colour": "red"}, "charm": {"n": 3}}')
    found = checks(older)
    assert found["loading"].status == "passed"
    assert found["golden_answers"].status == "could_not_run"
    assert "ask for a new one" in found["golden_answers"].sentence
