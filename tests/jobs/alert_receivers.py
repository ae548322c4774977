"""Receivers of alerts on loopback: a webhook that can be down, refuse or hang, and a mail server."""

import json
import socket
import socketserver
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class WebhookReceiver:
    """Takes what is posted. `answer` decides the status by the body; what was answered with 2xx is `taken`."""

    def __init__(self, port: int = 0, answer: Callable[[dict[str, Any]], int] = lambda body: 200) -> None:
        self.taken: list[dict[str, Any]] = []
        self.paths: list[str] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = answer(body)
                if 200 <= status < 300:
                    receiver.taken.append(body)
                    receiver.paths.append(self.path)
                self.send_response(status)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing is printed."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/services/T0/SECRETPATH"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class HangingReceiver:
    """Accepts connections and says nothing, or drips a byte now and then so that no socket ever times out."""

    def __init__(self, drip: bytes = b"") -> None:
        self.taken: list[bytes] = []
        self._drip = drip
        self._stop = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._listening.close()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._hold, args=(connection,), daemon=True).start()

    def _hold(self, connection: socket.socket) -> None:
        with connection:
            if not self._drip:
                self.taken.append(connection.recv(65536))
            while not self._stop.wait(0.02):
                try:
                    if self._drip:
                        connection.sendall(self._drip)
                except OSError:
                    return


class MailReceiver:
    """A mail server as small as it can be: (sender, recipients, text) of each mail it took. Source: RFC 5321."""

    def __init__(self, refused: tuple[str, ...] = (), refuse_all: bool = False) -> None:
        self.taken: list[tuple[str, list[str], str]] = []
        receiver = self

        class Handler(socketserver.StreamRequestHandler):
            def say(self, line: str) -> None:
                self.wfile.write(line.encode() + b"\r\n")

            def handle(self) -> None:
                sender, recipients = "", list[str]()
                self.say("220 test")
                while line := self.rfile.readline().decode():
                    word = line.strip().upper()
                    if word.startswith("MAIL"):
                        sender, recipients = line.split("<")[1].split(">")[0], []
                        self.say("451 try later" if refuse_all else "250 ok")
                    elif word.startswith("RCPT"):
                        address = line.split("<")[1].split(">")[0]
                        if address in refused:
                            self.say("550 unknown")
                        else:
                            recipients.append(address)
                            self.say("250 ok")
                    elif word.startswith("DATA"):
                        self.say("354 go on")
                        lines = []
                        while (text := self.rfile.readline().decode()) != ".\r\n":
                            lines.append(text)
                        receiver.taken.append((sender, recipients, "".join(lines)))
                        self.say("250 taken")
                    else:
                        self.say("250 ok")

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
