"""A server on loopback that answers as Databricks' serving API does, from the shapes in `databricks/`.

It keeps endpoints, and takes its time for an update: two looks at it say IN_PROGRESS. An entity called
`broken.*` fails.
"""

import copy
import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "databricks"
TOKEN = "dapi-for-tests-only"
API = "/api/2.0/serving-endpoints"


def shape(name: str) -> dict:
    return json.loads((FOLDER / f"{name}.json").read_text())


class DatabricksWorkspace:
    """What the workspace has. `next_answers` are names in `errors.json` that the next calls get instead."""

    def __init__(self) -> None:
        self.errors = shape("errors")
        self.updates = shape("updates")
        self.endpoints: dict[str, dict] = {}
        self.progress: dict[str, list[str]] = {}
        self.next_answers: list[str] = []
        self.refused_paths: dict[tuple[str, str], str] = {}
        self.seconds = 0.0
        self.calls: list[tuple[str, str, dict]] = []
        self.drops_connections = False

    def answer(self, method: str, path: str, token: str, body: dict) -> tuple[int, dict, bytes]:
        if path == "/.well-known/databricks-config":
            return 404, {}, b"{}"
        self.calls.append((method, path, body))
        time.sleep(self.seconds)
        if token != f"Bearer {TOKEN}":
            return self.error("wrong_token")
        if self.next_answers:
            return self.error(self.next_answers.pop(0))
        if (method, path) in self.refused_paths:
            return self.error(self.refused_paths[method, path])
        parts = path.removeprefix(API).removeprefix("/serving-endpoints").strip("/").split("/")
        if parts == [""]:
            return self.create(body) if method == "POST" else json_answer(self.summaries())
        name, *rest = parts
        if name not in self.endpoints:
            return self.error("missing")
        return self.of_endpoint(method, name, rest, body)

    def of_endpoint(self, method: str, name: str, rest: list[str], body: dict) -> tuple[int, dict, bytes]:
        endpoint = self.endpoints[name]
        match method, *rest:
            case ["GET"]:
                self.move_on(name)
                return json_answer(self.endpoints[name])
            case ["DELETE"]:
                del self.endpoints[name]
                return 200, {}, b""
            case ["PUT", "config"]:
                return self.update(name, body)
            case ["PUT", "ai-gateway"]:
                endpoint["ai_gateway"] = body
                return json_answer(body)
            case ["GET", "metrics"]:
                return 200, {"content-type": "text/plain"}, (FOLDER / "metrics.txt").read_bytes()
            case ["GET", "served-models", served, "logs"]:
                return json_answer({"logs": f"[{served}] Booting worker with pid: 7\n"})
            case ["POST", *served, "invocations"]:
                return self.invoke(endpoint, served[1] if served else None, body)
        return self.error("no_such_api")

    def create(self, body: dict) -> tuple[int, dict, bytes]:
        name = body["name"]
        if name in self.endpoints:
            return self.error("name_taken")
        endpoint = shape("endpoint")
        endpoint.update(name=name, ai_gateway=body.get("ai_gateway") or {})
        del endpoint["config"]
        self.endpoints[name] = endpoint
        return self.update(name, body["config"], version=1)

    def update(self, name: str, config: dict, version: int | None = None) -> tuple[int, dict, bytes]:
        endpoint = self.endpoints[name]
        if endpoint["state"]["config_update"] == "IN_PROGRESS":
            return self.error("pending_update")
        if sum(route["traffic_percentage"] for route in config["traffic_config"]["routes"]) != 100:
            return self.error("malformed")
        broken = any(entity["entity_name"].startswith("broken.") for entity in config["served_entities"])
        self.progress[name] = ["updating_image", "failed" if broken else "ready"]
        version = version or endpoint["config"]["config_version"] + 1
        pending = {**copy.deepcopy(config), "config_version": version, "start_time": 1763712345678}
        endpoint["pending_config"] = pending
        self.show(endpoint, "updating")
        return json_answer(endpoint)

    def move_on(self, name: str) -> None:
        """Let the endpoint's update come one step further."""
        endpoint, steps = self.endpoints[name], self.progress.get(name)
        if not steps:
            return
        step = steps.pop(0)
        if step != "ready":
            self.show(endpoint, step)
            return
        config = endpoint.pop("pending_config")
        del config["start_time"]
        for entity in config["served_entities"]:
            entity["state"] = {"deployment": "DEPLOYMENT_READY", "deployment_state_message": "Deployment ready."}
        endpoint["config"] = config
        endpoint["state"] = {"ready": "READY", "config_update": "NOT_UPDATING"}

    def show(self, endpoint: dict, step: str) -> None:
        kept = self.updates[step]
        endpoint["state"] = {**kept["state"], "ready": "READY" if "config" in endpoint else "NOT_READY"}
        for entity in endpoint["pending_config"]["served_entities"]:
            entity["state"] = {"deployment": kept["deployment"], "deployment_state_message": kept["message"]}

    def invoke(self, endpoint: dict, served: str | None, body: dict) -> tuple[int, dict, bytes]:
        entities = {entity["name"]: entity for entity in endpoint["config"]["served_entities"]}
        routes = {
            r["served_model_name"]: r["traffic_percentage"] for r in endpoint["config"]["traffic_config"]["routes"]
        }
        due = served or max(routes, key=routes.__getitem__)
        if due not in entities:
            return self.error("missing")
        question = body["input"][-1]["content"]
        if question.startswith("raise "):
            return self.error("model_raised")
        answer = shape("answer")
        uri = f"models:/{entities[due]['entity_name']}/{entities[due]['entity_version']}"
        answer["output"][0]["content"][0]["text"] = f"{uri} heard {question}"
        return json_answer(answer, {"served-model-name": due, "x-request-id": "1c7d3f52-0c8f-4a4d-9f3e-2f7a5f1d6b90"})

    def summaries(self) -> dict:
        listed = shape("list")
        for endpoint in self.endpoints.values():
            kept = {key: value for key, value in endpoint.items() if key in listed["endpoints"][0]}
            kept["config"] = {
                "served_entities": [
                    {key: entity[key] for key in ("name", "entity_name", "entity_version")}
                    for entity in (endpoint.get("config") or {}).get("served_entities", [])
                ]
            }
            listed["endpoints"].append(kept)
        return listed

    def error(self, name: str) -> tuple[int, dict, bytes]:
        kept = self.errors[name]
        if "text" in kept:
            return kept["status"], {"content-type": "text/html", **kept.get("headers", {})}, kept["text"].encode()
        return json_answer(kept["body"], kept.get("headers"), kept["status"])


def json_answer(body: dict, headers: dict | None = None, status: int = 200) -> tuple[int, dict, bytes]:
    return status, {"content-type": "application/json", **(headers or {})}, json.dumps(body).encode()


@contextmanager
def databricks_server():
    """Serve a new workspace; yields it and its address."""
    workspace = DatabricksWorkspace()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("content-length") or 0))
            token = self.headers.get("authorization", "")
            status, headers, body = workspace.answer(self.command, self.path, token, json.loads(sent or b"{}"))
            if workspace.drops_connections:
                self.close_connection = True
                return
            self.send_response(status)
            for key, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer

        def log_message(self, format, *args) -> None:
            """Keep the test's output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield workspace, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
