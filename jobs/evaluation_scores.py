"""Scores of the answers of an evaluation by the engines of the metrics job, and beside them the live answers' own."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from jobs.candidate import GivenAnswer
from jobs.golden_scores import GoldenScore
from jobs.golden_sets import GoldenItem
from jobs.replay import LoggedPrompt
from jobs.scorers import ScoringTools
from lakehouse.appends import from_records
from lakehouse.tables import INFERENCE_ROWS
from metrics.cost import pick_price
from metrics.readability import SCORER as READABILITY_SCORER
from metrics.scoring import Scorers, score_rows
from registry.versions import ModelVersion

SCORER_OF = {
    "response_perplexity": "perplexity_scorer",
    "response_fk_grade": "readability_scorer",
    "response_toxicity": "toxicity_scorer",
}
"""The scores that are compared, and the column that names who gave them."""


@dataclass
class Asked:
    """One question that was asked: what it was, what came back, and what was found out about that.

    kind: `golden`, `off_topic` or `replay`. row: the answer's row of `request_metrics`, had it been logged.
    live_scores: of the live answer, by the scorers that scored `row`. live_tokens: how many its perplexity is over.
    live_again: the scores among them that were not the stored ones, and whose name the stored ones have.
    """

    kind: str
    position: int
    question: str
    given: GivenAnswer
    item: GoldenItem | None = None
    logged: LoggedPrompt | None = None
    golden: GoldenScore | None = None
    refused: bool = False
    live_refused: bool = False
    row: dict[str, Any] = field(default_factory=dict)
    live_scores: dict[str, float | None] = field(default_factory=dict)
    live_tokens: int | None = None
    live_again: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Pricing:
    """Under which name an evaluated version is priced, and how that is told."""

    entity_name: str
    entity_version: str
    words: str


def pricing_of(tools: ScoringTools, version: ModelVersion, live: ModelVersion | None, now: datetime) -> Pricing:
    """A version has its own price, else that of the live version, whose place it would take, else a published one."""
    if pick_price(tools.prices, version.name, version.version, now):
        return Pricing(version.name, version.version, "at its own price")
    if live is not None and pick_price(tools.prices, live.name, live.version, now):
        words = f"at the price of {live.name} version {live.version}, as it has none of its own"
        return Pricing(live.name, live.version, words)
    return Pricing(version.name, version.version, "at a published price")


def score_asked(asked: Sequence[Asked], tools: ScoringTools, pricing: Pricing) -> None:
    """Fill in `row`, `live_scores` and `live_again` of each. Golden answers get no perplexity: nobody compares it."""
    without_perplexity = Scorers(None, tools.scorers.toxicity, tools.scorers.language)
    replayed = [one for one in asked if one.logged is not None]
    _score([one for one in asked if one.logged is None], tools, without_perplexity, pricing)
    _score(replayed, tools, tools.scorers, pricing)
    _score_live(replayed, tools)


def _score(asked: Sequence[Asked], tools: ScoringTools, scorers: Scorers, pricing: Pricing) -> None:
    rows = [
        _inference_row(one.given.request, one.given.response, one.given.status_code, one.given.seconds, pricing)
        for one in asked
    ]
    for one, row in zip(asked, _scored(rows, tools, scorers), strict=True):
        one.row = row


def _score_live(replayed: Sequence[Asked], tools: ScoringTools) -> None:
    """The live answers' scores: stored ones where the same scorer gave them, else they are scored again."""
    names = scorer_names(tools.scorers)
    both = [(one, one.logged) for one in replayed if one.logged is not None]
    strange = [logged for _, logged in both if _differing(names, logged.metrics)]
    rows = [_inference_row(logged.request, logged.response, 200, 0.0, Pricing("", "", "")) for logged in strange]
    again = dict(zip((logged.request_id for logged in strange), _scored(rows, tools, tools.scorers), strict=True))
    for one, logged in both:
        for metric in _differing(names, logged.metrics):
            one.live_again[metric] = logged.metrics[SCORER_OF[metric]] or "nobody"
        for metric in SCORER_OF:
            source = again[logged.request_id] if metric in one.live_again else logged.metrics
            one.live_scores[metric] = source[metric]
            if metric == "response_perplexity":
                one.live_tokens = source["perplexity_tokens"]


def scorer_names(scorers: Scorers) -> dict[str, str | None]:
    """Who gives each score now; None where nobody does."""
    return {
        "response_perplexity": scorers.perplexity.name if scorers.perplexity else None,
        "response_fk_grade": READABILITY_SCORER,
        "response_toxicity": scorers.toxicity.name if scorers.toxicity else None,
    }


def _differing(names: dict[str, str | None], stored: dict[str, Any]) -> list[str]:
    """The scores that another scorer gave than the one that gives them now."""
    return [metric for metric, scorer in SCORER_OF.items() if names[metric] and stored[scorer] != names[metric]]


def _scored(rows: list[dict[str, Any]], tools: ScoringTools, scorers: Scorers) -> list[dict[str, Any]]:
    table: pa.Table = from_records(rows, INFERENCE_ROWS)
    scored: list[dict[str, Any]] = score_rows(table, scorers, tools.prices, tools.cache, datetime.now(UTC)).to_pylist()
    return scored


def _inference_row(request: str, response: str, status: int, seconds: float, pricing: Pricing) -> dict[str, Any]:
    """An exchange as an inference table would have logged it."""
    now = datetime.now(UTC)
    return {
        "databricks_request_id": uuid.uuid4().hex,
        "request_date": now.date(),
        "request_time": now,
        "status_code": status,
        "execution_duration_ms": round(seconds * 1000),
        "request": request,
        "response": response,
        "entity_name": pricing.entity_name,
        "entity_version": pricing.entity_version,
    }
