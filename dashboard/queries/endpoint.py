"""What an endpoint serves right now, asked in the background: a page never waits for a gateway that is down."""

import atexit
import logging
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import streamlit as st

from settings import Settings, get_settings

if TYPE_CHECKING:
    from serving.client import EndpointClient
    from serving.endpoints import Endpoint

_log = logging.getLogger(__name__)

_ASK_EVERY_SECONDS = 4.0
_KEEP_ASKING_SECONDS = 60.0
"""How long the thread goes on after the last page that looked."""


@dataclass(frozen=True)
class EndpointState:
    """The last that is known. `state` is asking (no answer yet), known, missing, down or failed."""

    state: str
    endpoint: "Endpoint | None" = None
    seen_at: datetime | None = None
    """When the endpoint was last seen, also if it cannot be reached now."""
    message: str = ""


class EndpointWatch:
    """Asks for one endpoint every few seconds, as long as somebody looks."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._state = EndpointState("asking")
        self._looked = 0.0
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()
        atexit.register(self.close)

    def state(self) -> EndpointState:
        """The last that is known; never waits."""
        with self._lock:
            self._looked = time.monotonic()
            if self._thread is None or not self._thread.is_alive():
                # Nobody has looked for a while: what was seen then may not hold any more.
                self._state = EndpointState("asking", self._state.endpoint, self._state.seen_at)
                self._thread = threading.Thread(target=self._watch, name=f"endpoint-{self._name}", daemon=True)
                self._thread.start()
            return self._state

    def close(self) -> None:
        """Ask no more, so that the process can end cleanly."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join(timeout=2.0)

    def _watch(self) -> None:
        # Imported here: the SDK behind the client takes a second, which is this thread's to wait.
        from serving.client import EndpointClient

        client = EndpointClient(self._settings, timeout_seconds=10.0)
        while time.monotonic() - self._looked < _KEEP_ASKING_SECONDS and not self._closed.is_set():
            self._state = self._asked(client)
            self._closed.wait(_ASK_EVERY_SECONDS)

    def _asked(self, client: "EndpointClient") -> EndpointState:
        from serving.errors import GatewayDown, ServingError

        last = self._state
        try:
            endpoint = client.get(self._name)
        except GatewayDown as error:
            return EndpointState("down", last.endpoint, last.seen_at, str(error))
        # Whatever it is: this thread has no page to fail on, so the page is told.
        except Exception as error:  # noqa: BLE001
            if not isinstance(error, ServingError):
                _log.exception("Asking for the endpoint %r failed.", self._name)
            return EndpointState("failed", last.endpoint, last.seen_at, str(error) or type(error).__name__)
        if endpoint is None:
            return EndpointState("missing", None, datetime.now(UTC))
        return EndpointState("known", endpoint, datetime.now(UTC))


def endpoint_state(name: str) -> EndpointState:
    """The last that is known of an endpoint. Never waits."""
    settings = get_settings()
    watch: EndpointWatch = _watch_of(settings.endpoint_host, str(settings.home), name)
    return watch.state()


@st.cache_resource(max_entries=8, show_spinner=False)
def _watch_of(host: str, home: str, name: str) -> EndpointWatch:
    return EndpointWatch(get_settings(), name)
