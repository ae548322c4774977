"""From requests that drift to an alert that says what moved: the judgement and the alerts together, on real tables."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from jobs.alert_dry_run import dry_run
from jobs.drift_judgement import judge_closed_windows
from registry.alert_rules import load_alert_rules
from tests.jobs.alert_traffic import NOON, metrics, requests, score
from tests.jobs.alert_world import World
from tests.jobs.drift_requests import deliver

WINDOW = timedelta(minutes=5)
EACH_MINUTE = 60
"""300 requests in a window."""


def _bring(world: World, minutes: int, seed: int, longer: float = 1.0, slower: float = 1.0) -> None:
    """Traffic whose answers vary in length and latency, in `request_metrics` and in the rollups."""
    random = np.random.default_rng(seed)
    count = minutes * EACH_MINUTE
    length = np.round(longer * random.lognormal(4.5, 0.8, count)).astype(int)
    latency = np.round(slower * random.lognormal(6, 0.5, count)).astype(int)
    columns: dict[str, Any] = {
        "completion_tokens": lambda number: int(length[number]),
        "execution_duration_ms": lambda number: int(latency[number]),
        "requester": lambda number: f"person{number % 40}",
        "databricks_request_id": lambda number: f"{seed}-{number}",
    }
    rows = requests(world.now, minutes, EACH_MINUTE, **columns)
    world.now += timedelta(minutes=minutes)
    dated = [{**row, "request_date": row["request_time"].date()} for row in rows]
    deliver(world.settings, metrics(dated))
    score(world.settings, rows, until=world.now)


def test_longer_answers_and_latency_are_told_by_name_within_three_windows_and_in_a_dry_run(tmp_path: Path) -> None:
    world = World(tmp_path)
    _bring(world, 60, 1)
    world.look()
    assert world.of("drift") == []
    told_after = 0
    for number in range(1, 4):
        start = world.now
        _bring(world, 5, 10 + number, longer=1.3, slower=1.5)
        judge_closed_windows(world.settings, [("5 minutes", start, world.now)])
        world.now += timedelta(minutes=1)
        world.look()
        world.now -= timedelta(minutes=1)
        if {"completion_tokens", "execution_duration_ms"} <= {alert.evidence["subject"] for alert in world.of("drift")}:
            told_after = number
            break
    assert 0 < told_after <= 3
    alerts = {alert.evidence["subject"]: alert for alert in world.of("drift")}
    assert "Answers are longer: " in alerts["completion_tokens"].sentence
    assert "Answers take longer: " in alerts["execution_duration_ms"].sentence
    assert all(alert.open and alert.evidence["finding_id"] for alert in alerts.values())
    rules = load_alert_rules(world.settings)
    (tried,) = dry_run(world.settings, rules, ["drift"], NOON + timedelta(minutes=80), 0.05)
    subjects = {alert.evidence["subject"] for alert in tried.fired}
    assert {"completion_tokens", "execution_duration_ms"} <= subjects, "also where it was not judged at its time"
