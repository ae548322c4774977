"""A server on loopback that runs one job as Databricks' Jobs API tells it, for tests of retraining."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse


@dataclass
class DatabricksJobs:
    """What the server knows. A token starts a run only once, as on Databricks."""

    host: str = ""
    token: str = "dapi-of-the-tests"
    job_id: int = 42
    started: dict[str, int] = field(default_factory=dict)
    """Idempotency token → run."""
    parameters: list[dict[str, str] | None] = field(default_factory=list)
    """What each start was given."""
    started_at: float = 0.0
    calls: list[str] = field(default_factory=list)
    state: dict[str, Any] = field(default_factory=lambda: {"life_cycle_state": "RUNNING", "state_message": ""})

    out_of_order: int = 0
    """A status to answer everything with, after doing what was asked; 0: all is well."""

    def end(self, result: str, message: str = "") -> None:
        """Let the run come to its end."""
        self.state = {"life_cycle_state": "TERMINATED", "result_state": result, "state_message": message}


@contextmanager
def databricks_jobs() -> Iterator[DatabricksJobs]:
    """Serve it until the end of the block."""
    jobs = DatabricksJobs()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._answer("run-now", lambda: _run_now(jobs, body))

        def do_GET(self) -> None:
            query = parse_qs(urlparse(self.path).query)
            self._answer("runs/get", lambda: _run(jobs, int(query["run_id"][0])))

        def _answer(self, call: str, found: Callable[[], tuple[int, dict[str, Any]]]) -> None:
            jobs.calls.append(call)
            known = urlparse(self.path).path in ("/api/2.2/jobs/run-now", "/api/2.2/jobs/runs/get")
            if self.headers["Authorization"] != f"Bearer {jobs.token}" or not known:
                status, answer = 403, {"error_code": "PERMISSION_DENIED", "message": "This token may not do that."}
            else:
                status, answer = found()
            if jobs.out_of_order:
                status, answer = jobs.out_of_order, {"message": "Something is wrong here."}
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Keep the test's output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    jobs.host = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield jobs
    finally:
        server.shutdown()
        server.server_close()


def _run_now(jobs: DatabricksJobs, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    if body.get("job_id") != jobs.job_id:
        message = f"Job {body.get('job_id')} does not exist."
        return 400, {"error_code": "INVALID_PARAMETER_VALUE", "message": message}
    jobs.parameters.append(body.get("job_parameters"))
    jobs.started_at = jobs.started_at or time.time()
    run_id = jobs.started.setdefault(body["idempotency_token"], 700 + len(jobs.started))
    return 200, {"run_id": run_id, "number_in_job": run_id}


def _run(jobs: DatabricksJobs, run_id: int) -> tuple[int, dict[str, Any]]:
    if run_id not in jobs.started.values():
        return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": f"Run {run_id} does not exist."}
    page = f"{jobs.host}/#job/42/run/{run_id}"
    return 200, {
        "run_id": run_id,
        "state": jobs.state,
        "run_page_url": page,
        "start_time": int(jobs.started_at * 1000),
    }
