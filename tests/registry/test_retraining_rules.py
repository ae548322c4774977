"""When the rules start a retraining: pure, from the past, the open alerts and a moment."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from registry.errors import RegistryError
from registry.retraining_rules import (
    OpenAlert,
    PastRetraining,
    RetrainingRules,
    load_retraining_rules,
    why_not_now,
    why_now,
)
from settings import Settings

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DRIFT = OpenAlert("a1", "drift_flags", NOW - timedelta(hours=1), "More answers are flagged.")


def rules(tmp_path: Path, text: str = "") -> RetrainingRules:
    file = tmp_path / "rules.toml"
    file.write_text(text)
    return load_retraining_rules(Settings(home=tmp_path, retraining_rules_file=str(file)))


def past(hours: float, trigger: str = "alert", dry_run: bool = False, alert_id: str = "") -> PastRetraining:
    return PastRetraining(NOW - timedelta(hours=hours), trigger, dry_run, alert_id)


def test_what_ships_lets_a_person_promote(tmp_path: Path) -> None:
    found = load_retraining_rules(Settings(home=tmp_path))
    assert (found.promotion.on, found.canary.on, found.triggers.every_days) == (False, False, 0.0)
    assert found.shares == (5, 25)
    assert rules(tmp_path, "[promotion]\non = true\n").shares == (5, 25, 100)


def test_an_alert_of_a_rule_that_is_named_starts_one_and_only_once(tmp_path: Path) -> None:
    shipped = rules(tmp_path)
    start = why_now(shipped, [], [DRIFT], NOW)
    assert start is not None
    assert (start.trigger, start.alert_id) == ("alert", "a1")
    assert start.reason == "Alert drift_flags: More answers are flagged."
    other = OpenAlert("a2", "guard.errors", NOW, "Errors.")
    assert why_now(shipped, [], [other], NOW) is None
    assert why_now(shipped, [past(100, alert_id="a1")], [DRIFT], NOW) is None
    older = OpenAlert("a0", "drift", NOW - timedelta(hours=9), "It was first.")
    first = why_now(shipped, [], [DRIFT, older], NOW)
    assert first is not None
    assert first.alert_id == "a0"
    assert why_now(rules(tmp_path, "[triggers]\nby_alert = false\n"), [], [DRIFT], NOW) is None


def test_the_cooldown_counts_from_the_last_one_whoever_started_it(tmp_path: Path) -> None:
    shipped = rules(tmp_path)
    assert why_now(shipped, [past(23.9, "command")], [DRIFT], NOW) is None
    assert "triggers wait until 2026-03-02 12:06 UTC" in why_not_now(shipped, [past(23.9, "command")], NOW)
    assert why_now(shipped, [past(24, "command")], [DRIFT], NOW) is not None


def test_the_budget_of_a_week_is_kept(tmp_path: Path) -> None:
    shipped = rules(tmp_path)
    three = [past(30), past(60, "request"), past(7 * 24 - 1, "command")]
    assert "3 retrainings in the last seven days" in why_not_now(shipped, three, NOW)
    assert why_now(shipped, three, [DRIFT], NOW) is None
    assert why_now(shipped, three, [DRIFT], NOW + timedelta(hours=1)) is not None


def test_dry_runs_count_where_a_trigger_made_them_and_not_where_a_person_did(tmp_path: Path) -> None:
    shipped = rules(tmp_path)
    assert why_not_now(shipped, [past(1, "request", dry_run=True)], NOW) == ""
    assert why_not_now(shipped, [past(1, "alert", dry_run=True)], NOW) != ""


@pytest.mark.parametrize(("hours", "starts"), [(6.9 * 24, False), (7 * 24, True), (None, True)])
def test_the_schedule_counts_days_since_the_last_one(tmp_path: Path, hours: float | None, starts: bool) -> None:
    weekly = rules(tmp_path, "[triggers]\nevery_days = 7\n")
    found = why_now(weekly, [past(hours)] if hours else [], [], NOW)
    assert (found is not None) == starts
    assert why_now(rules(tmp_path), [], [], NOW) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[limits]\nmost_per_week = -1\n", "wrong at limits.most_per_week: it is -1"),
        ("[training]\nif_nothing_is_new = 'perhaps'\n", "wrong at training.if_nothing_is_new"),
        ("[canary]\nshares = [5, 100]\n", "from 1 to 99"),
        ("[canary]\nshares = []\n", "wrong at canary.shares"),
        ("[surprise]\non = true\n", "wrong at surprise"),
        ("[canary\n", "cannot be read"),
    ],
)
def test_a_wrong_file_is_told_in_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(RegistryError, match=said):
        rules(tmp_path, text)
