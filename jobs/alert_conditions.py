"""What the rules of alerts say of states: drift that was confirmed, jobs that are late, endpoints that do not answer.

Facts in, verdicts out. A finding of drift is told in words of ours, from its numbers: what it says itself may hold
words of people, and alerts leave the machine.
"""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from jobs.alert_facts import MINUTES, RUNS_LOOKED_AT, Facts, late_after
from jobs.alert_figures import minute_of, time_of
from jobs.alert_judgement import judge_budget, judge_burn_rate, judge_no_data, judge_threshold, verdict
from metrics.drift_questions import ANSWERS_FLAGGED, ERRORS, PROMPT_TOPICS, PROMPTS_FLAGGED
from metrics.drift_words import WORDS
from registry.alert_rules import (
    BurnRateRule,
    DriftRule,
    EndpointDownRule,
    JobLateRule,
    NoDataRule,
    Rule,
    ThresholdRule,
)
from registry.alert_states import Status, Verdict
from registry.alerts import Key

_SHARES = frozenset({ANSWERS_FLAGGED, PROMPTS_FLAGGED, ERRORS, PROMPT_TOPICS})
_WINDOWS_BACK = 2
"""A drift goes on as long as one of the last so many windows confirmed it."""
_JOB_MINUTES = 10
"""How long after the end of a window its judgement may come."""
_LONGEST_JUDGED = timedelta(hours=3)
"""A judgement that has come no further says nothing of now. By design it is up to two hours behind."""
_LONGEST_WORD = 60
_LONGEST_BACK = timedelta(days=2)


def judge(name: str, rule: Rule, facts: Facts, now: datetime, standing: Iterable[Key] = ()) -> list[Verdict]:
    """What a rule says at `now` of everything that it is about, and of what its alerts (`standing`) are about."""
    keys = [key for key in standing if key[0] == name]
    if isinstance(rule, ThresholdRule):
        return judge_threshold(name, rule, facts, now, keys)
    if isinstance(rule, DriftRule):
        return judge_drift(name, rule, facts, now, keys)
    if isinstance(rule, BurnRateRule):
        return judge_burn_rate(name, rule, facts, now)
    if isinstance(rule, NoDataRule):
        return judge_no_data(name, rule, facts, now)
    if isinstance(rule, JobLateRule):
        return judge_job(name, rule, facts, now)
    if isinstance(rule, EndpointDownRule):
        return judge_endpoint(name, rule, facts, now, keys)
    return judge_budget(name, rule, facts, now)


def judge_drift(name: str, rule: DriftRule, facts: Facts, now: datetime, standing: Iterable[Key] = ()) -> list[Verdict]:
    """A verdict for each column that drifted lately, and for those that alerts are about.

    Of several slices the one that is everything comes first, else the one that is surest; the others are counted.
    """
    endpoint = facts.endpoint_of(rule)
    end, judged = facts.end_of_data(endpoint, now), facts.judged_until
    late = judged is not None and now - judged > _LONGEST_JUDGED
    # Windows are judged minutes, with late delivery hours, behind the newest request: that far back is "lately".
    lately = min([time for time in (time_of(end) if end is not None else None, judged) if time], default=now)
    columns: dict[str, list[dict[str, Any]]] = {key[4]: [] for key in standing}
    latest = bisect_right(facts.findings, now, key=lambda one: one["window_end"])
    earliest = bisect_right(facts.findings, now - _LONGEST_BACK, key=lambda one: one["window_end"])
    for finding in facts.findings[earliest:latest]:
        if not late and _counts(finding, rule, endpoint):
            minutes = _WINDOWS_BACK * MINUTES.get(finding["granularity"] or "", 60) + _JOB_MINUTES
            if finding["window_end"] > lately - timedelta(minutes=minutes):
                columns.setdefault(finding["column_name"], []).append(finding)
    found = []
    for column, findings in sorted(columns.items()):
        status: Status = "breached" if findings else "within" if end is not None and not late else "unknown"
        words = f"{rule.title}: {_column(column)} on {endpoint}: as usual again."
        evidence: dict[str, Any] = {}
        if findings:
            words, evidence = _drifted(rule, endpoint, findings)
        found.append(verdict(name, rule, status, words, subject=column, endpoint=endpoint, evidence=evidence))
    return found


def judge_job(name: str, rule: JobLateRule, facts: Facts, now: datetime) -> list[Verdict]:
    """Whether the last success of a job is too long ago."""
    ends = facts.succeeded.get(rule.job, [])
    before = ends[: bisect_right(ends, now)]
    recent = [end for end in before if now - end <= RUNS_LOOKED_AT]
    if len(recent) < rule.least_count:
        words = f"The job {rule.job} has no {rule.least_count} good runs in the last days to be measured by."
        return [verdict(name, rule, "unknown", words)]
    ago, late = now - recent[-1], late_after(facts.settings, rule)
    words = (
        f"{rule.title}: the job {rule.job} last succeeded {_ago(ago)} ago, at {recent[-1]:%d %b %H:%M} UTC (limit "
        f"{_ago(late)}; {len(recent)} good runs in the last {RUNS_LOOKED_AT.days} days)."
    )
    evidence = {
        "value": ago.total_seconds() / 60,
        "limit": late.total_seconds() / 60,
        "unit": "minutes",
        "n": len(recent),
        "job": rule.job,
        "window": {"start": recent[-1].isoformat(), "end": now.isoformat()},
    }
    return [verdict(name, rule, "breached" if ago > late else "within", words, evidence=evidence)]


def judge_endpoint(
    name: str, rule: EndpointDownRule, facts: Facts, now: datetime, standing: Iterable[Key] = ()
) -> list[Verdict]:
    """Whether an endpoint that has had requests answers the question for its state.

    standing: what alerts of this rule are about; to go on, one needs no second look, whoever looked first.
    """
    endpoint = facts.endpoint_of(rule)
    probe = facts.probes.get(endpoint)
    if probe is None or probe.down is None:
        words = probe.sentence if probe is not None else f"{endpoint} was not asked."
        return [verdict(name, rule, "unknown", words, endpoint=endpoint)]
    known = facts.quarter.get(endpoint) or facts.minute.get(endpoint)
    if probe.down and (known is None or known.newest(minute_of(now) + 1) is None):
        words = f"{probe.sentence} It has not had a request in the last days."
        return [verdict(name, rule, "unknown", words, endpoint=endpoint)]
    if not probe.down:
        return [verdict(name, rule, "within", probe.sentence, endpoint=endpoint)]
    words = f"{rule.title}: {probe.sentence} ({probe.in_a_row} looks in a row)"
    evidence = {"value": probe.in_a_row, "limit": rule.least_count, "n": probe.in_a_row, "unit": "looks in a row"}
    known_down = any(key[1] == endpoint for key in standing)
    status: Status = "breached" if probe.in_a_row >= rule.least_count or known_down else "between"
    return [verdict(name, rule, status, words, endpoint=endpoint, evidence=evidence)]


def _counts(finding: dict[str, Any], rule: DriftRule, endpoint: str) -> bool:
    wanted = "*" in rule.columns or finding["column_name"] in rule.columns
    whole = not finding["slice_key"]
    here = (finding["endpoint_name"] or endpoint) == endpoint
    return wanted and here and (whole or rule.slices) and (finding["n"] or 0) >= rule.least_count


def _drifted(rule: DriftRule, endpoint: str, findings: list[dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    newest = max(finding["window_end"] for finding in findings)
    last = [finding for finding in findings if finding["window_end"] == newest]
    main = min(last, key=lambda one: (bool(one["slice_key"]), one["q_value"] if one["q_value"] is not None else 1.0))
    column = main["column_name"]
    parts = len({(one["slice_key"], one["slice_value"]) for one in last}) - 1
    further = f"; seen in {parts} further parts of the traffic" if parts > 0 else ""
    value, compared = _value(column, main["value"]), _value(column, main["value_compared"])
    moved = f": {value}, usually {compared}" if value and compared else ""
    # What new topics are found by is one test, whose p-value is corrected for nothing.
    certain = f"p {_number(main['p_value'])}" if main["q_value"] is None else f"q {_number(main['q_value'])}"
    words = (
        f"{rule.title} on {endpoint}: {_moved(main)}{_part(main)}{moved} ({main['effect_name'] or 'effect'} "
        f"{_number(main['effect'])}, {certain}, {main['n'] or 0:,} requests beside "
        f"{main['n_compared'] or 0:,}, {main['windows_in_a_row'] or 1} windows in a row to "
        f"{newest:%d %b %H:%M} UTC{further})."
    )
    evidence = {
        "value": main["value"],
        "value_compared": main["value_compared"],
        "n": main["n"],
        "n_compared": main["n_compared"],
        "effect": main["effect"],
        "effect_name": main["effect_name"],
        "q_value": main["q_value"],
        "p_value": main["p_value"],
        "column": column,
        "finding_id": main["finding_id"],
        "finding_ids": [one["finding_id"] for one in last][:20],
        "window": {"start": main["window_start"].isoformat(), "end": newest.isoformat()},
    }
    return words, evidence


def _part(finding: dict[str, Any]) -> str:
    """The part of the traffic that a finding is about. A group of requesters is not named: it may be a person."""
    key, value = finding["slice_key"], str(finding["slice_value"] or "")[:_LONGEST_WORD]
    if not key:
        return ""
    if key == "entity_version":
        return f" of version {value}"
    if key == "requester":
        return " of one group of requesters"
    return f" where {key} is {value}"


def _column(column: str) -> str:
    return WORDS[column].title if column in WORDS else column[:_LONGEST_WORD]


def _moved(finding: dict[str, Any]) -> str:
    """What has happened to the column, in the words of the judgement that hold no word of a prompt."""
    column, value, compared = finding["column_name"], finding["value"], finding["value_compared"]
    if column not in WORDS or value is None or compared is None:
        return f"{_column(column)} changed"
    return WORDS[column].rises if value > compared else WORDS[column].falls


def _value(column: str, value: float | None) -> str:
    if value is None:
        return ""
    if column in _SHARES:
        return f"{100 * value:.3g} %"
    unit = WORDS[column].unit if column in WORDS else ""
    return f"{_number(value)} {unit}".strip()


def _number(value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _ago(time: timedelta) -> str:
    minutes = time.total_seconds() / 60
    if minutes < 90:
        return f"{minutes:.0f} minutes"
    return f"{minutes / 60:.1f} hours" if minutes < 48 * 60 else f"{minutes / 1440:.1f} days"
