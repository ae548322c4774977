"""A real gateway process for tests, with the echo model in its workers, and what the inference table has of it."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from serving.client import EndpointClient, Served
from serving.gateway_token import read_gateway_token
from settings import Settings

REPOSITORY = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


class GatewayProcess:
    """Started at once; `client` and `settings` belong to it. `module` is what runs."""

    def __init__(self, home: Path, port: int | None = None, module: str = "tests.serving.run_gateway") -> None:
        self.settings = Settings(home=home, gateway_port=port or free_port(), gateway_flush_seconds=0.5)
        self.client = EndpointClient(self.settings)
        self.module = module
        self.process = self.start()

    def start(self) -> subprocess.Popen:
        home, port = str(self.settings.home), str(self.settings.gateway_port)
        arguments = [] if self.module == "serving" else [home, port]
        environment = {**os.environ, "LAKEHELM_HOME": home, "LAKEHELM_GATEWAY_PORT": port}
        self.process = subprocess.Popen(
            [sys.executable, "-m", self.module, *arguments],
            cwd=REPOSITORY,
            env={**environment, "LAKEHELM_GATEWAY_FLUSH_SECONDS": "0.5"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        deadline = time.monotonic() + 60
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The gateway did not start: {self.process.stdout.read()}")
            time.sleep(0.05)
        return self.process

    def answers(self) -> bool:
        try:
            return self.request("GET", "/health", token="")[0] == 200
        except OSError:
            return False

    def request(self, method, path, body=None, token=None, headers=None):
        """(status, headers, body bytes) of one plain HTTP call."""
        connection = http.client.HTTPConnection("127.0.0.1", self.settings.gateway_port, timeout=60)
        token = read_gateway_token(self.settings) if token is None else token
        sent = {"authorization": f"Bearer {token}", **(headers or {})}
        try:
            data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, path, data, sent)
            answer = connection.getresponse()
            return answer.status, dict(answer.headers), answer.read()
        finally:
            connection.close()

    def ask(self, name, question, **extra):
        body = {"input": [{"role": "user", "content": question}], **extra}
        return self.request("POST", f"/serving-endpoints/{name}/invocations", body)

    def kill(self) -> None:
        """SIGKILL, as a power cut for this process."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)
        self.process.stdout.close()
        return self.process.returncode

    def rows(self, table: str = "inference_table") -> list[dict]:
        from deltalake import DeltaTable

        path = self.settings.home / "lake" / table
        return DeltaTable(str(path)).to_pyarrow_table().to_pylist() if path.exists() else []

    def wait_for_rows(self, request_ids, seconds: float = 30) -> list[dict]:
        """The rows with these ids, once they have all been delivered; what is there when the time is up."""
        wanted = set(request_ids)
        deadline = time.monotonic() + seconds
        while True:
            found = [row for row in self.rows() if row["databricks_request_id"] in wanted]
            if len({row["databricks_request_id"] for row in found}) == len(wanted) or time.monotonic() > deadline:
                return found
            time.sleep(0.2)

    def serve(self, name: str, *versions: int, model: str = "echo.chatbot", live: int | None = None) -> None:
        """Create or update an endpoint that serves these versions, all traffic to `live` (default: the last)."""
        served = [Served(f"{name}-{version}", model, str(version)) for version in versions]
        traffic = {f"{name}-{live or versions[-1]}": 100}
        if self.client.get(name) is None:
            self.client.create(name, served, traffic)
        else:
            self.client.update(name, served, traffic)

    def wait_until_ready(self, name: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not ((endpoint := self.client.get(name)) and endpoint.ready):
            if time.monotonic() > deadline:
                raise RuntimeError(f"Endpoint {name} did not become ready: {endpoint}")
            time.sleep(0.05)

    def wait_until_answers(self, name: str, served: str, seconds: float = 60) -> None:
        """Return when this served entity has answered a question."""
        path = f"/serving-endpoints/{name}/served-models/{served}/invocations"
        deadline = time.monotonic() + seconds
        while self.request("POST", path, {"input": [{"role": "user", "content": "?"}]})[0] != 200:
            if time.monotonic() > deadline:
                raise RuntimeError(f"Served entity {served} does not answer: {self.client.get(name)}")
            time.sleep(0.05)
