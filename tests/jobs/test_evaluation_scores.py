"""Scores of an evaluation's answers beside the live ones: never two scorers in one comparison."""

from datetime import UTC, datetime
from typing import Any

import pytest

from jobs.candidate import GivenAnswer
from jobs.evaluation_scores import Asked, Pricing, pricing_of, score_asked
from jobs.replay import LoggedPrompt
from jobs.scorers import ScoringTools
from metrics.cost import Price
from metrics.engines.toxicity import KeywordEngine
from metrics.readability import SCORER as READABILITY
from metrics.scoring import Scorers
from registry.versions import ModelVersion
from tests.jobs.request_rows import chat_request, chat_response

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
STARTED = datetime(2020, 1, 1, tzinfo=UTC)
KEYWORD = KeywordEngine.load()
RUDE = "You are a stupid fucking idiot, and nobody wants you here."
PRICES = (
    Price("prod.chatbot", "1", 1.0, 2.0, STARTED, "a file"),
    Price("test.chatbot", "4", 3.0, 4.0, STARTED, "a file"),
)


def tools() -> ScoringTools:
    return ScoringTools(Scorers(None, KEYWORD, None), PRICES)


def asked(answer: str = "Wait for a moment, and then look at the log again.", **stored: Any) -> Asked:
    request, response = chat_request("Why?"), chat_response(answer)
    metrics = {
        "response_perplexity": 12.0,
        "perplexity_scorer": "lm/1",
        "perplexity_tokens": 30,
        "response_fk_grade": 99.0,
        "readability_scorer": READABILITY,
        "response_toxicity": 0.123,
        "toxicity_scorer": KEYWORD.name,
        "cost_usd": 0.5,
        "execution_duration_ms": 7,
        **stored,
    }
    logged = LoggedPrompt("r1", "Why?", "So.", request, chat_response(RUDE), metrics)
    given = GivenAnswer(request, response, 200, answer, "", 0.1)
    return Asked("replay", 0, "Why?", given, logged=logged)


def test_stored_scores_of_the_same_scorers_are_taken_as_they_are() -> None:
    one = asked()
    score_asked([one], tools(), Pricing("prod.chatbot", "1", ""))
    assert one.live_scores["response_fk_grade"] == 99.0
    assert one.live_scores["response_toxicity"] == 0.123
    assert one.live_tokens == 30
    assert one.live_again == {}
    assert one.row["response_toxicity"] is not None
    assert one.row["cost_usd"] == pytest.approx((5 * 1.0 + 7 * 2.0) / 1e6)


@pytest.mark.parametrize("scorer", ["detoxify-original/openvino-f32/1", None])
def test_a_live_answer_that_another_scorer_scored_is_scored_again(scorer: str | None) -> None:
    one = asked(toxicity_scorer=scorer)
    score_asked([one], tools(), Pricing("prod.chatbot", "1", ""))
    assert one.live_scores["response_toxicity"] > 0.9
    assert one.live_again == {"response_toxicity": scorer or "nobody"}
    assert one.live_scores["response_fk_grade"] == 99.0


def test_an_answer_that_failed_has_no_score_and_disturbs_no_other() -> None:
    failed, fine = asked(), asked()
    failed.given = GivenAnswer(failed.given.request, "{}", 500, None, "it raised KeyError.", 0.1)
    score_asked([failed, fine], tools(), Pricing("prod.chatbot", "1", ""))
    assert failed.row["response_toxicity"] is None
    assert fine.row["response_toxicity"] is not None
    assert failed.live_again == {}


def version(number: str) -> ModelVersion:
    return ModelVersion("test.chatbot", number, (), "None", NOW, NOW, "", "")


LIVE = ModelVersion("prod.chatbot", "1", (), "Production", NOW, NOW, "", "")


@pytest.mark.parametrize(
    ("number", "live", "priced_as", "words"),
    [
        ("4", LIVE, ("test.chatbot", "4"), "its own price"),
        ("3", LIVE, ("prod.chatbot", "1"), "price of prod.chatbot version 1, as it has none"),
        ("3", None, ("test.chatbot", "3"), "published"),
    ],
)
def test_a_version_without_a_price_gets_that_of_the_one_it_would_replace(
    number: str, live: ModelVersion | None, priced_as: tuple[str, str], words: str
) -> None:
    found = pricing_of(tools(), version(number), live, NOW)
    assert (found.entity_name, found.entity_version) == priced_as
    assert words in found.words
