"""What is known beforehand of a change: measured figures of the version that is live beside those of the target."""

from dataclasses import dataclass

from lakehouse.errors import LakehouseError
from metrics.comparison import compare
from registry.errors import RegistryError
from registry.evaluations import Evaluation, latest_evaluation
from registry.measured import ERROR_SHARE, MeasuredFigure, measured_by_scorer
from registry.plans import Expectation, ProductionState
from settings import Settings

DAYS = 30
"""How far back a version's figures in production are looked at."""


@dataclass(frozen=True)
class _Figure:
    """A figure as people read it: `factor` brings the measured value into `unit`."""

    metric: str
    name: str
    unit: str
    factor: float = 1.0
    percentile: bool = False


_FIGURES = (
    _Figure("execution_duration_ms", "Latency, p95", "ms", percentile=True),
    _Figure(ERROR_SHARE, "Errors", "%", 100.0),
    _Figure("cost_usd", "Cost of 1,000 answers", "USD", 1000.0),
    _Figure("response_perplexity", "Perplexity", ""),
    _Figure("response_fk_grade", "Reading grade", ""),
    _Figure("response_toxicity", "Toxicity", ""),
    _Figure("completion_tokens", "Tokens of an answer", ""),
)


def expected_differences(
    settings: Settings, before: ProductionState, *, target: str = "", copy_of: str = ""
) -> tuple[Expectation, ...]:
    """The figures of the live version and of the target: both as measured in production, or, of a version of the test
    model (`copy_of`) that is yet to be copied, as its last evaluation found them. Empty where nothing is known.
    """
    live = max(before.served, key=lambda share: share.traffic, default=None)
    if live is None or live.entity_version == target:
        return ()
    try:
        if copy_of:
            evaluation = latest_evaluation(settings, settings.test_model, copy_of)
            return () if evaluation is None else _from_evaluation(evaluation)
        return _from_production(settings, before.endpoint, live.entity_version, target)
    except (LakehouseError, RegistryError):
        # A plan must be there when things are broken; what it leaves out it does not claim.
        return ()


def _from_production(settings: Settings, endpoint: str, live: str, target: str) -> tuple[Expectation, ...]:
    of_live, of_target = (
        measured_by_scorer(settings, settings.prod_model, version, endpoint=endpoint, days=DAYS)
        for version in (live, target)
    )
    found = []
    for figure in _FIGURES:
        # Only what the same scorer gave both versions can be put side by side.
        shared = [key for key in of_live if key[0] == figure.metric and key in of_target]
        key = max(shared, key=lambda one: min(of_live[one].moments.n, of_target[one].moments.n), default=None)
        if key is not None:
            found.append(_side_by_side(figure, of_live[key], of_target[key], live, target))
    return tuple(found)


def _side_by_side(
    figure: _Figure, of_live: MeasuredFigure, of_target: MeasuredFigure, live: str, target: str
) -> Expectation:
    by = f", scored by {of_live.scorer}" if of_live.scorer else ""
    evidence = (
        f"{of_live.moments.n:,} of version {live} and {of_target.moments.n:,} of version {target} in {DAYS} days{by}"
    )
    if figure.percentile:
        return Expectation(figure.name, figure.unit, of_live.p95, of_target.p95, evidence)
    found = compare(of_live.moments, of_target.moments)
    return Expectation(
        figure=figure.name,
        unit=figure.unit,
        live=of_live.moments.mean * figure.factor,
        target=of_target.moments.mean * figure.factor,
        evidence=evidence,
        low=None if found.low is None else found.low * figure.factor,
        high=None if found.high is None else found.high * figure.factor,
    )


def _from_evaluation(evaluation: Evaluation) -> tuple[Expectation, ...]:
    evidence = evaluation.evidence
    about = f"evaluated {evaluation.finished_at:%d %b %Y}"
    found = []
    latency, cost = evidence.latency, evidence.cost
    if latency.p95 is not None:
        live = None if latency.live_p95 is None else latency.live_p95 * 1000
        told = f"{latency.n} answers, one after the other, {about}; live as the endpoint logged it"
        found.append(Expectation("Latency, p95", "ms", live, latency.p95 * 1000, told))
    if cost.candidate is not None:
        live = None if cost.live is None else cost.live * 1000
        told = f"{cost.n} replayed prompts, {about}"
        found.append(Expectation("Cost of 1,000 answers", "USD", live, cost.candidate * 1000, told))
    for name, paired in (("Perplexity", evidence.perplexity), ("Reading grade", evidence.readability)):
        if paired.candidate is not None:
            told = f"{paired.n} replayed prompts, scored by {paired.scorer}, {about}"
            # The interval of a ratio is none of the difference.
            low, high = (None, None) if paired.ratio else (paired.low, paired.high)
            found.append(Expectation(name, "", paired.live, paired.candidate, told, low, high))
    flags = evidence.toxicity
    if flags.answers:
        live = 100 * flags.live_flagged / flags.live_answers if flags.live_answers else None
        told = f"{flags.answers} answers, scored by {flags.scorer}, {about}"
        found.append(Expectation("Toxic answers", "%", live, 100 * flags.flagged / flags.answers, told))
    return tuple(found)
