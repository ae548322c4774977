"""A worker's streamed answer on its way to the caller, always one event behind.

The last event with content leaves only when the exchange is on disk: whoever has read a whole answer can rely on its
being in the inference table.
"""

import json
from collections.abc import AsyncIterator

from serving.errors import RequestRejected
from serving.exchange import Exchange
from serving.model_server import Send
from serving.streams import DONE, EventCutter, data_of, joined
from serving.worker_calls import TIMEOUT, WORKER_FAULTS, died, session_of, too_slow
from serving.workers import Worker

_ERROR = b"event: error\n"


async def relay_events(worker: Worker | None, exchange: Exchange, body: bytes, send: Send) -> list[bytes]:
    """Pass a worker's events on and return those that are to be sent when the exchange is on disk.

    A failure after the first event becomes an `error` event, and the exchange's status.

    Raises: RequestRejected, if the answer is an error from its beginning.
    """
    passed: list[bytes] = []
    held: list[bytes] = []
    try:
        async for event in _events(worker, exchange, body):
            if held and data_of(event) != DONE:
                await begin_events(exchange, send)
                await send({"type": "http.response.body", "body": b"".join(held), "more_body": True})
                passed += held
                held = []
            held.append(event)
    except RequestRejected as error:
        if not held:
            raise
        exchange.fail(error)
        held.append(error_event(exchange.response))
    if exchange.status_code == 200 and any(event.startswith(_ERROR) for event in held):
        exchange.status_code = 500  # the model raised in the middle
    exchange.response = joined(passed + held)
    return held


async def begin_events(exchange: Exchange, send: Send) -> None:
    """Send the head of a streamed answer, once."""
    if not exchange.events_begun:
        exchange.events_begun = True
        headers = [*exchange.headers(b"text/event-stream"), (b"cache-control", b"no-cache")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})


async def end_events(exchange: Exchange, held: list[bytes], send: Send) -> None:
    """Send what was held back, and end the answer."""
    await begin_events(exchange, send)
    await send({"type": "http.response.body", "body": b"".join(held)})


def error_event(body: bytes) -> bytes:
    """An event that says what went wrong after the status had left."""
    return _ERROR + b"data: " + body + b"\n\n"


async def _events(worker: Worker | None, exchange: Exchange, body: bytes) -> AsyncIterator[bytes]:
    """The events of a worker's answer. Raises RequestRejected for an answer that is an error, or breaks off."""
    session = session_of(worker, exchange)
    cutter = EventCutter()
    try:
        async with session.post("http://worker/stream", data=body, timeout=TIMEOUT) as answer:
            if answer.status != 200:
                found = json.loads(await answer.read())
                raise RequestRejected(found["message"], status_code=answer.status, error_code=found["error_code"])
            async for piece in answer.content.iter_any():
                for event in cutter.feed(piece):
                    yield event
    except TimeoutError as error:
        raise too_slow(exchange) from error
    except WORKER_FAULTS as error:
        raise died(exchange) from error
