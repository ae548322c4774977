"""A visit to a running dashboard without a browser, by which a test can send any header that an attacker could."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import aiohttp
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME, XSRF_COOKIE_NAME

PATIENCE_SECONDS = 60.0


Headers = Mapping[str, str] | Sequence[tuple[str, str]]


def shown_to(address: str, headers: Headers = (), *, user_cookie: str = "", until: str = "") -> str:
    """What the first screen sends to somebody who comes with these headers, as one text: all, or up to `until`.

    `user_cookie` is the value of the cookie in which Streamlit keeps a sign-in.
    """
    sent = list(headers.items() if isinstance(headers, Mapping) else headers)
    # A thread of its own: where Playwright is, this one has an event loop already.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, _shown_to(address, sent, user_cookie, until)).result()


async def _shown_to(address: str, headers: list[tuple[str, str]], user_cookie: str, until: str) -> str:
    hello = BackMsg()
    hello.rerun_script.SetInParent()
    texts = []
    async with asyncio.timeout(PATIENCE_SECONDS), aiohttp.ClientSession() as session:
        protocols = ["streamlit"]
        if user_cookie:
            # As the page does: the token against requests from other sites comes as a cookie and goes back as a word.
            async with session.get(f"{address}/_stcore/health") as health:
                token = health.cookies[XSRF_COOKIE_NAME].value
            protocols.append(token)
            cookies = f"{XSRF_COOKIE_NAME}={token}; {USER_COOKIE_NAME}={user_cookie}"
            headers = [*headers, ("Cookie", cookies), ("Origin", address)]
        stream = session.ws_connect(f"{address}/_stcore/stream", headers=headers, protocols=protocols, max_msg_size=0)
        async with stream as socket:
            await socket.send_bytes(hello.SerializeToString())
            async for message in socket:
                part = ForwardMsg.FromString(message.data)
                texts.append(str(part))
                if part.WhichOneof("type") == "script_finished" or (until and until in texts[-1]):
                    break
    return "\n".join(texts)
