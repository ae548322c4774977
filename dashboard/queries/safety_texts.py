"""The words of flagged requests. Unmasked: what draws them decides what is shown."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from dashboard.queries.logged_bodies import logged_bodies
from dashboard.queries.safety_flags import Triage
from lakehouse.store import table_uri
from metrics.bodies import parse_exchange
from settings import get_settings

if TYPE_CHECKING:
    import pandas as pd

LOOKED_AT = 30
"""Of how many of the most toxic prompts the words are read to find those that came again."""
_KEPT_SECONDS = 120.0
"""How long words stay in memory after a page has shown them."""


@dataclass(frozen=True)
class Words:
    """The last user turn of a request and the answer; None where the inference table has no such text."""

    prompt: str | None
    answer: str | None


@dataclass(frozen=True)
class ToxicPrompt:
    """A prompt, how often it was asked, and the last request that did: its id, time (UTC) and date."""

    prompt: str
    toxicity: float
    times: int
    request_id: str
    time: datetime
    date: object


def words(rows: "pd.DataFrame") -> dict[str, Words]:
    """The words of some requests (columns databricks_request_id, request_time), by request id.

    Raises: LakehouseError.
    """
    wanted = tuple(
        (str(request_id), time.to_pydatetime())
        for request_id, time in zip(rows["databricks_request_id"], rows["request_time"], strict=True)
    )
    found: dict[str, Words] = _words(table_uri(get_settings(), "inference_table"), wanted)
    return found


def most_toxic_prompts(found: Triage, threshold: float) -> list[ToxicPrompt]:
    """The most toxic prompts, each text once, out of the 30 requests whose prompts are most toxic.

    Raises: QueryFailed, LakehouseError.
    """
    prompts = found.flagged.prompt
    # Requests come by the larger of both toxicities; NaN compares as false.
    places = np.flatnonzero(prompts >= threshold)
    top = found.rows(places[np.argsort(-prompts[places], kind="stable")][:LOOKED_AT])
    said = words(top)
    asked: dict[str, list[dict[Any, Any]]] = defaultdict(list)
    for row in top[["databricks_request_id", "request_time", "request_date", "prompt_toxicity"]].to_dict("records"):
        prompt = said[row["databricks_request_id"]].prompt
        if prompt is not None:
            asked[" ".join(prompt.split())].append(row)
    return [_toxic_prompt(prompt, rows) for prompt, rows in asked.items()]


def _toxic_prompt(prompt: str, rows: list[dict[Any, Any]]) -> ToxicPrompt:
    last = max(rows, key=lambda row: row["request_time"])
    return ToxicPrompt(
        prompt,
        float(rows[0]["prompt_toxicity"]),
        len(rows),
        last["databricks_request_id"],
        last["request_time"].to_pydatetime(),
        last["request_date"],
    )


@st.cache_data(max_entries=16, ttl=_KEPT_SECONDS, show_spinner=False)
def _words(uri: str, wanted: Sequence[tuple[str, datetime]]) -> dict[str, Words]:
    found = {request_id: Words(None, None) for request_id, _ in wanted}
    for request_id, row in logged_bodies(wanted).items():
        exchange = parse_exchange(row["request"], row["response"], row["logging_error_codes"])
        found[request_id] = Words(exchange.prompt, exchange.response)
    return found
