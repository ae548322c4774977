"""An OpenTelemetry collector for tests: takes OTLP as JSON, and reads it with the protocol's own schema."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest


class FakeCollector:
    """What arrived, and how it answers: with a status, or not at all while `hangs` is set."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.paths: list[str] = []
        self.status = 200
        self.arrived = threading.Condition()
        self.hangs = threading.Event()
        self.goes_on = threading.Event()
        self.address = ""

    def wait_for(self, count: int, seconds: float = 20.0) -> None:
        """Wait until so many bodies arrived."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.bodies) >= count, seconds), f"{len(self.bodies)} arrived"

    def requests(self) -> list[ExportMetricsServiceRequest]:
        """Every body as the protocol's message; an unknown field or a wrong type fails."""
        return [Parse(body, ExportMetricsServiceRequest()) for body in self.bodies]

    def values(self) -> dict[str, float]:
        """The values of the last request by name; of several samples their sum."""
        (resource,) = self.requests()[-1].resource_metrics
        found = {}
        for metric in resource.scope_metrics[0].metrics:
            kind = metric.WhichOneof("data")
            points = getattr(metric, kind).data_points
            found[metric.name] = sum(point.count if kind == "histogram" else point.as_double for point in points)
        return found


@contextmanager
def collecting() -> Iterator[FakeCollector]:
    """A collector on a free port of this machine."""
    state = FakeCollector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            with state.arrived:
                state.bodies.append(body)
                state.paths.append(self.path)
                state.arrived.notify_all()
            if state.hangs.is_set():
                state.goes_on.wait(30)
            answer = json.dumps({"partialSuccess": {}}).encode()
            self.send_response(state.status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.goes_on.set()
        server.shutdown()
        server.server_close()
