"""From inference rows to rows of `request_metrics`: read the bodies, score each distinct text, put the rows together.

Nothing here raises for what a row holds. A score that is missing has its reason in `unscored`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from metrics.bodies import Exchange, parse_exchange
from metrics.cost import Cost, Price, cost_usd, pick_price, published_cost
from metrics.readability import SCORER as READABILITY_SCORER
from metrics.readability import Readability
from metrics.sampling import in_sample, left_out_reason
from metrics.scorers import OnProgress
from metrics.text_cache import TextCache, text_key
from metrics.text_scores import (
    Scorers,
    TextScores,
    score_texts,
    token_counter,
    tokenizer_name,
    unknown_texts,
    without_sampled,
)
from metrics.tokens import texts_to_count, token_counts

__all__ = ["REQUEST_METRICS_COLUMNS", "Scorers", "TextCache", "score_rows"]

_FIRST_ERROR_STATUS = 400
"""From this status on a request failed, and its answer is not read."""
_UNREADABLE = "UNREADABLE_"
"""What an error code begins with that names a column whose value could not be read."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FARTHEST_MICROSECONDS = 60_000_000_000_000_000
_TIMESTAMP = pa.timestamp("us", tz="UTC")

TAKEN_OVER = {
    "databricks_request_id": pa.string(),
    "client_request_id": pa.string(),
    "request_date": pa.date32(),
    "request_time": _TIMESTAMP,
    "endpoint_name": pa.string(),
    "entity_name": pa.string(),
    "entity_version": pa.string(),
    "requester": pa.string(),
    "status_code": pa.int32(),
    "execution_duration_ms": pa.int64(),
    "sampling_fraction": pa.float64(),
}
_COMPUTED = {
    "prompt_tokens": pa.int64(),
    "completion_tokens": pa.int64(),
    "token_source": pa.string(),
    "prompt_chars": pa.int64(),
    "response_chars": pa.int64(),
    "response_perplexity": pa.float64(),
    "prompt_perplexity": pa.float64(),
    "perplexity_tokens": pa.int64(),
    "perplexity_scorer": pa.string(),
    "response_fk_grade": pa.float64(),
    "prompt_fk_grade": pa.float64(),
    "response_reading_ease": pa.float64(),
    "response_ari": pa.float64(),
    "readability_scorer": pa.string(),
    "response_toxicity": pa.float64(),
    "prompt_toxicity": pa.float64(),
    "toxicity_labels": pa.map_(pa.string(), pa.float64()),
    "toxicity_scorer": pa.string(),
    "score_weight": pa.float64(),
    "cost_usd": pa.float64(),
    "price_source": pa.string(),
    "unscored": pa.map_(pa.string(), pa.string()),
    "scored_at": _TIMESTAMP,
}
REQUEST_METRICS_COLUMNS = pa.schema([*TAKEN_OVER.items(), *_COMPUTED.items()])
"""The columns that `score_rows` returns."""


@dataclass
class _Row:
    """One row on its way: what was read, and the columns computed so far."""

    request_id: str | None
    exchange: Exchange
    texts: dict[bytes, str]
    """The texts that are scored, by `text_key`; an empty one has no score."""
    entity_name: str
    entity_version: str
    time: datetime
    failure: str | None
    """Why there is no answer to score: the request failed."""
    columns: dict[str, Any] = field(default_factory=dict)
    unscored: dict[str, str] = field(default_factory=dict)
    weight: float = 1.0
    """Of the scores that cost a model's time: for how many rows this one stands; 0 where it is left out."""


def score_rows(
    rows: pa.Table,
    scorers: Scorers,
    prices: Sequence[Price],
    cache: TextCache,
    scored_at: datetime,
    on_progress: OnProgress | None = None,
    one_in: float = 1.0,
) -> pa.Table:
    """One row of `REQUEST_METRICS_COLUMNS` for each of `rows` (inference rows), in the same order.

    cache: kept by the caller between calls, so that a text is scored once for all of them.
    on_progress: called with the texts done and in all, while perplexities, which take the time, are computed.
    one_in: the scores that cost a model's time are given to a random sample of 1 in `one_in` rows, which must rest on
    nothing that these rows say. A row whose texts were all scored before costs nothing and is always taken.
    """
    work = _read(rows, scored_at)
    texts = {key: text for row in work for key, text in row.texts.items()}
    _draw_sample(work, unknown_texts(texts, scorers, cache), one_in)
    sample = {key for row in work if row.weight for key in row.texts}
    scores = score_texts(texts, scorers, cache, on_progress, sample)
    left_out = without_sampled(scores, texts, scorers, left_out_reason(one_in))
    _add_tokens(work, scorers, cache)
    for row in work:
        _add_scores(row, scores if row.weight else left_out, scorers)
        _add_cost(row, prices)
        row.columns["score_weight"] = row.weight
        row.columns["unscored"] = list(row.unscored.items())
    taken_over = [_column(rows, name, kind) for name, kind in TAKEN_OVER.items()]
    computed = [
        pa.array([scored_at if name == "scored_at" else row.columns.get(name) for row in work], kind)
        for name, kind in _COMPUTED.items()
    ]
    return pa.Table.from_arrays([*taken_over, *computed], schema=REQUEST_METRICS_COLUMNS)


def _read(rows: pa.Table, scored_at: datetime) -> list[_Row]:
    names = (
        "databricks_request_id",
        "request",
        "response",
        "logging_error_codes",
        "status_code",
        "entity_name",
        "entity_version",
    )
    # Row by row: a body is parsed and let go before the next one is turned into a text.
    columns = ((value.as_py() for value in rows[name]) for name in names)
    times = [_time(microseconds, scored_at) for microseconds in rows["request_time"].cast(pa.int64()).to_pylist()]
    work = []
    for request_id, request, response, codes, status, entity, version, time in zip(*columns, times, strict=True):
        exchange, failure = exchange_of(request, response, codes, status)
        texts = {text_key(text): text for text in (exchange.prompt, exchange.response) if text}
        row = _Row(request_id, exchange, texts, entity or "", version or "", time, failure)
        row.unscored.update(_unreadable(codes))
        work.append(row)
    return work


def exchange_of(
    request: str | None, response: str | None, codes: Sequence[str | None] | None, status: int | None
) -> tuple[Exchange, str | None]:
    """What was said, and why there is no answer if the request failed: what an error page says is no answer."""
    if status is None or status < _FIRST_ERROR_STATUS:
        return parse_exchange(request, response, codes), None
    failure = f"the request failed with status {status}"
    exchange = parse_exchange(request, None, codes)
    return replace(exchange, problems={**exchange.problems, "response": failure}), failure


def _unreadable(codes: Sequence[str | None] | None) -> dict[str, str]:
    """The columns of a row that the inference table holds with a value of another kind, by its error codes."""
    names = [code.removeprefix(_UNREADABLE).lower() for code in codes or () if code and code.startswith(_UNREADABLE)]
    return {name: "its value in the inference table cannot be read" for name in names if name in TAKEN_OVER}


def _draw_sample(work: list[_Row], unknown: set[bytes], one_in: float) -> None:
    """Give every row its weight. What was scored before this call cannot depend on what this call draws.

    Source: Horvitz, Thompson (1952): a row that is taken with the chance p counts 1 / p times.
    """
    for row in work:
        # A row without an id cannot be drawn.
        if row.request_id and not unknown.isdisjoint(row.texts):
            row.weight = one_in if in_sample(row.request_id, one_in) else 0.0


def _time(microseconds: int | None, otherwise: datetime) -> datetime:
    """The time of a request, for its price; `otherwise` where it has none, or a clock was off by millennia."""
    if microseconds is None or abs(microseconds) > _FARTHEST_MICROSECONDS:
        return otherwise
    return _EPOCH + timedelta(microseconds=microseconds)


def _add_tokens(work: list[_Row], scorers: Scorers, cache: TextCache) -> None:
    uncounted = [text for row in work for text in texts_to_count(row.exchange)]
    count = token_counter(uncounted, scorers.perplexity, cache)
    tokenizer = tokenizer_name(scorers.perplexity)
    for row in work:
        counts = token_counts(row.exchange, count, tokenizer)
        row.columns["prompt_tokens"] = counts.prompt_tokens
        row.columns["completion_tokens"] = counts.completion_tokens
        row.columns["token_source"] = counts.source
        row.unscored.update(counts.problems)


def _add_scores(row: _Row, scores: TextScores, scorers: Scorers) -> None:
    for side, text in (("prompt", row.exchange.prompt), ("response", row.exchange.response)):
        if text is not None:
            row.columns[f"{side}_chars"] = len(text)
        if text:
            _add_text_scores(row, side, text_key(text), scores)
            continue
        reason = f"the {side} is an empty text" if text == "" else row.exchange.problems[side]
        for metric in _METRICS_OF_A_TEXT[side]:
            row.unscored[metric] = reason
    for scorer, name in (
        ("perplexity", scorers.perplexity.name if scorers.perplexity else None),
        ("toxicity", scorers.toxicity.name if scorers.toxicity else None),
        ("fk_grade", READABILITY_SCORER),
    ):
        if any(row.columns.get(f"{side}_{scorer}") is not None for side in _METRICS_OF_A_TEXT):
            row.columns["readability_scorer" if scorer == "fk_grade" else f"{scorer}_scorer"] = name


_METRICS_OF_A_TEXT = {
    "prompt": ("prompt_perplexity", "prompt_fk_grade", "prompt_toxicity"),
    "response": (
        "response_perplexity",
        "response_fk_grade",
        "response_reading_ease",
        "response_ari",
        "response_toxicity",
    ),
}


def _add_text_scores(row: _Row, side: str, key: bytes, scores: TextScores) -> None:
    perplexity, toxicity, read = scores.perplexity[key], scores.toxicity[key], scores.readability[key]
    _set(row, f"{side}_perplexity", perplexity.value, perplexity.reason)
    _set(row, f"{side}_toxicity", toxicity.value, toxicity.reason)
    reason = None if isinstance(read, Readability) else read
    grade = read.flesch_kincaid_grade if isinstance(read, Readability) else None
    _set(row, f"{side}_fk_grade", grade, reason)
    if side == "response":
        ease = read.flesch_reading_ease if isinstance(read, Readability) else None
        _set(row, "response_reading_ease", ease, reason)
        index = read.automated_readability_index if isinstance(read, Readability) else None
        _set(row, "response_ari", index, reason)
        row.columns["perplexity_tokens"] = perplexity.tokens
        row.columns["toxicity_labels"] = list(toxicity.labels.items()) if toxicity.value is not None else None


def _set(row: _Row, metric: str, value: float | None, reason: str | None) -> None:
    row.columns[metric] = value
    if value is None:
        row.unscored[metric] = reason or "the scorer gave no number"


def _add_cost(row: _Row, prices: Sequence[Price]) -> None:
    prompt_tokens, completion_tokens = row.columns["prompt_tokens"], row.columns["completion_tokens"]
    if row.failure:
        row.unscored["cost_usd"] = row.failure
    elif prompt_tokens is None or completion_tokens is None:
        row.unscored["cost_usd"] = "the tokens are not known"
    elif cost := _cost(row, prices, prompt_tokens, completion_tokens):
        row.columns["cost_usd"] = cost.usd
        row.columns["price_source"] = cost.source
    else:
        row.unscored["cost_usd"] = "no price of this model is known"


def _cost(row: _Row, prices: Sequence[Price], prompt_tokens: int, completion_tokens: int) -> Cost | None:
    price = pick_price(prices, row.entity_name, row.entity_version, row.time)
    if price is not None:
        return Cost(cost_usd(prompt_tokens, completion_tokens, price), price.source)
    for model in (row.entity_name, row.exchange.model):
        if model and (cost := published_cost(model, prompt_tokens, completion_tokens, row.time)):
            return cost
    return None


def _column(rows: pa.Table, name: str, kind: pa.DataType) -> pa.ChunkedArray:
    return rows[name] if rows[name].type == kind else rows[name].cast(kind)
