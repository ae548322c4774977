"""The simulated part of the demo: when who asked which question. The answers in it were all really given.

A month of requests needs only as many real answers as there are distinct questions and versions: each request copies
one of them, with its status and a duration that was measured for that version.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa

from lakehouse.tables import INFERENCE_TABLE

SEED = 20_260_101
REQUESTERS = (
    "docs-site", "help-widget", "onboarding-bot", "mobile-app", "support-desk", "data-platform-team",
    "growth-team", "on-call-phone", "partner-portal", "intern-sandbox",
)  # fmt: skip
_REQUESTER_SHARES = np.array([0.24, 0.2, 0.14, 0.12, 0.1, 0.07, 0.05, 0.04, 0.03, 0.01])
_CATEGORY_SHARES = {
    "handbook": 0.83,
    "out_of_scope": 0.06,
    "rude": 0.05,
    "language": 0.03,
    "emoji": 0.02,
    "malformed": 0.01,
}
_RUDE_SHARE_IN_BURST = 0.4
_BURST_BEFORE_END = timedelta(days=6)
_BURST_LENGTH = timedelta(hours=5)
_PROMOTED_AT = 0.6
_NAMESPACE = uuid.UUID("0f2c9a52-5b0e-4b62-9a37-6f2f4b7c1d10")


@dataclass(frozen=True)
class GivenAnswer:
    """One real exchange with one version: what was sent, what came back, how long it took (milliseconds)."""

    category: str
    served_entity_id: str
    request: str
    response: str
    status_code: int
    milliseconds: int


def promotion_time(start: datetime, end: datetime) -> datetime:
    """When the second version went live in the simulated month."""
    return start + (end - start) * _PROMOTED_AT


def traffic_times(start: datetime, end: datetime, count: int, seed: int = SEED) -> np.ndarray:
    """`count` sorted moments (datetime64[us], UTC): busy in the afternoon, calm at night and at weekends."""
    random = np.random.default_rng(seed)
    first = np.datetime64(start.replace(tzinfo=None), "us")
    minutes = first + np.arange(max(1, int((end - start).total_seconds() // 60))).astype("timedelta64[m]")
    hour = (minutes - minutes.astype("datetime64[D]")) / np.timedelta64(1, "h")
    weekday = (minutes.astype("datetime64[D]").astype(np.int64) + 3) % 7
    rate = 0.15 + np.exp(-(((hour - 14.5) / 4.0) ** 2)) + 0.35 * np.exp(-(((hour - 9.5) / 1.5) ** 2))
    rate = rate * np.where(weekday >= 5, 0.4, 1.0)
    chosen = random.choice(len(minutes), size=count, p=rate / rate.sum())
    return np.sort(minutes[chosen] + random.integers(0, 60_000_000, count).astype("timedelta64[us]"))


def history(
    answers: Sequence[Sequence[GivenAnswer]], start: datetime, end: datetime, count: int, seed: int = SEED
) -> pa.Table:
    """A simulated span of requests.

    Args:
        answers: for each version, oldest first, its given answers; index i is the same question in every version.
        start, end: the span (UTC); the second version is live from `promotion_time`.
        count: the number of requests.
        seed: the same seed and span give the same table, request ids included.

    Returns: rows of the inference table in order of time.
    """
    random = np.random.default_rng(seed + 1)
    times = traffic_times(start, end, count, seed)
    promoted = np.datetime64(promotion_time(start, end).replace(tzinfo=None), "us")
    version = np.where(times < promoted, 0, len(answers) - 1)
    question = _questions_asked([answer.category for answer in answers[0]], times, end, random)
    requester = random.choice(len(REQUESTERS), size=count, p=_REQUESTER_SHARES)
    given = [answers[v][q] for v, q in zip(version, question, strict=True)]
    ids = [str(uuid.uuid5(_NAMESPACE, f"{seed}/{start.isoformat()}/{index}")) for index in range(count)]
    columns = {
        "databricks_request_id": pa.array(ids),
        "request_date": pa.array(times.astype("datetime64[D]")).cast(pa.date32()),
        "client_request_id": pa.array([f"demo-{index}" for index in range(count)]),
        "request_time": pa.array(times, pa.timestamp("us")).cast(pa.timestamp("us", tz="UTC")),
        "status_code": pa.array([answer.status_code for answer in given], pa.int32()),
        "sampling_fraction": pa.array(np.ones(count)),
        "execution_duration_ms": pa.array(_durations(answers, version, random), pa.int64()),
        "request": pa.array([answer.request for answer in given]),
        "response": pa.array([answer.response for answer in given]),
        "logging_error_codes": pa.nulls(count, pa.list_(pa.string())),
        "served_entity_id": pa.array([answer.served_entity_id for answer in given]),
        "requester": pa.array([REQUESTERS[index] for index in requester]),
    }
    return pa.table({name: columns[name] for name in INFERENCE_TABLE.schema.names}, schema=INFERENCE_TABLE.schema)


def _durations(
    answers: Sequence[Sequence[GivenAnswer]], version: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """A duration for each request (milliseconds), drawn from those measured for the version that answers it."""
    duration = np.zeros(len(version), np.int64)
    for index, given in enumerate(answers):
        measured = np.array([answer.milliseconds for answer in given])
        mine = version == index
        duration[mine] = random.choice(measured, size=int(mine.sum()))
    return duration


def _questions_asked(
    categories: list[str], times: np.ndarray, end: datetime, random: np.random.Generator
) -> np.ndarray:
    """Which question each request asks: popular ones often, and for some hours of one day mostly rude ones."""
    category = np.array(categories)
    usual = np.zeros(len(category))
    for name, share in _CATEGORY_SHARES.items():
        members = np.flatnonzero(category == name)
        popularity = 1.0 / (3.0 + random.permutation(len(members)))
        usual[members] = share * popularity / popularity.sum() if len(members) else 0.0
    usual /= usual.sum()
    asked = random.choice(len(category), size=len(times), p=usual)
    burst_start = np.datetime64((end - _BURST_BEFORE_END).replace(tzinfo=None), "us")
    in_burst = (times >= burst_start) & (times < burst_start + np.timedelta64(_BURST_LENGTH))
    rude = np.flatnonzero(category == "rude")
    if len(rude):
        angry = in_burst & (random.random(len(times)) < _RUDE_SHARE_IN_BURST)
        asked[angry] = random.choice(rude, size=int(angry.sum()))
    return asked
