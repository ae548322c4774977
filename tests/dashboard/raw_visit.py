"""A visit to a running dashboard without a browser, by which a test can send what an attacker could."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME, XSRF_COOKIE_NAME

PATIENCE_SECONDS = 60.0
SILENCE_SECONDS = 3.0
Headers = Mapping[str, str] | Sequence[tuple[str, str]]


def shown_to(address: str, headers: Headers = (), *, user_cookie: str = "", until: str = "") -> str:
    """What the first screen sends to somebody who comes with these headers, as one text: all, or up to `until`.

    `user_cookie` is the value of the cookie in which Streamlit keeps a sign-in.
    """

    async def visit() -> str:
        async with _connected(address, headers, user_cookie) as socket:
            return "\n".join([str(part) async for part in _run(socket, until=until)])

    text: str = _in_a_thread(visit())
    return text


def shown_after(address: str, user_cookie: str, moment: float) -> tuple[str, str]:
    """What somebody is shown who stays over `moment` (in seconds since 1970), when their sign-in ends.

    Returns the first screen after that, and what the parts of it that refreshed by themselves before send then.
    """

    async def visit() -> tuple[str, str]:
        async with _connected(address, (), user_cookie) as socket:
            refreshing = [
                part.auto_rerun.fragment_id async for part in _run(socket) if part.WhichOneof("type") == "auto_rerun"
            ]
            assert len(refreshing) > 1
            await asyncio.sleep(max(0.0, moment - time.time()) + 0.1)
            after = "\n".join([str(part) async for part in _run(socket)])
            late: list[str] = []
            for name in refreshing:
                # Of a part that it does not have any more the dashboard says nothing at all.
                with suppress(TimeoutError):
                    async with asyncio.timeout(SILENCE_SECONDS):
                        late += [str(part) async for part in _run(socket, fragment=name)]
            return after, "\n".join(late)

    texts: tuple[str, str] = _in_a_thread(visit())
    return texts


def _in_a_thread(work: Coroutine[Any, Any, Any]) -> Any:
    # Where Playwright is, this thread has an event loop already.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


@asynccontextmanager
async def _connected(
    address: str, headers: Headers, user_cookie: str
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    sent = list(headers.items() if isinstance(headers, Mapping) else headers)
    protocols = ["streamlit"]
    async with asyncio.timeout(PATIENCE_SECONDS), aiohttp.ClientSession() as session:
        if user_cookie:
            # As the page does: the token against requests from other sites comes as a cookie and goes back as a word.
            async with session.get(f"{address}/_stcore/health") as health:
                token = health.cookies[XSRF_COOKIE_NAME].value
            protocols.append(token)
            cookies = f"{XSRF_COOKIE_NAME}={token}; {USER_COOKIE_NAME}={user_cookie}"
            sent += [("Cookie", cookies), ("Origin", address)]
        async with session.ws_connect(
            f"{address}/_stcore/stream", headers=sent, protocols=protocols, max_msg_size=0
        ) as socket:
            yield socket


async def _run(
    socket: aiohttp.ClientWebSocketResponse, *, fragment: str = "", until: str = ""
) -> AsyncIterator[ForwardMsg]:
    """Ask for a run of the app, or of one part of it, and yield its messages."""
    asked = BackMsg()
    asked.rerun_script.fragment_id = fragment
    await socket.send_bytes(asked.SerializeToString())
    async for message in socket:
        part = ForwardMsg.FromString(message.data)
        yield part
        if part.WhichOneof("type") == "script_finished" or (until and until in str(part)):
            break
