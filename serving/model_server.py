"""What a worker answers over HTTP: `/invocations` gives one JSON body, `/stream` server-sent events."""

import asyncio
import json
import logging
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from serving.worker import LoadedModel, Refused, Reply

logger = logging.getLogger(__name__)

CONCURRENCY = 8
"""How many requests a worker answers at the same time; more wait."""
_JSON = [(b"content-type", b"application/json")]
_EVENTS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class ModelServer:
    """ASGI application over one model. The model answers in threads, so that a slow answer does not hold a fast one."""

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        self._threads = ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="model")

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        body = await read_body(receive)
        if scope["path"] == "/stream":
            await self._stream(body, send)
        else:
            reply = await asyncio.get_running_loop().run_in_executor(self._threads, _answer, self._model, body)
            await send({"type": "http.response.start", "status": reply.status, "headers": _JSON})
            await send({"type": "http.response.body", "body": reply.body})

    async def _stream(self, body: bytes, send: Send) -> None:
        loop = asyncio.get_running_loop()
        arriving: asyncio.Queue[bytes | Reply | None] = asyncio.Queue()

        def put(event: bytes | Reply | None) -> None:
            loop.call_soon_threadsafe(arriving.put_nowait, event)

        # The whole answer in one thread: a generator may hold context variables, which belong to their thread.
        streaming = loop.run_in_executor(self._threads, _put_events, self._model, body, put)
        event = await arriving.get()
        if isinstance(event, Reply):
            # Nothing has been sent yet, so the failure can still be an honest status code.
            await send({"type": "http.response.start", "status": event.status, "headers": _JSON})
            await send({"type": "http.response.body", "body": event.body})
            return
        await send({"type": "http.response.start", "status": 200, "headers": _EVENTS})
        while event is not None:
            failed = isinstance(event, Reply)
            data = event.body if isinstance(event, Reply) else event
            name = b"event: error\n" if failed else b""
            await send({"type": "http.response.body", "body": name + b"data: " + data + b"\n\n", "more_body": True})
            event = None if failed else await arriving.get()
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})
        await streaming


async def read_body(receive: Receive) -> bytes:
    """The whole body of a request."""
    parts = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            break
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            break
    return b"".join(parts)


def _answer(model: LoadedModel, body: bytes) -> Reply:
    try:
        return model.answer(body)
    except Exception as error:  # noqa: BLE001 - a model's own code may raise anything; only this request fails
        return _failure(error)


def _put_events(model: LoadedModel, body: bytes, put: Callable[[bytes | Reply | None], None]) -> None:
    """Hand over every event, then None, or a Reply in its place when the model fails."""
    try:
        for event in model.stream(body):
            put(event)
        put(None)
    except Exception as error:  # noqa: BLE001 - as above
        put(_failure(error))


def _failure(error: Exception) -> Reply:
    if isinstance(error, Refused):
        return error.reply
    # The message may quote the prompt, so the log gets the kind of the error and where it was raised only.
    frames = "".join(traceback.format_tb(error.__traceback__))
    logger.error("The model raised %s:\n%s", type(error).__name__, frames)
    return error_reply("INTERNAL_ERROR", 500, f"The model raised {type(error).__name__}: {error}")


def error_reply(error_code: str, status: int, message: str) -> Reply:
    """An error in the shape of the serving API."""
    return Reply(status, json.dumps({"error_code": error_code, "message": message[:2000]}).encode())
