"""Answers of two sides to the same prompt: what differs when only the side does.

The prompts are read from the inference table and compared by the hashes of their texts; no text is kept.
"""

import json
import math
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, shown
from dashboard.queries.quality import Score
from dashboard.queries.quality_comparison import Finding, Way
from dashboard.queries.quality_rows import MOST_ROWS, side_rows
from dashboard.queries.quality_sides import Side
from lakehouse.inference import texts_of
from metrics.bodies import parse_exchange
from metrics.multiple_tests import holm
from metrics.paired import PairedComparison, paired_difference, paired_ranks, paired_ratio
from metrics.text_cache import text_key
from settings import get_settings

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS_A_SIDE = MOST_ROWS // 2
"""Of each side the newest requests are looked at, so that both together are few enough to read."""
READ_AT_ONCE = 4_000
"""Requests of both sides together whose prompts are read without being asked to."""


_COMPARE = {"means": paired_difference, "ratio": paired_ratio, "ranks": paired_ranks}


@dataclass(frozen=True)
class PairedFinding:
    """One score over the pairs, compared as without them. corrected: the p-value after Holm."""

    score: Score
    scorer: str
    way: Way
    paired: PairedComparison | None
    corrected: float | None = None


@dataclass(frozen=True)
class Pairs:
    """What two sides answered to the same prompts: how many requests were read of each, and how many prompts match."""

    rows: tuple[int, int]
    prompts: tuple[int, int]
    matched: int
    findings: tuple[PairedFinding, ...]


def pairs(endpoint: str, a: Side, b: Side, found: list[Finding]) -> Pairs:
    """The scores of the unpaired comparison `found`, by the same scorers, over the prompts that both sides answered.

    Where a side answered a prompt several times, the average counts (of the logarithms, for a ratio).
    Raises: QueryFailed, LakehouseError.
    """
    sides = [side_rows(endpoint, side, MOST_ROWS_A_SIDE) for side in (a, b)]
    keys = [_prompt_keys(shown("request_metrics"), endpoint, side) for side in (a, b)]
    named = [own.first["request_id"].map(prompts) for own, prompts in zip(sides, keys, strict=True)]
    compared = []
    for one in found:
        metric, scorer, ratio = one.score.metric, one.compared.scorer, one.way == "ratio"
        means = [_by_prompt(key, own.values(metric, scorer)[0], ratio) for key, own in zip(named, sides, strict=True)]
        both = means[0].to_frame("a").join(means[1].rename("b"), how="inner")
        values = list(zip(both["a"].tolist(), both["b"].tolist(), strict=True))
        compared.append(PairedFinding(one.score, scorer, one.way, _COMPARE[one.way](values)))
    corrected = holm([one.paired.p_value if one.paired else None for one in compared])
    distinct = [set(key.dropna()) for key in named]
    return Pairs(
        rows=(len(named[0]), len(named[1])),
        prompts=(len(distinct[0]), len(distinct[1])),
        matched=len(distinct[0] & distinct[1]),
        findings=tuple(replace(one, corrected=value) for one, value in zip(compared, corrected, strict=True)),
    )


@kept(max_entries=8)
def _prompt_keys(snapshot: Snapshot, endpoint: str, side: Side) -> dict[str, bytes]:
    """The hash of what each request asked, by its id. The snapshot is what the result depends on."""
    rows = side_rows(endpoint, side, MOST_ROWS_A_SIDE).first
    by_date = {
        date.fromisoformat(day): list(ids) for day, ids in rows.groupby("date")["request_id"] if isinstance(day, str)
    }
    found = texts_of(get_settings(), by_date)
    keys: dict[str, bytes] = {}
    # Row by row: a body is parsed and let go before the next one is turned into a text.
    for request_id, request in zip(found["databricks_request_id"], found["request"], strict=True):
        key = _prompt_key(request.as_py())
        if key is not None:
            keys[request_id.as_py()] = key
    return keys


def _prompt_key(request: str | None) -> bytes | None:
    """The hash of what was asked: the prompt, with what was said before it; the system's instructions apart."""
    exchange = parse_exchange(request, None)
    if not exchange.prompt:
        return None
    said = [(role, text) for role, text in exchange.conversation if role != "system"]
    return text_key(exchange.prompt if len(said) <= 1 else json.dumps(said))


def _by_prompt(keys: "pd.Series[bytes]", values: NDArray[np.float64], ratio: bool) -> "pd.Series[float]":
    """The average of each prompt's values; those that are missing are no values."""
    import pandas as pd

    scored = pd.Series(np.log(values) if ratio else values, index=keys.to_numpy()).dropna()
    means = scored[scored.index.notna()].groupby(level=0).mean()
    return means.map(math.exp) if ratio else means
