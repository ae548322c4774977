"""What rules would have done in the past: the same judgement and the same states, at every five minutes of a month.

The figures of a moment are those that are known now, late requests included, so a rule is judged a little better here
than it would have been then. Nothing is written.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from jobs.alert_conditions import judge
from jobs.alert_facts import FactReader, Facts
from registry.alert_rules import AlertRules, DriftRule, EndpointDownRule, Rule
from registry.alert_states import Memory, current, steps
from registry.alerts import Alert, alerts_in
from settings import Settings

STEP = timedelta(minutes=5)
DAYS = 30


@dataclass(frozen=True)
class DryRun:
    """What a rule would have done. `why_not`: why that cannot be told; empty if it can."""

    name: str
    on: bool
    fired: tuple[Alert, ...]
    why_not: str = ""

    def report(self, days: float) -> list[str]:
        """Lines for people: how often, and when."""
        off = "" if self.on else " (switched off)"
        if self.why_not:
            return [f"{self.name}{off}: {self.why_not}"]
        times = {0: "would not have fired", 1: "would have fired once"}.get(
            len(self.fired), f"would have fired {len(self.fired)} times"
        )
        return [f"{self.name}{off}: {times} in the last {days:g} days", *(_line(alert) for alert in self.fired)]


def dry_run(settings: Settings, rules: AlertRules, names: list[str], now: datetime, days: float = DAYS) -> list[DryRun]:
    """What these rules would have done in the last `days`, whether they are switched on or not.

    Raises: RegistryError, if there is no such rule. LakehouseError.
    """
    chosen = {name: rules.rule(name) for name in names or list(rules.rules)}
    end = now.astimezone(UTC).replace(second=0, microsecond=0)
    end -= timedelta(minutes=end.minute % 5)
    first = end - timedelta(days=days)
    narrowed = rules.model_copy(update={"rules": chosen})
    facts = FactReader(settings).read(narrowed, end, back_to=first)
    if any(isinstance(rule, DriftRule) for rule in chosen.values()):
        facts = replace(facts, findings=_with_past_drift(settings, facts.findings, first, end))
    return [_one(name, rule, facts, first, end) for name, rule in chosen.items()]


def _with_past_drift(
    settings: Settings, known: tuple[dict[str, Any], ...], first: datetime, end: datetime
) -> tuple[dict[str, Any], ...]:
    """The findings that are known, and what the judgement of drift says of windows from before it was there.

    Topics of prompts are only among those that are known: to judge them anew takes every text of the past.
    """
    from jobs.drift_judgement import judge_past

    about = ("granularity", "window_start", "endpoint_name", "slice_key", "slice_value", "column_name")
    told = {tuple(finding[name] for name in about) for finding in known}
    past = [
        {**finding, "finding_id": None, "judged_at": None}
        for finding in judge_past(settings, first, end)
        if finding["confirmed"] and tuple(finding[name] for name in about) not in told
    ]
    return tuple(sorted([*known, *past], key=lambda finding: finding["window_end"]))


def _one(name: str, rule: Rule, facts: Facts, first: datetime, end: datetime) -> DryRun:
    if isinstance(rule, EndpointDownRule):
        return DryRun(name, rule.on, (), "what endpoints answered is not recorded, so its past cannot be tried out.")
    memory, rows = Memory(), dict[str, list[dict[str, Any]]]()
    standing: list[Alert] = []
    ended: list[Alert] = []
    now = first
    while now <= end:
        verdicts = judge(name, rule, facts, now, list(current(standing)))
        made = steps(standing, verdicts, memory, now, by_hand_minutes=0.0, told=lambda verdict, began: {})
        for row in made:
            rows.setdefault(row["alert_id"], []).append(row)
        if made:
            known = alerts_in(row for of_alert in rows.values() for row in of_alert)
            standing = [alert for alert in known if alert.closed_at is None]
            closed = [alert for alert in known if alert.closed_at is not None]
            ended += [alert for alert in closed if alert.fired]
            for alert in closed:
                del rows[alert.alert_id]
        now += STEP
    fired = sorted([*ended, *(alert for alert in standing if alert.fired)], key=lambda alert: alert.opened_at)
    return DryRun(name, rule.on, tuple(fired))


def _line(alert: Alert) -> str:
    until = f"{alert.closed_at:%d %b %H:%M}" if alert.closed_at else "now"
    return f"  {alert.opened_at:%d %b %H:%M} to {until} UTC [{alert.severity}] {alert.sentence}"
