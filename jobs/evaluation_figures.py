"""From the questions of an evaluation, asked and scored, to the figures that the gate judges."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from jobs.evaluation_scores import SCORER_OF, Asked
from jobs.golden_sets import GoldenSet
from metrics.paired import PairedComparison, paired_difference, paired_ratio
from metrics.scoring import Scorers
from registry.evaluations import EvaluatedAnswer
from registry.evidence import (
    Costs,
    Evidence,
    Failures,
    Flags,
    Golden,
    Grounding,
    Latency,
    Loading,
    PairedFigure,
    Requirements,
    SignatureComparison,
)

Pairs = Sequence[tuple[float, float]]

LIKE_LENGTH = 2.0
"""Perplexity falls with length, so that a brief answer has more of it than a long one and is no worse. Two answers are
compared if neither has more than twice the other's tokens."""

NOTHING_ASKED = "The version does not start, so it could not be asked anything."
NO_GOLDEN_SET = "No golden questions are set: give your own (LAKEHELM_GOLDEN_QUESTIONS_FILE)."
NO_PERPLEXITY = "No perplexity model is in use (LAKEHELM_PERPLEXITY_MODEL)."

NO_SOURCES = "The golden questions name no sources that an answer could rest on."
NO_PRICE = "No price of the version or of the live one is known; LAKEHELM_PRICES_FILE may tell."


@dataclass(frozen=True)
class Found:
    """All that an evaluation did and saw.

    no_replay: why no logged prompt was asked again; not_scored: why the answers have no scores. Empty otherwise.
    """

    loading: Loading
    signature: SignatureComparison
    requirements: Requirements
    chosen: GoldenSet | None
    asked: Sequence[Asked]
    run_id: str = ""
    price: str = ""
    no_replay: str = ""
    not_scored: str = ""
    scorers: Scorers | None = None


def evidence_of(found: Found, threshold: float, seconds: dict[str, float]) -> Evidence:
    """The figures that the gate judges. An answer counts as toxic from `threshold` on."""
    nothing = NOTHING_ASKED if found.loading.problem else ""
    replayed = [one for one in found.asked if one.logged is not None]
    no_pairs = nothing or found.no_replay or found.not_scored
    no_perplexity = "" if found.scorers and found.scorers.perplexity else NO_PERPLEXITY
    no_set = nothing or ("" if found.chosen else NO_GOLDEN_SET)
    return Evidence(
        loading=found.loading,
        signature=found.signature,
        requirements=found.requirements,
        failures=Failures(not_run=nothing) if nothing else failures(found.asked),
        golden_answers=golden(found, "golden", no_set),
        golden_refusals=golden(found, "off_topic", no_set),
        grounding=grounding(found, no_set),
        perplexity=perplexity(replayed, no_pairs or no_perplexity),
        readability=_paired(replayed, "response_fk_grade", paired_difference, no_pairs),
        toxicity=toxicity(found.asked, threshold, nothing or found.not_scored),
        cost=costs(replayed, found.price, no_pairs),
        latency=Latency(not_run=nothing) if nothing else latency(found.asked),
        replayed=len(replayed),
        no_replay=nothing or found.no_replay,
        replay_refused=sum(one.refused for one in replayed),
        live_refused=sum(one.live_refused for one in replayed),
        seconds=seconds,
    )


def failures(asked: Sequence[Asked]) -> Failures:
    """How many questions got no answer."""
    without = [one for one in asked if one.given.text is None]
    first = without[0] if without else None
    where = f"{first.kind.replace('_', '-')} question {first.position + 1}: {first.given.problem}" if first else ""
    return Failures(asked=len(asked), failed=len(without), first=where)


def golden(found: Found, kind: str, not_run: str) -> Golden:
    """How the golden questions of a kind (`golden`, `off_topic`) were dealt with."""
    if not_run or found.chosen is None:
        return Golden(not_run=not_run)
    mine = [one for one in found.asked if one.kind == kind]
    return Golden(
        questions=len(mine),
        right=sum(one.golden is not None and one.golden.right for one in mine),
        refused=sum(one.refused for one in mine),
        rightness=found.chosen.rightness,
        source=found.chosen.name,
        run_id=found.run_id,
    )


def grounding(found: Found, not_run: str) -> Grounding:
    """How much of the golden answers stands in their sources."""
    chosen = found.chosen
    if not_run or chosen is None:
        return Grounding(not_run=not_run)
    if not any(item.sources for item in chosen.items):
        return Grounding(not_run=NO_SOURCES)
    scores = [one.golden.grounding for one in found.asked if one.golden is not None]
    shares = [share for share in scores if share is not None]
    if not shares:
        return Grounding(source=chosen.sources_name)
    mean = sum(shares) / len(shares)
    return Grounding(answers=len(shares), mean=mean, least=min(shares), source=chosen.sources_name)


def perplexity(replayed: Sequence[Asked], not_run: str) -> PairedFigure:
    """The perplexity of answers over that of live ones of about the same length."""
    alike = [one for one in replayed if _of_like_length(one.row.get("perplexity_tokens"), one.live_tokens)]
    figure = _paired(alike, "response_perplexity", paired_ratio, not_run)
    return figure if not_run else figure.model_copy(update={"left_out": len(replayed) - len(alike)})


def _of_like_length(own: int | None, live: int | None) -> bool:
    return bool(own and live and max(own, live) <= LIKE_LENGTH * min(own, live))


def _paired(
    replayed: Sequence[Asked], metric: str, compare: Callable[[Pairs], PairedComparison | None], not_run: str
) -> PairedFigure:
    if not_run:
        return PairedFigure(not_run=not_run)
    both = [
        (one, (live, own))
        for one in replayed
        if (live := one.live_scores.get(metric)) is not None and (own := one.row.get(metric)) is not None
    ]
    found = compare([pair for _, pair in both])
    if found is None:
        return PairedFigure(ratio=compare is paired_ratio)
    return PairedFigure(
        n=found.n,
        live=found.mean_a,
        candidate=found.mean_b,
        difference=found.difference,
        low=found.low,
        high=found.high,
        ratio=compare is paired_ratio,
        scorer=str(both[0][0].row[SCORER_OF[metric]] or ""),
        scored_again=sum(metric in one.live_again for one, _ in both),
    )


def toxicity(asked: Sequence[Asked], threshold: float, not_run: str) -> Flags:
    """How many answers are flagged, and how many of the live ones to the same prompts."""
    if not_run:
        return Flags(not_run=not_run)
    own = [one for one in asked if one.row.get("response_toxicity") is not None]
    live = [value for one in asked if (value := one.live_scores.get("response_toxicity")) is not None]
    return Flags(
        answers=len(own),
        flagged=sum(one.row["response_toxicity"] >= threshold for one in own),
        live_answers=len(live),
        live_flagged=sum(value >= threshold for value in live),
        threshold=threshold,
        scorer=str(own[0].row["toxicity_scorer"] or "") if own else "",
    )


def costs(replayed: Sequence[Asked], price: str, not_run: str) -> Costs:
    """What the replayed answers cost on average, and what the live ones cost."""
    if not_run:
        return Costs(not_run=not_run)
    own = [one for one in replayed if one.row.get("cost_usd") is not None]
    if replayed and not own:
        return Costs(not_run=NO_PRICE)
    live = [one.logged.metrics["cost_usd"] for one in own if one.logged and one.logged.metrics["cost_usd"] is not None]
    return Costs(
        n=len(own),
        candidate=_mean([one.row["cost_usd"] for one in own]),
        # Beside a mean over other prompts it would say nothing.
        live=_mean(live) if len(live) == len(own) else None,
        price=price,
    )


def latency(asked: Sequence[Asked]) -> Latency:
    """How long answers took, in seconds; the live ones' as they were logged."""
    own = [one.given.seconds for one in asked if one.given.text is not None]
    logged = [one.logged.metrics["execution_duration_ms"] for one in asked if one.logged is not None]
    live = [milliseconds / 1000 for milliseconds in logged if milliseconds is not None]
    return Latency(
        n=len(own),
        p50=_percentile(own, 50),
        p95=_percentile(own, 95),
        live_p50=_percentile(live, 50),
        live_p95=_percentile(live, 95),
    )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _percentile(values: Sequence[float], share: float) -> float | None:
    return float(np.percentile(values, share)) if values else None


def answers_of(asked: Sequence[Asked]) -> list[EvaluatedAnswer]:
    """Every question with its answers, as they are kept."""
    return [
        EvaluatedAnswer(
            kind=one.kind,
            position=one.position,
            prompt=one.question,
            answer=one.given.text,
            seconds=one.given.seconds,
            live_answer=one.logged.answer if one.logged else None,
            databricks_request_id=one.logged.request_id if one.logged else None,
            scores=_own_scores(one),
            live_scores=_live_scores(one),
            notes=_notes(one),
        )
        for one in sorted(asked, key=lambda one: (one.kind, one.position))
    ]


def _own_scores(one: Asked) -> dict[str, float]:
    kept = (*SCORER_OF, "response_reading_ease", "prompt_tokens", "completion_tokens", "cost_usd")
    scores = {name: float(one.row[name]) for name in kept if one.row.get(name) is not None}
    scores["refused"] = float(one.refused)
    if one.golden is not None:
        scores["right"] = float(one.golden.right)
        if one.golden.grounding is not None:
            scores["grounding"] = one.golden.grounding
    return scores


def _live_scores(one: Asked) -> dict[str, float]:
    if one.logged is None:
        return {}
    scores = {name: value for name, value in one.live_scores.items() if value is not None}
    scores["refused"] = float(one.live_refused)
    for name in ("cost_usd", "execution_duration_ms"):
        if one.logged.metrics[name] is not None:
            scores[name] = float(one.logged.metrics[name])
    return scores


def _notes(one: Asked) -> dict[str, str]:
    notes = dict(one.row.get("unscored") or []) if one.given.text is not None else {"failure": one.given.problem}
    for metric, scorer in one.live_again.items():
        notes[metric] = f"the live answer was scored by {scorer} when it was logged, and again now"
    return notes
