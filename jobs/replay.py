"""The last logged prompts of the live version, each distinct one once, with the answers it gave and their scores."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.inference import texts_of
from lakehouse.store import open_table, read_rows
from metrics.bodies import parse_exchange
from settings import Settings

_SPANS_DAYS = (1, 7, 31, None)
"""How far back is looked, step by step, until there are enough prompts: None is all there is."""
_MOST_ROWS = 20_000
_ROWS_AT_ONCE = 400
_COLUMNS = (
    "databricks_request_id", "request_date", "request_time", "execution_duration_ms", "response_perplexity",
    "perplexity_scorer", "perplexity_tokens", "response_fk_grade", "readability_scorer", "response_toxicity",
    "toxicity_scorer", "cost_usd",
)  # fmt: skip


@dataclass(frozen=True)
class LoggedPrompt:
    """A logged request that the live version answered. `metrics`: its row of `request_metrics`."""

    request_id: str
    prompt: str
    answer: str
    request: str
    response: str
    metrics: dict[str, Any]


def last_prompts(
    settings: Settings, entity_name: str, entity_version: str, count: int, now: datetime | None = None
) -> list[LoggedPrompt]:
    """The last `count` distinct prompts that a version answered and that have been scored, newest first.

    Two requests are the same prompt if their whole conversations are. Fewer are returned where there are fewer.
    Raises: LakehouseError.
    """
    found: dict[tuple[tuple[str, str], ...], LoggedPrompt] = {}
    today = (now or datetime.now(UTC)).date()
    seen = 0
    for days in _SPANS_DAYS if count else ():
        rows = _answered(settings, entity_name, entity_version, today, days)
        for start in range(seen, rows.num_rows, _ROWS_AT_ONCE):
            _add_prompts(settings, rows.slice(start, _ROWS_AT_ONCE).to_pylist(), found)
            if len(found) >= count:
                return list(found.values())[:count]
        seen = rows.num_rows
    return list(found.values())


def _answered(settings: Settings, name: str, version: str, today: date, days: int | None) -> pa.Table:
    """Scored rows of a version with status 200, newest first, at most `_MOST_ROWS`."""
    where = (
        (pc.field("entity_name") == name) & (pc.field("entity_version") == version) & (pc.field("status_code") == 200)
    )
    if days is not None:
        where = where & (pc.field("request_date") >= today - timedelta(days=days))
    rows = read_rows(open_table(settings, "request_metrics"), _COLUMNS, where)
    return rows.sort_by([("request_time", "descending")]).slice(0, _MOST_ROWS)


def _add_prompts(
    settings: Settings, rows: list[dict[str, Any]], found: dict[tuple[tuple[str, str], ...], LoggedPrompt]
) -> None:
    by_date: dict[date, list[str]] = {}
    for row in rows:
        if row["request_date"] is not None:
            by_date.setdefault(row["request_date"], []).append(row["databricks_request_id"])
    texts = {row["databricks_request_id"]: row for row in texts_of(settings, by_date).to_pylist()}
    for row in rows:
        bodies = texts.get(row["databricks_request_id"])
        if bodies is None or not bodies["request"] or not bodies["response"]:
            continue
        exchange = parse_exchange(bodies["request"], bodies["response"])
        if exchange.prompt and exchange.response and exchange.conversation not in found:
            found[exchange.conversation] = LoggedPrompt(
                request_id=row["databricks_request_id"],
                prompt=exchange.prompt,
                answer=exchange.response,
                request=bodies["request"],
                response=bodies["response"],
                metrics=row,
            )
