"""The texts of inference rows by their keys, read ahead so that known scores can be looked up in one go."""

from dataclasses import dataclass

import pyarrow as pa

from metrics.scoring import exchange_of
from metrics.text_cache import text_key
from metrics.tokens import texts_to_count


@dataclass(frozen=True)
class TextKeys:
    """Keys (`text_key`) of texts: those that are scored, and those whose tokens no body reports."""

    scored: frozenset[bytes]
    counted: frozenset[bytes]


def text_keys(rows: pa.Table) -> TextKeys:
    """The texts that `metrics.scoring.score_rows` looks at in `rows` (inference rows)."""
    scored: set[bytes] = set()
    counted: set[bytes] = set()
    names = ("request", "response", "logging_error_codes", "status_code")
    # Row by row: the texts of all rows together may not fit in memory a second time.
    columns = ((value.as_py() for value in rows[name]) for name in names)
    for request, response, codes, status in zip(*columns, strict=True):
        exchange, _ = exchange_of(request, response, codes, status)
        scored.update(text_key(text) for text in (exchange.prompt, exchange.response) if text)
        counted.update(text_key(text) for text in texts_to_count(exchange))
    return TextKeys(frozenset(scored), frozenset(counted))
