"""A server on loopback that speaks as much of Hugging Face's hub as fetching a model needs."""

import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Self

REVISION = "0123456789abcdef0123456789abcdef01234567"
GATED = "owner/gated"


class LoopbackHub:
    """Publishes folders as models by name. `asked` has the path of every request, `sent` every file that went out."""

    def __init__(self, models: dict[str, Path]) -> None:
        self.models = models
        self.asked: list[str] = []
        self.sent: list[str] = []
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def files(self, name: str) -> dict[str, Path]:
        folder = self.models[name]
        return {str(file.relative_to(folder)): file for file in sorted(folder.rglob("*")) if file.is_file()}


class _Handler(BaseHTTPRequestHandler):
    hub: LoopbackHub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""

    def _answer(self) -> None:
        path = self.path.split("?")[0].strip("/")
        self.hub.asked.append(path)
        about = path.startswith("api/models/")
        known = [name for name in self.hub.models if path.removeprefix("api/models/").startswith(f"{name}/")]
        name = known[0] if known else path.removeprefix("api/models/")
        if name == GATED:
            self._send(403, b"{}", {"X-Error-Code": "GatedRepo"})
        elif name not in self.hub.models:
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif "/tree/" in path:
            self._send_json(
                [
                    {"type": "file", "path": file, "size": place.stat().st_size, "oid": _digest(place)}
                    for file, place in self.hub.files(name).items()
                ]
            )
        elif about:
            siblings = [{"rfilename": file} for file in self.hub.files(name)]
            self._send_json({"id": name, "sha": REVISION, "siblings": siblings})
        else:
            file = path.split(f"/resolve/{REVISION}/", 1)[1]
            place = self.hub.files(name)[file]
            if self.command == "GET":
                self.hub.sent.append(file)
            self._send(200, place.read_bytes(), {"X-Repo-Commit": REVISION, "ETag": f'"{_digest(place)}"'})

    def _send_json(self, content: Any) -> None:
        self._send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for header, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(header, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


def _digest(file: Path) -> str:
    return hashlib.sha1(file.read_bytes(), usedforsecurity=False).hexdigest()
