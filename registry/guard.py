"""The guard's judgement: what was measured of a version after a change, and what may be done about it.

Pure: figures and facts in, findings and one decision out. Whoever calls it measures, opens the alerts and carries the
decision out. The guard may abort a canary or go back to the last known good version; it has no way to say that a
version should get more traffic. Data that is missing, or too little of it, is never a breach.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from metrics.comparison import Moments
from registry.gate_rules import GuardRule

SURENESS = 3.0
"""Standard errors that a figure must lie above its limit by: the guard looks again and again, and chance alone gets
over this once in 740 looks that have nothing in common."""

TAKES_TRAFFIC = frozenset({"promote", "split"})
"""The actions that try a version out. Every other change of the traffic (rollback, abort, undo, finish, one from
outside of Lakehelm) is a decision that the guard leaves alone."""

Status = Literal["not enough data", "within", "unsure", "breached"]


@dataclass(frozen=True)
class Measured:
    """A figure of a version: of n answers, its value, and what it is at least by the sample (`SURENESS`)."""

    n: int
    value: float
    at_least: float


@dataclass(frozen=True)
class Finding:
    """What one rule says about one version. `limit` is what held for it; `sentence` says it with the numbers."""

    rule: str
    version: str
    status: Status
    sentence: str
    measured: Measured | None = None
    before: Measured | None = None
    limit: float | None = None

    @property
    def evidence(self) -> dict[str, Any]:
        """The numbers behind the sentence, as they are kept with an alert. None for what is no number."""
        own, before = self.measured, self.before
        return {
            "rule": self.rule,
            "version": self.version,
            "status": self.status,
            "sentence": self.sentence,
            "n": own.n if own else 0,
            "value": _finite(own.value if own else None),
            "at_least": _finite(own.at_least if own else None),
            "limit": self.limit,
            "compared_n": before.n if before else None,
            "compared_value": _finite(before.value if before else None),
        }


@dataclass(frozen=True)
class TrafficChange:
    """The last change of an endpoint's traffic, as the ledger tells it. Shares are whole per cent by version."""

    change_id: str
    action: str
    actor: str
    started_at: datetime
    ended_at: datetime
    before: dict[str, int]
    after: dict[str, int]
    champion_before: str | None
    champion_after: str | None = None
    outcome: str = "succeeded"
    reason: str = ""
    of_change: str = ""
    """The change that this one undoes, finishes or approves."""
    acts_on: str = ""
    """Of a change by the guard: the change that it reacts to."""

    @property
    def succeeded(self) -> bool:
        """Whether it did what it was to do, verified or not."""
        return self.outcome.startswith("succeeded")


@dataclass(frozen=True)
class Situation:
    """All that the decision depends on besides the findings."""

    traffic: dict[str, int]
    champion: str | None
    change: TrafficChange | None
    change_under_way: bool
    allowed: bool
    """Whether the guard may act at all (`settings.guard`)."""
    acted_on: frozenset[str] = frozenset()
    """Changes that the guard has acted on, whatever came of it."""
    defended: frozenset[str] = frozenset()
    """Versions that a person gave their traffic back after the guard had taken it."""
    known: frozenset[tuple[str, str]] = field(default_factory=frozenset)
    """(rule, version) of the alerts that were open when the change was made: the person who made it knew."""


@dataclass(frozen=True)
class Decision:
    """What to do: nothing, take the canary `version` away, or go back from `version` to the last known good one.

    `sentence` says why, or why nothing is done although there is a breach; empty if there is none.
    """

    action: Literal["none", "abort", "rollback"]
    version: str = ""
    sentence: str = ""
    findings: tuple[Finding, ...] = ()


def share(n: int, hits: int) -> Measured:
    """A share (0 to 1) of n answers; at least the lower end of its Wilson interval. Source: Wilson 1927."""
    if n <= 0:
        return Measured(0, math.nan, math.nan)
    value, z = hits / n, SURENESS
    centre = value + z * z / (2 * n)
    spread = z * math.sqrt(value * (1 - value) / n + z * z / (4 * n * n))
    return Measured(n, value, max(0.0, (centre - spread) / (1 + z * z / n)))


def percentile(values: Sequence[float], q: float) -> Measured:
    """The q-quantile of values; at least an order statistic of lower rank, which needs no distribution.

    The rank of a quantile is binomial: `SURENESS` standard deviations below the expected one.
    """
    ordered = sorted(value for value in values if math.isfinite(value))
    n = len(ordered)
    if n == 0:
        return Measured(0, math.nan, math.nan)
    rank = math.ceil(n * q)
    lower = math.floor(n * q - SURENESS * math.sqrt(n * q * (1 - q)))
    return Measured(n, ordered[rank - 1], ordered[lower - 1] if lower >= 1 else -math.inf)


def mean(moments: Moments) -> Measured:
    """A mean; at least `SURENESS` standard errors less. A single value is no evidence of how others would be."""
    if moments.n < 2 or not math.isfinite(moments.variance):
        return Measured(moments.n, moments.mean, -math.inf if moments.n else math.nan)
    error = math.sqrt(moments.variance / moments.effective_n)
    return Measured(moments.n, moments.mean, moments.mean - SURENESS * error)


def judge(name: str, version: str, rule: GuardRule, measured: Measured | None, before: Measured | None) -> Finding:
    """Whether a figure of a version is a breach of a rule.

    `before` is the same figure of the version that it is compared with; None, or too few answers, and `most` alone
    counts. A breach is certain (`at_least` is above the limit); `unsure` is a value above the limit that may be chance.
    """
    n = measured.n if measured is not None and math.isfinite(measured.value) else 0
    if measured is None or n < rule.least_samples:
        words = f"{_title(name)} of version {version}: {n} answers are too few to judge ({rule.least_samples} needed)."
        return Finding(name, version, "not enough data", words, measured)
    limit, compared = rule.most, None
    if rule.most_times_before is not None and before is not None and before.n >= rule.least_samples:
        compared = before if math.isfinite(before.value) else None
    if compared is not None and rule.most_times_before is not None:
        limit = max(limit, rule.most_times_before * compared.value)
    status: Status = "within"
    if measured.value > limit:
        status = "breached" if measured.at_least > limit else "unsure"
    beside = f", {figure_text(name, compared.value)} of the version before" if compared is not None else ""
    words = (
        f"{_title(name)} of version {version} is {figure_text(name, measured.value)} "
        f"(limit {figure_text(name, limit)}{beside}; {measured.n} answers)."
    )
    return Finding(name, version, status, words, measured, compared, limit)


def decide(situation: Situation, findings: Sequence[Finding]) -> Decision:
    """What the guard does about the breaches among `findings`, given the situation.

    At most one action for each change, only against what that change tries out, and never after a later decision of a
    person's.
    """
    breaches = tuple(finding for finding in findings if finding.status == "breached")
    if not breaches:
        return Decision("none")
    tried = tried_out(situation)
    new = tuple(b for b in breaches if b.version in tried and (b.rule, b.version) not in situation.known)
    target = new[0].version if new else ""
    against = tuple(finding for finding in new if finding.version == target)
    if reason := _why_not(situation, breaches, tried, target):
        return Decision("none", target or breaches[0].version, reason, breaches)
    is_live = target == situation.champion
    what = " ".join(finding.sentence for finding in against)
    if is_live:
        return Decision("rollback", target, f"{what} Version {target} is taken back.", against)
    return Decision("abort", target, f"{what} The canary is aborted.", against)


def tried_out(situation: Situation) -> frozenset[str]:
    """The versions that the last change tries out: canaries, and a live one that this change made live.

    Empty where the last change of the traffic was none of `TAKES_TRAFFIC`.
    """
    change = situation.change
    if change is None or not change.succeeded or change.action not in TAKES_TRAFFIC:
        return frozenset()
    serving = {version for version, percent in situation.traffic.items() if percent > 0}
    canaries = {version for version in serving if version not in (situation.champion, change.champion_before)}
    champion = situation.champion
    if champion in serving and champion != change.champion_before and situation.traffic[champion] == 100:
        return frozenset({champion})
    return frozenset(canaries) if champion in situation.traffic else frozenset()


def _why_not(situation: Situation, breaches: Sequence[Finding], tried: frozenset[str], target: str) -> str:
    """Why nothing is done although there is a breach; empty if something is to be done."""
    change = situation.change
    version = target or breaches[0].version
    if not situation.allowed:
        return "The guard is off (LAKEHELM_GUARD): it only opens alerts."
    if situation.change_under_way:
        return "A change of production is under way: the guard waits until it has ended."
    if change is None:
        return "No change of the traffic is known that the guard could take back."
    if not tried:
        return (
            f"The last change of the traffic was {change.action} by {change.actor}: the guard never overrides "
            "such a decision."
        )
    if not target:
        known = any((b.rule, b.version) in situation.known for b in breaches if b.version in tried)
        if known:
            return f"The alert was open when {change.actor} made the last change: the guard leaves that decision alone."
        return f"Version {version} was not tried out by the last change, so there is nothing to take back."
    if change.change_id in situation.acted_on:
        return "The guard has acted on this change already: it does so only once."
    if target in situation.defended:
        return f"A person gave version {target} its traffic back after the guard had taken it: the guard leaves it."
    return ""


def figure_text(name: str, value: float) -> str:
    """A figure of a rule as people read it."""
    if name in ("errors", "toxicity"):
        return f"{100 * value:.1f} %"
    if name == "latency":
        return f"{value:,.0f} ms"
    if name == "cost":
        return f"{value:.6f} USD"
    return f"{value:,.1f}"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _title(name: str) -> str:
    return {
        "errors": "The share of failed requests",
        "latency": "The time within which 95 % of the answers come",
        "toxicity": "The share of answers flagged as toxic",
        "perplexity": "The mean perplexity of the answers",
        "cost": "The mean cost of an answer",
    }.get(name, name)
