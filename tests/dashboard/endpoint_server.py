"""A server on loopback that describes one endpoint as the gateway does, for tests of the pages only."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def described(traffic: dict[str, int], state: str = "DEPLOYMENT_READY") -> dict[str, Any]:
    """The endpoint `chatbot` with a share of the traffic (whole per cent) for each version."""
    entities = [
        {
            "name": f"chatbot-{version}",
            "entity_name": "prod.chatbot",
            "entity_version": version,
            "state": {"deployment": state, "deployment_state_message": ""},
        }
        for version in traffic
    ]
    routes = [{"served_model_name": f"chatbot-{v}", "traffic_percentage": share} for v, share in traffic.items()]
    return {
        "name": "chatbot",
        "state": {"ready": "READY", "config_update": "NOT_UPDATING"},
        "config": {"config_version": 3, "served_entities": entities, "traffic_config": {"routes": routes}},
    }


@contextmanager
def endpoint_server(endpoint: dict[str, Any]) -> Iterator[int]:
    """Serve the description; yields the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            place = "/api/2.0/serving-endpoints"
            found = {place: {"endpoints": [endpoint]}, f"{place}/{endpoint['name']}": endpoint}.get(self.path)
            missing = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "There is no such thing."}
            body = json.dumps(found or missing).encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Keep the test's output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
