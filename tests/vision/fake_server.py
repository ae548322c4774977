"""A tiny multimodal server on loopback that speaks OpenAI's chat protocol, for tests: no key, no network, no model.

The name of the model says how it behaves (`BEHAVIOURS`). It looks at the image it was sent and at the names that the
reader found, so that a test can tell whether both arrived. By hand: `python -m tests.vision.fake_server [PORT]`.
"""

import base64
import io
import json
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

BEHAVIOURS = {
    "looker": "says what image it got and names what the reader found",
    "inventor": "also names Apache Kafka and a **Redis cache**, whatever is on the image",
    "linker": "answers with a link, a remote picture and HTML",
    "slow": "the answer of looker, with `pause` seconds before each word",
    "thinker": "thinks aloud first, as reasoning models do",
    "uncounted": "the answer of looker, without a usage",
    "silent": "takes the question and never answers",
    "halting": "begins to answer and then says no more",
    "endless": "never comes to an end",
    "cut": "hangs up in the middle of the answer",
    "empty": "answers with nothing",
    "wordy": "the answer of looker, which its limit of tokens then ends",
    "garbage": "sends what is no answer of this protocol",
    "busy": "429, always",
    "busy-once": "429, then the answer of looker",
    "locked": "401, and the key that it got in the message",
    "broken": "500, always",
    "broken-once": "500, then the answer of looker",
    "blind": "400: takes no images",
    "absent": "404: no such model",
    "strict": "the answer of looker, but 400 for fields that Databricks does not know",
    "moved": "307 to `elsewhere`",
    "failing": "an error in the middle of the stream",
}


@dataclass(frozen=True)
class Seen:
    """One request as it arrived. `image` is the first one in it, `texts` all texts in order."""

    model: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    texts: list[str]
    image: bytes | None
    media_type: str | None

    def names(self) -> list[str]:
        """The names of components that the reader found, as they stand in the texts."""
        return re.findall(r'"label": "((?:[^"\\]|\\.)*)"', "\n".join(self.texts))


@dataclass
class FakeServer:
    """Where it listens, as `LAKEHELM_VISION_SERVER_URL` wants it, and what it was sent."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    pause: float = 0.2
    """Seconds before each word of `slow`."""
    elsewhere: str = "http://127.0.0.1:9/v1/chat/completions"
    ended: threading.Event = field(default_factory=threading.Event)
    """Set when the test is over, so that nothing waits for ever."""


def read_request(path: str, headers: dict[str, str], body: dict[str, Any]) -> Seen:
    texts: list[str] = []
    image, media_type = None, None
    for message in body["messages"]:
        content = message.get("content") or ""
        for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            if part["type"] == "text":
                texts.append(part["text"])
            elif image is None:
                head, _, data = part["image_url"]["url"].partition(";base64,")
                image, media_type = base64.b64decode(data), head.removeprefix("data:")
    return Seen(body["model"], path, headers, body, texts, image, media_type)


def look(seen: Seen) -> str:
    """What looker says."""
    if seen.image is None:
        return "I was sent no image."
    picture = Image.open(io.BytesIO(seen.image))
    metadata = "with metadata" if picture.getexif() or picture.info.get("exif") else "without metadata"
    answer = f"The image is a {picture.format} of {picture.width} × {picture.height} pixels, {metadata}."
    names = seen.names()
    return f"{answer} On it stand {', '.join(f'**{name}**' for name in names[:5])}." if names else answer


def words_of(seen: Seen) -> Iterator[str]:
    answer = look(seen)
    if seen.model == "inventor":
        answer += "\n\n- **Redis cache**: keeps sessions.\n\nEverything is sent to Apache Kafka."
    elif seen.model == "linker":
        answer = (
            "See [the docs](http://127.0.0.1:9/) ![chart](http://127.0.0.1:9/leak.png) <img src='http://x/'> [a]: y"
        )
    elif seen.model == "empty":
        answer = ""
    yield from re.findall(r"\S+\s*", answer)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: FakeServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        seen = read_request(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        before = sum(other.model == seen.model for other in self.fake.seen)
        self.fake.seen.append(seen)
        if not self.path.endswith("/chat/completions"):
            self.refuse(404, "There is no such path.")
            return
        try:
            self.behave(seen, first=before == 0)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def behave(self, seen: Seen, first: bool) -> None:
        if seen.model == "moved":
            self.send_response(307)
            self.send_header("Location", self.fake.elsewhere)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif seen.model == "silent":
            self.fake.ended.wait(60)
            self.close_connection = True
        elif refusal := refusal_of(seen, first):
            self.refuse(*refusal)
        elif seen.model not in BEHAVIOURS:
            self.refuse(404, f"The model {seen.model!r} does not exist.")
        elif seen.body.get("stream"):
            self.stream(seen)
        else:
            self.refuse(400, "This server only streams.")

    def refuse(self, status: int, message: str) -> None:
        body = json.dumps({"error": {"message": message, "type": "error", "code": None}}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status == 429:
            self.send_header("retry-after-ms", "20")
        self.end_headers()
        self.wfile.write(body)

    def stream(self, seen: Seen) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if seen.model == "garbage":
            self.chunk("data: <html>this is no answer</html>\n\n")
            self.chunk("")
            return
        if seen.model == "thinker":
            self.event(seen, {"reasoning_content": "SECRET THOUGHTS"})
        for place, word in enumerate(words_of(seen)):
            if place == 3 and seen.model in ("cut", "halting", "endless", "failing"):
                self.misbehave(seen)
                return
            if seen.model == "slow":
                self.fake.ended.wait(self.fake.pause)
            self.event(seen, {"content": word})
        self.event(seen, {}, finish="length" if seen.model == "wordy" else "stop")
        if seen.model != "uncounted":
            self.event(seen, None, usage={"prompt_tokens": 1200, "completion_tokens": 40, "total_tokens": 1240})
        self.chunk("data: [DONE]\n\n")
        self.chunk("")

    def misbehave(self, seen: Seen) -> None:
        """What comes after the third word."""
        if seen.model == "failing":
            self.chunk('data: {"error": {"message": "the graphics card is gone", "code": 500}}\n\n')
            self.chunk("")
        elif seen.model == "halting":
            self.fake.ended.wait(60)
        while seen.model == "endless" and not self.fake.ended.is_set():
            self.event(seen, {"content": "and so on " * 100})
            time.sleep(0.001)
        self.close_connection = True

    def event(
        self, seen: Seen, delta: dict[str, str] | None, finish: str | None = None, usage: dict[str, int] | None = None
    ) -> None:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
        event = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": seen.model, "choices": choices}
        self.chunk(f"data: {json.dumps({**event, 'usage': usage})}\n\n")

    def chunk(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the test's output quiet."""


def refusal_of(seen: Seen, first: bool) -> tuple[int, str] | None:
    refusals = {
        "busy": (429, "Too many requests."),
        "locked": (401, f"Incorrect API key provided: {seen.headers.get('authorization', '')}"),
        "broken": (500, "The graphics card is gone."),
        "blind": (400, f"This model takes no images. You sent {seen.headers.get('authorization', '')}"),
        "absent": (404, "The model 'absent' does not exist."),
    }
    if unknown := {"stream_options", "max_completion_tokens"} & set(seen.body):
        refusals["strict"] = (400, f'json: unknown field "{min(unknown)}"')
    if first:
        refusals |= {"busy-once": refusals["busy"], "broken-once": refusals["broken"]}
    return refusals.get(seen.model)


@contextmanager
def fake_server(port: int = 0) -> Iterator[FakeServer]:
    """A running server; what it is sent can be looked at in `seen`."""
    fake = FakeServer()
    server = ThreadingHTTPServer(("127.0.0.1", port), type("FakeHandler", (Handler,), {"fake": fake}))
    fake.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield fake
    finally:
        fake.ended.set()
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    with fake_server(int(sys.argv[1]) if len(sys.argv) > 1 else 0) as running:
        print(f"LAKEHELM_VISION_SERVER_URL={running.url}", flush=True)
        print(f"LAKEHELM_VISION_MODELS={','.join(f'server:{name}' for name in BEHAVIOURS)}", flush=True)
        threading.Event().wait()
