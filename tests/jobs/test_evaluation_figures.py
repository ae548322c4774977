"""Figures of an evaluation whose answers are made by hand."""

import pytest

from jobs.candidate import GivenAnswer
from jobs.evaluation_figures import costs, latency, perplexity
from jobs.evaluation_scores import Asked
from jobs.replay import LoggedPrompt


def replayed(
    own: float, live: float, tokens: int = 40, live_tokens: int | None = 40, cost: float | None = 2.0
) -> Asked:
    logged = LoggedPrompt("r", "Why?", "So.", "", "", {"cost_usd": cost, "execution_duration_ms": 1000})
    return Asked(
        "replay",
        0,
        "Why?",
        GivenAnswer("", "", 200, "Thus.", "", 0.5),
        logged=logged,
        row={"response_perplexity": own, "perplexity_tokens": tokens, "perplexity_scorer": "lm/1", "cost_usd": 1.0},
        live_scores={"response_perplexity": live},
        live_tokens=live_tokens,
    )


def test_perplexity_is_compared_only_between_answers_of_like_length() -> None:
    found = perplexity(
        [
            replayed(20.0, 10.0),
            replayed(40.0, 20.0, tokens=80),
            replayed(900.0, 10.0, tokens=19),
            replayed(900.0, 10.0, live_tokens=81),
            replayed(900.0, 10.0, live_tokens=None),
        ],
        "",
    )
    assert (found.n, found.left_out, found.scorer) == (2, 3, "lm/1")
    assert found.difference == pytest.approx(2.0)
    assert found.ratio


def test_a_cost_stands_beside_the_live_one_only_for_the_same_prompts() -> None:
    assert costs([replayed(1.0, 1.0), replayed(1.0, 1.0)], "ours", "").live == 2.0
    assert costs([replayed(1.0, 1.0), replayed(1.0, 1.0, cost=None)], "ours", "").live is None


def test_seconds_are_measured_here_and_taken_from_the_log_there() -> None:
    found = latency([replayed(1.0, 1.0), replayed(1.0, 1.0)])
    assert (found.n, found.p50, found.live_p95) == (2, 0.5, 1.0)
