"""The guard at one endpoint: it measures what the last change tries out, opens and closes alerts, and may act."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from lakehouse.recent_requests import RecentRequests
from registry.actors import Actor
from registry.alerts import Alert, alerts, close_alert, open_alert
from registry.errors import ChangeConflict
from registry.gate_rules import GuardRules, load_rules
from registry.guard import TAKES_TRAFFIC, Decision, Finding, Situation, TrafficChange, decide, judge
from registry.guard_figures import Span, figures
from registry.plans import ChangeReport
from registry.traffic_changes import TrafficHistory
from serving.client import EndpointClient
from settings import Settings

GUARD = Actor("guard", "operator")
"""In whose name the guard changes production."""

RULES = ("errors", "latency", "toxicity", "perplexity", "cost")
_PREFIX = "guard."


@dataclass(frozen=True)
class Facts:
    """What is known of an endpoint at a look. `traffic`: versions of `entity_name` with a share above 0."""

    endpoint: str
    entity_name: str
    traffic: dict[str, int]
    champion: str | None
    history: TrafficHistory
    now: datetime


@dataclass(frozen=True)
class GuardLook:
    """What the guard found: nothing to watch, or findings, the decision they lead to, and the open alerts' ids."""

    watching: bool
    findings: tuple[Finding, ...] = ()
    decision: Decision = field(default_factory=lambda: Decision("none"))
    change: TrafficChange | None = None
    alert_ids: tuple[str, ...] = ()


def look(settings: Settings, recent: RecentRequests, facts: Facts) -> GuardLook:
    """Measure and judge, and open and close alerts accordingly. Changes nothing else.

    Raises: RegistryError (wrong rules), LakehouseError.
    """
    rules = load_rules(settings).guard
    change = last_that_moved(facts.history)
    warned = [one for one in alerts(settings, facts.endpoint, open_only=False) if one.rule.startswith(_PREFIX)]
    still_open = [one for one in warned if one.open]
    if not _is_watched(rules, facts, change, still_open):
        recent.forget()
        return GuardLook(False)
    findings = _findings(settings, recent, rules, facts, change)
    ids = _alerts_of(settings, facts, change, findings, still_open)
    decision = decide(situation(settings, facts, change, warned), findings)
    return GuardLook(True, findings, decision, change, ids)


def act(settings: Settings, client: EndpointClient, facts: Facts, seen: GuardLook) -> ChangeReport:
    """Carry the guard's decision out, with its evidence in the ledger.

    Raises: ChangeConflict, ChangeFailed, RegistryError (no version to go back to), ServingError, LakehouseError.
    """
    from registry.changes import carry_out, plan_rollback, plan_split

    if seen.decision.action == "rollback":
        plan = plan_rollback(settings, client, endpoint=facts.endpoint)
    else:
        plan = plan_split(settings, client, {}, endpoint=facts.endpoint, action="abort")
    # Planned on what is there now: it must be what was judged.
    if (plan.before.champion, {v: s for v, s in plan.before.traffic.items() if s}) != (facts.champion, facts.traffic):
        raise ChangeConflict(f"{facts.endpoint} has changed since the guard looked: it looks again.")
    evidence = {
        "acts_on": seen.change.change_id if seen.change else "",
        "alerts": list(seen.alert_ids),
        "findings": [finding.evidence for finding in seen.decision.findings],
    }
    return carry_out(settings, client, plan, actor=GUARD, reason=seen.decision.sentence, evidence=evidence)


def last_that_moved(history: TrafficHistory) -> TrafficChange | None:
    """The last change that may have moved the traffic: one that failed has moved nothing."""
    return next((change for change in history.changes if change.outcome != "failed"), None)


def situation(settings: Settings, facts: Facts, change: TrafficChange | None, warned: Sequence[Alert]) -> Situation:
    """What the decision depends on besides the findings, from the ledger and the alerts."""
    own = {one.change_id: one for one in facts.history.changes if one.acts_on}
    undone = [one for one in facts.history.changes if one.action == "undo" and one.of_change in own and one.succeeded]
    given_back = {v for one in undone for v, share in one.after.items() if share > one.before.get(v, 0)}
    known = {
        (one.rule.removeprefix(_PREFIX), one.entity_version)
        for one in warned
        if change is not None
        and one.opened_at <= change.started_at
        and (one.closed_at is None or one.closed_at > change.started_at)
    }
    return Situation(
        traffic=facts.traffic,
        champion=facts.champion,
        change=change,
        change_under_way=facts.history.under_way,
        allowed=settings.guard,
        acted_on=frozenset(one.acts_on for one in own.values()),
        defended=frozenset(given_back),
        known=frozenset(known),
    )


def _is_watched(rules: GuardRules, facts: Facts, change: TrafficChange | None, still_open: Sequence[Alert]) -> bool:
    """Whether the endpoint was changed lately, tries something out, or has an alert that may be closed."""
    lately = change is not None and facts.now - change.ended_at <= timedelta(minutes=rules.watch_minutes)
    return bool(facts.traffic) and (lately or len(facts.traffic) > 1 or bool(still_open))


def _findings(
    settings: Settings, recent: RecentRequests, rules: GuardRules, facts: Facts, change: TrafficChange | None
) -> tuple[Finding, ...]:
    """What each rule says about each version with traffic, since the last change or over the watched time."""
    watched = timedelta(minutes=rules.watch_minutes)
    start = facts.now - watched if change is None else max(change.ended_at, facts.now - watched)
    spans = {version: _span(facts, version, start) for version in facts.traffic}
    compared: dict[str, Span] = {}
    for version in facts.traffic:
        if facts.champion in facts.traffic and version != facts.champion:
            compared[version] = spans[str(facts.champion)]
        elif (
            change is not None
            and change.action in TAKES_TRAFFIC  # What was taken back is nothing to be measured by.
            and change.champion_before not in (None, version)
            and len(facts.traffic) == 1
        ):
            begun = change.started_at
            compared[version] = _span(facts, str(change.champion_before), begun - watched, begun)
    measured = figures(settings, recent, [*spans.values(), *compared.values()])
    found = []
    for version, span in spans.items():
        before = measured.get(compared[version], {}) if version in compared else {}
        for name in RULES:
            own = measured[span].get(name)
            found.append(judge(name, version, getattr(rules, name), own, before.get(name)))
    return tuple(found)


def _span(facts: Facts, version: str, start: datetime, end: datetime | None = None) -> Span:
    return Span(facts.endpoint, facts.entity_name, version, start, end)


def _alerts_of(
    settings: Settings,
    facts: Facts,
    change: TrafficChange | None,
    findings: Sequence[Finding],
    still_open: Sequence[Alert],
) -> tuple[str, ...]:
    """Open an alert for each breach, close those whose reason is gone. Returns the ids of the breaches' alerts."""
    calm = {(one.rule, one.version): one for one in findings if one.status == "within"}
    for alert in still_open:
        finding = calm.get((alert.rule.removeprefix(_PREFIX), alert.entity_version))
        if alert.entity_version not in facts.traffic:
            close_alert(settings, alert.alert_id, sentence=f"Version {alert.entity_version} gets no traffic any more.")
        elif finding is not None:
            close_alert(settings, alert.alert_id, sentence=finding.sentence, evidence={"at_close": finding.evidence})
    known: dict[str, Any] = {"change_id": change.change_id if change else ""}
    return tuple(
        open_alert(
            settings,
            rule=f"{_PREFIX}{finding.rule}",
            endpoint_name=facts.endpoint,
            entity_name=facts.entity_name,
            entity_version=finding.version,
            sentence=finding.sentence,
            evidence={**finding.evidence, **known},
        )
        for finding in findings
        if finding.status == "breached"
    )
