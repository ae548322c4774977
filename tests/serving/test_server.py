"""The gateway's process: one for each workspace, its port, its start and its end."""

import json
import socket
import subprocess
import sys
import threading
import time

import pytest

from serving.client import Served
from serving.errors import CannotServe, ServingError, UpdateFailed, UpdateInterrupted
from serving.server import lock_workspace
from tests.serving.gateway_process import REPOSITORY, GatewayProcess, free_port


def _start_second(home, port) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "tests.serving.run_gateway", str(home), str(port)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)


def test_a_second_gateway_in_one_workspace_ends_with_one_sentence(gateway):
    done = _start_second(gateway.settings.home, free_port())
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"A gateway (process {gateway.process.pid}) serves the workspace" in done.stderr


def test_a_port_taken_by_another_workspaces_gateway_is_one_sentence(gateway, tmp_path):
    done = _start_second(tmp_path, gateway.settings.gateway_port)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "is taken by the gateway of another workspace" in done.stderr
    assert "LAKEHELM_GATEWAY_PORT" in done.stderr


def test_a_port_taken_by_another_program_is_one_sentence(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = _start_second(tmp_path, taken.getsockname()[1])
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "is taken by another program" in done.stderr


def test_the_workspace_lock_is_held_once_and_free_again_afterwards(tmp_path):
    with lock_workspace(tmp_path), pytest.raises(CannotServe), lock_workspace(tmp_path):
        pass
    with lock_workspace(tmp_path):
        pass


def test_sigterm_answers_what_runs_and_delivers_what_is_spooled(tmp_path):
    gateway = GatewayProcess(tmp_path)
    gateway.serve("chatbot", 1)
    first = gateway.client.ask("chatbot", "hello").request_id
    slow = []
    thread = threading.Thread(target=lambda: slow.append(gateway.ask("chatbot", "sleep 1")))
    thread.start()
    time.sleep(0.4)
    assert gateway.stop() == 0
    thread.join()
    status, headers, _ = slow[0]
    assert status == 200
    assert {row["databricks_request_id"] for row in gateway.rows()} == {first, headers["x-request-id"]}


def test_a_gateway_that_starts_again_serves_the_same_with_the_version_before_warm(tmp_path):
    gateway = GatewayProcess(tmp_path)
    gateway.serve("chatbot", 1)
    gateway.serve("chatbot", 2)
    gateway.stop()
    gateway.start()
    gateway.wait_until_ready("chatbot")
    assert gateway.client.get("chatbot").config_version == 2
    assert gateway.client.ask("chatbot", "x").served_model_name == "chatbot-2"
    while 'served_model_name="chatbot-1"' not in gateway.client.metrics_text("chatbot"):
        time.sleep(0.05)
    gateway.stop()


def test_an_endpoint_whose_first_version_fails_is_not_ready_and_can_be_given_another(tmp_path):
    gateway = GatewayProcess(tmp_path)
    body = {
        "name": "chatbot",
        "config": {"served_entities": [{"entity_name": "broken.chatbot", "entity_version": "1"}]},
    }
    assert gateway.request("POST", "/api/2.0/serving-endpoints", body)[0] == 200
    while (endpoint := gateway.client.get("chatbot")).updating == "IN_PROGRESS":
        time.sleep(0.05)
    assert (endpoint.ready, endpoint.updating, endpoint.live) == (False, "UPDATE_FAILED", None)
    status, _, answer = gateway.ask("chatbot", "x")
    assert (status, json.loads(answer)["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
    gateway.serve("chatbot", 2)
    assert gateway.client.ask("chatbot", "x").served_model_name == "chatbot-2"
    gateway.stop()


def test_an_update_that_a_crash_interrupted_is_explained_and_can_be_asked_for_again(tmp_path):
    gateway = GatewayProcess(tmp_path)
    gateway.serve("chatbot", 1)
    gateway.serve("chatbot", 2)
    slow = [Served("chatbot-3", "slow.chatbot", "3"), Served("chatbot-2", "echo.chatbot", "2")]
    begun = gateway.client.update("chatbot", slow, {"chatbot-3": 100}, wait=False)
    gateway.kill()
    gateway.start()
    gateway.wait_until_ready("chatbot")
    found = gateway.client.get("chatbot")
    assert (found.updating, found.config_version, found.live.name) == ("UPDATE_CANCELED", 2, "chatbot-2")
    assert "The gateway ended while this update ran" in found.update_message
    assert "Nothing was changed (chatbot-2 100 % of the traffic)" in found.update_message
    assert [(one.name, one.traffic) for one in found.pending] == [("chatbot-3", 100), ("chatbot-2", 0)]
    assert found.pending[0].state == "DEPLOYMENT_ABORTED"
    assert found.pending_since == begun.pending_since
    assert found.warm.name == "chatbot-1"
    assert gateway.client.ask("chatbot", "x").served_model_name == "chatbot-2"
    changed = gateway.client.update("chatbot", slow, {"chatbot-3": 100})
    assert (changed.updating, changed.pending, changed.live.name) == ("NOT_UPDATING", None, "chatbot-3")
    assert gateway.stop() == 0


def test_a_client_that_waits_for_an_update_is_told_that_a_crash_interrupted_it(tmp_path, monkeypatch):
    monkeypatch.setattr("serving.client._LONGEST_OUTAGE_SECONDS", 60.0)  # how long a restart takes is not the point
    gateway = GatewayProcess(tmp_path)
    gateway.serve("chatbot", 1)
    told = []

    def update() -> None:
        try:
            gateway.client.update("chatbot", [Served("chatbot-2", "slow.chatbot", "2")], {"chatbot-2": 100})
        except ServingError as error:
            told.append(error)

    waiting = threading.Thread(target=update)
    waiting.start()
    while gateway.client.get("chatbot").updating != "IN_PROGRESS":
        time.sleep(0.02)
    gateway.kill()
    gateway.start()
    waiting.join()
    (error,) = told
    assert isinstance(error, UpdateInterrupted)
    assert "The gateway ended while this update ran" in str(error)
    gateway.stop()


def test_why_an_update_failed_is_known_after_a_restart(tmp_path):
    gateway = GatewayProcess(tmp_path)
    gateway.serve("chatbot", 1)
    with pytest.raises(UpdateFailed):
        gateway.client.update("chatbot", [Served("chatbot-2", "broken.chatbot", "2")], {"chatbot-2": 100})
    gateway.stop()
    gateway.start()
    found = gateway.client.get("chatbot")
    assert found.updating == "UPDATE_FAILED"
    assert "this version is broken" in found.update_message
    gateway.stop()


def test_a_damaged_file_of_endpoints_is_one_sentence(tmp_path):
    file = tmp_path / "gateway" / "endpoints.json"
    file.parent.mkdir()
    file.write_text('{"endpoints": [')
    done = _start_second(tmp_path, free_port())
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "endpoints.json is damaged" in done.stderr
    assert file.read_text() == '{"endpoints": ['


def test_killed_workers_come_back(tmp_path):
    gateway = GatewayProcess(tmp_path)
    gateway.serve("chatbot", 1)
    for _ in range(3):
        gateway.wait_until_answers("chatbot", "chatbot-1")
        assert gateway.ask("chatbot", "die")[0] == 503
    gateway.wait_until_answers("chatbot", "chatbot-1")
    gateway.stop()


def test_an_idle_connection_to_a_worker_is_still_good_after_its_server_would_have_closed_it(short_path):
    # uvicorn closes idle connections after five seconds by itself; a request on one of these would be lost.
    gateway = GatewayProcess(short_path)
    gateway.serve("chatbot", 1)
    assert gateway.ask("chatbot", "x")[0] == 200
    (worker,) = [path for path in (short_path / "gateway" / "sockets").iterdir() if path.name != "control"]
    with socket.socket(socket.AF_UNIX) as idle:
        idle.connect(str(worker))
        body = b'{"input":[{"role":"user","content":"x"}]}'
        idle.sendall(b"POST /invocations HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        idle.settimeout(6)
        received = b""
        while b"heard x" not in received:
            received += idle.recv(65536)
        with pytest.raises(TimeoutError):
            idle.recv(1)
    gateway.stop()
