"""SIGKILL to the gateway, again and again, while it is asked, switched and delivering."""

import threading
import time

import pytest

from serving.errors import ServingError
from tests.serving.gateway_process import GatewayProcess
from tests.serving.kill_under_load import assert_nothing_lost_and_nothing_twice, kill_again_and_again

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1200)]


def test_forty_kills_under_load_lose_nothing_and_double_nothing(tmp_path):
    gateway = GatewayProcess(tmp_path)
    gateway.serve("chatbot", 1, 2)
    askers = kill_again_and_again(gateway, "chatbot", kills=40, seed=2, threads=16)
    assert len(askers.acknowledged) > 1000
    assert_nothing_lost_and_nothing_twice(gateway, askers.acknowledged)


def test_kills_while_versions_are_switched_leave_one_sound_configuration(tmp_path):
    gateway = GatewayProcess(tmp_path)
    gateway.serve("chatbot", 1)
    stop = threading.Event()
    switches = []

    def switch() -> None:
        version = 0
        while not stop.is_set():
            version = version % 4 + 1
            try:
                gateway.serve("chatbot", version)
                switches.append(version)
            except (ServingError, OSError):
                time.sleep(0.05)  # the gateway is down, or was killed in the middle

    thread = threading.Thread(target=switch)
    thread.start()
    try:
        askers = kill_again_and_again(gateway, "chatbot", kills=15, seed=3)
    finally:
        stop.set()
        thread.join()
    assert len(switches) > 5
    assert_nothing_lost_and_nothing_twice(gateway, askers.acknowledged)
    served = {row["served_entity_id"]: row for row in gateway.rows("served_entities")}
    for row in gateway.rows():
        if row["status_code"] == 200:
            entity = served[row["served_entity_id"]]
            assert f"models:/echo.chatbot/{entity['entity_version']} heard" in row["response"]
    versions = [row["endpoint_config_version"] for row in gateway.rows("served_entities")]
    assert len(versions) == len(set(versions)), "a configuration was recorded twice"
