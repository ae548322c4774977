"""The guard's judgement, over many situations: what it may never do, and what it must do."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.comparison import Moments
from registry.gate_rules import GuardRule, load_rules
from registry.guard import Decision, Finding, Measured, Situation, TrafficChange, decide, judge, mean, percentile, share
from settings import Settings

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ERRORS = GuardRule(most=0.05, most_times_before=2.0, least_samples=30)
PROMOTED = TrafficChange("c1", "promote", "ann", NOON, NOON, {"2": 100}, {"3": 100}, "2", "3")
CANARY = replace(PROMOTED, after={"2": 90, "3": 10}, champion_after="2")
LIVE = Situation({"3": 100}, "3", PROMOTED, False, True)
SPLIT = Situation({"2": 90, "3": 10}, "2", CANARY, False, True)

counts = st.integers(0, 5000)


def breach(version: str, rule: str = "errors") -> Finding:
    return judge(rule, version, ERRORS, share(1000, 900), None)


# ------------------------------------------------------------------ figures


@given(counts, counts)
def test_a_share_is_at_least_less_than_what_was_seen(n: int, hits: int) -> None:
    found = share(n, min(hits, n))
    if n == 0:
        assert math.isnan(found.value)
    else:
        assert 0 <= found.at_least <= found.value + 1e-12 <= 1 + 1e-9


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=300), st.floats(0.01, 0.99))
def test_a_percentile_is_one_of_the_values_and_its_lower_bound_is_below(values: list[float], q: float) -> None:
    found = percentile(values, q)
    assert found.value in values
    assert found.at_least <= found.value
    assert sum(value <= found.value for value in values) >= q * len(values) - 1e-9


def test_few_values_say_nothing_certain_about_a_high_percentile() -> None:
    assert percentile([9000.0] * 40, 0.95).at_least == 9000.0
    assert percentile([9000.0], 0.95).at_least == -math.inf
    assert math.isnan(percentile([math.nan], 0.95).value)
    assert mean(Moments(1, 5.0, math.nan)).at_least == -math.inf
    assert mean(Moments(100, 5.0, 4.0)).at_least == pytest.approx(4.4)


# ------------------------------------------------------------------ judging


@given(counts, counts, st.none() | st.tuples(counts, counts))
def test_too_few_answers_are_never_a_breach(n: int, hits: int, before: tuple[int, int] | None) -> None:
    compared = None if before is None else share(before[0], min(before))
    finding = judge("errors", "3", ERRORS, share(n, min(hits, n)), compared)
    if n < ERRORS.least_samples:
        assert finding.status == "not enough data"
    if finding.status == "breached":
        assert finding.measured is not None
        assert finding.limit is not None
        assert finding.measured.at_least > finding.limit >= ERRORS.most


@pytest.mark.parametrize(
    "measured",
    [None, Measured(0, math.nan, math.nan), Measured(500, math.nan, math.nan), Measured(500, math.inf, math.inf)],
)
def test_missing_data_is_never_a_breach(measured: Measured | None) -> None:
    assert judge("latency", "3", GuardRule(most=1, least_samples=1), measured, None).status == "not enough data"


@given(st.integers(30, 5000), counts)
def test_more_good_answers_never_turn_a_calm_version_into_a_breach(n: int, hits: int) -> None:
    hits = min(hits, n)
    if judge("errors", "3", ERRORS, share(n, hits), None).status != "breached":
        assert judge("errors", "3", ERRORS, share(n + 1, hits), None).status != "breached"


def test_a_version_is_compared_with_the_one_before_where_that_has_enough_answers() -> None:
    bad = share(1000, 200)
    assert judge("errors", "3", ERRORS, bad, share(1000, 150)).status == "within", "the version before fails as often"
    assert judge("errors", "3", ERRORS, bad, share(1000, 10)).status == "breached"
    assert judge("errors", "3", ERRORS, bad, share(29, 29)).status == "breached", "too few to compare with"
    unsure = judge("errors", "3", ERRORS, share(40, 4), share(1000, 10))
    assert (unsure.status, unsure.limit) == ("unsure", 0.05)


def test_a_finding_says_the_numbers() -> None:
    finding = judge("errors", "3", ERRORS, share(200, 50), share(400, 4))
    assert finding.sentence == (
        "The share of failed requests of version 3 is 25.0 % (limit 5.0 %, 1.0 % of the version before; 200 answers)."
    )
    assert finding.evidence["n"] == 200
    assert judge("latency", "3", ERRORS, percentile([9.0], 0.9), None).evidence["at_least"] is None


def test_every_rule_of_the_file_can_be_judged(tmp_path: Path) -> None:
    rules = load_rules(Settings(home=tmp_path)).guard
    for name in ("errors", "latency", "toxicity", "perplexity", "cost"):
        rule = getattr(rules, name)
        assert judge(name, "3", rule, Measured(10**6, 1e9, 1e9), None).status == "breached"
        assert judge(name, "3", rule, Measured(10**6, 0.0, 0.0), None).status == "within"


# ------------------------------------------------------------------ deciding


def test_a_bad_canary_is_aborted_and_a_bad_new_champion_rolled_back() -> None:
    assert decide(SPLIT, [breach("3")]).action == "abort"
    found = decide(LIVE, [breach("3")])
    assert (found.action, found.version) == ("rollback", "3")
    assert "900" not in found.sentence
    assert "90.0 %" in found.sentence
    assert decide(LIVE, []) == Decision("none")


def test_it_does_not_act_while_it_is_off_or_a_change_is_under_way() -> None:
    off = decide(replace(LIVE, allowed=False), [breach("3")])
    assert (off.action, "only opens alerts" in off.sentence) == ("none", True)
    assert decide(replace(LIVE, change_under_way=True), [breach("3")]).action == "none"


def test_it_acts_once_for_each_change() -> None:
    assert decide(replace(LIVE, acted_on=frozenset({"c1"})), [breach("3")]).action == "none"
    later = replace(PROMOTED, change_id="c2", started_at=NOON + timedelta(hours=1))
    assert decide(replace(LIVE, change=later, acted_on=frozenset({"c1"})), [breach("3")]).action == "rollback"


@pytest.mark.parametrize("action", ["rollback", "abort", "undo", "finish", "outside", "override_gate"])
def test_it_leaves_alone_what_a_person_decided_later(action: str) -> None:
    decided = replace(PROMOTED, action=action, change_id="c2")
    found = decide(replace(LIVE, change=decided), [breach("3")])
    assert (found.action, "never overrides" in found.sentence) == ("none", True)


def test_it_leaves_a_version_that_a_person_gave_back_what_the_guard_had_taken() -> None:
    assert decide(replace(SPLIT, defended=frozenset({"3"})), [breach("3")]).action == "none"


def test_an_alert_that_was_open_when_a_person_decided_is_no_reason_to_act() -> None:
    known = replace(SPLIT, known=frozenset({("errors", "3")}))
    assert decide(known, [breach("3")]).action == "none"
    assert decide(known, [breach("3"), breach("3", "latency")]).action == "abort", "another rule is news"


def test_a_champion_that_nobody_changed_is_not_rolled_back() -> None:
    assert decide(SPLIT, [breach("2")]).action == "none", "the canary is what is tried out"
    ended = replace(PROMOTED, action="split", before={"2": 90, "3": 10}, after={"2": 100}, champion_after="2")
    assert decide(Situation({"2": 100}, "2", ended, False, True), [breach("2")]).action == "none"


def test_the_version_that_was_live_before_is_never_taken_away() -> None:
    half = Situation({"2": 50, "3": 50}, "3", PROMOTED, False, True)
    assert decide(half, [breach("2")]).action == "none"


def test_a_change_that_did_not_end_well_is_nobodys_to_take_back() -> None:
    for outcome in ("failed", "interrupted", "unfinished"):
        assert decide(replace(LIVE, change=replace(PROMOTED, outcome=outcome)), [breach("3")]).action == "none"
    assert decide(replace(LIVE, change=None), [breach("3")]).action == "none"


versions = st.sampled_from(["1", "2", "3", "4"])
traffic = st.dictionaries(versions, st.integers(1, 100), min_size=1, max_size=3)
change = st.builds(
    TrafficChange,
    change_id=st.sampled_from(["c1", "c2"]),
    action=st.sampled_from(["promote", "split", "rollback", "abort", "undo", "finish", "outside"]),
    actor=st.sampled_from(["ann", "guard"]),
    started_at=st.just(NOON),
    ended_at=st.just(NOON),
    before=traffic,
    after=traffic,
    champion_before=st.none() | versions,
    champion_after=st.none() | versions,
    outcome=st.sampled_from(["succeeded", "succeeded, unverified", "interrupted", "failed"]),
)
situations = st.builds(
    Situation,
    traffic=traffic,
    champion=st.none() | versions,
    change=st.none() | change,
    change_under_way=st.booleans(),
    allowed=st.booleans(),
    acted_on=st.frozensets(st.sampled_from(["c1", "c2"])),
    defended=st.frozensets(versions),
    known=st.frozensets(st.tuples(st.just("errors"), versions)),
)
findings = st.lists(
    st.builds(
        lambda version, n, hits, rule: judge(rule, version, ERRORS, share(n, min(n, hits)), None),
        versions,
        counts,
        counts,
        st.sampled_from(["errors", "toxicity"]),
    ),
    max_size=6,
)


@given(situations, findings)
def test_whatever_happens_it_only_takes_away_what_was_just_tried_out(
    situation: Situation, found: list[Finding]
) -> None:
    decision = decide(situation, found)
    assert decision.action in ("none", "abort", "rollback")
    if decision.action == "none":
        return
    assert situation.allowed
    assert not situation.change_under_way
    assert situation.change is not None
    assert situation.change.action in ("promote", "split")
    assert situation.change.succeeded
    assert situation.change.change_id not in situation.acted_on
    assert decision.version not in situation.defended
    assert decision.version != situation.change.champion_before, "what was live before is never taken away"
    assert situation.traffic[decision.version] > 0
    assert (decision.action == "rollback") == (decision.version == situation.champion)
    breached = {(one.rule, one.version) for one in found if one.status == "breached"} - situation.known
    assert any(version == decision.version for _, version in breached)
    assert all(one.version == decision.version and one.status == "breached" for one in decision.findings)
