"""The scores that requests lack, computed from their texts: rows of `request_scores`, ready to be appended."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.missing_scores import REQUEST, Part, Wanted, kind_of
from jobs.partial_sums import REQUEST_COUNT
from jobs.scorers import ScoringTools
from lakehouse.appends import conform
from lakehouse.inference import texts_of
from lakehouse.tables import INFERENCE_ROWS, REQUEST_SCORES
from metrics.scoring import score_rows
from settings import Settings

TEXTS_AT_ONCE = 5_000
CHARACTERS_AT_ONCE = 32 * 2**20
"""Requests whose texts are read together: up to this many, with up to this many characters."""

TEXT_IS_GONE = "its text is not in the inference table any more"


@dataclass
class LaterScores:
    """What was found out about some requests that lacked a score."""

    rows: pa.Table
    """Rows of `request_scores`: new values, requests without one, corrections."""
    requests: int = 0
    """Requests that lacked a score; `scored` of them got one."""
    scored: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """Why there is none still: `<metric>: <reason>` → requests."""


def groups(missing: pa.Table) -> Iterator[pa.Table]:
    """Consecutive rows of `missing_scores` whose texts are read together."""
    characters = sum(pc.fill_null(missing[name], 0).to_numpy() for name in ("prompt_chars", "response_chars"))
    start = 0
    while start < missing.num_rows:
        together = np.cumsum(characters[start : start + TEXTS_AT_ONCE])
        size = max(int(np.searchsorted(together, CHARACTERS_AT_ONCE)), 1)
        yield missing.slice(start, size)
        start += size


def with_texts(settings: Settings, group: pa.Table, part: Part, wanted: Wanted) -> pa.Table:
    """The group with the columns request and response, and `found` (bool) for rows that lack a score.

    Where a text is gone, the requests whose texts are gone go on being represented by those of the sample whose own
    texts are gone, too: their values are not corrected.
    Raises: TableMissing, UnreadableTable.
    """
    day = date.fromisoformat(part.day) if part.day else date.min
    lacking = group.filter(_lacks_a_score(group, wanted))[REQUEST_COUNT].to_pylist()
    texts = texts_of(settings, {day: lacking})
    place = pc.index_in(group[REQUEST_COUNT], value_set=texts[REQUEST_COUNT].combine_chunks())
    for name in ("request", "response"):
        group = group.append_column(name, texts[name].take(place))
    group = group.append_column("found", pc.is_valid(place))
    # A group may consist of requests of the sample alone, whose left-out ones were in a group before.
    whole = lacking and texts.num_rows == len(lacking)
    return group if whole else _without_corrections_of_lost(settings, group, day, wanted)


def inference_rows(group: pa.Table, wanted: Wanted) -> pa.Table:
    """Those of a group (of `with_texts`) that lack a score and whose texts were found, as rows to be scored."""
    rows = group.filter(pc.and_(_lacks_a_score(group, wanted), group["found"]))
    return conform(rows.select([*REQUEST, "request", "response"]), INFERENCE_ROWS)


def later_scores(piece: pa.Table, wanted: Wanted, tools: ScoringTools) -> LaterScores:
    """The wanted scores of a piece of a group, by the tools' scorers."""
    lacking = piece.filter(_lacks_a_score(piece, wanted))
    rows = lacking.filter(lacking["found"])
    gone = lacking.filter(pc.invert(lacking["found"]))
    now = datetime.now(UTC)
    given = score_rows(
        inference_rows(piece, wanted), tools.scorers.only(_lacked_kinds(rows, wanted)), (), tools.cache, now
    )
    got = np.zeros(rows.num_rows, dtype=np.bool_)
    reasons: Counter[str] = Counter()
    found = []
    for metric, scorer in wanted.scorers.items():
        asked, valid = rows[_missing(metric)], pc.is_valid(given[metric])
        got |= pc.and_(asked, valid).to_numpy()
        new = given.filter(asked)
        whys = [dict(pairs or []).get(metric) for pairs in new["unscored"].to_pylist()]
        reasons.update(f"{metric}: {why}" for why in whys if why is not None)
        reasons[f"{metric}: {TEXT_IS_GONE}"] += pc.sum(gone[_missing(metric)]).as_py() or 0
        found.append(_scores(new, metric, scorer, pc.is_valid(new[metric]).cast(pa.float64()), now, whys))
        corrected = piece.filter(pc.not_equal(piece[_correction(metric)], 0.0))
        found.append(_scores(corrected, metric, scorer, corrected[_correction(metric)], now))
    return LaterScores(pa.concat_tables(found), lacking.num_rows, int(got.sum()), +reasons)


def _lacked_kinds(rows: pa.Table, wanted: Wanted) -> set[str]:
    """Of which kinds a row lacks a score: the other models' time would be for nothing."""
    return {kind_of(metric) for metric in wanted.scorers if pc.any(rows[_missing(metric)]).as_py()}


def _without_corrections_of_lost(settings: Settings, group: pa.Table, day: date, wanted: Wanted) -> pa.Table:
    others = group.filter(pc.invert(group["found"]))[REQUEST_COUNT].to_pylist()
    there = texts_of(settings, {day: others})[REQUEST_COUNT].combine_chunks()
    kept = pc.or_(group["found"], pc.is_in(group[REQUEST_COUNT], value_set=there))
    for metric in wanted.scorers:
        name = _correction(metric)
        group = group.set_column(group.column_names.index(name), name, pc.if_else(kept, group[name], 0.0))
    return group


def _lacks_a_score(rows: pa.Table, wanted: Wanted) -> pa.Array:
    """Boolean [n]."""
    return pa.array(np.logical_or.reduce([rows[_missing(metric)].to_numpy() for metric in wanted.scorers]), pa.bool_())


def _scores(
    rows: pa.Table,
    metric: str,
    scorer: str,
    weights: pa.ChunkedArray,
    now: datetime,
    reasons: list[str | None] | None = None,
) -> pa.Table:
    size = rows.num_rows
    columns: dict[str, Any] = {
        "databricks_request_id": rows["databricks_request_id"],
        "request_date": rows["request_date"],
        "metric": pa.array([metric] * size, pa.string()),
        "scorer": pa.array([scorer] * size, pa.string()),
        "value": rows[metric],
        "weight": weights,
        "scored_at": pa.array([now] * size, REQUEST_SCORES.schema.field("scored_at").type),
        "unscored_reason": pa.array(reasons or [None] * size, pa.string()),
    }
    return pa.table(columns, schema=REQUEST_SCORES.schema)


def _missing(metric: str) -> str:
    return f"missing {metric}"


def _correction(metric: str) -> str:
    return f"correction {metric}"
