"""What is looked up ahead is what scoring then asks for."""

import json
from datetime import UTC, datetime

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.tables import INFERENCE_ROWS
from metrics.scoring import Scorers, TextCache, score_rows
from metrics.text_keys import text_keys
from tests.metrics.test_scoring import LetterPerplexity

texts = st.sampled_from(["", "One.", "Two words.", "drei", "🙂", "Four words and more."])
exchanges = st.tuples(st.lists(texts, max_size=3), texts, st.booleans(), st.sampled_from([200, 500]))


def row(turns: list[str], answer: str, with_usage: bool, status: int) -> dict[str, object]:
    response = {"choices": [{"message": {"role": "assistant", "content": answer}}]}
    if with_usage:
        response["usage"] = {"prompt_tokens": 3, "completion_tokens": 4}  # type: ignore[assignment]
    request = {"messages": [{"role": "user", "content": turn} for turn in turns]}
    return {"request": json.dumps(request), "response": json.dumps(response), "status_code": status}


@given(st.lists(exchanges, max_size=5))
def test_every_text_that_is_scored_or_counted_was_looked_up(
    given_exchanges: list[tuple[list[str], str, bool, int]],
) -> None:
    rows = pa.Table.from_pylist([row(*one) for one in given_exchanges], schema=INFERENCE_ROWS)
    keys = text_keys(rows)
    cache, perplexity = TextCache(), LetterPerplexity()
    score_rows(rows, Scorers(perplexity), (), cache, datetime(2026, 5, 1, tzinfo=UTC))
    computed = cache.drain()
    scored, counted = computed.get(perplexity.name, {}), computed.get(f"tokens/{perplexity.name}", {})
    assert (scored.keys(), counted.keys()) == (keys.scored, keys.counted)
