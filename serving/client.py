"""The one client of serving endpoints: the same code for Databricks and for the local gateway.

Only the host and the token differ (`settings.host`, `settings.token`; without a host the local gateway and its token
file). Calls go through databricks-sdk, which is imported when the first call is made.
"""

import contextlib
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
from serving.error_translation import Call, broken_off, not_json, too_slow, translated
from serving.errors import (
    CreatorLeft,
    EndpointExists,
    EndpointMissing,
    GatewayDown,
    NotAllowed,
    NotAvailable,
    ServingError,
    TooManyRequests,
    UpdateFailed,
    UpdateInProgress,
    UpdateInterrupted,
)
from serving.gateway_token import read_gateway_token
from settings import Settings

__all__ = ["Answer", "Endpoint", "EndpointClient", "Served", "ServedState"]

_ENDPOINTS = "/api/2.0/serving-endpoints"
_CONNECT_SECONDS = 1.0
_POLL_SECONDS = 0.2
_LONGEST_OUTAGE_SECONDS = 15.0
_DATABRICKS_UPDATE_SECONDS = 1200.0


class _SecondAttempt(Exception):
    """databricks-sdk wants to repeat a call; what failed is this error's context."""


class _OneAttempt:
    """A clock for databricks-sdk on which it cannot wait, and so never repeats a call by itself.

    It would repeat a change whose answer was lost, and sleep for as long as a 429 asks, with a person waiting.
    """

    time = staticmethod(time.time)

    def sleep(self, seconds: float) -> None:
        raise _SecondAttempt(seconds)


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
            "ai_gateway": inference_table_body(inference_table, name, served[0].entity_name if served else ""),
        }
        try:
            made = self._call("POST", _ENDPOINTS, body=body)
        except UpdateInProgress as error:
            raise EndpointExists(str(error)) from error
        return self._settled(endpoint_of(made), wait)

    def update(
        self,
        name: str,
        served: Sequence[Served],
        traffic: dict[str, int],
        wait: bool = True,
        present: Endpoint | None = None,
    ) -> Endpoint:
        """Give an endpoint a new configuration; with `wait`, return when it serves. The old one serves until then.

        Args:
            present: the endpoint as `get` told it: its entities keep the size and environment that they have on
                Databricks, which the new configuration would take away.

        Raises:
            UpdateInProgress: another update runs.
            UpdateFailed: an entity did not become ready; the old configuration still serves.
            UpdateInterrupted: the update was cancelled, or the gateway ended meanwhile; the old one still serves.
            CreatorLeft, NotAllowed: nothing was changed.
            EndpointMissing, RequestRejected, GatewayDown.
        """
        try:
            changed = self._call("PUT", f"{_path(name)}/config", body=config_body(served, traffic, present))
        except NotAllowed as error:
            raise self._why_not_allowed(name, error) from error
        return self._settled(endpoint_of(changed), wait)

    def set_inference_table(self, name: str, enabled: bool) -> None:
        """Switch the logging of requests and answers on or off. Raises EndpointMissing, NotAllowed, RequestRejected."""
        # The call replaces everything at once: rate limits and guardrails of others stay as they are.
        kept = self._call("GET", _path(name)).get("ai_gateway") or {}
        table = {**(kept.get("inference_table_config") or {}), "enabled": enabled}
        self._call("PUT", f"{_path(name)}/ai-gateway", body={**kept, "inference_table_config": table})

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
        """The endpoint's metrics in Prometheus' text format (`serving.endpoint_metrics.parse` reads them)."""
        return str(self._call("GET", f"{_path(name)}/metrics", raw=True)["text"])

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
            found = self._get_through_outages(endpoint.name)
            if found is None:
                raise EndpointMissing(f"Endpoint {endpoint.name} was deleted while it was being updated.")
            endpoint = found
        if wait and endpoint.updating in ("UPDATE_FAILED", "UPDATE_CANCELED"):
            reason = endpoint.update_message or "no reason was given."
            if endpoint.updating == "UPDATE_CANCELED":
                raise UpdateInterrupted(f"The update of endpoint {endpoint.name} was interrupted: {reason}")
            raise UpdateFailed(f"The update of endpoint {endpoint.name} failed and changed nothing: {reason}")
        return endpoint

    def _get_through_outages(self, name: str) -> Endpoint | None:
        """`get`, tried again for some seconds while nobody answers: an update outlasts a short outage."""
        deadline = time.monotonic() + _LONGEST_OUTAGE_SECONDS
        while True:
            try:
                return self.get(name)
            except (GatewayDown, NotAvailable, TooManyRequests) as error:
                if time.monotonic() > deadline:
                    raise GatewayDown(
                        f"The update of endpoint {name} was accepted, and then nobody could say how it went: {error} "
                        "The endpoint's state tells it as soon as it answers again."
                    ) from error
            time.sleep(5 * _POLL_SECONDS)

    def _why_not_allowed(self, name: str, error: NotAllowed) -> NotAllowed:
        """Who is not allowed to change the endpoint: this token's owner, or the endpoint's creator.

        Databricks checks a change with the permissions of both. Whoever may manage the endpoint is not the one.
        """
        endpoint = None
        with contextlib.suppress(ServingError):
            endpoint = self.get(name)
        if error.status_code != 403 or endpoint is None or endpoint.permission_level != "CAN_MANAGE":
            return error
        return CreatorLeft(
            f"Endpoint {name} cannot be changed, although Lakehelm may manage it; it serves as before. Every change is "
            f"also checked with the permissions of its creator, {endpoint.creator or 'who is not told'}, who has left "
            "the workspace or lost the right to use the model. A workspace admin must give that account back what it "
            "had, or delete the endpoint and create it again as a service principal that stays. "
            f"Databricks says: {str(error).rpartition('It says: ')[2]}",
            status_code=403,
            error_code=error.error_code,
        )

    def _call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        # Imported here: it takes a second, and a page that only names the types should not pay for it.
        import requests
        from databricks.sdk.errors import DatabricksError

        settings = self._settings
        call = Call(method, path, settings.endpoint_host, not settings.on_databricks, self._timeout_seconds)
        api = self._connected(call.down)
        try:
            found = api.do(method, path, **arguments)
            if arguments.get("raw"):
                with found["contents"] as contents:
                    return {"text": contents.read().decode("utf-8", "replace")}
            return found if isinstance(found, dict) else {"predictions": found}
        except _SecondAttempt as error:
            problem: BaseException | None = error.__context__
        except (DatabricksError, requests.RequestException, TypeError) as error:
            problem = error
        if isinstance(problem, DatabricksError):
            ours = translated(problem, call)
            if isinstance(ours, NotAllowed) and ours.status_code == 401:
                self._api = None  # the gateway may have another token since
            raise ours from problem
        # Before the others, as requests counts it among them. TypeError: the SDK found JSON that is no object.
        if isinstance(problem, (json.JSONDecodeError, TypeError)):
            raise not_json(call) from problem
        if isinstance(problem, requests.ReadTimeout):
            raise too_slow(call) from problem
        if isinstance(problem, requests.ConnectTimeout) or _refused(problem):
            raise GatewayDown(call.down) from problem
        raise broken_off(call) from problem

    def _connected(self, down: str) -> Any:
        """The SDK's API client; GatewayDown at once when the local gateway does not listen.

        The SDK would import itself, and probe, before it found out.
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

        Config.attributes()  # a subclass has none of its own, and finds its parent's only once they were asked for

        class HostAsGiven(Config):
            """Without the SDK's probe of the host: it waits as long as a Retry-After says, and a token needs none."""

            def _resolve_host_metadata(self) -> None:
                pass

        settings = self._settings
        token = settings.token.get_secret_value() if settings.on_databricks else read_gateway_token(settings)
        config = HostAsGiven(
            host=settings.endpoint_host,
            token=token,
            auth_type="pat",
            http_timeout_seconds=self._timeout_seconds,
            retry_timeout_seconds=1,
            clock=_OneAttempt(),  # type: ignore[arg-type]  # its base class would have to be imported with the SDK
        )
        return WorkspaceClient(config=config).api_client


def _path(name: str) -> str:
    """Names may come from a table that others wrote: none of them leads to another address."""
    return f"{_ENDPOINTS}/{quote(name, safe='')}"


def _refused(problem: BaseException | None) -> bool:
    """Whether a connection was never made: the cause is several errors deep."""
    from urllib3.exceptions import NewConnectionError

    reason = getattr(next(iter(getattr(problem, "args", ())), None), "reason", None)
    return isinstance(reason, NewConnectionError)
