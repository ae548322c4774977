"""The composition, with scorers small enough to be checked by hand; the real engines have tests of their own."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.tables import INFERENCE_ROWS, REQUEST_METRICS
from metrics import readability
from metrics.cost import Price
from metrics.scorers import OnProgress, PerplexityScores, ToxicityScores
from metrics.scoring import Scorers, TextCache, score_rows
from metrics.text_scores import NO_PERPLEXITY_MODEL, NO_TOXICITY_MODEL, PERPLEXITY_CHARACTERS, TOXICITY_CHARACTERS

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@dataclass
class LetterPerplexity:
    """Perplexity of a uniform model of the characters that occur; a token is a character, the first 2,048 count."""

    name: str = "letters-v1/python/1"
    seen: list[str] = field(default_factory=list)

    def score(self, texts: Sequence[str], on_progress: OnProgress | None = None) -> PerplexityScores:
        self.seen.extend(texts)
        if on_progress:
            on_progress(len(texts), len(texts))
        if any("poison" in text for text in texts):
            raise RuntimeError("the whole batch fails for one text")
        silent = ["?" * len(text) == text for text in texts]
        return PerplexityScores(
            np.array(
                [np.nan if mute else len(set(text[:2048])) for text, mute in zip(texts, silent, strict=True)], float
            ),
            np.array([min(len(text), 2048) for text in texts]),
            ["the text says nothing" if mute else None for mute in silent],
        )

    def count_tokens(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([len(text) for text in texts], dtype=np.int64)


@dataclass
class WordToxicity:
    name: str = "words/python/1"
    english_only: bool = True
    seen: list[str] = field(default_factory=list)

    def score(self, texts: Sequence[str], on_progress: OnProgress | None = None) -> ToxicityScores:
        self.seen.extend(texts)
        values = [1.0 if "damn" in text else 0.0 for text in texts]
        return ToxicityScores(np.array(values), [{"toxicity": value, "insult": value / 2} for value in values])


class GermanDetector:
    name = "umlauts/1"

    def english(self, texts: Sequence[str]) -> list[str | None]:
        return ["the text is in German (de)" if "ß" in text else None for text in texts]


def scorers() -> Scorers:
    return Scorers(LetterPerplexity(), WordToxicity(), GermanDetector())


def chat(prompt: str, answer: str | None, usage: dict[str, int] | None = None) -> dict[str, Any]:
    request = json.dumps({"messages": [{"role": "user", "content": prompt}]})
    body = {"choices": [{"message": {"content": answer}}], "usage": usage}
    return {"request": request, "response": json.dumps(body)}


def inference_rows(*rows: dict[str, Any]) -> pa.Table:
    common = {
        "request_date": date(2026, 5, 1),
        "request_time": NOW,
        "status_code": 200,
        "endpoint_name": "chatbot",
        "entity_name": "prod.chatbot",
        "entity_version": "2",
    }
    numbered = [{"databricks_request_id": f"id-{number}", **common, **row} for number, row in enumerate(rows)]
    return pa.Table.from_pylist(numbered, schema=INFERENCE_ROWS)


def scored(
    *rows: dict[str, Any], by: Scorers | None = None, prices: Sequence[Price] = (), cache: TextCache | None = None
) -> list[dict[str, Any]]:
    table = score_rows(inference_rows(*rows), by or scorers(), prices, cache or TextCache(), NOW)
    assert table.schema.equals(REQUEST_METRICS.schema)
    return [
        {**row, "unscored": dict(row["unscored"]), "toxicity_labels": dict(row["toxicity_labels"] or {})}
        for row in table.to_pylist()
    ]


def test_a_row_gets_every_number_and_the_name_of_who_gave_it() -> None:
    price = Price("prod.chatbot", "", 2.0, 4.0, datetime(2026, 1, 1, tzinfo=UTC), "own table")
    usage = {"prompt_tokens": 100, "completion_tokens": 50}
    answer = "Type make run in the folder of the project."
    [row] = scored(chat("How do I start it, damn?", answer, usage), prices=[price])
    expected = {
        "databricks_request_id": "id-0",
        "request_time": NOW,
        "entity_version": "2",
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "token_source": "usage",
        "prompt_chars": 24,
        "response_chars": 43,
        "response_perplexity": len(set(answer)),
        "perplexity_tokens": 43,
        "perplexity_scorer": "letters-v1/python/1",
        "response_fk_grade": readability.flesch_kincaid_grade(answer),
        "response_reading_ease": readability.flesch_reading_ease(answer),
        "response_ari": readability.automated_readability_index(answer),
        "readability_scorer": readability.SCORER,
        "prompt_toxicity": 1.0,
        "response_toxicity": 0.0,
        "toxicity_labels": {"toxicity": 0.0, "insult": 0.0},
        "toxicity_scorer": "words/python/1",
        "score_weight": 1.0,
        "cost_usd": pytest.approx(0.0004),
        "price_source": "own table",
        "unscored": {},
        "scored_at": NOW,
    }
    assert {name: row[name] for name in expected} == expected


def test_without_usage_the_whole_conversation_is_counted_and_the_source_says_so() -> None:
    request = json.dumps({"messages": [{"role": "system", "content": "four"}, {"role": "user", "content": "seven?!"}]})
    [row] = scored({"request": request, "response": json.dumps({"predictions": ["nine char"]})})
    assert (row["prompt_tokens"], row["completion_tokens"]) == (11, 9)
    assert row["token_source"] == "letters-v1/tokenizer"


def test_a_failed_request_keeps_the_scores_of_its_prompt_and_none_of_its_answer() -> None:
    error = {"response": json.dumps({"error_code": "INTERNAL_ERROR", "message": "damn"}), "status_code": 500}
    [row] = scored({**chat("Is this a good day?", ""), **error})
    assert row["prompt_perplexity"] is not None
    assert row["prompt_toxicity"] == 0.0
    missing = {"response_perplexity", "response_fk_grade", "response_reading_ease", "response_ari", "response_toxicity"}
    assert {row["unscored"][name] for name in missing | {"cost_usd", "completion_tokens"}} == {
        "the request failed with status 500"
    }
    assert all(row[name] is None for name in (*missing, "response_chars", "perplexity_tokens"))


def test_each_distinct_text_is_scored_once_also_across_calls() -> None:
    by, cache = scorers(), TextCache()
    scored(*[chat("same question", "same answer")] * 50, chat("same answer", "new"), by=by, cache=cache)
    scored(chat("same question", "new"), by=by, cache=cache)
    assert sorted(by.perplexity.seen) == ["new", "same answer", "same question"]  # type: ignore[union-attr]
    assert sorted(by.toxicity.seen) == ["new", "same answer", "same question"]  # type: ignore[union-attr]


def test_one_text_that_breaks_the_model_harms_no_other_row() -> None:
    rows = scored(chat("first of all", "fine"), chat("poison", "well"), chat("last of all", "good"))
    assert [row["prompt_perplexity"] is None for row in rows] == [False, True, False]
    assert all(row["response_perplexity"] is not None for row in rows)
    assert rows[1]["unscored"]["prompt_perplexity"] == "the scorer failed on this text (RuntimeError)"


def test_a_broken_model_fails_the_run_instead_of_leaving_every_row_unscored() -> None:
    class Broken(LetterPerplexity):
        def score(self, texts: Sequence[str], on_progress: OnProgress | None = None) -> PerplexityScores:
            raise MemoryError("no memory")

    with pytest.raises(MemoryError):
        scored(chat("a b c", "d e f"), by=Scorers(perplexity=Broken()))


def test_a_text_in_another_language_has_a_perplexity_but_no_english_score() -> None:
    [row] = scored(chat("Das ist ein großer Spaß, oder?", "Yes it is, I believe."))
    assert row["prompt_perplexity"] is not None
    assert row["unscored"]["prompt_fk_grade"] == row["unscored"]["prompt_toxicity"] == "the text is in German (de)"
    multilingual = Scorers(toxicity=WordToxicity(english_only=False), language=GermanDetector())
    assert scored(chat("damn, groß", "x y"), by=multilingual)[0]["prompt_toxicity"] == 1.0


def test_a_missing_model_is_a_reason_and_readability_needs_none() -> None:
    [row] = scored(chat("How are you today?", "I am well, thank you."), by=Scorers())
    assert row["unscored"]["response_perplexity"] == NO_PERPLEXITY_MODEL
    assert row["unscored"]["prompt_toxicity"] == NO_TOXICITY_MODEL
    assert row["unscored"]["prompt_tokens"] == "no usage is reported, and there is no tokenizer to count with"
    assert row["response_fk_grade"] is not None
    assert (row["perplexity_scorer"], row["toxicity_scorer"]) == (None, None)


def test_a_text_that_the_model_declines_has_the_models_reason() -> None:
    [row] = scored(chat("????", "fine then"))
    assert row["prompt_perplexity"] is None
    assert row["unscored"]["prompt_perplexity"] == "the text says nothing"
    assert row["unscored"]["prompt_fk_grade"] == "the text has no words"


def test_texts_of_ten_megabytes_reach_the_models_only_in_part() -> None:
    by = scorers()
    huge = "damn long " * 1_000_000
    [row] = scored(chat(huge, "x" * 10_000_000), by=by)
    assert max(map(len, by.perplexity.seen)) == PERPLEXITY_CHARACTERS  # type: ignore[union-attr]
    assert max(map(len, by.toxicity.seen)) == TOXICITY_CHARACTERS  # type: ignore[union-attr]
    assert (row["prompt_chars"], row["prompt_toxicity"], row["perplexity_tokens"]) == (10_000_000, 1.0, 2048)
    assert row["unscored"]["prompt_tokens"] == (
        "no usage is reported, and the text is longer than 1,000,000 characters"
    )
    assert row["unscored"]["cost_usd"] == "the tokens are not known"


def test_an_empty_answer_is_kept_with_its_length_and_its_reason() -> None:
    [row] = scored(chat("Say nothing.", ""))
    assert row["response_chars"] == 0
    assert row["unscored"]["response_toxicity"] == "the response is an empty text"


def test_a_model_without_a_price_is_unpriced_and_never_free() -> None:
    [row] = scored(chat("a", "b", {"prompt_tokens": 1, "completion_tokens": 1}))
    assert row["cost_usd"] is None
    assert row["unscored"]["cost_usd"] == "no price of this model is known"


def test_rows_with_nulls_everywhere_are_kept_in_order() -> None:
    nothing = dict.fromkeys(INFERENCE_ROWS.names)
    rows = scored(nothing, {**chat("q", "a"), "request_time": datetime(1, 1, 1, tzinfo=UTC)}, nothing)
    assert [row["databricks_request_id"] for row in rows] == [None, "id-1", None]
    assert rows[0]["unscored"]["response_perplexity"] == "the response was not logged"
    assert rows[1]["response_perplexity"] == 1.0


def test_a_time_beyond_the_calendar_is_kept_as_it_is() -> None:
    rows = inference_rows(chat("q", "a"))
    far = pa.array([2**62], pa.int64()).cast(INFERENCE_ROWS.field("request_time").type)
    rows = rows.set_column(rows.column_names.index("request_time"), INFERENCE_ROWS.field("request_time"), far)
    assert score_rows(rows, scorers(), [], TextCache(), NOW)["request_time"].cast(pa.int64()).to_pylist() == [2**62]


def test_no_rows_give_no_rows_with_the_same_columns() -> None:
    assert scored() == []


def test_progress_is_reported_from_the_perplexity_model() -> None:
    calls: list[tuple[int, int]] = []
    score_rows(
        inference_rows(chat("q", "a")), scorers(), [], TextCache(), NOW, lambda done, total: calls.append((done, total))
    )
    assert calls == [(2, 2)]


SCORES = {
    "prompt_tokens",
    "completion_tokens",
    "response_perplexity",
    "prompt_perplexity",
    "response_fk_grade",
    "prompt_fk_grade",
    "response_reading_ease",
    "response_ari",
    "response_toxicity",
    "prompt_toxicity",
    "cost_usd",
}
BODIES = st.one_of(
    st.none(),
    st.text(max_size=40),
    st.text(max_size=40).map(lambda text: json.dumps({"messages": [{"role": "user", "content": text}]})),
    st.text(max_size=40).map(lambda text: json.dumps({"choices": [{"message": {"content": text}}]})),
    st.sampled_from(['{"input": "\\ud800"}', '"\\u0000"', "[" * 2000, '{"predictions": [[["🙂"]]]}']),
)


@settings(max_examples=150)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"request": BODIES, "response": BODIES, "status_code": st.none() | st.integers(-(2**31), 2**31 - 1)}
        ),
        max_size=6,
    )
)
def test_every_null_score_has_a_reason_and_no_row_is_lost(rows: list[dict[str, Any]]) -> None:
    results = scored(*rows)
    assert [row["databricks_request_id"] for row in results] == [f"id-{number}" for number in range(len(rows))]
    for row in results:
        assert set(row["unscored"]) == {name for name in SCORES if row[name] is None}
        assert all(row["unscored"].values())
