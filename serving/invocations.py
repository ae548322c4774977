"""The way of one request through the gateway: route it, ask the worker, spool the exchange, and only then answer."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import aiohttp

from serving.delivery import encode_exchange
from serving.endpoint_config import ServedEntity, rejected
from serving.errors import RequestRejected
from serving.gateway import Gateway, LiveEndpoint
from serving.model_server import Receive, Send
from serving.prometheus import RequestCounters
from serving.spool import SpoolError
from serving.streams import DONE, EventCutter, data_of, joined
from serving.workers import Worker

LARGEST_REQUEST = 16 * 2**20
"""Bytes that a request may have, as on Databricks."""

_ANSWER_SECONDS = 297.0
_TIMEOUT = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
_PARSED_INLINE = 256 * 1024
_JSON = b"application/json"


@dataclass
class Exchange:
    """A request that belongs to a served entity, and its answer as far as it is known."""

    endpoint: LiveEndpoint
    entity: ServedEntity
    requester: str
    request: bytes
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    request_time: datetime = field(default_factory=lambda: datetime.now(UTC))
    started: float = field(default_factory=time.perf_counter)
    client_request_id: str | None = None
    status_code: int = 200
    response: bytes = b""

    def headers(self, content_type: bytes) -> list[tuple[bytes, bytes]]:
        """What every answer says about itself."""
        return [
            (b"content-type", content_type),
            (b"served-model-name", self.entity.name.encode()),
            (b"x-request-id", self.request_id.encode()),
        ]

    def fail(self, error: RequestRejected) -> None:
        """Make this error the answer."""
        self.status_code = error.status_code
        self.response = error_body(error)


def error_body(error: RequestRejected) -> bytes:
    """An error as the serving API words it."""
    return json.dumps({"error_code": error.error_code, "message": str(error)}).encode()


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
    try:
        passed_on, stream = await _read_request(exchange)
        if stream:
            await _answer_in_events(gateway, exchange, worker, passed_on, send)
            return
        exchange.status_code, exchange.response = await _ask(worker, exchange, passed_on)
    except RequestRejected as error:
        exchange.fail(error)
    finally:
        if worker is not None:
            worker.end()
    await _log(gateway, exchange)
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
        exchange.client_request_id = given if isinstance(given, str) else json.dumps(given)
    return json.dumps(body).encode(), stream


async def _ask(worker: Worker | None, exchange: Exchange, body: bytes) -> tuple[int, bytes]:
    session = _session_of(worker, exchange)
    try:
        async with session.post("http://worker/invocations", data=body, timeout=_TIMEOUT) as answer:
            return answer.status, await answer.read()
    except TimeoutError as error:
        raise _too_slow(exchange) from error
    except (aiohttp.ClientError, OSError, RuntimeError) as error:
        raise _died(exchange) from error


def _session_of(worker: Worker | None, exchange: Exchange) -> aiohttp.ClientSession:
    if worker is None or worker.session is None:
        name = exchange.entity.name
        raise rejected("TEMPORARILY_UNAVAILABLE", f"Served entity {name} is being started: ask again in some seconds.")
    return worker.session


def _too_slow(exchange: Exchange) -> RequestRejected:
    name = exchange.entity.name
    return rejected("DEADLINE_EXCEEDED", f"Served entity {name} did not answer within {_ANSWER_SECONDS:.0f} seconds.")


def _died(exchange: Exchange) -> RequestRejected:
    name = exchange.entity.name
    return rejected(
        "TEMPORARILY_UNAVAILABLE", f"The worker of served entity {name} ended while it answered; it is started again."
    )


async def _answer_in_events(
    gateway: Gateway, exchange: Exchange, worker: Worker | None, body: bytes, send: Send
) -> None:
    """Pass events on as they come, but hold the last one with content back until the exchange is spooled."""
    passed: list[bytes] = []
    held: list[bytes] = []
    begun = False
    try:
        async for event in _events(worker, exchange, body):
            if held and data_of(event) != DONE:
                if not begun:
                    await _begin_events(send, exchange)
                    begun = True
                for ready in held:
                    await send({"type": "http.response.body", "body": ready, "more_body": True})
                passed, held = passed + held, []
            held.append(event)
    except RequestRejected as error:
        exchange.fail(error)
        if begun or held:
            held.append(b"event: error\ndata: " + exchange.response + b"\n\n")
    events = passed + held
    if events:
        exchange.response = joined(events)
    failed = [event for event in events if event.startswith(b"event: error")]
    if failed and exchange.status_code == 200:
        exchange.status_code = 500  # the model raised in the middle; the stream's own status had left already
    try:
        await _log(gateway, exchange)
    except RequestRejected as error:
        held = [b"event: error\ndata: " + error_body(error) + b"\n\n"]
        if not begun:
            raise
    if not begun and exchange.status_code != 200 and not failed:
        await send_body(send, exchange.status_code, exchange.response, exchange.headers(_JSON))
        return
    if not begun:
        await _begin_events(send, exchange)
    await send({"type": "http.response.body", "body": b"".join(held)})


async def _begin_events(send: Send, exchange: Exchange) -> None:
    headers = [*exchange.headers(b"text/event-stream"), (b"cache-control", b"no-cache")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def _events(worker: Worker | None, exchange: Exchange, body: bytes) -> AsyncIterator[bytes]:
    """The events of a worker's answer. Raises RequestRejected for an answer that is an error, or breaks off."""
    session = _session_of(worker, exchange)
    cutter = EventCutter()
    try:
        async with session.post("http://worker/stream", data=body, timeout=_TIMEOUT) as answer:
            if answer.status != 200:
                found = json.loads(await answer.read())
                raise RequestRejected(found["message"], status_code=answer.status, error_code=found["error_code"])
            async for piece in answer.content.iter_any():
                for event in cutter.feed(piece):
                    yield event
    except TimeoutError as error:
        raise _too_slow(exchange) from error
    except (aiohttp.ClientError, OSError, RuntimeError) as error:
        raise _died(exchange) from error


async def _log(gateway: Gateway, exchange: Exchange) -> None:
    """Count the exchange and bring it to disk. Raises RequestRejected when that fails: then nobody may be told."""
    seconds = time.perf_counter() - exchange.started
    counters = exchange.endpoint.counters.setdefault(exchange.entity.name, RequestCounters())
    counters.count(exchange.status_code, seconds)
    record = exchange.endpoint.record
    if not record.inference_table:
        return
    try:
        await gateway.log.append(
            encode_exchange(
                request_id=exchange.request_id,
                client_request_id=exchange.client_request_id,
                request_time=exchange.request_time,
                status_code=exchange.status_code,
                seconds=seconds,
                request=exchange.request,
                response=exchange.response,
                served_entity_id=record.served_entity_id(exchange.entity),
                requester=exchange.requester,
            )
        )
    except SpoolError as error:
        raise rejected(
            "TEMPORARILY_UNAVAILABLE", "The answer could not be recorded, so it is withheld: look at the disk."
        ) from error
