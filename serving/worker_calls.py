"""What calls to a worker have in common: how long they may take, and what is said when it cannot answer."""

import aiohttp

from serving.endpoint_config import rejected
from serving.errors import RequestRejected
from serving.exchange import Exchange
from serving.workers import Worker

ANSWER_SECONDS = 297.0
"""How long an answer may take, as on Databricks."""

TIMEOUT = aiohttp.ClientTimeout(total=ANSWER_SECONDS)

WORKER_FAULTS = (aiohttp.ClientError, OSError, RuntimeError)
"""What a call raises when its worker ends meanwhile (RuntimeError: its session was closed just before)."""


def session_of(worker: Worker | None, exchange: Exchange) -> aiohttp.ClientSession:
    """The connections to a worker. Raises RequestRejected (503) while it has none."""
    if worker is None or worker.session is None:
        name = exchange.entity.name
        raise rejected("TEMPORARILY_UNAVAILABLE", f"Served entity {name} is being started: ask again in some seconds.")
    return worker.session


def too_slow(exchange: Exchange) -> RequestRejected:
    """The error for an answer that took too long (504)."""
    name = exchange.entity.name
    return rejected("DEADLINE_EXCEEDED", f"Served entity {name} did not answer within {ANSWER_SECONDS:.0f} seconds.")


def died(exchange: Exchange) -> RequestRejected:
    """The error for a worker that ended while it answered (503)."""
    name = exchange.entity.name
    return rejected(
        "TEMPORARILY_UNAVAILABLE", f"The worker of served entity {name} ended while it answered; it is started again."
    )
