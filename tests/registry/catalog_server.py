"""Unity Catalog's model registry on loopback, as MLflow's own client asks it.

It sorts nothing, tells neither tags nor aliases in a search, takes one condition and no order, and counts requests.
"""

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

CREATED = 1_767_225_600_000
_CATALOG = "/api/2.0/mlflow/unity-catalog/"


@dataclass
class Catalog:
    """What stands in the catalog. `versions`: model → version → its tags; `aliases`: model → alias → version."""

    versions: dict[str, dict[str, dict[str, str]]]
    aliases: dict[str, dict[str, str]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    """Path below `/Models/…` → content, of every version."""
    page: int = 40
    """Versions in one answer, at most: less than a caller asks for."""
    asked: Counter[str] = field(default_factory=Counter)
    """Path, without its query → how often it was asked for."""

    def model(self, name: str, *, searched: bool) -> dict[str, Any]:
        """A registered model, in full or as a search tells it."""
        told = {"name": name, "creation_timestamp": CREATED, "last_updated_timestamp": CREATED}
        if not searched:
            pointed = self.aliases.get(name, {}).items()
            told["aliases"] = [{"alias": alias, "version": version} for alias, version in pointed]
        return told

    def version(self, name: str, number: str, *, searched: bool) -> dict[str, Any]:
        """A version, in full or as a search tells it."""
        told: dict[str, Any] = {
            "name": name,
            "version": number,
            "creation_timestamp": CREATED + int(number) * 1000,
            "user_id": "ann@example.com",
            "source": "dbfs:/databricks/mlflow/models/somewhere",
            "run_id": "a-run-of-another-workspace",
            "status": "READY",
        }
        if not searched:
            told["tags"] = [{"key": key, "value": value} for key, value in self.versions[name][number].items()]
            told["aliases"] = [
                {"alias": alias, "version": version}
                for alias, version in self.aliases.get(name, {}).items()
                if version == number
            ]
        return told


def answer(catalog: Catalog, path: str, query: dict[str, str]) -> tuple[int, Any]:
    """Status and body of a GET."""
    missing = (404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "There is no such thing."})
    name, number = query.get("name", ""), query.get("version", "")
    what = path.removeprefix(_CATALOG)
    if what == "registered-models/search":
        return 200, {"registered_models": [catalog.model(one, searched=True) for one in catalog.versions]}
    if what == "registered-models/get" and name in catalog.versions:
        return 200, {"registered_model": catalog.model(name, searched=False)}
    if what == "registered-models/alias" and query.get("alias") in catalog.aliases.get(name, {}):
        pointed = catalog.aliases[name][query["alias"]]
        return 200, {"model_version": catalog.version(name, pointed, searched=False)}
    if what == "model-versions/get" and number in catalog.versions.get(name, {}):
        return 200, {"model_version": catalog.version(name, number, searched=False)}
    if what == "model-versions/search":
        match = re.fullmatch(r"name='([^']+)'", query.get("filter", ""))
        if match is None or match[1] not in catalog.versions:
            return missing
        # In no order: by the last digit, then by the first.
        numbers = sorted(catalog.versions[match[1]], key=lambda one: (one[::-1], one))
        start = int(query.get("page_token") or 0)
        end = start + min(int(query.get("max_results") or 100), catalog.page)
        found = [catalog.version(match[1], one, searched=True) for one in numbers[start:end]]
        return 200, {"model_versions": found, **({"next_page_token": str(end)} if end < len(numbers) else {})}
    if path.startswith("/api/2.0/fs/directories/Models/"):
        return 200, {"contents": _listed(catalog, _below_version(path))}
    return missing


def _below_version(path: str) -> str:
    """What stands after `…/Models/catalog/schema/model/version`."""
    return "/".join(unquote(path).partition("/Models/")[2].split("/")[4:])


def _listed(catalog: Catalog, folder: str) -> list[dict[str, Any]]:
    place = "/Models/main/prod/chatbot/1/" + (f"{folder}/" if folder else "")
    found: dict[str, dict[str, Any]] = {}
    for path, content in catalog.files.items():
        if not folder or path.startswith(f"{folder}/"):
            name, _, deeper = (path[len(folder) + 1 :] if folder else path).partition("/")
            found[name] = {"path": place + name, "name": name, "is_directory": bool(deeper)}
            if not deeper:
                found[name]["file_size"] = len(content)
    return list(found.values())


@contextmanager
def catalog_server(catalog: Catalog) -> Iterator[str]:
    """Serve the catalog; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            catalog.asked[parts.path] += 1
            if parts.path.startswith("/api/2.0/fs/files/"):
                content = catalog.files.get(_below_version(parts.path))
                self._send(200 if content is not None else 404, content or b"{}", "application/octet-stream")
                return
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            status, body = answer(catalog, parts.path, query)
            self._send(status, json.dumps(body).encode())

        def do_HEAD(self) -> None:
            folder = _below_version(self.path)
            there = not folder or any(path.startswith(f"{folder}/") for path in catalog.files)
            self._send(200 if there else 404, b"")

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._send(200, b"{}")

        def _send(self, status: int, body: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Keep the test's output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
