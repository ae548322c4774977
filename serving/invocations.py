"""The way of one request through the gateway: route it, ask the worker, spool the exchange, and only then answer."""

import asyncio
import json
from typing import Any
from urllib.parse import unquote

from serving.endpoint_config import rejected
from serving.errors import RequestRejected
from serving.exchange import Exchange, error_body, log_exchange
from serving.gateway import Gateway
from serving.model_server import Receive, Send
from serving.streamed_answers import end_events, error_event, relay_events
from serving.worker_calls import TIMEOUT, WORKER_FAULTS, died, session_of, too_slow
from serving.workers import Worker

LARGEST_REQUEST = 16 * 2**20
"""Bytes that a request may have, as on Databricks."""

LONGEST_CLIENT_REQUEST_ID = 4096
"""Characters that a caller's own request id may have: it stands in two tables, and is no place for a body."""

_PARSED_INLINE = 256 * 1024
_JSON = b"application/json"


async def invoke(
    gateway: Gateway,
    endpoint_name: str,
    served_name: str | None,
    headers: dict[bytes, bytes],
    receive: Receive,
    send: Send,
) -> None:
    """Answer one request to an endpoint.

    Raises: RequestRejected, while no served entity has been picked; later errors are answers, and are logged.
    """
    body = await read_limited(receive)
    endpoint = gateway.endpoint(endpoint_name)
    entity = gateway.pick(endpoint, served_name)
    worker = endpoint.worker_of(entity)
    exchange = Exchange(endpoint, entity, _requester(headers), body)
    if worker is not None:
        worker.begin()  # before anything is awaited: a swap that happens meanwhile waits for this request
    held: list[bytes] | None = None
    try:
        passed_on, stream = await _read_request(exchange)
        if stream:
            held = await relay_events(worker, exchange, passed_on, send)
        else:
            exchange.status_code, exchange.response = await _ask(worker, exchange, passed_on)
    except RequestRejected as error:
        exchange.fail(error)
    finally:
        if worker is not None:
            worker.end()
    try:
        await log_exchange(gateway, exchange)
    except RequestRejected as error:
        if not exchange.events_begun:
            raise
        held = [error_event(error_body(error))]
    if held is not None:
        await end_events(exchange, held, send)
    else:
        await send_body(send, exchange.status_code, exchange.response, exchange.headers(_JSON))


async def send_body(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """Send a whole answer."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


async def read_limited(receive: Receive) -> bytes:
    """The body of a request. Raises RequestRejected (400) above 16 MiB, or when the caller goes away."""
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise rejected("INVALID_PARAMETER_VALUE", "The caller went away before the request had ended.")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > LARGEST_REQUEST:
            raise rejected("INVALID_PARAMETER_VALUE", "The request is larger than 16 MiB.")
        if not message.get("more_body", False):
            return b"".join(parts)


def _requester(headers: dict[bytes, bytes]) -> str:
    # Believed because every caller holds the gateway's token; percent-encoded because headers are Latin-1.
    return unquote(headers.get(b"x-lakehelm-requester", b"").decode("latin-1")).strip()[:256] or "local"


async def _read_request(exchange: Exchange) -> tuple[bytes, bool]:
    """The body to pass on, without the caller's own request id, and whether the answer is to be streamed."""
    parse = json.loads
    try:
        if len(exchange.request) > _PARSED_INLINE:
            body: Any = await asyncio.to_thread(parse, exchange.request)
        else:
            body = parse(exchange.request)
    except (ValueError, RecursionError) as error:
        raise rejected("INVALID_PARAMETER_VALUE", f"The body is not JSON: {type(error).__name__}.") from error
    if not isinstance(body, dict):
        raise rejected("INVALID_PARAMETER_VALUE", "The body must be a JSON object.")
    stream = body.get("stream") is True
    if "client_request_id" not in body:
        return exchange.request, stream
    given = body.pop("client_request_id")
    if given is not None:
        written = given if isinstance(given, str) else json.dumps(given)
        if len(written) > LONGEST_CLIENT_REQUEST_ID:
            raise rejected(
                "INVALID_PARAMETER_VALUE", f"client_request_id has more than {LONGEST_CLIENT_REQUEST_ID} characters."
            )
        exchange.client_request_id = written
    return json.dumps(body).encode(), stream


async def _ask(worker: Worker | None, exchange: Exchange, body: bytes) -> tuple[int, bytes]:
    session = session_of(worker, exchange)
    try:
        async with session.post("http://worker/invocations", data=body, timeout=TIMEOUT) as answer:
            return answer.status, await answer.read()
    except TimeoutError as error:
        raise too_slow(exchange) from error
    except WORKER_FAULTS as error:
        raise died(exchange) from error
