"""The gateway's HTTP interface: the part of Databricks' serving API that is used here."""

import hmac
import json
import logging
import os
import re
import traceback
from collections.abc import Callable, MutableMapping
from typing import Any

from serving.endpoint_config import rejected
from serving.endpoint_view import describe
from serving.errors import RequestRejected
from serving.exchange import error_body
from serving.figures import prometheus_text
from serving.gateway import Gateway
from serving.gateway_figures import GatewayTelemetry, gateway_figures
from serving.invocations import invoke, read_limited, send_body
from serving.model_server import CONCURRENCY, Receive, Send
from serving.prometheus import EntityMetrics, RequestCounters, exposition
from serving.workspace_id import workspace_id

logger = logging.getLogger(__name__)

_INVOCATIONS = re.compile(r"/serving-endpoints/([^/]+)(?:/served-models/([^/]+))?/invocations")
_ENDPOINTS = "/api/2.0/serving-endpoints"
_LOG_TAIL = 64 * 1024
_JSON = [(b"content-type", b"application/json")]
_TEXT = [(b"content-type", b"text/plain; version=0.0.4; charset=utf-8")]

Answer = dict[str, Any] | str


class Api:
    """ASGI application over a gateway. Everything but `/health` and the SDK's probe needs the bearer token."""

    def __init__(self, gateway: Gateway, token: str) -> None:
        self._gateway = gateway
        self._authorization = f"Bearer {token}".encode()
        self._processes: dict[int, Any] = {}
        self._telemetry = GatewayTelemetry(gateway, workspace_id(gateway.settings.home))
        self._routes: list[tuple[str, re.Pattern[str], Callable[..., Answer]]] = [
            (method, re.compile(_ENDPOINTS + pattern), handler)
            for method, pattern, handler in (
                ("GET", "", self._list),
                ("POST", "", self._create),
                ("GET", "/([^/]+)", self._get),
                ("DELETE", "/([^/]+)", self._delete),
                ("PUT", "/([^/]+)/config", self._update_config),
                ("PUT", "/([^/]+)/ai-gateway", self._set_ai_gateway),
                ("PATCH", "/([^/]+)/tags", self._set_tags),
                ("GET", "/([^/]+)/metrics", self._metrics),
                ("GET", "/([^/]+)/served-models/([^/]+)/logs", self._logs),
            )
        ]
        self._routes.append(("GET", re.compile("/metrics"), self._own_metrics))

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, or follow the server's start and end."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] != "http":
            return
        try:
            await self._answer(scope, receive, send)
        except RequestRejected as error:
            await send_body(send, error.status_code, error_body(error), _JSON)
        except OSError as error:
            logger.exception("The workspace cannot be written.")
            full = rejected("TEMPORARILY_UNAVAILABLE", f"The workspace cannot be written: {error.strerror or error}.")
            await send_body(send, full.status_code, error_body(full), _JSON)
        except Exception as error:  # noqa: BLE001 - a fault of ours: the caller gets an answer, and the log the place
            # The message could quote a person's words, so it is not logged.
            frames = "".join(traceback.format_tb(error.__traceback__))
            logger.error("%s while answering %s:\n%s", type(error).__name__, scope["method"], frames)
            ours = rejected("INTERNAL_ERROR", f"The gateway failed with {type(error).__name__}; its log says where.")
            await send_body(send, ours.status_code, error_body(ours), _JSON)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._gateway.start()
        self._telemetry.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._telemetry.stop()
        await self._gateway.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        if method == "GET" and path in ("/health", "/.well-known/databricks-config"):
            found = self._health() if path == "/health" else {}
            await send_body(send, 200, json.dumps(found).encode(), _JSON)
            return
        headers = dict(scope["headers"])
        if not hmac.compare_digest(headers.get(b"authorization", b""), self._authorization):
            raise rejected("UNAUTHENTICATED", "The call needs the gateway's bearer token (gateway.token).")
        invoked = _INVOCATIONS.fullmatch(path)
        if invoked and method == "POST":
            await invoke(self._gateway, invoked[1], invoked[2], headers, receive, send)
            return
        for wanted, pattern, handler in self._routes:
            matched = pattern.fullmatch(path)
            if matched and method == wanted:
                arguments = list(matched.groups())
                if method in ("POST", "PUT", "PATCH"):
                    arguments.append(await _read_json(receive))
                answer = handler(*arguments)
                text = isinstance(answer, str)
                body = answer if isinstance(answer, str) else json.dumps(answer)
                await send_body(send, 200, body.encode(), _TEXT if text else _JSON)
                return
        raise rejected("RESOURCE_DOES_NOT_EXIST", f"The gateway has no {method} at this address.")

    def _health(self) -> Answer:
        return {
            "status": "ok",
            "workspace": workspace_id(self._gateway.settings.home),
            "process_id": os.getpid(),
        }

    def _list(self) -> Answer:
        return {"endpoints": [describe(endpoint) for endpoint in self._gateway.endpoints.values()]}

    def _create(self, body: Any) -> Answer:
        return describe(self._gateway.create(body))

    def _get(self, name: str) -> Answer:
        return describe(self._gateway.endpoint(name))

    def _delete(self, name: str) -> Answer:
        self._gateway.delete(name)
        return {}

    def _update_config(self, name: str, body: Any) -> Answer:
        return describe(self._gateway.update_config(name, body))

    def _set_ai_gateway(self, name: str, body: Any) -> Answer:
        found = describe(self._gateway.set_inference_table(name, body))["ai_gateway"]
        return dict(found)

    def _set_tags(self, name: str, body: Any) -> Answer:
        added = body.get("add_tags") or [] if isinstance(body, dict) else None
        deleted = body.get("delete_tags") or [] if isinstance(body, dict) else None
        if not isinstance(added, list) or not isinstance(deleted, list):
            raise rejected("INVALID_PARAMETER_VALUE", "add_tags and delete_tags must be lists.")
        if not all(isinstance(tag, dict) and isinstance(tag.get("key"), str) for tag in added):
            raise rejected("INVALID_PARAMETER_VALUE", "Each of add_tags must have a key.")
        add = {tag["key"]: str(tag.get("value") or "") for tag in added}
        remove = [str(key) for key in deleted]
        return {"tags": describe(self._gateway.set_tags(name, add, remove))["tags"]}

    def _metrics(self, name: str) -> Answer:
        import psutil

        endpoint = self._gateway.endpoint(name)
        shown = []
        for entity, worker in endpoint.workers.items():
            cpu = memory = 0.0
            if worker.process_id is not None:
                try:
                    process = self._processes.setdefault(worker.process_id, psutil.Process(worker.process_id))
                    cpu, memory = process.cpu_percent(), process.memory_percent()
                except psutil.NoSuchProcess:
                    logger.debug("Process %d has just ended.", worker.process_id)
            counters = endpoint.counters.setdefault(entity.name, RequestCounters())
            concurrency = CONCURRENCY if worker.state == "ready" else 0
            shown.append(EntityMetrics(entity.name, counters, worker.in_flight, concurrency, cpu, memory))
        return exposition(name, shown)

    def _own_metrics(self) -> Answer:
        return prometheus_text(gateway_figures(self._gateway))

    def _logs(self, name: str, served_name: str) -> Answer:
        path = self._gateway.log_path(self._gateway.endpoint(name), served_name)
        if not path.exists():
            return {"logs": ""}
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _LOG_TAIL))
            return {"logs": file.read().decode("utf-8", "replace")}


async def _read_json(receive: Receive) -> Any:
    try:
        return json.loads(await read_limited(receive) or b"{}")
    except (ValueError, RecursionError) as error:
        raise rejected("INVALID_PARAMETER_VALUE", "The body is not JSON.") from error
