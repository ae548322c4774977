"""What the rules of alerts say of figures over time: thresholds, error budgets, silence where there should be traffic,
and spend. Facts in, verdicts out; the other rules stand in `jobs.alert_conditions`.

A sentence names figure, version, value, limit and count; no text of a request ever comes here.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any

from jobs.alert_facts import COST, LATENCY, METRICS, USUAL_DAYS, Facts
from jobs.alert_figures import ALL, REQUESTS, Counted, Rollups, Version, minute_of, time_of
from registry import burn_rate
from registry.alert_rules import BudgetRule, BurnRateRule, BurnWindow, NoDataRule, Rule, ThresholdRule
from registry.alert_states import Status, Verdict
from registry.alerts import Key
from registry.guard import Measured

_QUARTER = 15
_DAY = 24 * 60
_QUANTILES = {"latency_p50": 0.5, "latency_p95": 0.95, "latency_p99": 0.99}
_PERCENT = frozenset({"errors", "flagged_answers", "flagged_prompts"})
UNITS = {"latency_p50": "ms", "latency_p95": "ms", "latency_p99": "ms", "cost": "USD", "requests": "a minute"}
_COUNTED_WORDS = {"errors": "requests", "flagged_prompts": "scored prompts", "requests": "requests"}

_UNKNOWN: Status = "unknown"
_NOTHING: dict[str, Any] = {}


@dataclass(frozen=True)
class Reading:
    """A figure of a window: of n values, `value` as the rule's limit is given; whether it is over it, and clear."""

    n: int
    value: float
    broken: bool
    clear: bool


def verdict(
    name: str,
    rule: Rule,
    status: Status,
    sentence: str,
    *,
    version: Version = ALL,
    subject: str = "",
    endpoint: str = "",
    severity: str = "",
    evidence: dict[str, Any] | None = None,
) -> Verdict:
    """A verdict of a rule. Numbers that are none become null, as JSON has no word for them."""
    told = {key: _finite(value) for key, value in (evidence or {}).items()}
    return Verdict(
        key=(name, endpoint, *version, subject),
        status=status,
        sentence=sentence,
        severity=severity or rule.severity,
        group_key=endpoint or name,
        for_minutes=rule.for_minutes,
        clear_minutes=rule.clear_minutes,
        evidence={"kind": rule.kind, "title": rule.title, "runbook": rule.runbook, **told},
    )


def judge_threshold(
    name: str, rule: ThresholdRule, facts: Facts, now: datetime, standing: Iterable[Key] = ()
) -> list[Verdict]:
    """A figure against its limit, for each version or for all of them together.

    standing: what alerts of this rule are about; a version that gets no requests any more has them closed.
    """
    endpoint = facts.endpoint_of(rule)
    rollups, end = facts.minute.get(endpoint), _end_of_window(rule, facts, endpoint, now)
    before: set[Version] = {(key[2], key[3]) for key in standing if key[3] and rule.by_version}
    if rollups is None or end is None:
        why = f"Nothing recent is known of {endpoint}."
        return [verdict(name, rule, "unknown", why, version=one, endpoint=endpoint) for one in sorted({ALL, *before})]
    start = end - round(rule.over_minutes)
    versions = rollups.versions(start, end) if rule.by_version else [ALL]
    found = [_threshold(name, rule, facts, rollups, one, start, end) for one in versions]
    enough = rule.figure == "requests" or rollups.sums(Counted(REQUESTS), ALL, start, end).n >= rule.least_count
    for version in sorted(before - set(versions)):
        words = f"Version {version[1]} gets no requests any more."
        found.append(verdict(name, rule, "gone" if enough else "unknown", words, version=version, endpoint=endpoint))
    return found


def judge_burn_rate(name: str, rule: BurnRateRule, facts: Facts, now: datetime) -> list[Verdict]:
    """How fast the error budget is used up: a verdict for each severity of the rule's windows."""
    endpoint = facts.endpoint_of(rule)
    rollups, end = facts.minute.get(endpoint), facts.end_of_data(endpoint, now)
    found = []
    for severity in dict.fromkeys(window.severity for window in rule.windows):
        windows = [window for window in rule.windows if window.severity == severity]
        words, status, evidence = f"Nothing recent is known of {endpoint}.", _UNKNOWN, _NOTHING
        if rollups is not None and end is not None:
            words, status, evidence = _burns(rule, windows, rollups, endpoint, end)
        about: dict[str, Any] = {"endpoint": endpoint, "subject": severity, "severity": severity}
        found.append(verdict(name, rule, status, words, evidence=evidence, **about))
    return found


def judge_no_data(name: str, rule: NoDataRule, facts: Facts, now: datetime) -> list[Verdict]:
    """Whether an endpoint gets no request at a time of day when it usually does."""
    endpoint = facts.endpoint_of(rule)
    minute, quarter, end = facts.minute.get(endpoint), facts.quarter.get(endpoint), facts.end_of_known(now)
    if minute is None or quarter is None or end is None:
        words = f"Up to when the requests of {endpoint} are known is not known."
        return [verdict(name, rule, "unknown", words, endpoint=endpoint)]
    over = round(rule.over_minutes)
    came = minute.sums(Counted(REQUESTS), ALL, end - over, end).n
    usual = _usual(quarter, end, over)
    evidence = {"value": came, "limit": 0, "n": came, "unit": "requests", "usual": usual, **_window(end - over, end)}
    if came:
        words = f"{endpoint} gets requests again: {came} in the {over} minutes to {_clock(end)}."
        return [verdict(name, rule, "within", words, endpoint=endpoint, evidence=evidence)]
    words = (
        f"{rule.title}: {endpoint} got none in the {over} minutes to {_clock(end)}, where {usual:.0f} are usual at "
        f"this time of day (median of {USUAL_DAYS} days; at least {rule.least_count} make it an alert)."
    )
    status: Status = "breached" if usual >= rule.least_count else "unknown"
    return [verdict(name, rule, status, words, endpoint=endpoint, evidence=evidence)]


def judge_budget(name: str, rule: BudgetRule, facts: Facts, now: datetime) -> list[Verdict]:
    """What the answers of this UTC day or month have cost, against the budget."""
    endpoint, moment = facts.endpoint_of(rule), now.astimezone(UTC)
    day = 1 if rule.per == "month" else moment.day
    begun = moment.replace(day=day, hour=0, minute=0, second=0, microsecond=0)
    rollups = facts.quarter.get(endpoint)
    start, end = minute_of(begun), minute_of(now) + 1
    sums = rollups.sums(Counted(COST), ALL, start, end) if rollups is not None else None
    if rollups is None or sums is None or sums.n < rule.least_count:
        priced = sums.n if sums is not None else 0
        words = f"{priced} answers with a price are too few to judge ({rule.least_count} needed)."
        return [verdict(name, rule, "within", words, endpoint=endpoint)]
    unpriced = max(rollups.sums(Counted(REQUESTS), ALL, start, end).n - sums.n, 0)
    words = (
        f"{rule.title}: the answers of {endpoint} have cost {sums.sum_wx:,.2f} USD this {rule.per} (budget "
        f"{rule.budget_usd:,.2f} USD; {sums.n:,} answers with a price, {unpriced:,} requests without; UTC)."
    )
    evidence = {"value": sums.sum_wx, "limit": rule.budget_usd, "n": sums.n, "unit": "USD", **_window(start, end)}
    status: Status = "breached" if sums.sum_wx > rule.budget_usd else "within"
    return [verdict(name, rule, status, words, endpoint=endpoint, evidence=evidence)]


def figure_text(figure: str, value: float) -> str:
    """A figure's value with its unit, as sentences have it."""
    if not math.isfinite(value):
        return "unknown"
    if figure in _PERCENT:
        return f"{100 * value:.3g} %"
    digits = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{digits} {UNITS[figure]}" if figure in UNITS else digits


def _end_of_window(rule: ThresholdRule, facts: Facts, endpoint: str, now: datetime) -> int | None:
    """The minute that the window of a threshold ends with; None where nothing recent is known.

    It is that of the newest request, but where the requests themselves are counted: that none come is told by time that
    passes. A flood that is not all scored yet is over its limit by what is.
    """
    newest = facts.end_of_data(endpoint, now)
    if rule.figure != "requests":
        return newest
    ends = [facts.end_of_known(now), *([newest] if rule.above is not None else [])]
    return max((end for end in ends if end is not None), default=None)


def _threshold(
    name: str, rule: ThresholdRule, facts: Facts, rollups: Rollups, version: Version, start: int, end: int
) -> Verdict:
    endpoint = facts.endpoint_of(rule)
    reading = _read(rule, facts, rollups, version, start, end)
    who = f" of version {version[1]}" if version != ALL else ""
    counted = _COUNTED_WORDS.get(rule.figure, "answers" if "answers" not in rule.figure else "scored answers")
    # Where requests are counted, few of them are no lack of knowledge; only too many must be enough to be told.
    tells = rule.figure == "requests" and (rule.above is None or not reading.broken)
    if reading.n < rule.least_count and not tells:
        words = (
            f"{rule.title}{who} on {endpoint}: {reading.n} {counted} are too few to judge ({rule.least_count} needed)."
        )
        return verdict(name, rule, "unknown", words, version=version, endpoint=endpoint)
    status: Status = "breached" if reading.broken else "within" if reading.clear else "between"
    what = _FIGURE_WORDS.get(rule.figure, "")
    words = (
        f"{rule.title}{who} on {endpoint}: {what}{figure_text(rule.figure, reading.value)} (limit "
        f"{figure_text(rule.figure, rule.limit)}; {reading.n:,} {counted} in the {end - start} minutes to "
        f"{_clock(end)})."
    )
    scale = 100 if rule.figure in _PERCENT else 1
    evidence = {
        "figure": rule.figure,
        "value": scale * reading.value,
        "limit": scale * rule.limit,
        "unit": "%" if rule.figure in _PERCENT else UNITS.get(rule.figure, ""),
        "n": reading.n,
        **_window(start, end),
    }
    return verdict(name, rule, status, words, version=version, endpoint=endpoint, evidence=evidence)


_FIGURE_WORDS = {"latency_p50": "half take over ", "latency_p95": "5 % take over ", "latency_p99": "1 % take over "}


def _read(rule: ThresholdRule, facts: Facts, rollups: Rollups, version: Version, start: int, end: int) -> Reading:
    def measured(limit: float) -> Measured:
        if rule.figure in _QUANTILES:
            return rollups.sums(Counted(LATENCY, limit, answered=True), version, start, end).measured_share
        metric = METRICS[rule.figure]
        if rule.figure in ("flagged_answers", "flagged_prompts"):
            metric_counted = Counted(metric, facts.settings.toxicity_threshold)
            return rollups.sums(metric_counted, version, start, end).measured_share
        sums = rollups.sums(Counted(metric), version, start, end)
        if rule.figure == "requests":
            a_minute = sums.n / (end - start)
            return Measured(sums.n, a_minute, a_minute)
        return sums.measured_share if rule.figure == "errors" else sums.measured_mean

    own = measured(rule.limit)
    if rule.figure in _QUANTILES:
        q = _QUANTILES[rule.figure]
        if own.n < rule.least_count:
            return Reading(own.n, math.nan, False, False)
        value = rollups.percentile(LATENCY, q, version, start, end)
        at_clear = measured(rule.clears_at)
        if rule.above is None:
            return Reading(own.n, value, own.value <= 1 - q, at_clear.value > 1 - q)
        return Reading(own.n, value, (own.at_least if rule.certain else own.value) > 1 - q, at_clear.value <= 1 - q)
    if rule.above is None:
        return Reading(own.n, own.value, own.value < rule.limit, own.value >= rule.clears_at)
    over = (own.at_least if rule.certain else own.value) > rule.limit
    return Reading(own.n, own.value, over, own.value <= rule.clears_at)


def _burns(
    rule: BurnRateRule, windows: Sequence[BurnWindow], rollups: Rollups, endpoint: str, end: int
) -> tuple[str, Status, dict[str, Any]]:
    """Sentence, status and evidence of windows of one severity: of those that burn too fast, the first."""
    what = Counted(REQUESTS) if rule.of == "errors" else Counted(LATENCY, rule.slower_than_ms, answered=True)

    def counted(minutes: float, version: Version = ALL) -> burn_rate.Counted:
        sums = rollups.sums(what, version, end - round(minutes), end)
        return burn_rate.Counted(max(min(sums.hits, sums.sum_w), 0.0), max(sums.sum_w, 0.0))

    judged = []
    for one in windows:
        least = rule.least_count * one.short_minutes / one.long_minutes
        long, short = counted(one.long_minutes), counted(one.short_minutes)
        judged.append((one, burn_rate.judge_burn(long, short, rule.objective, one.factor, rule.least_count, least)))
    order = {"breached": 0, "within": 1, "unknown": 2}
    window, burn = min(judged, key=lambda one: order[one[1].status])
    long = counted(window.long_minutes)
    bad = "failed" if rule.of == "errors" else f"took over {rule.slower_than_ms:,.0f} ms"
    start = end - round(window.long_minutes)
    by_version = {
        version[1]: round(counted(window.long_minutes, version).bad) for version in rollups.versions(start, end)
    }
    worst = max(by_version, key=lambda version: by_version[version], default="")
    of_worst = f", {by_version[worst]:,} of them of version {worst}" if worst and by_version[worst] else ""
    words = (
        f"{rule.title} of {endpoint} ({100 * rule.objective:g} %): burn rate {burn.long_rate:.3g} over "
        f"{_length(window.long_minutes)} and {burn.short_rate:.3g} over {_length(window.short_minutes)} to "
        f"{_clock(end)} (limit {window.factor:g}); {round(long.bad):,} of {round(long.total):,} requests {bad}"
        f"{of_worst}."
    )
    if burn.status == "unknown":
        words = f"{words} That is too few to judge ({rule.least_count:,} needed in {_length(window.long_minutes)})."
    evidence = {
        "of": rule.of,
        "value": burn.long_rate,
        "limit": window.factor,
        "unit": "times the rate that the budget allows",
        "n": round(long.total),
        "short_value": burn.short_rate,
        "by_version": by_version,
        "worst_version": worst,
        **_window(start, end),
    }
    return words, burn.status, evidence


def _usual(quarter: Rollups, end: int, over: int) -> float:
    """How many requests came in the same stretch of the days before: their median."""
    last = end // _QUARTER * _QUARTER
    first = last - math.ceil(over / _QUARTER) * _QUARTER
    counts = [
        quarter.sums(Counted(REQUESTS), ALL, first - day * _DAY, last - day * _DAY).n
        for day in range(1, USUAL_DAYS + 1)
    ]
    return float(median(counts)) * over / (last - first)


def _window(start: int, end: int) -> dict[str, Any]:
    return {"window": {"start": time_of(start).isoformat(), "end": time_of(end).isoformat()}}


def _clock(minute: int) -> str:
    return f"{time_of(minute):%d %b %H:%M} UTC"


def _length(minutes: float) -> str:
    if minutes >= 2 * _DAY:
        return f"{minutes / _DAY:g} days"
    return f"{minutes / 60:g} h" if minutes >= 60 else f"{minutes:g} minutes"


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
