"""The one client of serving endpoints: the same code for Databricks and for the local gateway.

Only the host and the token differ (`settings.host`, `settings.token`; without a host the local gateway and its token
file). Calls go through databricks-sdk, which is imported when the first call is made.
"""

import json
import socket
import threading
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from serving.endpoints import (
    Answer,
    Endpoint,
    Served,
    ServedState,
    answer_text,
    config_body,
    endpoint_of,
    inference_table_body,
)
from serving.errors import (
    STATUS_OF_ERROR_CODE,
    EndpointExists,
    EndpointMissing,
    GatewayDown,
    RequestRejected,
    ServingError,
    UpdateFailed,
    UpdateInProgress,
)
from serving.gateway_token import read_gateway_token
from settings import Settings

__all__ = ["Answer", "Endpoint", "EndpointClient", "Served", "ServedState"]

_ENDPOINTS = "/api/2.0/serving-endpoints"
_CONNECT_SECONDS = 1.0
_POLL_SECONDS = 0.2
_DATABRICKS_UPDATE_SECONDS = 1200.0


class EndpointClient:
    """Lists, changes and asks serving endpoints. Safe to share between threads; make one and keep it.

    Args:
        settings: where the endpoints are.
        timeout_seconds: how long one answer may take.
    """

    def __init__(self, settings: Settings, timeout_seconds: float = 120.0) -> None:
        self._settings = settings
        self._timeout_seconds = timeout_seconds
        self._api: Any = None
        self._building = threading.Lock()

    def list(self) -> "list[Endpoint]":
        """Every endpoint. On Databricks a list has no traffic percentages: `get` has."""
        found = self._call("GET", _ENDPOINTS)
        return [endpoint_of(entry) for entry in found.get("endpoints") or []]

    def get(self, name: str) -> Endpoint | None:
        """The endpoint, or None if there is none of that name."""
        try:
            return endpoint_of(self._call("GET", _path(name)))
        except EndpointMissing:
            return None

    def create(
        self,
        name: str,
        served: Sequence[Served],
        traffic: dict[str, int],
        inference_table: bool = True,
        wait: bool = True,
    ) -> Endpoint:
        """Make an endpoint; with `wait`, return when it serves.

        Args:
            served: the served entities.
            traffic: whole per cent for each served entity's name, together 100; one that is not named gets 0.

        Raises:
            EndpointExists, UpdateFailed, RequestRejected, GatewayDown.
        """
        body = {
            "name": name,
            "config": config_body(served, traffic),
            "ai_gateway": inference_table_body(inference_table),
        }
        try:
            made = self._call("POST", _ENDPOINTS, body=body)
        except UpdateInProgress as error:
            raise EndpointExists(str(error)) from error
        return self._settled(endpoint_of(made), wait)

    def update(self, name: str, served: Sequence[Served], traffic: dict[str, int], wait: bool = True) -> Endpoint:
        """Give an endpoint a new configuration; with `wait`, return when it serves. The old one serves until then.

        Raises:
            UpdateInProgress: another update runs.
            UpdateFailed: an entity did not become ready; the old configuration still serves.
            EndpointMissing, RequestRejected, GatewayDown.
        """
        changed = self._call("PUT", f"{_path(name)}/config", body=config_body(served, traffic))
        return self._settled(endpoint_of(changed), wait)

    def set_inference_table(self, name: str, enabled: bool) -> None:
        """Switch the logging of requests and answers on or off."""
        self._call("PUT", f"{_path(name)}/ai-gateway", body=inference_table_body(enabled))

    def delete(self, name: str) -> None:
        """Take the endpoint away. Raises EndpointMissing if there is none."""
        self._call("DELETE", _path(name))

    def ask(
        self,
        name: str,
        question: str,
        *,
        client_request_id: str | None = None,
        served_entity: str | None = None,
        requester: str | None = None,
    ) -> Answer:
        """Ask one question as a user's turn (the body of a ResponsesAgent).

        Args:
            served_entity: ask this one, whatever the traffic percentages say.
            requester: who asked, as the inference table records it. Local gateway only.

        Raises:
            RequestRejected: with the status code of the answer.
            EndpointMissing, GatewayDown.
        """
        body = {"input": [{"role": "user", "content": question}]}
        return self.invoke(
            name, body, client_request_id=client_request_id, served_entity=served_entity, requester=requester
        )

    def invoke(
        self,
        name: str,
        body: dict[str, Any],
        *,
        client_request_id: str | None = None,
        served_entity: str | None = None,
        requester: str | None = None,
    ) -> Answer:
        """Send any body that the model understands. Arguments and errors as for `ask`."""
        path = f"/serving-endpoints/{quote(name, safe='')}"
        if served_entity is not None:
            path += f"/served-models/{quote(served_entity, safe='')}"
        sent = body if client_request_id is None else {**body, "client_request_id": client_request_id}
        local = requester is not None and not self._settings.on_databricks
        headers = {"x-lakehelm-requester": quote(requester or "")} if local else {}
        started = time.perf_counter()
        found = self._call(
            "POST",
            f"{path}/invocations",
            body=sent,
            headers=headers,
            response_headers=["served-model-name", "x-request-id"],
        )
        seconds = time.perf_counter() - started
        served_model_name = str(found.pop("served-model-name", None) or "")
        request_id = str(found.pop("x-request-id", None) or "")
        return Answer(answer_text(found), found, request_id, served_model_name, 200, seconds)

    def metrics_text(self, name: str) -> str:
        """The endpoint's metrics in Prometheus' text format."""
        answer = self._call("GET", f"{_path(name)}/metrics", raw=True)
        with answer["contents"] as contents:
            return str(contents.read().decode("utf-8"))

    def logs(self, name: str, served: str) -> str:
        """The last lines that the served entity's process wrote."""
        return str(self._call("GET", f"{_path(name)}/served-models/{quote(served, safe='')}/logs").get("logs") or "")

    def _settled(self, endpoint: Endpoint, wait: bool) -> Endpoint:
        """Wait until the update of `endpoint` has ended, if that is wanted."""
        local = self._settings.worker_start_seconds + 60
        deadline = time.monotonic() + (_DATABRICKS_UPDATE_SECONDS if self._settings.on_databricks else local)
        while wait and endpoint.updating == "IN_PROGRESS":
            if time.monotonic() > deadline:
                raise UpdateFailed(
                    f"The update of endpoint {endpoint.name} has not ended yet: look at its state later."
                )
            time.sleep(_POLL_SECONDS if not self._settings.on_databricks else 5 * _POLL_SECONDS)
            found = self.get(endpoint.name)
            if found is None:
                raise EndpointMissing(f"Endpoint {endpoint.name} was deleted while it was being updated.")
            endpoint = found
        if wait and endpoint.updating in ("UPDATE_FAILED", "UPDATE_CANCELED"):
            reasons = [entity.message for entity in endpoint.pending or [] if entity.message]
            reason = " ".join(reasons) or "no reason was given."
            raise UpdateFailed(f"The update of endpoint {endpoint.name} failed and changed nothing: {reason}")
        return endpoint

    def _call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        # Imported here: it takes a second, and a page that only names the types should not pay for it.
        import requests
        from databricks.sdk.errors import DatabricksError

        host = self._settings.endpoint_host
        down = f"Nothing answers at {host}. Start the gateway with `python -m serving`, or check LAKEHELM_HOST."
        api = self._connected(down)
        try:
            found = api.do(method, path, **arguments)
        except DatabricksError as error:
            raise _translated(error) from error
        except TimeoutError as error:
            # The SDK has retried until its time was up; why is in the cause.
            if isinstance(error.__cause__, DatabricksError):
                raise _translated(error.__cause__) from error
            raise GatewayDown(down) from error
        except requests.RequestException as error:
            raise GatewayDown(down) from error
        except json.JSONDecodeError as error:
            raise ServingError(f"{host} answered {method} {path} with something that is not JSON.") from error
        return found if isinstance(found, dict) else {"predictions": found}

    def _connected(self, down: str) -> Any:
        """The SDK's API client; GatewayDown at once when the local gateway does not listen.

        The SDK itself would retry a refused connection for seconds.
        """
        if not self._settings.on_databricks:
            try:
                socket.create_connection(("127.0.0.1", self._settings.gateway_port), _CONNECT_SECONDS).close()
            except OSError as error:
                raise GatewayDown(down) from error
        with self._building:
            if self._api is None:
                self._api = self._build()
            return self._api

    def _build(self) -> Any:
        from databricks.sdk import WorkspaceClient
        from databricks.sdk.config import Config

        settings = self._settings
        token = settings.token.get_secret_value() if settings.on_databricks else read_gateway_token(settings)
        config = Config(
            host=settings.endpoint_host,
            token=token,
            auth_type="pat",
            http_timeout_seconds=self._timeout_seconds,
            # The gateway is on this machine: a repeated question would only be logged twice.
            retry_timeout_seconds=30 if settings.on_databricks else 1,
        )
        return WorkspaceClient(config=config).api_client


def _path(name: str) -> str:
    """Names may come from a table that others wrote: none of them leads to another address."""
    return f"{_ENDPOINTS}/{quote(name, safe='')}"


def _translated(error: Any) -> ServingError:
    """Our error for one of the SDK's."""
    from databricks.sdk.errors import NotFound, ResourceConflict
    from databricks.sdk.errors.platform import STATUS_CODE_MAPPING

    message = str(error)
    if isinstance(error, NotFound):
        return EndpointMissing(message)
    if isinstance(error, ResourceConflict):
        return UpdateInProgress(message)
    error_code = str(error.error_code or "")
    classes = [status for status, kind in STATUS_CODE_MAPPING.items() if isinstance(error, kind)]
    status = STATUS_OF_ERROR_CODE.get(error_code) or (classes[-1] if classes else 500)
    return RequestRejected(message, status_code=status, error_code=error_code)
