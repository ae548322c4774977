"""One look of the alerts job: the rules are read, judged by the facts of now, and the alerts brought up to date."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, get_args

from jobs.alert_conditions import judge
from jobs.alert_evidence import evidence_of
from jobs.alert_facts import FactReader, Facts
from registry.alert_rules import AlertRules, Rule, load_alert_rules
from registry.alert_states import Memory, Verdict, current, steps
from registry.alerts import Alert, AlertView, changed
from serving.client import EndpointClient
from settings import Settings

_KINDS = frozenset(get_args(one.model_fields["kind"].annotation)[0] for one in get_args(get_args(Rule)[0]))
"""The kinds of rules, by which the alerts of this job are told from those of others, as the guard's."""


@dataclass
class AlertLook:
    """What a look found: each verdict in words, what it wrote, and how many alerts stand."""

    rules: list[dict[str, str]] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    firing: int = 0
    pending: int = 0


class AlertLooker:
    """Looks again and again, with one client and what it remembers between looks."""

    def __init__(self, settings: Settings, client: EndpointClient | None) -> None:
        self.settings = settings
        self._facts = FactReader(settings, client)
        self._memory = Memory()

    def look(self, now: datetime) -> AlertLook:
        """Judge every rule that is switched on, and write down what becomes of the alerts.

        Raises: RegistryError (a wrong rules file), LakehouseError.
        """
        rules = load_alert_rules(self.settings)
        facts = self._facts.read(rules, now)
        found, self._memory = changed(self.settings, partial(self._changed, rules, facts, now))
        return found

    def _changed(
        self, rules: AlertRules, facts: Facts, now: datetime, seen: AlertView
    ) -> tuple[list[dict[str, Any]], tuple[AlertLook, Memory]]:
        # A copy for each try: of one that a rival came before, nothing is remembered.
        memory = Memory(dict(self._memory.clear_since))
        own = [alert for alert in seen.alerts if alert.evidence.get("kind") in _KINDS]
        verdicts = judged(rules, facts, now, own)
        hours = rules.general.suspect_hours
        rows = steps(
            own,
            verdicts,
            memory,
            now,
            by_hand_minutes=rules.general.resolved_by_hand_minutes,
            told=lambda verdict, began: evidence_of(self.settings, verdict, began, hours),
        )
        return rows, (_look(verdicts, rows, seen.alerts), memory)


def judged(rules: AlertRules, facts: Facts, now: datetime, alerts: Sequence[Alert]) -> list[Verdict]:
    """A verdict for everything that the rules are about; alerts of rules that are off or gone end."""
    standing = current(alerts)
    switched_on = rules.switched_on()
    found = [one for name, rule in switched_on.items() for one in judge(name, rule, facts, now, list(standing))]
    known = {one.key for one in found}
    for key, alert in standing.items():
        if key not in known:
            off = key[0] not in switched_on
            words = f"The rule {key[0]} is switched off." if off else f"The rule {key[0]} is not about this any more."
            found.append(Verdict(key, "gone", words, alert.severity, alert.group_key))
    return found


def _look(verdicts: Sequence[Verdict], rows: Sequence[dict[str, Any]], alerts: Sequence[Alert]) -> AlertLook:
    states = {alert.alert_id: alert.state for alert in alerts if alert.closed_at is None}
    states |= {row["alert_id"]: row["state"] for row in rows}
    told = [
        {"rule": one.key[0], "subject": one.key[4], "status": one.status, "sentence": one.sentence} for one in verdicts
    ]
    return AlertLook(
        rules=told,
        written=[f"{row['state']}: {row['sentence']}" for row in rows],
        firing=sum(state in ("open", "acknowledged", "silenced") for state in states.values()),
        pending=sum(state == "pending" for state in states.values()),
    )
