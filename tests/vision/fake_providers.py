"""Anthropic's and Google's streams on loopback, as far as one question and its answer: what looker says.

What each of them sends was taken from its public documentation of the protocol.
"""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.vision.fake_server import FakeServer, Seen, look


class Handler(BaseHTTPRequestHandler):
    fake: FakeServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        read, events = (
            (anthropic, anthropic_events) if self.path.startswith("/v1/messages") else (google, google_events)
        )
        seen = read(self.path, headers, body)
        self.fake.seen.append(seen)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for event in events(look(seen)):
            name = f"event: {event['type']}\n" if "type" in event else ""
            self.wfile.write(f"{name}data: {json.dumps(event)}\n\n".encode())
            self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the test's output quiet."""


def anthropic(path: str, headers: dict[str, str], body: dict[str, Any]) -> Seen:
    parts = [part for message in body["messages"] for part in message["content"]]
    texts = [part["text"] for part in parts if part["type"] == "text"]
    source = next(part["source"] for part in parts if part["type"] == "image")
    image, media_type = base64.b64decode(source["data"]), source["media_type"]
    return Seen(body["model"], path, headers, body, texts, image, media_type)


def anthropic_events(answer: str) -> Iterator[dict[str, Any]]:
    usage = {"input_tokens": 1200, "output_tokens": 1}
    message = {"id": "m", "type": "message", "role": "assistant", "content": [], "model": "claude", "usage": usage}
    yield {"type": "message_start", "message": {**message, "stop_reason": None, "stop_sequence": None}}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    for piece in (answer[:20], answer[20:]):
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
    yield {"type": "content_block_stop", "index": 0}
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    yield {"type": "message_delta", "delta": stop, "usage": {"output_tokens": 40}}
    yield {"type": "message_stop"}


def google(path: str, headers: dict[str, str], body: dict[str, Any]) -> Seen:
    parts = [part for content in body["contents"] for part in content["parts"]]
    data = next(part["inlineData"] for part in parts if "inlineData" in part)
    texts = [part["text"] for part in parts if "text" in part]
    # Google's own encoding of bytes takes `-` and `_` for `+` and `/`.
    image = base64.urlsafe_b64decode(data["data"].replace("+", "-").replace("/", "_"))
    return Seen(path.split("/")[-1].split(":")[0], path, headers, body, texts, image, data["mime_type"])


def google_events(answer: str) -> Iterator[dict[str, Any]]:
    for piece, finish in ((answer[:20], None), (answer[20:], "STOP")):
        candidate = {"content": {"role": "model", "parts": [{"text": piece}]}, "index": 0}
        usage = {"promptTokenCount": 1200, "candidatesTokenCount": 40, "totalTokenCount": 1240}
        yield {
            "candidates": [{**candidate, **({"finishReason": finish} if finish else {})}],
            "usageMetadata": usage,
            "modelVersion": "gemini",
            "responseId": "r",
        }


@contextmanager
def fake_providers() -> Iterator[FakeServer]:
    """A running server, without `/v1` in its address."""
    fake = FakeServer()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("FakeHandler", (Handler,), {"fake": fake}))
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
