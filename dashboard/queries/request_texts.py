"""People's words of one request, as its logged bodies have them. Unmasked: what draws them decides what is shown."""

from dataclasses import dataclass, field
from datetime import datetime

import streamlit as st

from dashboard.queries.logged_bodies import logged_bodies
from lakehouse.store import table_uri
from metrics.bodies import parse_exchange
from metrics.request_bodies import Turn
from settings import get_settings

_KEPT_SECONDS = 60.0
"""How long words stay in memory after somebody has opened a request."""


@dataclass(frozen=True)
class Conversation:
    """Every turn of a request, oldest first, and the answer.

    problems: "prompt" and "response" → why the text is missing. request_body, response_body: as they were logged, only
    where nothing could be read out of them.
    """

    turns: tuple[Turn, ...]
    answer: str | None
    problems: dict[str, str] = field(default_factory=dict)
    request_body: str | None = None
    response_body: str | None = None


def conversation(request_id: str, time: datetime) -> Conversation | None:
    """The words of a request that was asked at `time`; None where the inference table has them no more.

    Raises: LakehouseError.
    """
    found: Conversation | None = _conversation(table_uri(get_settings(), "inference_table"), request_id, time)
    return found


@st.cache_data(max_entries=8, ttl=_KEPT_SECONDS, show_spinner=False)
def _conversation(uri: str, request_id: str, time: datetime) -> Conversation | None:
    row = logged_bodies([(request_id, time)]).get(request_id)
    if row is None:
        return None
    exchange = parse_exchange(row["request"], row["response"], row["logging_error_codes"])
    return Conversation(
        exchange.conversation,
        exchange.response,
        exchange.problems,
        None if exchange.conversation else row["request"],
        row["response"] if exchange.response is None else None,
    )
