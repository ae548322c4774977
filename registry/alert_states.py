"""From what a look found to what becomes of alerts. Pure: verdicts and the alerts that are there in, rows out.

An alert is pending for as long as its rule says before it fires, and fires for as long as its figure is not clearly
kept again: below `clears_at`, and for `clear_minutes`. So a figure that wavers about its limit has one alert.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from registry.alert_triage import BY_HAND
from registry.alerts import Alert, Key, first_row, next_row

Status = Literal["breached", "between", "within", "unknown", "gone"]
"""breached: the rule is broken. between: over where it clears, under the limit. unknown: too little to say.
gone: what the alert was about is no more, so that nothing can clear it."""


@dataclass(frozen=True)
class Verdict:
    """What a look found of one thing that a rule is about. `sentence` names value, limit and count, never a text."""

    key: Key
    status: Status
    sentence: str
    severity: str = ""
    group_key: str = ""
    for_minutes: float = 0.0
    clear_minutes: float = 0.0
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass
class Memory:
    """What a process remembers between looks: since when an alert's figure is kept again."""

    clear_since: dict[Key, datetime] = field(default_factory=dict)


def current(alerts: Iterable[Alert]) -> dict[Key, Alert]:
    """The alerts that are not closed, by what they are about."""
    return {alert.key: alert for alert in alerts if alert.closed_at is None}


def resolved_by_hand(alerts: Iterable[Alert]) -> dict[Key, datetime]:
    """When people resolved alerts, by what these were about: the last time."""
    found: dict[Key, datetime] = {}
    for alert in alerts:
        if alert.closed_at is not None and BY_HAND in alert.evidence:
            found[alert.key] = max(alert.closed_at, found.get(alert.key, alert.closed_at))
    return found


def steps(
    alerts: Sequence[Alert],
    verdicts: Iterable[Verdict],
    memory: Memory,
    now: datetime,
    *,
    by_hand_minutes: float,
    told: Callable[[Verdict, datetime], dict[str, Any]],
) -> list[dict[str, Any]]:
    """The rows that bring the alerts up to what was found at `now`.

    told: evidence that is worth making only for an alert that fires; it gets the verdict and when the alert began.
    """
    standing, by_hand = current(alerts), resolved_by_hand(alerts)
    rows = []
    for verdict in verdicts:
        alert = standing.get(verdict.key)
        if verdict.status == "breached":
            memory.clear_since.pop(verdict.key, None)
            since = by_hand.get(verdict.key)
            if alert is None and since is not None and now - since < timedelta(minutes=by_hand_minutes):
                continue
            row = _broken(alert, verdict, now, told)
        else:
            row = _kept(alert, verdict, memory, now, told)
        if row is not None:
            rows.append(row)
    return rows


def _broken(
    alert: Alert | None, verdict: Verdict, now: datetime, told: Callable[[Verdict, datetime], dict[str, Any]]
) -> dict[str, Any] | None:
    if alert is None:
        fires = verdict.for_minutes <= 0
        evidence = {**verdict.evidence, **(told(verdict, now) if fires else {})}
        return first_row(
            verdict.key,
            "open" if fires else "pending",
            sentence=verdict.sentence,
            time=now,
            severity=verdict.severity,
            group_key=verdict.group_key,
            evidence=evidence,
        )
    began = alert.began_at or alert.opened_at
    if alert.state == "pending" and now - began >= timedelta(minutes=verdict.for_minutes):
        return _open(alert, verdict, now, told)
    return _after_silence(alert, verdict, now, told)


def _kept(
    alert: Alert | None,
    verdict: Verdict,
    memory: Memory,
    now: datetime,
    told: Callable[[Verdict, datetime], dict[str, Any]],
) -> dict[str, Any] | None:
    if alert is None or verdict.status not in ("within", "gone"):
        memory.clear_since.pop(verdict.key, None)
        if alert is None:
            return None
    if alert.state == "pending":
        return _closed(alert, verdict, memory, now, "It did not last long enough to fire.")
    if verdict.status == "gone":
        return _closed(alert, verdict, memory, now, verdict.sentence)
    if verdict.status == "within":
        since = memory.clear_since.setdefault(verdict.key, now)
        if now - since >= timedelta(minutes=verdict.clear_minutes):
            return _closed(alert, verdict, memory, now, verdict.sentence)
    return _after_silence(alert, verdict, now, told) if verdict.status == "between" else None


def _after_silence(
    alert: Alert, verdict: Verdict, now: datetime, told: Callable[[Verdict, datetime], dict[str, Any]]
) -> dict[str, Any] | None:
    """A silence that is over while the rule is still broken: people are told again."""
    return _open(alert, verdict, now, told) if alert.state == "silenced" and not alert.quiet(now) else None


def _open(
    alert: Alert, verdict: Verdict, now: datetime, told: Callable[[Verdict, datetime], dict[str, Any]]
) -> dict[str, Any]:
    evidence = {**verdict.evidence, **told(verdict, alert.began_at or alert.opened_at)}
    return next_row(alert, "open", time=now, sentence=verdict.sentence, evidence=evidence)


def _closed(alert: Alert, verdict: Verdict, memory: Memory, now: datetime, why: str) -> dict[str, Any]:
    memory.clear_since.pop(verdict.key, None)
    measured: Mapping[str, Any] = {"at_close": verdict.evidence} if verdict.evidence else {}
    return next_row(alert, "closed", time=now, evidence={**measured, "closed": why})
