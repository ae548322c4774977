"""What conversations cost: the newest requests of a period with their bodies, grouped into conversations.

The texts are only read to tell which requests belong together; none is kept.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from dashboard.periods import Period
from dashboard.queries.cost_sample import newest_windows
from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, select, shown
from lakehouse.inference import texts_of
from lakehouse.store import is_foreign
from metrics.conversations import Asked, Conversation, conversations
from settings import get_settings

if TYPE_CHECKING:
    import pandas as pd

MOST_REQUESTS = 3_000
"""Requests whose bodies are read: the newest of a period."""
MOST_CHARACTERS = 24_000_000
"""Of all their bodies together; where they are longer, fewer requests are read."""
LONGEST_BODY = 400_000
"""Characters of a body; a longer one is left out, and counted."""


_Row = tuple[str, str, str | None, float, int, int]
"""A request: id, requester, body, cost, status and time (milliseconds since 1970)."""


@dataclass(frozen=True)
class ConversationCosts:
    """What conversations cost, one value each, in US dollars.

    usd, requests: of each conversation whose beginning and whose every cost is known. [n] last, ended: the newest
    request of each, and its time (milliseconds since 1970). begun_before: conversations that began before these
    requests.
    unpriced: conversations with an answer whose cost is not known. failed: conversations without any answer.
    unreadable: requests without a body that holds messages. read, start: requests that were read, and from which time
    (UTC) on. complete: whether these are all of the period.
    """

    usd: np.ndarray[Any, np.dtype[np.float64]]
    requests: np.ndarray[Any, np.dtype[np.int64]]
    last: tuple[str, ...]
    ended: np.ndarray[Any, np.dtype[np.int64]]
    begun_before: int
    unpriced: int
    failed: int
    unreadable: int
    read: int
    start: datetime
    complete: bool


@dataclass(frozen=True)
class AverageConversation:
    """What a conversation cost on average in US dollars, NaN if none is known, and of how many; `read` and `complete`
    as those of `ConversationCosts`."""

    usd: float
    count: int
    read: int
    complete: bool


def conversation_costs(endpoint: str, period: Period, requests: float) -> ConversationCosts:
    """What the conversations on an endpoint cost that a period's newest requests belong to.

    requests: how many the period has.
    Raises: QueryFailed, LakehouseError.
    """
    found = _costs(*_sample(endpoint, period))
    return replace(found, complete=found.read >= requests)


def average_conversation(endpoint: str, period: Period, requests: float) -> AverageConversation:
    """What a conversation cost on average, of those that `conversation_costs` gives. Raises: as that."""
    found = _average(*_sample(endpoint, period))
    return replace(found, complete=found.read >= requests)


def _sample(endpoint: str, period: Period) -> tuple[Snapshot, Snapshot, str, datetime, datetime]:
    """Which requests are read: ranges that end now share a sample, whatever they begin with."""
    metrics = shown("request_metrics")
    # Nothing was asked after the newest request, so that it does not matter how much later a range ends.
    end = max(min(period.end, metrics.newest), period.start)
    within = replace(period, end=end) if end < period.end else period
    return metrics, shown("inference_table"), endpoint, newest_windows(endpoint, within, MOST_REQUESTS), end


@kept(max_entries=8)
def _average(snapshot: Snapshot, texts: Snapshot, endpoint: str, start: datetime, end: datetime) -> AverageConversation:
    found = _costs(snapshot, texts, endpoint, start, end)
    count = len(found.usd)
    return AverageConversation(float(found.usd.mean()) if count else np.nan, count, found.read, complete=False)


def conversation_frame(found: ConversationCosts) -> "pd.DataFrame":
    """The conversations as a table: columns ended_utc, requests, usd."""
    import pandas as pd

    ended = pd.to_datetime(found.ended, unit="ms", utc=True)
    return pd.DataFrame({"ended_utc": ended, "requests": found.requests, "usd": found.usd})


def read_at_once() -> bool:
    """Whether bodies are read quickly enough for every look: a table of another system is only read when asked for."""
    return not is_foreign(get_settings(), "inference_table")


@kept(max_entries=8)
def _costs(snapshot: Snapshot, texts: Snapshot, endpoint: str, start: datetime, end: datetime) -> ConversationCosts:
    rows = _asked(snapshot, texts, endpoint, start, end)
    known = {row[0]: row for row in rows}
    grouped = conversations(Asked(request_id, requester, body) for request_id, requester, body, *_ in rows)
    found = []
    begun_before = unpriced = failed = 0
    for conversation in grouped.found:
        costs = _costs_of_answers(conversation, known)
        if not conversation.whole:
            begun_before += 1
        elif not costs:
            failed += 1
        elif any(usd != usd for usd in costs):
            unpriced += 1
        else:
            found.append((sum(costs), len(conversation.request_ids), conversation.request_ids[-1]))
    return ConversationCosts(
        usd=np.array([usd for usd, _, _ in found], dtype=np.float64),
        requests=np.array([count for _, count, _ in found], dtype=np.int64),
        last=tuple(last for _, _, last in found),
        ended=np.array([known[last][-1] for _, _, last in found], dtype=np.int64),
        begun_before=begun_before,
        unpriced=unpriced,
        failed=failed,
        unreadable=grouped.unreadable,
        read=len(rows),
        start=start,
        complete=False,
    )


def _costs_of_answers(conversation: Conversation, known: dict[str, Any]) -> list[float]:
    """What the requests of a conversation cost, NaN where it is not known; a failed one has no answer to price."""
    rows = (known[request_id] for request_id in conversation.request_ids)
    return [usd for _, _, _, usd, status, _ in rows if status < 400 or usd == usd]


def _asked(snapshot: Snapshot, texts: Snapshot, endpoint: str, start: datetime, end: datetime) -> list[_Row]:
    """The requests, oldest first."""
    picked = """SELECT databricks_request_id, request_time, coalesce(requester, '') AS requester,
                       cost_usd::DOUBLE AS cost_usd, coalesce(status_code, 0) AS status_code
                FROM {source}
                WHERE endpoint_name = $endpoint AND request_time >= $start AND request_time < $end
                ORDER BY request_time DESC LIMIT $most"""
    parameters: dict[str, Any] = {"endpoint": endpoint, "start": start, "end": end, "most": MOST_REQUESTS}
    if is_foreign(get_settings(), "inference_table"):
        rows = select(snapshot, picked.format(source="this"), span=(start, end), **parameters)
        return _with_foreign_bodies(rows)
    rows = select(
        texts,
        f"""SELECT databricks_request_id, requester, body, cost_usd, status_code, request_time
            FROM (SELECT *, sum(coalesce(strlen(body), 0)) OVER (ORDER BY request_time DESC) AS together
                  FROM (SELECT picked.*, CASE WHEN strlen(request) <= $longest THEN request END AS body
                        FROM ({picked.format(source="metrics")}) AS picked
                        LEFT JOIN (SELECT databricks_request_id, any_value(request) AS request FROM this
                                   WHERE request_time >= $start AND request_time < $end GROUP BY 1)
                        USING (databricks_request_id)))
            WHERE together <= $characters ORDER BY request_time, databricks_request_id""",  # noqa: S608
        span=(start, end),
        beside={"metrics": snapshot},
        longest=LONGEST_BODY,
        characters=MOST_CHARACTERS,
        **parameters,
    )
    return _as_rows(rows, rows["body"])


def _with_foreign_bodies(rows: "pd.DataFrame") -> list[_Row]:
    """The requests with bodies from a table that another system writes: as it is now, by its own reader."""
    rows = rows.iloc[::-1]
    by_date: dict[Any, list[str]] = {}
    for request_id, time in zip(rows["databricks_request_id"], rows["request_time"], strict=True):
        by_date.setdefault(time.date(), []).append(request_id)
    found = texts_of(get_settings(), by_date).select(["databricks_request_id", "request"]).to_pylist()
    bodies = {row["databricks_request_id"]: row["request"] for row in found}
    return _as_rows(rows, [bodies.get(request_id) for request_id in rows["databricks_request_id"]])


def _as_rows(rows: "pd.DataFrame", bodies: Iterable[Any]) -> list[_Row]:
    # A body that is not there is NaN in a data frame.
    texts = [body if isinstance(body, str) else None for body in bodies]
    columns = [rows[name].tolist() for name in ("databricks_request_id", "requester", "cost_usd", "status_code")]
    times = rows["request_time"].dt.as_unit("ms").astype("int64").tolist()
    return [
        (request_id, requester, body, usd, status, time)
        for request_id, requester, usd, status, body, time in zip(*columns, texts, times, strict=True)
    ]
