"""Rows that are scored as a sample: who is taken, with what weight, and that weighted means are those of all rows."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.sampling import in_sample, left_out_reason, sample_number
from metrics.scoring import Scorers, TextCache, score_rows
from tests.metrics.test_scoring import NOW, GermanDetector, LetterPerplexity, WordToxicity, chat, inference_rows

Row = dict[str, Any]
KNOWN = "No, no."
DRAWS = 100


@dataclass
class KeywordToxicity(WordToxicity):
    name: str = "keyword/words/1"


def cheap_toxicity() -> Scorers:
    return Scorers(LetterPerplexity(), KeywordToxicity(), GermanDetector())


def sampled(rows: list[Row], one_in: float, by: Scorers | None = None, cache: TextCache | None = None) -> list[Row]:
    table = score_rows(
        inference_rows(*rows), by or cheap_toxicity(), (), cache or TextCache(), NOW, None, one_in
    ).to_pylist()
    return [{**row, "unscored": dict(row["unscored"])} for row in table]


def named(prefix: str, count: int) -> list[Row]:
    return [
        {"databricks_request_id": f"{prefix}-{number}", **chat(f"Question {number}?", f"This is answer {number}.")}
        for number in range(count)
    ]


def test_rows_outside_the_sample_have_every_cheap_score_and_the_reason_for_what_they_lack() -> None:
    rows = sampled(named("id", 80), 4)
    left_out = [row for row in rows if not row["score_weight"]]
    taken = [row for row in rows if row["score_weight"]]
    assert {row["databricks_request_id"] for row in taken} == {
        row["databricks_request_id"] for row in rows if sample_number(row["databricks_request_id"]) < 0.25
    }
    assert left_out
    assert taken
    assert {row["score_weight"] for row in taken} == {4.0}
    for row in rows:
        cheap = ("response_fk_grade", "response_toxicity", "prompt_toxicity", "prompt_tokens", "response_chars")
        assert all(row[name] is not None for name in cheap)
    for row in left_out:
        assert row["response_perplexity"] is row["prompt_perplexity"] is row["perplexity_tokens"] is None
        assert row["perplexity_scorer"] is None
        reason = "left out of the sample (1 in 4 was scored)"
        assert row["unscored"]["response_perplexity"] == row["unscored"]["prompt_perplexity"] == reason
    for row in taken:
        number = row["databricks_request_id"].removeprefix("id-")
        assert row["response_perplexity"] == len(set(f"This is answer {number}."))


def test_the_model_is_given_the_texts_of_the_sample_and_no_other() -> None:
    by = Scorers(LetterPerplexity(), WordToxicity(), GermanDetector())
    rows = sampled(named("id", 40), 5, by)
    numbers = [index for index, row in enumerate(rows) if row["score_weight"]]
    wanted = {text for number in numbers for text in (f"Question {number}?", f"This is answer {number}.")}
    assert set(by.perplexity.seen) == set(by.toxicity.seen) == wanted  # type: ignore[union-attr]
    for row in rows:
        assert (row["response_toxicity"] is None) == (row["score_weight"] == 0)


def test_a_text_that_a_taken_row_needs_does_not_bring_another_row_into_the_sample() -> None:
    rows = sampled([{**row, **chat("Same?", "The same.")} for row in named("id", 60)], 3)
    assert {row["score_weight"] for row in rows} == {0.0, 3.0}
    assert all((row["response_perplexity"] is None) == (row["score_weight"] == 0) for row in rows)


def test_a_row_whose_texts_were_scored_before_costs_nothing_and_stands_for_itself() -> None:
    cache = TextCache()
    sampled(named("before", 20), 1, cache=cache)
    by = cheap_toxicity()
    rows = sampled(named("after", 40), 100, by, cache)
    assert [row["score_weight"] for row in rows[:20]] == [1.0] * 20
    assert all(row["response_perplexity"] is not None for row in rows[:20])
    assert {row["score_weight"] for row in rows[20:]} <= {0.0, 100.0}


def test_a_row_is_unknown_until_its_toxicity_is_known_too_where_that_costs_time() -> None:
    cache = TextCache()
    sampled(named("before", 20), 1, cache=cache)
    by = replace(cheap_toxicity(), toxicity=WordToxicity())
    assert 0.0 in {row["score_weight"] for row in sampled(named("after", 20), 5, by, cache)}
    sampled(named("before", 20), 1, by, cache)
    assert {row["score_weight"] for row in sampled(named("after", 20), 5, by, cache)} == {1.0}


def test_rows_without_texts_or_without_an_id_are_never_left_out() -> None:
    failed = [{**row, "status_code": 500, "request": None} for row in named("failed", 20)]
    nameless = [{**row, "databricks_request_id": None} for row in named("", 20)]
    assert {row["score_weight"] for row in sampled([*failed, *nameless], 50)} == {1.0}


def test_without_a_model_that_costs_time_every_row_stands_for_itself() -> None:
    rows = sampled(named("id", 20), 10, Scorers(None, KeywordToxicity(), None))
    assert {row["score_weight"] for row in rows} == {1.0}
    assert "no perplexity model" in rows[0]["unscored"]["response_perplexity"]


def _population() -> list[Row]:
    """Frequent answers of few letters, which the cache knows, beside rare ones of many letters."""
    rare = [f"Answer {chr(97 + number)} of many different letters, jumping foxes." for number in range(26)]
    return [chat("No, no.", text) for text in [KNOWN] * 14 + rare]


def _draw(number: int) -> list[Row]:
    cache = TextCache()
    sampled([chat(KNOWN, KNOWN)], 1, cache=cache)
    ids = [{"databricks_request_id": f"draw-{number}-{index}"} for index in range(len(_population()))]
    # Two pieces of work of which the second knows the first's texts, with fractions of their own, as in a run.
    rows = [{**row, **own} for row, own in zip(_population(), ids, strict=True)]
    return sampled(rows[::2], 3, cache=cache) + sampled(rows[1::2], 4.5, cache=cache)


def test_over_many_draws_the_weighted_mean_is_that_of_all_rows_and_the_plain_mean_is_not() -> None:
    full = np.mean([row["response_perplexity"] for row in sampled(_population(), 1)])
    totals, plain, weights = [], [], []
    for number in range(DRAWS):
        taken = [row for row in _draw(number) if row["score_weight"]]
        values, weight = (np.array([row[name] for row in taken]) for name in ("response_perplexity", "score_weight"))
        totals.append(float((values * weight).sum() / len(_population())))
        plain.append(float(values.mean()))
        weights.append(float(weight.sum()))
    error = np.std(totals) / np.sqrt(DRAWS)
    assert abs(np.mean(totals) - full) < 3 * error
    assert abs(np.mean(weights) - len(_population())) < 3 * np.std(weights) / np.sqrt(DRAWS)
    # The plain mean misses by a third: the known rows are all taken, the rare ones seldom.
    assert np.mean(plain) < 0.8 * full


@given(
    strata=st.lists(
        st.tuples(st.sampled_from([1.0, 1.3, 2.0, 7.5, 30.0]), st.floats(-100, 100)), min_size=1, max_size=4
    ),
    seed=st.integers(0, 10**9),
)
def test_weighted_totals_of_any_strata_stay_within_their_own_chance(
    strata: list[tuple[float, float]], seed: int
) -> None:
    """The total over a sample misses the true one by no more than six standard deviations, whatever the strata."""
    count = 1_000
    total, variance = 0.0, 0.0
    for number, (one_in, value) in enumerate(strata):
        taken = sum(in_sample(f"{seed}/{number}/{index}", one_in) for index in range(count))
        total += taken * one_in * value
        variance += count * (one_in - 1) * value**2
    truth = count * sum(value for _, value in strata)
    assert abs(total - truth) <= 6 * np.sqrt(variance) + 1e-6 * abs(truth) + 1e-9


@given(st.text(min_size=1), st.floats(1, 100), st.floats(1, 100))
def test_a_smaller_sample_is_part_of_a_larger_one(request_id: str, one: float, other: float) -> None:
    small, large = max(one, other), min(one, other)
    assert in_sample(request_id, large) or not in_sample(request_id, small)


@pytest.mark.parametrize(
    ("one_in", "said"), [(4.0, "1 in 4 was scored"), (2.7, "1 in 2.7 was"), (100.0, "1 in 100 was")]
)
def test_the_reason_says_how_many_were_scored(one_in: float, said: str) -> None:
    assert said in left_out_reason(one_in)
