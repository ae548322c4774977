"""What the gateway adds to a request: routing, the spool's fsync and a second hop, against the worker called directly.

The worker answers at once (the tests' echo model), so that nothing hides the difference. Both ways are taken in turn,
one request at a time, so that a busy machine slows both alike. `ours` and `peer` are medians in milliseconds.
"""

import json
import socket
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

from serving.gateway_token import read_gateway_token
from tests.serving.gateway_process import GatewayProcess

REQUESTS = 2000
CONNECTIONS = 16
BODY = json.dumps({"input": [{"role": "user", "content": "How does the gateway keep what it has answered?"}]}).encode()


class UnixConnection(HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("worker")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(self._path))


def milliseconds(connection: HTTPConnection, path: str, headers: dict[str, str]) -> float:
    """How long one request takes."""
    started = time.perf_counter()
    connection.request("POST", path, BODY, headers)
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{path} answered {answer.status}")
    return (time.perf_counter() - started) * 1000


def requests_a_second(gateway: GatewayProcess, headers: dict[str, str], seconds: float = 3.0) -> float:
    """Throughput with several callers at once, each waiting for its answer."""

    def ask(_: int) -> int:
        connection = HTTPConnection("127.0.0.1", gateway.settings.gateway_port)
        answered = 0
        while time.perf_counter() < end:
            milliseconds(connection, "/serving-endpoints/bench/invocations", headers)
            answered += 1
        return answered

    end = time.perf_counter() + seconds
    with ThreadPoolExecutor(CONNECTIONS) as callers:
        return sum(callers.map(ask, range(CONNECTIONS))) / seconds


def main() -> None:
    """Print the benchmark's line."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        gateway = GatewayProcess(Path(folder))
        try:
            gateway.serve("bench", 1)
            headers = {"authorization": f"Bearer {read_gateway_token(gateway.settings)}"}
            (worker,) = [path for path in (Path(folder) / "gateway" / "sockets").iterdir() if path.name != "control"]
            ways = (
                (HTTPConnection("127.0.0.1", gateway.settings.gateway_port), "/serving-endpoints/bench/invocations"),
                (UnixConnection(worker), "/invocations"),
            )
            for connection, path in ways:
                for _ in range(200):
                    milliseconds(connection, path, headers)
            through, direct = [], []
            for _ in range(REQUESTS):
                through.append(milliseconds(*ways[0], headers))
                direct.append(milliseconds(*ways[1], headers))
            throughput = requests_a_second(gateway, headers)
        finally:
            gateway.stop()
    ours, peer = statistics.median(through), statistics.median(direct)
    p99_ours, p99_peer = (statistics.quantiles(times, n=100)[98] for times in (through, direct))
    line = {
        "bench": "gateway against its worker called directly, p50 ms",
        "ours": round(ours, 3),
        "peer": round(peer, 3),
        "ratio": round(ours / peer, 2),
        "added_p50_ms": round(ours - peer, 3),
        "added_p99_ms": round(p99_ours - p99_peer, 3),
        "requests_a_second": round(throughput),
        "connections": CONNECTIONS,
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
