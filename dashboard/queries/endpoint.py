"""What an endpoint serves right now, how it does, and what its workers wrote: all of it watched in the background."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.queries.client import watching_client
from dashboard.queries.watch import Seen, Watch
from settings import get_settings

if TYPE_CHECKING:
    from serving.client import EndpointClient
    from serving.endpoint_metrics import ServedEntityMetrics
    from serving.endpoints import Endpoint

_ASK_EVERY_SECONDS = 4.0
_ASK_DURING_UPDATES_SECONDS = 0.5


@dataclass(frozen=True)
class EndpointState:
    """The last that is known. `state` is asking (no answer yet), known, missing, down or failed."""

    state: str
    endpoint: "Endpoint | None" = None
    seen_at: datetime | None = None
    """When the endpoint was last seen, also if it cannot be reached now."""
    message: str = ""


def endpoint_state(name: str) -> EndpointState:
    """The last that is known of an endpoint. Never waits."""
    from serving.errors import GatewayDown

    watch: Watch[Endpoint | None] = _endpoint_watch(*_where(), name)
    seen = watch.seen()
    if seen.error is not None:
        state = "down" if isinstance(seen.error, GatewayDown) else "failed"
        return EndpointState(state, seen.value, seen.seen_at, str(seen.error))
    if seen.looking:
        return EndpointState("asking", seen.value, seen.seen_at)
    return EndpointState("missing" if seen.value is None else "known", seen.value, seen.seen_at)


def served_metrics(name: str) -> "Seen[list[ServedEntityMetrics]]":
    """How each served entity of an endpoint did in the last minute. Never waits."""
    watch: Watch[list[ServedEntityMetrics]] = _metrics_watch(*_where(), name)
    return watch.seen()


def worker_log(name: str, served: str) -> Seen[str]:
    """The last lines that a served entity's process wrote. Never waits."""
    watch: Watch[str] = _log_watch(*_where(), name, served)
    return watch.seen()


def _where() -> tuple[str, str]:
    settings = get_settings()
    return settings.endpoint_host, str(settings.home)


@st.cache_resource(max_entries=8, show_spinner=False)
def _endpoint_watch(host: str, home: str, name: str) -> "Watch[Endpoint | None]":
    client = watching_client()

    def pause(endpoint: "Endpoint | None") -> float:
        updating = endpoint is not None and endpoint.updating == "IN_PROGRESS"
        return _ASK_DURING_UPDATES_SECONDS if updating else _ASK_EVERY_SECONDS

    return Watch(f"endpoint-{name}", lambda: client.get(name), pause)


@st.cache_resource(max_entries=8, show_spinner=False)
def _metrics_watch(host: str, home: str, name: str) -> "Watch[list[ServedEntityMetrics]]":
    client = watching_client()
    return Watch(f"metrics-{name}", lambda: _metrics(client, name), _ASK_EVERY_SECONDS, keep_seconds=20.0)


@st.cache_resource(max_entries=16, show_spinner=False)
def _log_watch(host: str, home: str, name: str, served: str) -> Watch[str]:
    client = watching_client()
    return Watch(f"log-{served}", lambda: client.logs(name, served), _ASK_EVERY_SECONDS, keep_seconds=20.0)


def _metrics(client: "EndpointClient", name: str) -> "list[ServedEntityMetrics]":
    from serving.endpoint_metrics import parse

    return parse(client.metrics_text(name))
