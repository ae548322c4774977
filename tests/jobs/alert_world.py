"""A workspace in which time passes: traffic is scored, and the alerts are looked at."""

import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from jobs.alert_look import AlertLook, AlertLooker
from lakehouse.ledger import record_intent, record_outcome
from registry.alerts import Alert, view
from registry.plans import ProductionState, ServedShare
from registry.production import as_evidence
from settings import Settings
from tests.jobs.alert_traffic import NOON, requests, score

EVERY = 5
PATIENCE_SECONDS = 60.0


class World:
    """A workspace whose metrics job runs every five minutes, each time followed by a look at the alerts."""

    def __init__(self, home: Path, rules: str = "") -> None:
        file = home / "alert_rules.toml"
        home.mkdir(parents=True, exist_ok=True)
        file.write_text(rules, encoding="utf-8")
        self.settings = Settings(home=home, alert_rules_file=str(file), gateway_port=1)
        self.now = NOON
        self.looker = AlertLooker(self.settings, None)
        self.last = AlertLook()

    def pass_(self, minutes: int, *rows: dict[str, Any], each_minute: int = 20, **columns: Any) -> "World":
        """Let time pass with traffic of these columns (`each_minute` 0: without any)."""
        for _ in range(minutes // EVERY):
            made = requests(self.now, EVERY, each_minute, **columns) if each_minute else []
            self.now += timedelta(minutes=EVERY)
            score(self.settings, [*made, *rows], until=self.now)
            self.look()
        return self

    def at_once(self, minutes: int, each_minute: int = 20, **columns: Any) -> "World":
        """Let time pass with traffic that is scored, and looked at, only at its end."""
        made = requests(self.now, minutes, each_minute, **columns)
        self.now += timedelta(minutes=minutes)
        score(self.settings, made, until=self.now)
        self.look()
        return self

    def look(self) -> AlertLook:
        self.last = self.looker.look(self.now)
        return self.last

    def of(self, rule: str) -> list[Alert]:
        """The alerts of a rule, oldest first, those that never fired included."""
        return [alert for alert in reversed(view(self.settings).alerts) if alert.rule == rule]

    def status(self, rule: str) -> set[str]:
        return {one["status"] for one in self.last.rules if one["rule"] == rule}


def wait_for(condition: Callable[[], Any]) -> Any:
    """Look until a condition holds; returns what it returned."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return found


def fails(share: float) -> Any:
    return lambda number: 500 if number % 100 < 100 * share else 200


def promoted(settings: Settings, at: datetime) -> str:
    """A change of the traffic that the ledger tells of: version 3 takes the place of version 2."""

    def kept(champion: str) -> dict[str, Any]:
        served = tuple(
            ServedShare(f"chatbot-{one}", "prod.chatbot", one, 100 if one == champion else 0) for one in ("2", "3")
        )
        return as_evidence(ProductionState("chatbot", served, champion, None))

    about: Any = {"action": "promote", "target": "chatbot"}
    evidence = {"state_before": kept("2")}
    change_id = record_intent(settings, **about, actor="ann", evidence=evidence, time=at - timedelta(seconds=1))
    record_outcome(settings, change_id, **about, outcome="succeeded", evidence={"state_after": kept("3")}, time=at)
    return change_id


def finding(window_end: datetime, column: str = "completion_tokens", **more: Any) -> dict[str, Any]:
    """A confirmed finding of drift, with people's words in what it says itself."""
    return {
        "finding_id": f"{column}-{window_end:%H%M}-{len(more)}",
        "judged_at": window_end + timedelta(minutes=1),
        "window_start": window_end - timedelta(minutes=5),
        "window_end": window_end,
        "granularity": "5 minutes",
        "endpoint_name": "chatbot",
        "column_name": column,
        "drift_type": "BASELINE",
        "n": 300,
        "n_compared": 3600,
        "value": 212.0,
        "value_compared": 160.4,
        "effect": 0.35,
        "effect_name": "standardised difference",
        "q_value": 1e-6,
        "windows_in_a_row": 3,
        "confirmed": True,
        "sentence": "Prompts about SECRETWORD.",
        "evidence": json.dumps({"terms": ["SECRETWORD"]}),
        **more,
    }
