"""Evaluations for tests of the pages: what the job would have stored of a good version and of one that invents."""

from datetime import UTC, datetime, timedelta

from registry.evaluations import EvaluatedAnswer, Evaluation, record_evaluation
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
from settings import Settings

PROMPT = "How do I roll back a version, please?"
INVENTED = "Call the hotline and ask for the blue switch."
LIVE_ANSWER = "Press Roll back on the first screen."


def record(settings: Settings, version: str, *, good: bool, live: str = "2") -> str:
    """Store the evaluation of a version of the test model against the live one. Returns its id."""
    now = datetime.now(UTC)
    evaluation = Evaluation(
        entity_name=settings.test_model,
        entity_version=version,
        live_entity_name=settings.prod_model,
        live_entity_version=live,
        started_at=now - timedelta(seconds=48),
        finished_at=now - timedelta(seconds=2),
        requested_by="ana",
        evidence=evidence(good),
    )
    record_evaluation(settings, evaluation, answers(good))
    return evaluation.evaluation_id


def evidence(good: bool) -> Evidence:
    """What was measured: of a version that answers from its sources, or of one that invents."""
    return Evidence(
        loading=Loading(seconds=0.4),
        signature=SignatureComparison(live="prod.chatbot version 2", inputs=1, outputs=1),
        requirements=Requirements(packages=4, checked_by="the packages that are installed"),
        failures=Failures(asked=70),
        golden_answers=Golden(questions=30, right=28 if good else 0, rightness="the answer comes from the right page"),
        golden_refusals=Golden(questions=10, right=10 if good else 1),
        grounding=Grounding(answers=30, mean=0.99 if good else 0.07, least=0.9 if good else 0.0, source="the handbook"),
        perplexity=PairedFigure(
            n=30, live=22.0, candidate=22.4, difference=1.02, low=0.97, high=1.06, ratio=True, scorer="smollm2/1"
        ),
        readability=PairedFigure(n=30, live=8.1, candidate=8.3, difference=0.2, low=-0.4, high=0.8, scorer="fk/1"),
        toxicity=Flags(answers=70, flagged=0, live_answers=30, live_flagged=0, scorer="keyword/1"),
        cost=Costs(n=30, candidate=0.00008, live=0.00008, price="its own price"),
        latency=Latency(n=70, p50=0.02, p95=0.03, live_p50=0.02, live_p95=0.03),
        replayed=30,
    )


def answers(good: bool) -> list[EvaluatedAnswer]:
    """Some questions with the answers of the version and of the live one."""
    text = "Roll back with one click on the first screen." if good else INVENTED
    scores = {"response_perplexity": 22.4, "response_fk_grade": 8.3, "response_toxicity": 0.01, "refused": 0.0}
    live = {"response_perplexity": 22.0, "response_fk_grade": 8.1, "response_toxicity": 0.01, "refused": 0.0}
    replayed = [
        EvaluatedAnswer(
            kind="replay",
            position=place,
            prompt=PROMPT if place == 0 else f"Logged question number {place}?",
            answer=text,
            seconds=0.02,
            live_answer=LIVE_ANSWER,
            databricks_request_id=f"request-{place}",
            scores=scores,
            live_scores=live,
        )
        for place in range(7)
    ]
    golden = EvaluatedAnswer(
        "golden", 0, "What is a rollback?", text, 0.02, scores={**scores, "right": float(good), "grounding": 0.98}
    )
    failed = EvaluatedAnswer("off_topic", 0, "Who won the cup?", None, notes={"failure": "ValueError: no answer"})
    return [*replayed, golden, failed]
