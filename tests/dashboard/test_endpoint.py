"""The state of an endpoint is asked in the background: a page never waits."""

import time
from pathlib import Path

import pytest

from dashboard.queries.endpoint import EndpointState, endpoint_state
from tests.dashboard.conftest import use
from tests.dashboard.endpoint_server import described, endpoint_server


def settled(name: str) -> EndpointState:
    for _ in range(400):
        state = endpoint_state(name)
        if state.state != "asking":
            return state
        time.sleep(0.05)
    return endpoint_state(name)


def test_a_gateway_that_is_down_is_said_and_does_not_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, tmp_path)
    assert endpoint_state("chatbot") == EndpointState("asking")
    found = settled("chatbot")
    assert found.state == "down"
    assert "Start the gateway" in found.message


def test_a_live_endpoint_and_a_missing_one_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with endpoint_server(described({"1": 10, "2": 90})) as port:
        use(monkeypatch, tmp_path, GATEWAY_PORT=str(port), GATEWAY_TOKEN="for this test")
        found = settled("chatbot")
        assert found.state == "known"
        assert found.endpoint is not None
        assert {served.name: served.traffic for served in found.endpoint.served} == {"chatbot-1": 10, "chatbot-2": 90}
        assert settled("nothing").state == "missing"
