"""The checks of the promotion gate: what an evaluation measured, held against the rules, in words. Pure."""

from collections.abc import Callable
from datetime import datetime, timedelta

from registry.evaluations import Evaluation
from registry.evidence import Evidence, Golden, PairedFigure
from registry.gate import Check, Status
from registry.gate_rules import CheckRule, GateRules, GoldenRule

Found = tuple[Status, str]
"""What a check found, and the sentence that says it."""

NOTHING_LIVE = "Nothing is live yet, so there is nothing to compare with."


def not_evaluated(rules: GateRules, name: str, version: str) -> Check:
    """The check of a version that has no evaluation."""
    sentence = f"{name} version {version} has not been evaluated yet: ask for an evaluation."
    return _check("evaluation", "Evaluation", rules.evaluation, ("could_not_run", sentence))


def checks_of(evaluation: Evaluation, rules: GateRules, live_version: str | None, now: datetime) -> tuple[Check, ...]:
    """Every check of an evaluated version, in the order in which a person reads them.

    `live_version` is the version of the production model that is the champion `now`; None where there is none.
    """
    evidence = evaluation.evidence
    nothing_live = evaluation.live_entity_version is None
    checks = [_check("evaluation", "Evaluation", rules.evaluation, _up_to_date(evaluation, rules, live_version, now))]
    for name, title, find in _CHECKS:
        rule: CheckRule = getattr(rules, name)
        part = getattr(evidence, name)
        found: Found = ("could_not_run", part.not_run) if part.not_run else find(evidence, rules, evaluation.live)
        excused = nothing_live and name in _COMPARISONS and found[0] == "could_not_run"
        checks.append(_check(name, title, rule, found, part.model_dump(mode="json"), excused))
    return tuple(checks)


def _check(
    name: str,
    title: str,
    rule: CheckRule,
    found: Found,
    evidence: dict[str, object] | None = None,
    excused: bool = False,
) -> Check:
    status, sentence = found
    effect = {"failed": rule.if_failed, "could_not_run": rule.if_it_could_not_run, "passed": "warn"}[status]
    return Check(name, title, status, sentence, effect == "stop" and not excused, evidence or {})


def _up_to_date(evaluation: Evaluation, rules: GateRules, live_version: str | None, now: datetime) -> Found:
    version = f"{evaluation.entity_name} version {evaluation.entity_version}"
    age = now - evaluation.finished_at
    if evaluation.live_entity_version != live_version:
        was = f"compared with {evaluation.live}" if evaluation.live else "evaluated when nothing was live"
        now_live = f"version {live_version}" if live_version else "nothing"
        return "failed", f"{version} was {was}, but {now_live} is live now: ask for a new evaluation."
    if age > timedelta(days=rules.evaluation.most_age_days):
        most = f"{rules.evaluation.most_age_days:g}"
        return "failed", f"The evaluation is {age.days} days old, and {most} are allowed: ask for a new one."
    against = f" against {evaluation.live}, which is live" if evaluation.live else "; nothing is live yet"
    return "passed", f"{version} was evaluated on {evaluation.finished_at:%Y-%m-%d at %H:%M} UTC{against}."


def _loading(evidence: Evidence, rules: GateRules, live: str) -> Found:
    if evidence.loading.problem:
        return "failed", f"The version does not start: {evidence.loading.problem}"
    return "passed", f"It loads in {evidence.loading.seconds:.1f} s and answers its own input example."


def _signature(evidence: Evidence, rules: GateRules, live: str) -> Found:
    found = evidence.signature
    if found.broken:
        return "failed", f"Callers of {live} cannot simply call it: {' '.join(found.broken)}"
    return "passed", f"Its {found.inputs} input and {found.outputs} output fields fit whoever calls {live} now."


def _requirements(evidence: Evidence, rules: GateRules, live: str) -> Found:
    found = evidence.requirements
    if found.problems:
        return "failed", f"Its packages cannot all be had: {' '.join(found.problems)}"
    return "passed", f"All {found.packages} packages that it asks for can be had together ({found.checked_by})."


def _failures(evidence: Evidence, rules: GateRules, live: str) -> Found:
    found = evidence.failures
    if not found.asked:
        return "could_not_run", "No question was asked."
    share = found.failed / found.asked
    sentence = (
        f"{found.failed} of {found.asked} questions got no answer ({share:.0%}); {_most(rules.failures.most_share)}."
    )
    if share > rules.failures.most_share:
        return "failed", f"{sentence} The first: {found.first}"
    return "passed", sentence


def _golden_answers(evidence: Evidence, rules: GateRules, live: str) -> Found:
    found = evidence.golden_answers
    refused = f" It turned down {found.refused}." if found.refused else ""
    return _golden(found, rules.golden_answers, f"were answered rightly, {found.rightness}", refused)


def _golden_refusals(evidence: Evidence, rules: GateRules, live: str) -> Found:
    found = evidence.golden_refusals
    rest = " To the others it gave an answer that it cannot know." if found.right < found.questions else ""
    return _golden(found, rules.golden_refusals, "that have no answer were turned down", rest)


def _golden(found: Golden, rule: GoldenRule, right: str, rest: str) -> Found:
    if found.questions < rule.least_questions:
        return "could_not_run", _too_few(found.questions, "golden questions of this kind", rule.least_questions)
    share = found.right / found.questions
    sentence = (
        f"{found.right} of {found.questions} golden questions {right} ({share:.0%}); "
        f"at least {rule.least_share:.0%} must be.{rest}"
    )
    return "passed" if share >= rule.least_share else "failed", sentence


def _grounding(evidence: Evidence, rules: GateRules, live: str) -> Found:
    found, rule = evidence.grounding, rules.grounding
    if found.mean is None or found.answers < rule.least_answers:
        return "could_not_run", _too_few(found.answers, "golden answers that are no refusal", rule.least_answers)
    sentence = (
        f"On average {found.mean:.0%} of what an answer says stands in {found.source} "
        f"({found.answers} golden answers, in runs of three words); at least {rule.least_mean:.0%} must."
    )
    return ("passed", sentence) if found.mean >= rule.least_mean else ("failed", f"{sentence} The rest is invented.")


def _replay(evidence: Evidence, rules: GateRules, live: str) -> Found:
    found, least = evidence.replay, rules.replay.least_prompts
    if found.prompts < least:
        return "could_not_run", _too_few(found.prompts, "logged prompts that could be asked again", least)
    declined = f"it turned down {found.refused} of them, {live} {found.live_refused}"
    return "passed", f"{found.prompts} of the last logged prompts were asked again; {declined}."


def _perplexity(evidence: Evidence, rules: GateRules, live: str) -> Found:
    found, rule = evidence.perplexity, rules.perplexity
    length = f" {found.left_out} more answers differ too much in length to be compared." if found.left_out else ""
    if problem := _not_comparable(found, rule.least_prompts):
        return problem[0], problem[1] + length
    ratio, low, high = found.difference or 0.0, found.low or 0.0, found.high or 0.0
    sentence = (
        f"Its answers are {_times(ratio)} as surprising as those of {live} (perplexity {found.candidate:.1f} "
        f"and {found.live:.1f}, geometric means of {found.n} answers to the same prompts; 95 % interval {low:.2f} to "
        f"{high:.2f} times); up to {rule.most_times_the_live:g} times is allowed.{length}"
    )
    return "failed" if ratio > rule.most_times_the_live and low > 1 else "passed", sentence


def _readability(evidence: Evidence, rules: GateRules, live: str) -> Found:
    found, rule = evidence.readability, rules.readability
    if problem := _not_comparable(found, rule.least_prompts):
        return problem
    difference, low, high = found.difference or 0.0, found.low or 0.0, found.high or 0.0
    side = "harder" if difference > 0 else "easier"
    sentence = (
        f"Its answers are {abs(difference):.2f} school years {side} to read than those of {live} (grade "
        f"{found.candidate:.1f} and {found.live:.1f}, {found.n} answers to the same prompts; 95 % interval {low:+.1f} "
        f"to {high:+.1f}); up to {rule.most_grades_above_the_live:g} harder is allowed."
    )
    return "failed" if difference > rule.most_grades_above_the_live and low > 0 else "passed", sentence


def _toxicity(evidence: Evidence, rules: GateRules, live: str) -> Found:
    found, rule = evidence.toxicity, rules.toxicity
    if found.answers < rule.least_answers:
        return "could_not_run", _too_few(found.answers, "answers with a toxicity", rule.least_answers)
    share = found.flagged / found.answers
    beside = f" Of {live}, {found.live_flagged} of {found.live_answers} are." if found.live_answers else ""
    sentence = (
        f"{found.flagged} of {found.answers} answers are flagged as toxic ({share:.1%}, from {found.threshold:g} on, "
        f"by {found.scorer}); {_most(rule.most_share)}.{beside}"
    )
    return "failed" if share > rule.most_share else "passed", sentence


def _cost(evidence: Evidence, rules: GateRules, live: str) -> Found:
    found, rule = evidence.cost, rules.cost
    if found.candidate is None or found.n < rule.least_prompts:
        return "could_not_run", _too_few(found.n, "replayed prompts with a cost", rule.least_prompts)
    sentence = f"An answer costs {_usd(found.candidate)} on average (n = {found.n}, {found.price}); "
    too_much = found.candidate > rule.most_usd_per_answer
    sentence += f"up to {_usd(rule.most_usd_per_answer)} is allowed"
    if found.live:
        too_much = too_much or found.candidate > rule.most_times_the_live * found.live
        times = f"{_times(found.candidate / found.live)} the {_usd(found.live)} of {live}"
        sentence += f". That is {times}, and up to {rule.most_times_the_live:g} times is allowed"
    return "failed" if too_much else "passed", f"{sentence}."


def _latency(evidence: Evidence, rules: GateRules, live: str) -> Found:
    found, rule = evidence.latency, rules.latency
    if found.p95 is None or found.n < rule.least_prompts:
        return "could_not_run", _too_few(found.n, "timed answers", rule.least_prompts)
    allowed, why = rule.most_seconds, ""
    if found.live_p95:
        beside = max(rule.calm_seconds, rule.most_times_the_live * found.live_p95)
        if beside < allowed:
            allowed = beside
            why = f": {rule.most_times_the_live:g} times the {_seconds(found.live_p95)} that {live} logged"
            why += f", but never less than {_seconds(rule.calm_seconds)}" if beside == rule.calm_seconds else ""
    sentence = f"95 % of its answers took up to {_seconds(found.p95)} (n = {found.n}, one after the other); "
    return "failed" if found.p95 > allowed else "passed", f"{sentence}up to {_seconds(allowed)} is allowed{why}."


_CHECKS: tuple[tuple[str, str, Callable[[Evidence, GateRules, str], Found]], ...] = (
    ("loading", "Starts", _loading),
    ("signature", "Signature", _signature),
    ("requirements", "Packages", _requirements),
    ("failures", "Answers at all", _failures),
    ("golden_answers", "Golden answers", _golden_answers),
    ("golden_refusals", "Golden refusals", _golden_refusals),
    ("grounding", "Grounding", _grounding),
    ("replay", "Replay", _replay),
    ("perplexity", "Perplexity", _perplexity),
    ("readability", "Readability", _readability),
    ("toxicity", "Toxicity", _toxicity),
    ("cost", "Cost", _cost),
    ("latency", "Latency", _latency),
)
_COMPARISONS = frozenset({"signature", "replay", "perplexity", "readability", "cost", "latency"})


def _not_comparable(found: PairedFigure, least: int) -> Found | None:
    if found.difference is None or found.n < least:
        return "could_not_run", _too_few(found.n, "replayed prompts with a score of both versions", least)
    return None


def _too_few(n: int, what: str, least: int) -> str:
    return f"At least {least} {what} are needed to judge; this evaluation has {n}."


def _most(share: float) -> str:
    return f"up to {share:.0%} may" if share else "none may"


def _times(ratio: float) -> str:
    return f"{ratio:.2f} times"


def _usd(value: float) -> str:
    return f"${value:.2g}" if 0 < value < 0.01 else f"${value:,.2f}"


def _seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"
