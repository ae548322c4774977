"""The endpoint clients of this process: one for changes and questions, one for looking."""

from typing import TYPE_CHECKING

import streamlit as st

from settings import Settings, get_settings

if TYPE_CHECKING:
    from serving.client import EndpointClient

_ANSWER_SECONDS = 120.0
_LOOK_SECONDS = 10.0


def endpoint_client() -> "EndpointClient":
    """The client for changes and questions: the same one for everybody. Its first call imports the SDK (a second)."""
    found: EndpointClient = _client(*_where(get_settings()), _ANSWER_SECONDS)
    return found


def watching_client() -> "EndpointClient":
    """The client for looking: it gives up earlier, so that a page soon says that nothing answers."""
    found: EndpointClient = _client(*_where(get_settings()), _LOOK_SECONDS)
    return found


def _where(settings: Settings) -> tuple[str, str]:
    """What a client belongs to: the token of a local gateway stands in the workspace."""
    return settings.endpoint_host, str(settings.home)


@st.cache_resource(max_entries=4, show_spinner=False)
def _client(host: str, home: str, timeout_seconds: float) -> "EndpointClient":
    from serving.client import EndpointClient

    return EndpointClient(get_settings(), timeout_seconds)
