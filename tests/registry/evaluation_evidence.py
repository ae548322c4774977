"""Evaluations for tests: one of a version that is good in everything, and ways to spoil one part of it."""

from datetime import UTC, datetime, timedelta

from registry.evaluations import Evaluation
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

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LIVE = "prod.chatbot version 1"

GOOD = Evidence(
    loading=Loading(seconds=2.0),
    signature=SignatureComparison(live=LIVE, inputs=1, outputs=1),
    requirements=Requirements(packages=3, checked_by="they are all installed here"),
    failures=Failures(asked=68),
    golden_answers=Golden(questions=30, right=27, refused=2, rightness="from the right page", source="a set"),
    golden_refusals=Golden(questions=8, right=8, refused=8, rightness="from the right page", source="a set"),
    grounding=Grounding(answers=28, mean=0.95, least=0.6, source="the handbook"),
    perplexity=PairedFigure(
        n=30, live=40.0, candidate=44.0, difference=1.1, low=0.9, high=1.3, ratio=True, scorer="lm/1"
    ),
    readability=PairedFigure(n=30, live=8.0, candidate=7.0, difference=-1.0, low=-1.5, high=-0.5, scorer="fk/1"),
    toxicity=Flags(answers=68, flagged=0, live_answers=30, live_flagged=1, threshold=0.5, scorer="keyword/1"),
    cost=Costs(n=30, candidate=0.0001, live=0.0002, price="at its own price"),
    latency=Latency(n=68, p50=0.1, p95=0.4, live_p50=0.1, live_p95=0.3),
    replayed=30,
)
"""What passes every rule of `registry/rules.toml`."""


def evaluation(evidence: Evidence = GOOD, live: str | None = "1", finished_at: datetime = NOW) -> Evaluation:
    """An evaluation of `test.chatbot` version 3 against version `live` of `prod.chatbot`."""
    return Evaluation(
        entity_name="test.chatbot",
        entity_version="3",
        live_entity_name="prod.chatbot" if live else None,
        live_entity_version=live,
        started_at=finished_at - timedelta(minutes=1),
        finished_at=finished_at,
        requested_by="ann",
        evidence=evidence,
    )
